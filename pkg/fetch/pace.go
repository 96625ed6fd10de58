package fetch

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
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
	// maxCredit caps how much of a pause is made up for at once.
	maxCredit = time.Second
	// idleGap ends the time over which accepted requests are counted: a pause
	// without a request says nothing of what the host accepts.
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

// noteSent books a request that leaves now.
func (h *host) noteSent(now time.Time) {
	h.flying++
	if h.since.IsZero() {
		h.since = now
	}
	if h.pace > 0 {
		slot := time.Duration(float64(time.Second) / h.pace)
		if !h.next.Before(now) {
			h.credit = 0
		} else if late := now.Add(-slack*slot - h.credit); h.next.Before(late) {
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
		h.noteSuccess(sent, now)
	}
}

func (h *host) refused(sent, now time.Time, resp *http.Response) {
	wait, asked := RetryAfter(resp.Header, now)
	throttled := resp.StatusCode == http.StatusTooManyRequests
	if throttled && !asked {
		wait = quietPause
	}
	spent := h.credit > 0 && now.Sub(h.paused) < time.Second // what was saved up was not accepted
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
	h.gain = 0
	if h.pace == 0 {
		h.gain = 0.95 / span
		h.pace = max(minPace, h.gain*float64(h.accepted))
	} else {
		h.pace = max(minPace, min(0.9*h.pace, float64(h.accepted)/span))
	}
	// A bucket fills while no request is sent: most of the pause may be made up for,
	// unless this host has shown that it counts in another way.
	h.credit = 0
	if h.strict = h.strict || spent; !h.strict {
		h.credit = min(wait, maxCredit) * 3 / 4
	}
	h.next = h.paused.Add(-h.credit)
	h.since, h.accepted = h.paused, 0
}

func (h *host) noteSuccess(sent, now time.Time) {
	if h.flying <= 1 && len(h.waiting) == 0 && now.Sub(h.since) > idleGap && h.pace == 0 {
		h.since, h.accepted = now, 0
	}
	h.accepted++
	h.budget = min(float64(h.full), h.budget+1/h.budget)
	switch {
	case h.pace == 0:
	case !sent.After(h.cut):
		h.pace += h.gain // accepted before the refusal, only heard of later
	case len(h.waiting) == 0:
		// No request waits for the pace: nothing is learnt of it.
	case now.Sub(h.cut) < 10*time.Second && h.gain == 0:
		h.pace += 0.01 // one percent a second while a refusal is fresh
	default:
		h.pace += 0.05 // a first measure is a low guess: a slow host and a fast one with a small bucket look alike
	}
}

// MaxRetryAfter caps what a server may ask for in Retry-After. The longest
// window in use is registry.k8s.io's, of 30 seconds.
const MaxRetryAfter = 30 * time.Second

// RetryAfter reads the header of that name in both of its forms, seconds and
// a date (RFC 9110, 10.2.3), capped to [MaxRetryAfter].
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	var d time.Duration
	if n, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		d = time.Duration(min(n, uint64(MaxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	} else {
		return 0, false
	}
	return max(0, min(d, MaxRetryAfter)), true
}
