//go:build linux || darwin

package create

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a lock on an opened directory, alone or with others. It holds
// until the file is closed. Some network file systems have no locks: there it
// always succeeds, and two runs only must not be started at once.
func lock(dir *os.File, alone, wait bool) (ok bool) {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(dir.Fd()), how)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		return !errors.Is(err, syscall.EWOULDBLOCK)
	}
}
