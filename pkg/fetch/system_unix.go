//go:build linux || darwin

package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// noFollow makes opening a symbolic link an error.
const noFollow = syscall.O_NOFOLLOW

// lock keeps other runs away from a part for as long as it is open.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrBusy
	}
	return nil // some network file systems have no locks: two runs then both fail to rename
}

// freeSpace is how many bytes an ordinary user may still write where f is.
func freeSpace(f *os.File) (int64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true //nolint:unconvert // another width on other systems
}

// alone says why a file may be another's to change, by [ErrNotAlone], or nil.
func alone(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return nil
	case int64(st.Uid) != int64(os.Geteuid()):
		return fmt.Errorf("it belongs to another user, %w", ErrNotAlone)
	}
	return oneName(info)
}

// oneName says by [ErrNotAlone] that a file has more names than the one that it
// was opened by, or nil. Some file systems do not count them.
func oneName(info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return fmt.Errorf("it has %d names, %w", st.Nlink, ErrNotAlone)
	}
	return nil
}
