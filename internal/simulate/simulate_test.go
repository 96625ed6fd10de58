package simulate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/internal/world/expect"
)

var (
	flagN    = flag.Int("worlds", 40, "how many worlds to try")
	flagFair = flag.Bool("honest", false, "try worlds only in which nobody attacks")
	flagTime = flag.Duration("budget", 0, "begin no further world after this time; zero is no limit")
	flagSeed = flag.Uint64("seed", 1, "the first seed; the worlds are those of this and the following ones")
	flagLoud = flag.Bool("loud", false, "print what the program says, of every seed")
	flagInto = flag.String("tally", "", "write what was met into this file, instead of printing it: what a part of a simulation is told")
	flagOnly = flag.String("only", "", "of one seed, apply only these of its controls, such as 0,2; \"-\" is none")
)

// plan is what a seed says: the same whatever the machine, and whichever of its controls apply.
type plan struct {
	seed     uint64
	honest   bool
	act      act
	controls []control
	seeds    []uint64
	fault    expect.Fault // an honest world's
}

func planOf(seed uint64) plan {
	r := sub(seed, 1)
	p := plan{seed: seed, honest: r.IntN(5) == 0 || *flagFair}
	p.act = drawAct(r, p.honest)
	list, k := controls, 1+r.IntN(6)
	if p.honest {
		list, k = habits, r.IntN(4)
		if r.IntN(3) == 0 {
			p.fault, p.act = pick(r, faults()), acts[pick(r, []int{0, 2})]
		}
	}
	for range k {
		p.controls, p.seeds = append(p.controls, draw(r, list)), append(p.seeds, r.Uint64())
	}
	return p
}

func drawAct(r *rand.Rand, honest bool) act {
	part := func(a act) int {
		if honest && a.fair > 0 {
			return a.fair
		}
		return a.part
	}
	total := 0
	for _, a := range acts {
		total += part(a)
	}
	n := r.IntN(total)
	for _, a := range acts {
		if n -= part(a); n < 0 {
			return a
		}
	}
	panic("no act")
}

// sceneOf takes a world from the pool and chooses what is looked at.
func sceneOf(seed uint64, dir string) (*scene, error) {
	r := sub(seed, 2)
	i := r.IntN(len(pool))
	b, err := take(i)
	if err != nil {
		return nil, err
	}
	s := &scene{built: b, seed: seed, w: b.world.Clone(), dir: dir}
	s.version, s.other = pick(r, pool[i]), pick(r, pool[i])
	names, tags := s.w.Images(s.version)
	at := r.IntN(len(names))
	if r.IntN(2) == 0 {
		at = slices.Index(names, "kube-proxy")
	}
	s.image, s.tag = names[at], tags[at]
	s.arch = pick(r, s.w.Arches(s.version))
	s.path = fmt.Sprintf(pick(r, programs), s.arch)
	return s, nil
}

// play plays a plan, in a bubble of its own, with those of its controls that keep chooses.
func play(t *testing.T, p plan, dir string, keep func(i int) bool) (r *run) {
	_ = os.RemoveAll(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := sceneOf(p.seed, dir)
	if err != nil {
		t.Fatal(err)
	}
	s.honest, s.fault = p.honest, p.fault
	if p.fault != expect.None && !s.core() {
		s.image, s.tag = "kube-proxy", s.version
	}
	r = &run{scene: s, met: map[string]int{}, rows: map[int]int{}, unsaid: map[string]int{}, network: s.w}
	synctest.Test(t, func(*testing.T) {
		time.Sleep(time.Until(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))) // in no time
		for i, c := range p.controls {
			if keep(i) {
				s.attack(c, p.seeds[i])
			}
		}
		if p.fault != expect.None {
			lasting[p.fault](s)
		}
		p.act.do(r, sub(p.seed, 3))
	})
	return r
}

func everything(int) bool { return true }

// part is how many worlds one process tries. What a process keeps for good of each run of the program
// (cobra remembers every flag that a shell can complete) is little, and too much times 100,000.
const part = 1000

// TestSimulation tries -worlds worlds from -seed on. Where one is a violation, it says with
// how few of its controls, and the command that repeats it. Many are tried by one process
// after another: what one of them dies of, or hangs in, is told with its seed and ends no others.
func TestSimulation(t *testing.T) {
	if *flagN > part {
		c, start := newTally(), time.Now()
		for first := 0; first < *flagN && failures.Load() <= maxFailures && (*flagTime == 0 || time.Since(start) < *flagTime); first += part {
			inProcess(t, c, first, min(part, *flagN-first), start)
			t.Logf("%d worlds, %s", c.Worlds, time.Since(start).Round(time.Second))
		}
		c.print(t, time.Since(start))
		return
	}
	c, start := newTally(), time.Now()
	simulate(t, c)
	if c.Memory = highWater(); c.Memory > mostMemory {
		t.Errorf("the process held %d MiB, more than %d", c.Memory>>20, mostMemory>>20)
	}
	if *flagInto == "" {
		c.print(t, time.Since(start))
		return
	}
	if text, err := json.Marshal(c); err != nil || os.WriteFile(*flagInto, text, 0o600) != nil {
		t.Fatal("what was met could not be written")
	}
}

