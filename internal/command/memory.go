package command

import (
	"math"
	"runtime/debug"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/verify"
)

// What hostile answers may cost is 256 MiB, of which the program itself, its stacks
// and what the runtime holds ready take some 60.
const (
	// maxHeap is what may be held when another document is asked for.
	maxHeap = 80 << 20
	// perResult is what the report holds of each subject that was examined.
	perResult = 16 << 10
	// maxMemory is where the garbage collector begins to work harder. GOMEMLIMIT
	// takes its place.
	maxMemory = 160 << 20
	// softMemory is the same while files are copied: they pass through and are not held.
	softMemory = 40 << 20
)

// heap is what the process holds.
var heap = &bounds.Heap{Most: maxHeap}

// LimitMemory is called once, before anything is read.
func LimitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(maxMemory)
	}
}

// manyMemory is maxMemory where what is held is what was given: saved reports, which are capped by
// what they cost, and lists, of which each line is a result. manyHeap is maxHeap there: 100,000 lines take
// some 100 MiB before the first of them is examined.
const (
	manyMemory = 190 << 20
	manyHeap   = 128 << 20
)

// HoldMany is called before saved reports or lists are read.
func (a *App) HoldMany() {
	if debug.SetMemoryLimit(-1) == maxMemory {
		debug.SetMemoryLimit(manyMemory)
		heap.Most = manyHeap
	}
}

// Soften makes the garbage collector work harder while files are copied, and returns what
// ends that. The collector is the process's: a run beside others leaves it alone.
func (a *App) Soften() (end func()) {
	if a.OtherMemory > 0 {
		return func() {}
	}
	before := debug.SetMemoryLimit(softMemory)
	return func() { debug.SetMemoryLimit(before) }
}

// Full says when no further document may be held beside the report of the subjects
// that p counts; nil is none.
func (a *App) Full(p *verify.Progress) func() bool {
	return func() bool {
		done := 0
		if p != nil {
			done, _ = p.Counts()
		}
		return heap.Full(uint64(done)*perResult + a.OtherMemory)
	}
}
