package fetch

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"syscall"
)

const (
	// newSuffix is before partSuffix in the private names of [NewFile]s, so that
	// none is the part of a download.
	newSuffix = ".new"
	// newNames is how many private names a file has: as many runs can write it at
	// once and still leave nothing that the next one does not know.
	newNames = 4
	// maxBase is the longest name of a file that common file systems take, in bytes.
	maxBase = 255
)

// NewFile is a file that is written under a private name, and gets its own by
// [NewFile.Commit]: at once or not at all.
//
// The private names follow from the name, so that what a run that was killed has
// left is known to the next one, which removes it. A lock tells it from what
// another run is still writing. Where private names cannot be had, because they
// are all in use or belong to another user, the file gets a random one.
type NewFile struct {
	// Quick leaves out what makes a file outlast a power cut: for what is hashed
	// before it is used.
	Quick bool

	root       *os.Root
	name, temp string
	file       *os.File
}

// Create begins a file. Its name, slash-separated, is taken as it is; whether it
// is a sensible one ([CheckName]) the caller knows.
func Create(root *os.Root, name string, mode fs.FileMode) (*NewFile, error) {
	dir, base := path.Split(name)
	var made *NewFile
	var last error
	for n := range newNames {
		temp := dir + newName(base, n)
		if made != nil { // only what was left over is of interest
			clearName(root, temp)
			continue
		}
		f, err := createNew(root, temp, mode)
		if err == nil {
			made = &NewFile{root: root, name: name, temp: temp, file: f}
		}
		last = err
	}
	if made != nil {
		return made, nil
	}
	temp := dir + "." + rand.Text()[:16] + newSuffix + partSuffix
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		if last == nil || errors.Is(last, errInUse) {
			last = err
		}
		return nil, &FileError{Name: name, Err: bare(last), Hint: "check the directory, or choose another one"}
	}
	_ = lock(f)
	return &NewFile{root: root, name: name, temp: temp, file: f}, nil
}

// newName is the private name of a file, the nth.
func newName(base string, n int) string {
	tail := newSuffix + partSuffix
	if n > 0 {
		tail = newSuffix + strconv.Itoa(n) + partSuffix
	}
	if len(base)+len(tail)+1 > maxBase {
		sum := sha256.Sum256([]byte(base))
		base = hex.EncodeToString(sum[:16])
	}
	return "." + base + tail
}

// scratchOf is a private name that no [NewFile] gets.
func scratchOf(name string) string {
	dir, base := path.Split(name)
	return dir + newName(base, newNames)
}

// errInUse is met where another process or user has a private name.
var errInUse = errors.New("another run is writing it")

// createNew makes the file of a private name, exclusively: neither a link nor
// anything else that stands there is opened for writing.
func createNew(root *os.Root, temp string, mode fs.FileMode) (*os.File, error) {
	for range 3 {
		f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			if !clearName(root, temp) {
				return nil, errInUse
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		// A process that looked at it before it was locked may have taken it for left over.
		if lockNamed(root, temp, f) == nil {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, errInUse
}

// clearName removes what stands under a private name unless a process is writing it,
// and says whether it is gone. It is removed under its lock, so that no
// process removes what another has made in its place meanwhile.
func clearName(root *os.Root, temp string) bool {
	info, err := root.Lstat(temp)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if info.IsDir() {
		return false
	}
	if info.Mode().IsRegular() {
		f, err := openRegular(root, temp, os.O_RDONLY)
		if err != nil {
			return errors.Is(err, fs.ErrNotExist)
		}
		defer f.Close()
		if err := lockNamed(root, temp, f); err != nil {
			return errors.Is(err, fs.ErrNotExist)
		}
	}
	return root.Remove(temp) == nil
}

// ClearNew removes what runs that were killed have left of a file that they
// wrote by [Create].
func ClearNew(root *os.Root, name string) {
	dir, base := path.Split(name)
	for n := range newNames {
		clearName(root, dir+newName(base, n))
	}
}

// Lock keeps other runs away from what a file or directory stands for, for as long as it is
// open; the error is [ErrBusy]. Some network file systems have no locks: there it always succeeds.
func Lock(f *os.File) error { return lock(f) }

// Write implements [io.Writer].
func (f *NewFile) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	if err != nil {
		err = f.local(err)
	}
	return n, err
}

// Commit gives the file its name: all of it on disk first, then the name, then
// the directory. What had the name before is replaced. After an error nothing is
// left of the file, unless it is only the directory that could not be synced.
func (f *NewFile) Commit() error {
	if err := f.commit(); err != nil {
		return errors.Join(err, f.Discard())
	}
	if f.Quick {
		return nil
	}
	if err := SyncDir(f.root, path.Dir(f.name)); err != nil {
		return &FileError{Name: f.name, Err: bare(err), Hint: "it was written, and may not outlast a power cut: check the disk, and run it again"}
	}
	return nil
}

// local says of an error what file it is about and what to do.
func (f *NewFile) local(err error) error {
	e := &FileError{Name: f.name, Err: bare(err), Hint: "check the directory"}
	if errors.Is(err, syscall.ENOSPC) {
		e.Hint = "free some space and run it again"
	}
	return e
}

func (f *NewFile) commit() error {
	if !f.Quick {
		if err := f.file.Sync(); err != nil {
			return f.local(err)
		}
	}
	there, err := f.root.Lstat(f.temp)
	if err != nil {
		return f.local(err)
	}
	if !sameFile(f.file, there) {
		return f.local(errors.New("another program replaced it while it was being written"))
	}
	if runtime.GOOS == "windows" { // an open file keeps its name there
		_ = f.file.Close()
	}
	if err := f.root.Rename(f.temp, f.name); err != nil {
		return f.local(err)
	}
	f.temp = ""
	if err := f.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return f.local(err)
	}
	return nil
}

// Discard removes what was written. After a [NewFile.Commit] that succeeded it
// does nothing.
func (f *NewFile) Discard() error {
	_ = f.file.Close() // and if it had any, what was written goes
	if f.temp == "" {
		return nil
	}
	err := f.root.Remove(f.temp)
	if f.temp = ""; errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return bare(err)
}

// WriteFile gives a small file its content at once or not at all, in the way
// that [Part.Commit] does. The name must be a sensible one ([CheckName]).
func WriteFile(root *os.Root, name string, content []byte, mode fs.FileMode) error {
	if err := CheckName(name); err != nil {
		return err
	}
	f, err := Create(root, name, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Commit()
}

// SyncDir makes the names in a directory last. Not every system can.
func SyncDir(root *os.Root, dir string) error { return syncDir(root, dir) }

// Forget removes what an interrupted download has left of a file that is now
// there, unless another run is at it.
func Forget(root *os.Root, name string) {
	dir, base := path.Split(name)
	part := dir + "." + base + partSuffix
	if !clearName(root, part) {
		return
	}
	clearName(root, scratchOf(name))
	if info, err := root.Lstat(part + stateSuffix); err == nil && info.Mode().IsRegular() {
		_ = root.Remove(part + stateSuffix)
	}
}

// WithoutPath takes the operation and the path off an error of this machine's files, for a caller
// who names them better. Any other error is returned as it is.
func WithoutPath(err error) error {
	var local *FileError
	if errors.As(err, &local) {
		return local.Err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
