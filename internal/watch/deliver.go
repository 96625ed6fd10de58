package watch

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// The wait after a delivery that failed, doubled each time, with jitter.
	firstWait = time.Second
	maxWait   = 5 * time.Minute
)

// deliver delivers what waits, the oldest first, until ctx ends; where w.once, until nothing waits.
func (w *Watcher) deliver(ctx context.Context) {
	if w.Send == nil {
		return
	}
	wait := time.Duration(0)
	for ctx.Err() == nil {
		e, waiting := w.head()
		if !waiting {
			if w.once {
				return
			}
			select {
			case <-ctx.Done():
			case <-w.wake:
			}
			continue
		}
		document, err := json.Marshal(e)
		if err == nil {
			err = w.Send(ctx, document)
		}
		var rejected *RejectedError
		switch {
		case ctx.Err() != nil && err != nil:
			return
		case err == nil || errors.As(err, &rejected):
			w.Metrics.delivered(err == nil)
			if err != nil {
				w.fail(failedWebhook, "%v; an event is dropped: %s", err, e)
			}
			w.remove(e)
			wait = 0
		default:
			wait = min(max(2*wait, firstWait), maxWait)
			var refused *DeliveryError
			if w.once && errors.As(err, &refused) && refused.stays() {
				w.fail(failedWebhook, "%v", err)
				return
			}
			w.fail(failedWebhook, "%v; %d events wait, and it is tried again in about %s", err, w.queued(), wait)
			sleep(ctx, wait/2+rand.N(wait))
		}
	}
}

// head is what waits longest.
func (w *Watcher) head() (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.state.Queue) == 0 {
		return Event{}, false
	}
	return w.state.Queue[0], true
}

// remove takes an event from the queue. It may have been dropped from it meanwhile.
func (w *Watcher) remove(e Event) {
	w.mu.Lock()
	w.state.Queue = slices.DeleteFunc(w.state.Queue, func(q Event) bool { return q.ID == e.ID })
	w.mu.Unlock()
	_ = w.save() // it is then delivered once more after a start
}
