//go:build !unix

package serve

import (
	"syscall"
)

func smallBuffers(_, _ string, _ syscall.RawConn) error { return nil }
