package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// NonBlocking is a directory whose files are opened without waiting, whatever they
// turn out to be. As of its root nothing outside of it is reached.
type NonBlocking struct{ Root *os.Root }

func (p NonBlocking) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return p.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func (p NonBlocking) Stat(name string) (fs.FileInfo, error) { return fs.Stat(p.Root.FS(), name) }

func (p NonBlocking) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(p.Root.FS(), name)
}

// OpenFile opens a regular file inside the mirror. Whatever cannot be there at all
// is [fs.ErrNotExist].
func OpenFile(fsys fs.FS, name string) (fs.File, int64, error) {
	if !fs.ValidPath(name) {
		return nil, 0, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	// Looked at before it is opened, as no pipe or device need be.
	if info, err := fs.Stat(fsys, name); err != nil {
		return nil, 0, absent(err)
	} else if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file: %w", name, fs.ErrNotExist)
	}
	f, err := fsys.Open(name) // which does not wait either, should one have come in between
	if err != nil {
		return nil, 0, absent(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// absent turns "a parent is a file" and "no such name is possible" into "does not exist".
func absent(err error) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return err
}
