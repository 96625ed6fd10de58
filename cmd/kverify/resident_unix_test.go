//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// mostResident is the most memory that a process that has ended, or a child of it, held
// at once, in bytes (ru_maxrss of getrusage(2)).
func mostResident(state *os.ProcessState) (bytes int64, ok bool) {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	if runtime.GOOS == "darwin" { // which counts bytes, and the others KiB
		return usage.Maxrss, true
	}
	return usage.Maxrss << 10, true
}
