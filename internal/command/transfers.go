package command

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// sizesAtOnce is how many sizes are asked for side by side, beside the files that travel.
const sizesAtOnce = 8

// WatchedFile is a file on its way.
type WatchedFile struct {
	Name     string // as a person calls it
	Size     int64  // bytes, as planned; 0 while it is not known
	Transfer *fetch.Transfer
	asked    atomic.Int64 // bytes, as a server says; 0 while none has
	begun    atomic.Bool
	over     atomic.Bool
	most     int64 // bytes that were there: those of a file that is begun anew are not taken back
}

// transfers are the files of one run of WatchFiles, and its clock.
type transfers struct {
	files   []WatchedFile
	began   time.Time
	clock   meter
	planned int64 // what the total was; it does not fall
}

// tally is how far files are.
type tally struct {
	finished    int
	done, total int64
	travelled   int64    // over the network
	known       bool     // total is that of all files
	share       float64  // of the files that are done, each counting the same
	travelling  []string // names of those that are begun
}

// count looks at every file. Nothing in it ever falls: a size that turns out smaller, and
// a file that is begun anew, were said once.
func (t *transfers) count() tally {
	c := tally{known: true}
	for i := range t.files {
		f := &t.files[i]
		done, total := f.Transfer.Counts()
		size := max(f.Size, total, f.asked.Load())
		f.most = max(f.most, done)
		over := f.over.Load()
		if size == 0 && over {
			size = f.most // there is nothing of it, or it failed
		}
		f.Size = size
		c.travelled += f.Transfer.Fetched()
		c.done += f.most
		c.total += max(size, f.most)
		switch {
		case over:
			c.finished++
			c.share++
		case f.begun.Load():
			c.travelling = append(c.travelling, f.Name)
			c.share += fraction(min(f.most, size), size)
		}
		c.known = c.known && (size > 0 || over)
	}
	t.planned = max(t.planned, c.total)
	c.total = t.planned
	return c
}

// counted are the parts that count: files, bytes, rate, and what is left.
func (t *transfers) counted() []part {
	parts, _ := t.parts()
	return parts
}

func (t *transfers) parts() ([]part, tally) {
	c := t.count()
	travelled, total := c.travelled, c.total
	if travelled == 0 { // what is written here, not fetched
		travelled = c.done
	}
	if !c.known {
		total = 0
	}
	var parts []part
	if len(t.files) > 1 {
		parts = append(parts, part{text: fmt.Sprintf("%d of %d files", c.finished, len(t.files)), priority: 6})
	}
	return append(parts, byteParts(&t.clock, travelled, c.done, total)...), c
}

// frame is the line as it is now.
func (t *transfers) frame(waits *fetch.Waits) ([]part, float64) {
	parts, c := t.parts()
	done := c.share / float64(max(1, len(t.files)))
	if c.known {
		done = fraction(c.done, c.total)
	}
	name := part{priority: 1}
	if len(c.travelling) > 0 {
		name.text = c.travelling[0]
	}
	return append(parts, waiting(waits), name), done
}

// whole sums up what was transferred.
func (t *transfers) whole() string {
	c := t.count()
	files := Count(len(t.files), "file")
	if c.finished < len(t.files) {
		files = fmt.Sprintf("%d of %s", c.finished, files)
	}
	if len(t.files) == 1 {
		files = strings.TrimSpace(t.files[0].Name)
	}
	return files + ", " + BytesText(c.done)
}

// unknown are the files of which no plan says how large they are.
func (t *transfers) unknown() (list []int) {
	for i := range t.files {
		if t.files[i].Size == 0 {
			list = append(list, i)
		}
	}
	return list
}

// askSizes asks for the sizes of files that have not begun to arrive.
func (t *transfers) askSizes(ctx context.Context, unknown []int, size func(ctx context.Context, i int) int64) {
	par.Map(ctx, len(unknown), sizesAtOnce, func(ctx context.Context, n int) {
		f := &t.files[unknown[n]]
		if _, total := f.Transfer.Counts(); total == 0 && !f.over.Load() {
			f.asked.Store(size(ctx, unknown[n]))
		}
	}, func(int) {})
}
