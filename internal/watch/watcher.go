package watch

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Outside is what a round reads by. It is made anew for each, so that a tag that was read in
// one is asked for again in the next.
type Outside struct {
	Resolve func(ctx context.Context, channel string) (release.Version, error)
	Digest  func(ctx context.Context, ref registry.Ref) (oci.Digest, error) // of a tag
	// Reads says whether a tag may be asked for: a list may name any host, and a name in it
	// gives nobody a request that the verification does not.
	Reads func(ref registry.Ref) bool
	Judge func(ctx context.Context, u Unit) (report.Report, error)
	Stamp string // tells the lists of images as they are from what they were
	Close func() // may be nil
}

// Watcher watches. Its exported fields are set before it is used, and not changed after.
type Watcher struct {
	Supported bool     // watch the newest patch of every minor that is supported, new minors included
	Channels  []string // and what these lead to, such as "1.27" or "stable"
	Versions  []release.Version
	Images    bool // the unit of that name

	Every    time.Duration // from one round to the next
	Jitter   time.Duration // at most this is added to it, at random
	Reverify time.Duration // what was verified is verified again after this

	Open  func(ctx context.Context) (*Outside, error)
	Store *Store // nil remembers nothing beyond the process
	// Send delivers a document to a webhook; nil if there is none. A [*RejectedError] says
	// that it will never be taken.
	Send func(ctx context.Context, document []byte) error
	// Tell is told of each event, and Say of all else that an operator should read. Both are
	// called by one goroutine at a time. They may be nil.
	Tell func(Event)
	Say  func(format string, args ...any)

	Metrics *Metrics // nil counts nothing

	mu    sync.Mutex
	told  sync.Mutex
	state *state
	wake  chan struct{}        // there is something to deliver
	last  map[string]time.Time // when a unit was verified by this process
	stamp string               // of the lists, when they were last verified
	once  bool
	lost  error // why the round is not whole, whatever was verified in it
}

// begin makes it ready.
func (w *Watcher) begin() {
	w.wake, w.last, w.state = make(chan struct{}, 1), map[string]time.Time{}, newState()
	if w.Store != nil {
		w.state = w.Store.kept
	}
	if w.Metrics == nil {
		w.Metrics = new(Metrics)
	}
	w.Metrics.watch(w.standings)
}

// verdict is that of all that is watched.
func (w *Watcher) verdict() report.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, any := report.Verified, false
	for _, u := range w.state.Units {
		if len(u.Subjects) == 0 { // it was not looked at
			v = report.Unknown
		}
		for _, s := range u.Subjects {
			any = true
			switch s.standing() {
			case report.Refuted:
				return report.Refuted
			case report.Unknown:
				v = report.Unknown
			}
		}
	}
	if !any || w.lost != nil {
		return report.Unknown
	}
	return v
}

// standings are what stands of everything, by unit and name.
func (w *Watcher) standings() standings {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := standings{counts: w.state.counts(), waiting: len(w.state.Queue), dropped: w.state.Dropped}
	for _, unit := range slices.Sorted(maps.Keys(w.state.Units)) {
		u := w.state.Units[unit]
		for _, name := range slices.Sorted(maps.Keys(u.Subjects)) {
			s.rows = append(s.rows, row{unit, name, *u.Subjects[name]})
		}
	}
	return s
}

// tell tells of an event, and puts it in the queue if there is a webhook.
func (w *Watcher) tell(e Event) {
	e.EventVersion, e.ID, e.Time = EventVersion, rand.Text(), time.Now().UTC().Truncate(time.Second)
	if w.Metrics.Tool != (report.Tool{}) {
		e.Tool = w.Metrics.Tool
	}
	w.Metrics.event(e.Kind)
	w.told.Lock()
	if w.Tell != nil {
		w.Tell(e)
	}
	w.told.Unlock()
	if w.Send == nil {
		return
	}
	w.mu.Lock()
	w.state.enqueue(e)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// say tells the operator something that is no event.
func (w *Watcher) say(format string, args ...any) {
	w.told.Lock()
	defer w.told.Unlock()
	if w.Say != nil {
		w.Say(format, args...)
	}
}

// fail counts a failure and says it.
func (w *Watcher) fail(what, format string, args ...any) {
	w.Metrics.failed(what)
	w.say(format, args...)
}

// save keeps the state. That it could not is said and counted, and ends nothing: an alarm is
// worth more than its record.
func (w *Watcher) save() error {
	w.mu.Lock()
	err := w.Store.save(w.state)
	w.mu.Unlock()
	if err != nil {
		w.fail(failedState, "%v", err)
	}
	return err
}

func (w *Watcher) queued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.state.Queue)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
