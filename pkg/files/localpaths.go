package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
)

// LocalFile is a file on disk that may be one of a release.
type LocalFile struct {
	Root  *os.Root
	Name  string // in Root, slash-separated
	Shown string // as the user knows it
	// Paths are the absolute, slash-separated paths by which it is known, as it
	// was named and with links resolved: a name or path of a file of the
	// release must be that file's. Empty is Shown alone.
	Paths    []string
	Odd      error // why it cannot be judged; nothing is read of it then
	Progress *fetch.Transfer
}

// LocalPaths lists what a directory holds, as files to be judged: every regular
// file, hidden ones too, and every link to one in the same directory, under its
// own name. What cannot be judged, such as a pipe, a link that leads elsewhere,
// or what cannot be read, is listed with the reason in Odd: nothing is passed
// over but the bundles, checksums, signatures and documents that accompany
// files. More than limit entries are an error.
func LocalPaths(root *os.Root, dir string, limit int) ([]LocalFile, error) {
	entries, err := readDir(root, dir)
	if err != nil {
		return nil, err
	}
	var out []LocalFile
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		file := LocalFile{Root: root, Name: name, Shown: name}
		switch {
		case e.IsDir() && e.Name()[0] == '.':
			file.Odd = errors.New("a hidden directory, which was not looked into; name it to have it looked into")
		case e.IsDir():
			more, err := LocalPaths(root, name, limit-len(out))
			var path *fs.PathError
			if errors.As(err, &path) {
				file.Odd = fmt.Errorf("a directory that cannot be read (%w)", path.Err)
				break
			}
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		case fetch.IsPart(e.Name()) && e.Type().IsRegular():
			if strings.HasSuffix(e.Name(), ".json") {
				continue // the state of a part, which is listed itself
			}
			file.Odd = errors.New("what a download has left that did not end; run it again, or remove it")
		case e.Type()&fs.ModeSymlink != 0:
			file = linked(file)
		case !e.Type().IsRegular():
			file.Odd = fmt.Errorf("a %s, not a regular file", fetch.KindOf(e.Type()))
		}
		if file.Odd == nil && accompanies(e.Name()) {
			continue
		}
		if out = append(out, file); len(out) > limit {
			return nil, fmt.Errorf("more than %d files", limit)
		}
	}
	return out, nil
}

func readDir(root *os.Root, dir string) ([]os.DirEntry, error) {
	d, err := root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// linked finds the file that a link leads to, if it is one of the same
// directory: under the link's name that file is judged.
func linked(l LocalFile) LocalFile {
	const maxLinks = 40 // what Linux follows
	odd := func(format string, args ...any) LocalFile {
		l.Odd = fmt.Errorf(format, args...)
		return l
	}
	end, err := l.Root.Stat(l.Name)
	switch {
	case err != nil:
		return odd("a symbolic link that leads out of the directory, or nowhere; name what it leads to")
	case end.IsDir():
		return odd("a symbolic link to a directory, which was not followed; name what it leads to")
	case !end.Mode().IsRegular():
		return odd("a symbolic link to a %s, which is not a regular file", fetch.KindOf(end.Mode()))
	}
	name := l.Name
	for range maxLinks {
		target, err := l.Root.Readlink(name)
		if err != nil {
			break
		}
		name = path.Join(path.Dir(name), target)
	}
	if there, err := l.Root.Lstat(name); err != nil || !os.SameFile(there, end) {
		return odd("a symbolic link over other links, which was not followed; name what it leads to")
	}
	l.Name = name
	return l
}

func accompanies(name string) bool {
	return release.IsSidecar(name) || strings.HasSuffix(name, BundleSuffix) || release.DescribeFile(name).Kind == "document"
}

// meant are the files of a release, of those whose paths are given, that a
// local path means: those of its last element that share the most elements
// with it, counted from the end. whole says that it ends in one's whole path.
// A path whose last element is not a file of the release's means none.
func meant(paths []string, local string) (list []string, whole bool) {
	most := 0
	for _, p := range paths {
		n := shared(p, local)
		if n > most {
			list, most = nil, n
		}
		if n == most && n > 0 {
			list = append(list, p)
		}
	}
	return list, len(list) > 0 && most == 1+strings.Count(list[0], "/")
}

// shared counts the last elements that two paths have in common. A file system
// may not know case.
func shared(a, b string) (n int) {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for n < len(as) && n < len(bs) && strings.EqualFold(as[len(as)-1-n], bs[len(bs)-1-n]) {
		n++
	}
	return n
}
