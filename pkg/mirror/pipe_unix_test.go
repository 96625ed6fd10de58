//go:build unix

package mirror

import (
	"syscall"
)

func pipe(name string) error { return syscall.Mkfifo(name, 0o644) }
