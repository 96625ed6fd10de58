//go:build unix

package serve

import (
	"syscall"
)

// smallBuffers makes a connection that takes little ahead of its reader.
func smallBuffers(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
	})
}
