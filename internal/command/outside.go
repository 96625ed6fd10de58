package command

import (
	"os"
	"path/filepath"
)

// outside refuses a file that lies in what is judged: by its name, by any link
// on the way, or by what it is in the end.
func (set *Settings) outside(flag, file string, embedded bool) error {
	if embedded {
		return nil
	}
	if set.Mirror != "" {
		if err := OutsideOf(set.Mirror, "the mirror "+set.Mirror, flag, file); err != nil {
			return err
		}
	}
	for _, dir := range set.judged {
		if err := OutsideOf(dir, dir, flag, file); err != nil {
			return err
		}
	}
	return nil
}

func OutsideOf(judged, name, flag, file string) error {
	dir, err := os.Stat(judged)
	if err != nil {
		return Usagef("%s: %w; name a directory that is there", name, PlainError(err))
	}
	names, err := linkedNames(file)
	if err != nil {
		return Usagef("%s %s: %w; give a file", flag, file, PlainError(err))
	}
	for _, p := range names {
		for parent := filepath.Dir(p); ; parent = filepath.Dir(parent) {
			// By what they are, not by how they are written: names may differ in case.
			if info, err := os.Stat(parent); err == nil && os.SameFile(dir, info) {
				return Usagef("%s %s lies inside %s, which it is to judge; keep it apart from what you carry in", flag, file, name)
			}
			if parent == filepath.Dir(parent) {
				break
			}
		}
	}
	return nil
}

// linkedNames gives the absolute names of a file: as it was given, of every
// link that it leads over, and with all links resolved.
func linkedNames(file string) ([]string, error) {
	const maxLinks = 40 // what Linux follows
	// The parent first, as the system walks it: a ".." behind a link is another
	// directory than in a path that was cleaned before.
	parent, base := filepath.Split(file)
	if parent == "" {
		parent = "."
	}
	parent, err := filepath.EvalSymlinks(parent)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Abs(filepath.Join(parent, base))
	if err != nil {
		return nil, err
	}
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	names := []string{resolved}
	for range maxLinks {
		names = append(names, name)
		info, err := os.Lstat(name)
		if err != nil {
			return nil, err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			break
		}
		target, err := os.Readlink(name)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(target) {
			parent, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return nil, err
			}
			target = filepath.Join(parent, target)
		}
		name = target
	}
	return names, nil
}
