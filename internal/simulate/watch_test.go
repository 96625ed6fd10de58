package simulate

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	// patience is how long one world may take of real time before it counts as one that
	// hangs: some two hundred times what the slowest one takes.
	patience = 3 * time.Minute
	// longest is how long one run of the program may take of the world's time, where the
	// slowest answers come after 20 s.
	longest = 2 * time.Hour
	// mostMemory is what the whole process may hold at its highest, all workers together.
	mostMemory = 2 << 30
)

// watched ends the process where a world does not end: nothing in a bubble can be stopped
// from outside. The seed and the command that repeats it are the last that is said.
func watched(p plan, play func()) {
	timer := time.AfterFunc(patience, func() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		panic(fmt.Sprintf("simulate: seed %d (%s) has not ended after %s; again: make simulate N=1 SEED=%d\n%s", p.seed, p.act.name, patience, p.seed, stacks))
	})
	defer timer.Stop()
	play()
}

// highWater is the most memory that the process has held so far, in bytes, where that can be read.
func highWater() (n int64) {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			return n << 10
		}
	}
	return 0
}
