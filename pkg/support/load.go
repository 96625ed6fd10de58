package support

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// Where upstream publishes the two documents.
const (
	ScheduleURL  = "https://raw.githubusercontent.com/kubernetes/website/main/data/releases/schedule.yaml"
	EndOfLifeURL = "https://raw.githubusercontent.com/kubernetes/website/main/data/releases/eol.yaml"
)

// snapshot.json is a Schedule of its date. It joins several editions of the
// two documents, as its "source" says: each edition drops the patches and notes of the
// minors that have ended. A test compares it with real documents.
//
//go:embed snapshot.json
var snapshotJSON []byte

var embedded = sync.OnceValue(func() *Schedule {
	s := new(Schedule)
	if err := json.Unmarshal(snapshotJSON, s); err != nil {
		panic("embedded snapshot.json: " + err.Error()) // a test reads it
	}
	return s
})

// Embedded returns the snapshot that is compiled in. It is shared: do not
// change it.
func Embedded() *Schedule { return embedded() }

// A StaleError says that the documents are older than the embedded snapshot,
// because a mirror or a cache is, or because its operator rolled them back.
type StaleError struct {
	URL            string
	AsOf, Embedded Date
}

func (e *StaleError) Error() string {
	asOf := "no day at all"
	if e.AsOf != "" {
		asOf = string(e.AsOf)
	}
	return fmt.Sprintf("%s: it knows patches up to %s, and the embedded snapshot up to %s; the snapshot is the better answer", e.URL, asOf, e.Embedded)
}

// Load reads both documents side by side and joins them with the embedded
// snapshot, which knows more of minors that have ended. The error is a
// [*fetch.Error], a [*FormatError] or a [*StaleError]; [Embedded] can stand in.
func Load(ctx context.Context, c *fetch.Client) (*Schedule, error) {
	var current, ended *Schedule
	var errs [2]error
	par.Do(
		func() { current, errs[0] = load(ctx, c, ScheduleURL, ParseSchedule) },
		func() { ended, errs[1] = load(ctx, c, EndOfLifeURL, ParseEndOfLife) },
	)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if current.AsOf < Embedded().AsOf {
		return nil, &StaleError{ScheduleURL, current.AsOf, Embedded().AsOf}
	}
	joined := Join(Embedded(), ended, current)
	joined.Source = ScheduleURL
	return joined, nil
}

func load(ctx context.Context, c *fetch.Client, url string, parse func([]byte) (*Schedule, error)) (*Schedule, error) {
	resp, err := c.Get(ctx, url, maxDocument)
	if err != nil {
		return nil, err
	}
	s, err := parse(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return s, nil
}

// Join puts schedules together, the later ones winning where two speak of the
// same: a minor has the patches of all of them, and the days and the next patch
// of the last that lists it.
func Join(list ...*Schedule) *Schedule {
	joined := &Schedule{}
	at := map[Minor]int{}
	for _, s := range list {
		joined.AsOf, joined.Source = max(joined.AsOf, s.AsOf), s.Source
		for _, odd := range s.Odd {
			if !slices.Contains(joined.Odd, odd) {
				joined.Odd = append(joined.Odd, odd)
			}
		}
		joined.Upcoming = append([]PatchDay(nil), s.Upcoming...)
		for _, c := range s.Cycles {
			i, ok := at[c.Minor]
			if !ok {
				i = len(joined.Cycles)
				at[c.Minor] = i
				joined.Cycles = append(joined.Cycles, Cycle{Minor: c.Minor})
			}
			joined.Cycles[i].update(c)
		}
	}
	joined.sort()
	return joined
}

func (c *Cycle) update(later Cycle) {
	for _, d := range []struct {
		to   *Date
		from Date
	}{{&c.Released, later.Released}, {&c.Maintenance, later.Maintenance}, {&c.EndOfLife, later.EndOfLife}} {
		if d.from != "" {
			*d.to = d.from
		}
	}
	c.Next = later.Next
	for _, p := range later.Patches {
		known := false
		for i := range c.Patches {
			if q := &c.Patches[i]; q.Version == p.Version {
				known = true
				q.update(p)
			}
		}
		if !known {
			c.Patches = append(c.Patches, p)
		}
	}
}

// update takes over what the later word on a patch says, and keeps what it
// leaves out: eol.yaml gives the last patch of a minor no day.
func (p *Patch) update(later Patch) {
	if later.Date != "" {
		p.Date = later.Date
	}
	if later.CherryPickDeadline != "" {
		p.CherryPickDeadline = later.CherryPickDeadline
	}
	if later.Note != "" {
		p.Note = later.Note
	}
}
