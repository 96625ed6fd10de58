package simulate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	total := 0
	for _, a := range acts {
		total += a.part
	}
	n := r.IntN(total)
	for _, a := range acts {
		if n -= a.part; n < 0 {
			p.act = a
			break
		}
	}
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

// tally counts what was met.
type tally struct {
	sync.Mutex
	worlds, honest, runs               int
	acts, controls, pairs, met, unsaid map[string]int
	rows                               map[int]int
}

func (c *tally) tried() int {
	c.Lock()
	defer c.Unlock()
	return c.worlds
}

func (c *tally) add(p plan, r *run) {
	c.Lock()
	defer c.Unlock()
	c.worlds++
	c.runs += r.n
	if p.honest {
		c.honest++
	}
	c.acts[p.act.name]++
	var names []string
	for _, x := range p.controls {
		names = append(names, x.name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, a := range names {
		c.controls[a]++
		for _, b := range names[i+1:] {
			c.pairs[a+" + "+b]++
		}
	}
	for k, n := range r.met {
		c.met[k] += n
	}
	for k, n := range r.unsaid {
		c.unsaid[k] += n
	}
	for k, n := range r.rows {
		c.rows[k] += n
	}
}

// TestSimulation tries -worlds worlds from -seed on. Where one is a violation, it says with
// how few of its controls, and the command that repeats it.
func TestSimulation(t *testing.T) {
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
	c := &tally{acts: map[string]int{}, controls: map[string]int{}, pairs: map[string]int{}, met: map[string]int{}, unsaid: map[string]int{}, rows: map[int]int{}}
	var next atomic.Int64
	start := time.Now()
	t.Run("worlds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < int64(*flagN) && failures.Load() <= maxFailures && (*flagTime == 0 || time.Since(start) < *flagTime); i = next.Add(1) - 1 {
					p := planOf(*flagSeed + uint64(i))
					try(t, c, p, filepath.Join(base, fmt.Sprint("scene-", worker)), keep)
				}
			})
		}
	})
	c.print(t, time.Since(start))
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
	if n := c.tried(); n%1000 == 0 {
		t.Logf("%d worlds", n)
	}
	if *flagN == 1 || *flagLoud {
		t.Logf("%s", r.log)
	}
	if p.seed%16 == 0 && len(r.wrong) == 0 {
		again := play(t, p, dir, keep)
		for i := range min(len(r.last), len(again.last)) {
			if !bytes.Equal(untimed(r.last[i]), untimed(again.last[i])) {
				r.fail("a second run of the same seed reports something else: %s", difference(r.last[i], again.last[i]))
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

// untimed is a report without the time of its run, which waits of random length are part of.
func untimed(b []byte) []byte { return timeOf.ReplaceAll(b, nil) }

var timeOf = regexp.MustCompile(`(?m)^  "time": .*$`)

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

// print writes the table of what was met, and the rarest pairs.
func (c *tally) print(t *testing.T, took time.Duration) {
	t.Logf("%d worlds (%d honest), %d runs of the program, %s, %.0f worlds/s", c.worlds, c.honest, c.runs, took.Round(time.Millisecond), float64(c.worlds)/took.Seconds())
	for _, table := range []struct {
		what string
		of   map[string]int
	}{{"acts", c.acts}, {"controls", c.controls}, {"checks", c.met}, {"situations of which the table says nothing", c.unsaid}} {
		t.Logf("%s:", table.what)
		for _, k := range common(table.of) {
			t.Logf("  %7d  %s", table.of[k], k)
		}
	}
	t.Logf("rows of the table of what must be said, and how often each was met:")
	for i := range expect.Table {
		k := expect.Table[i].Key
		t.Logf("  %7d  row %d: %s, %s, %s, %s", c.rows[i], i+1, k.Era, k.Subject, k.Source, k.Fault)
		if c.rows[i] == 0 && c.worlds >= 10_000 {
			t.Errorf("no world of %d met row %d: a gap", c.worlds, i+1)
		}
	}
	rare := common(c.pairs)
	slices.Reverse(rare)
	t.Logf("%d pairs of controls of %d; the rarest:", len(rare), len(controls)*(len(controls)-1)/2)
	for _, k := range rare[:min(20, len(rare))] {
		t.Logf("  %7d  %s", c.pairs[k], k)
	}
}

func common(m map[string]int) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	return keys
}
