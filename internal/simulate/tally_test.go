package simulate

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world/expect"
)

// tally counts what was met.
type tally struct {
	mu                                 sync.Mutex
	Worlds, Honest, Runs               int
	Acts, Controls, Pairs, Met, Unsaid map[string]int
	Rows                               map[int]int
	Longest                            time.Duration // of one run of the program, in the world's time
	Memory                             int64         // at its highest, in bytes
}

func newTally() *tally {
	return &tally{Acts: map[string]int{}, Controls: map[string]int{}, Pairs: map[string]int{}, Met: map[string]int{}, Unsaid: map[string]int{}, Rows: map[int]int{}}
}

// merge adds what another process has met.
func (c *tally) merge(o *tally) {
	c.Worlds, c.Honest, c.Runs = c.Worlds+o.Worlds, c.Honest+o.Honest, c.Runs+o.Runs
	c.Longest, c.Memory = max(c.Longest, o.Longest), max(c.Memory, o.Memory)
	for _, m := range [][2]map[string]int{{c.Acts, o.Acts}, {c.Controls, o.Controls}, {c.Pairs, o.Pairs}, {c.Met, o.Met}, {c.Unsaid, o.Unsaid}} {
		for k, n := range m[1] {
			m[0][k] += n
		}
	}
	for k, n := range o.Rows {
		c.Rows[k] += n
	}
}

func (c *tally) add(p plan, r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Worlds++
	c.Runs += r.n
	c.Longest = max(c.Longest, r.longest)
	if p.honest {
		c.Honest++
	}
	c.Acts[p.act.name]++
	var names []string
	for _, x := range p.controls {
		names = append(names, x.name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, a := range names {
		c.Controls[a]++
		for _, b := range names[i+1:] {
			c.Pairs[a+" + "+b]++
		}
	}
	for k, n := range r.met {
		c.Met[k] += n
	}
	for k, n := range r.unsaid {
		c.Unsaid[k] += n
	}
	for k, n := range r.rows {
		c.Rows[k] += n
	}
}

// print writes the table of what was met, and the rarest pairs.
func (c *tally) print(t *testing.T, took time.Duration) {
	t.Logf("%d worlds (%d honest), %d runs of the program, %s, %.0f worlds/s; the longest run took %s of its world's time; %d MiB of memory at most",
		c.Worlds, c.Honest, c.Runs, took.Round(time.Millisecond), float64(c.Worlds)/took.Seconds(), c.Longest.Round(time.Second), c.Memory>>20)
	for _, table := range []struct {
		what string
		of   map[string]int
	}{{"acts", c.Acts}, {"controls", c.Controls}, {"checks", c.Met}, {"situations of which the table says nothing", c.Unsaid}} {
		t.Logf("%s:", table.what)
		for _, k := range common(table.of) {
			t.Logf("  %7d  %s", table.of[k], k)
		}
	}
	t.Logf("rows of the table of what must be said, and how often each was met:")
	for i := range expect.Table {
		k := expect.Table[i].Key
		t.Logf("  %7d  row %d: %s, %s, %s, %s", c.Rows[i], i+1, k.Era, k.Subject, k.Source, k.Fault)
		if c.Rows[i] == 0 && c.Worlds >= 10_000 {
			t.Errorf("no world of %d met row %d: a gap", c.Worlds, i+1)
		}
	}
	rare := common(c.Pairs)
	slices.Reverse(rare)
	t.Logf("%d pairs of controls of %d; the rarest:", len(rare), len(controls)*(len(controls)-1)/2)
	for _, k := range rare[:min(20, len(rare))] {
		t.Logf("  %7d  %s", c.Pairs[k], k)
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
