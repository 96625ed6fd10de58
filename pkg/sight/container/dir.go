package container

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/fetch"
)

// folder is a directory, confined: its files are opened by their own names, without
// waiting and without following links, when they are asked for.
type folder struct {
	path  string
	root  *os.Root
	all   *allowance
	files map[string]*entry
}

func openFolder(path string) (*folder, error) {
	root, err := fetch.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return &folder{path: path, root: root, all: newAllowance(), files: map[string]*entry{}}, nil
}

// find gives the file of that name, or nil. Reading it finds out whether it is a regular file.
func (d *folder) find(name string) (*entry, error) {
	clean, ok := cleanName(name)
	if !ok {
		return nil, &Error{Path: d.path, Entry: name, Why: "it is named, and its name is no plain path within the directory"}
	}
	if e := d.files[clean]; e != nil {
		return e, nil
	}
	info, err := d.root.Lstat(clean)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s could not be read: %w", shownPath(d.path, clean), err)
	}
	e := &entry{path: d.path, name: clean, all: d.all, open: func() (io.ReadCloser, error) { return fetch.OpenRegular(d.root, clean) }}
	if info.Mode().IsRegular() {
		e.size = info.Size()
	}
	d.files[clean] = e
	return e, nil
}

// isFolder says whether a folder or a file lies there. Anything else, such as a link, would be
// followed by others and is not here.
func (d *folder) isFolder(name string) (bool, error) {
	info, err := d.root.Lstat(name)
	switch {
	case err != nil:
		return false, fmt.Errorf("%s could not be read: %w", shownPath(d.path, name), err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return false, &Error{Path: d.path, Entry: name, Why: "it is neither a file nor a directory"}
	}
	return info.IsDir(), nil
}

// hasFolder says whether a directory of that name lies there.
func (d *folder) hasFolder(name string) bool {
	info, err := d.root.Lstat(name)
	return err == nil && info.IsDir()
}

// list gives the names in a directory, sorted.
func (d *folder) list(name string) ([]string, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s could not be read: %w", shownPath(d.path, name), err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s could not be read: %w", shownPath(d.path, name), err)
	}
	if len(names) > maxEntries {
		return nil, fmt.Errorf("%s: %w", shownPath(d.path, name), &bounds.Error{What: "files", Max: maxEntries})
	}
	slices.Sort(names)
	return names, nil
}