// inProcess has a process of its own try n worlds.
func inProcess(t *testing.T, c *tally, first, n int, start time.Time) {
	file := filepath.Join(t.TempDir(), "tally.json")
	args := []string{"-test.run=^TestSimulation$", "-test.timeout=0", "-worlds", fmt.Sprint(n), "-seed", fmt.Sprint(*flagSeed + uint64(first)), "-tally", file,
		"-honest=" + fmt.Sprint(*flagFair), "-only", *flagOnly}
	if *flagTime > 0 {
		args = append(args, "-budget", fmt.Sprint(max(*flagTime-time.Since(start), time.Second)))
	}
	out, err := exec.CommandContext(t.Context(), os.Args[0], args...).CombinedOutput()
	text, readErr := os.ReadFile(file)
	met := newTally()
	switch {
	case readErr != nil || json.Unmarshal(text, met) != nil:
		failures.Add(1)
		t.Errorf("the process of the %d worlds from seed %d on did not end well: %v\n%s", n, *flagSeed+uint64(first), err, out)
	case err != nil:
		failures.Add(int64(max(1, strings.Count(string(out), "again: make simulate"))))
		t.Errorf("%s", out)
	}
	c.merge(met)
}

// simulate tries worlds in this process.
func simulate(t *testing.T, c *tally) {
	base := t.TempDir()
	if memory, err := os.MkdirTemp("/dev/shm", "kverify-simulate-"); err == nil { //nolint:usetesting // what is synced there costs nothing
		base = memory
		t.Cleanup(func() { _ = os.RemoveAll(memory) })
	}
	shelf.worlds, shelf.base = map[int]*built{}, base
	keep := everything
	if *flagOnly != "" {
		keep = func(i int) bool { return slices.Contains(strings.Split(*flagOnly, ","), strconv.Itoa(i)) }
	}
	play(t, planOf(*flagSeed), filepath.Join(base, "first"), everything) // what the process opens once
	before := openFiles()
	var next atomic.Int64
	start := time.Now()
	t.Run("worlds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < int64(*flagN) && failures.Load() <= maxFailures && (*flagTime == 0 || time.Since(start) < *flagTime); i = next.Add(1) - 1 {
					p := planOf(*flagSeed + uint64(i))
					watched(p, func() { try(t, c, p, filepath.Join(base, fmt.Sprint("scene-", worker)), keep) })
				}
			})
		}
	})
	runtime.GC() // and what nobody holds any more is closed
	if after := openFiles(); len(after) > len(before) {
		t.Errorf("%d files are open, %d were before:\n%s", len(after), len(before), strings.Join(after, "\n"))
	}
}

func try(t *testing.T, c *tally, p plan, dir string, keep func(int) bool) {
	defer func() {
		if v := recover(); v != nil { // such as synctest's, of a goroutine that was left
			fmt.Fprintf(os.Stderr, "simulate: seed %d (%s)\n", p.seed, p.act.name)
			panic(v)
		}
	}()
	r := play(t, p, dir, keep)
	c.add(p, r)
	if *flagN == 1 || *flagLoud {
		t.Logf("%s", r.log)
	}
	if p.seed%16 == 0 && len(r.wrong) == 0 && r.key == "" { // an operator's signature has another length each time
		again := play(t, p, dir, keep)
		for i := range min(len(r.last), len(again.last)) {
			if !bytes.Equal(untimed(r.last[i]), untimed(again.last[i])) {
				r.fail("a second run of the same seed reports something else: %s", difference(untimed(r.last[i]), untimed(again.last[i])))
				break
			}
		}
	}
	if len(r.wrong) > 0 {
		report(t, p, r, dir, keep)
	}
}

func faults() (list []expect.Fault) {
	for f := range lasting {
		list = append(list, f)
	}
	slices.Sort(list)
	return list
}

var failures atomic.Int64

// maxFailures is after how many violations no further world is tried.
const maxFailures = 10

// report shrinks a violation to the fewest controls and tells it.
func report(t *testing.T, p plan, r *run, dir string, keep func(int) bool) {
	failures.Add(1)
	var left []int
	for i := range p.controls {
		if keep(i) {
			left = append(left, i)
		}
	}
	for i := 0; i < len(left); {
		fewer := slices.Delete(slices.Clone(left), i, i+1)
		if again := play(t, p, dir, func(i int) bool { return slices.Contains(fewer, i) }); len(again.wrong) > 0 {
			left, r = fewer, again
			continue
		}
		i++
	}
	only := "-"
	var names, numbers []string
	for _, i := range left {
		names, numbers = append(names, p.controls[i].name), append(numbers, fmt.Sprint(i))
	}
	if len(numbers) > 0 {
		only = strings.Join(numbers, ",")
	}
	t.Errorf("seed %d: %s of %s %s %s %s (%v), under %q:\n  %s\nagain: make simulate N=1 SEED=%d ONLY=%s%s", p.seed, p.act.name, r.image, r.tag, r.arch, r.path, r.version, names,
		strings.Join(r.wrong, "\n  "), p.seed, only, map[bool]string{true: " HONEST=1"}[*flagFair])
}

// untimed is a report without the times of runs, which waits of random length are part of, and
// without digests: what strangers sign has its place in a log that all worlds of a process share.
func untimed(b []byte) []byte { return hexes.ReplaceAll(timeOf.ReplaceAll(b, nil), []byte("digest")) }

var timeOf = regexp.MustCompile(`(?m)^  "time": .*$|"made [0-9TZ:.-]+ by `) // the run's own, and that which made a mirror

func difference(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d: %s | %s", i, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, %d lines", len(x), len(y))
}

// openFiles are the files that the process has open, where that can be read, by what they are.
func openFiles() (open []string) {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range list {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			open = append(open, name)
		}
	}
	slices.Sort(open)
	return open
}
