//go:build !unix

package mirror

import (
	"syscall"
)

func smallBuffers(_, _ string, _ syscall.RawConn) error { return nil }
