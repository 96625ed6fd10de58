package fetch

import (
	"net/http"
	"time"
)

// The constants of the pace. They follow one simulated server, a bucket of 80
// that fills at 80 a second, and its neighbours (see the tests).
const (
	// slack is how many slots may be made up for when a timer was late.
	slack = 4
	// minPace keeps a host that refuses everything from stopping the run.
	minPace = 1.0
	// quietPause is for a 429 that does not say how long.
	quietPause = time.Second
	// idleGap ends the time over which accepted requests are counted: a pause
	// that nobody asked for says nothing of what the host accepts.
	idleGap = 2 * time.Second
)

// delay says how long the next request to this host must wait.
func (h *host) delay(now time.Time) time.Duration {
	at := h.paused
	if h.pace > 0 && h.next.After(at) {
		at = h.next
	}
	if h.window > 0 {
		if oldest := h.sent[h.at]; !oldest.IsZero() {
			if free := oldest.Add(h.window); free.After(at) {
				at = free
			}
		}
	}
	return at.Sub(now)
}

// depart books a request that leaves now.
func (h *host) depart(now time.Time) {
	h.flying++
	if h.since.IsZero() {
		h.since = now
	}
	if h.pace > 0 {
		slot := time.Duration(float64(time.Second) / h.pace)
		if late := now.Add(-slack * slot); h.next.Before(late) {
			h.next = late
		}
		h.next = h.next.Add(slot)
	}
	if h.window > 0 {
		h.sent[h.at] = now
		h.at = (h.at + 1) % len(h.sent)
	}
}

// learn draws the conclusions from an answer to a request sent at sent.
func (h *host) learn(sent time.Time, resp *http.Response) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.refused(sent, now, resp)
	default:
		h.welcome(now)
	}
}

func (h *host) refused(sent, now time.Time, resp *http.Response) {
	wait, asked := RetryAfter(resp.Header, now)
	throttled := resp.StatusCode == http.StatusTooManyRequests
	if throttled && !asked {
		wait = quietPause
	}
	if until := now.Add(wait); until.After(h.paused) {
		h.paused = until
	}
	// Requests that were under way at the last refusal bring the same news:
	// they are counted once.
	if !sent.After(h.cut) {
		return
	}
	h.cut = now
	h.budget = max(1, h.budget/2)
	if !throttled {
		return
	}
	// What the host accepted, over the time until it accepts again, is the
	// rate that it stands. A bucket that was full at first flatters it once;
	// the next refusal measures again.
	span := max(time.Second, h.paused.Sub(h.since)).Seconds()
	measured := float64(h.accepted) / span
	if h.pace == 0 {
		h.pace = max(minPace, 0.95*measured)
	} else {
		h.pace = max(minPace, min(0.9*h.pace, measured))
	}
	h.next = h.paused
	h.since, h.accepted = h.paused, 0
}

func (h *host) welcome(now time.Time) {
	if h.flying <= 1 && len(h.waiting) == 0 && now.Sub(h.since) > idleGap && h.pace == 0 {
		h.since, h.accepted = now, 0
	}
	h.accepted++
	h.budget = min(float64(h.full), h.budget+4/h.budget)
	if h.pace == 0 || len(h.waiting) == 0 {
		return
	}
	// One percent a second while the refusal is fresh, five later on.
	step := 0.01
	if now.Sub(h.cut) > 10*time.Second {
		step = 0.05
	}
	h.pace += step
}
