package fetch

import (
	"math"
	"net/http"
	"testing"
	"time"
)

// noon is a time in the middle of a run; instant is some seconds from it, and none for [never].
var noon = time.Unix(1000, 0)

const never = -1000.0

func instant(seconds float64) time.Time {
	if seconds == never {
		return time.Time{}
	}
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

// TestWhenTheNextMayGo holds what a host's next request waits for: the end of a pause, the pace, and
// the oldest of a published budget's window.
func TestWhenTheNextMayGo(t *testing.T) {
	for name, tt := range map[string]struct {
		paused, pace, next float64
		window             time.Duration
		oldest             float64
		want               float64
	}{
		"a pause": {3, 0, 9, 0, never, 3}, "a pace": {3, 1, 9, 0, never, 9}, "a pace before the pause's end": {9, 1, 3, 0, never, 9}, "over": {-3, 1, -2, 0, never, -2},
		"a window": {3, 1, 4, 10 * time.Second, -1, 9}, "a window that is free": {3, 1, 4, 10 * time.Second, -8, 4}, "a window that was never full": {3, 1, 4, 10 * time.Second, never, 4},
	} {
		h := &host{paused: instant(tt.paused), pace: tt.pace, next: instant(tt.next), window: tt.window, sent: []time.Time{instant(20), instant(tt.oldest)}, at: 1}
		if got := h.delay(noon).Seconds(); !near(got, tt.want) {
			t.Errorf("%s: %v s", name, got)
		}
	}
}

// TestSendingIsBooked holds what a request takes of the pace: a slot, of which some that were missed
// may be made up for, and more after a pause.
func TestSendingIsBooked(t *testing.T) {
	for name, tt := range map[string]struct {
		pace, next   float64
		credit       time.Duration
		want         float64 // next
		left         time.Duration
		since, begun float64
	}{
		"no pace": {0, -9, time.Second, -9, time.Second, -5, -5}, "the first": {0, -9, 0, -9, 0, never, 0}, "in time": {10, 0, time.Second, 0.1, 0, -5, -5}, "ahead": {10, 2, time.Second, 2.1, 0, -5, -5},
		"a little late": {10, -0.4, 0, -0.3, 0, -5, -5}, "too late": {10, -9, 0, -0.3, 0, -5, -5}, "late after a pause": {10, -9, time.Second, -1.3, time.Second, -5, -5}, "less late than the pause": {10, -1.2, time.Second, -1.1, time.Second, -5, -5},
	} {
		h := &host{flying: 1, pace: tt.pace, next: instant(tt.next), credit: tt.credit, since: instant(tt.since)}
		h.noteSent(noon)
		if !near(h.next.Sub(noon).Seconds(), tt.want) || h.credit != tt.left || h.since != instant(tt.begun) || h.flying != 2 || h.at != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	h := &host{window: time.Minute, sent: make([]time.Time, 2)}
	for i, want := range []int{1, 0, 1} {
		at := instant(float64(i))
		if h.noteSent(at); h.at != want || h.sent[1-want] != at {
			t.Errorf("request %d: %v, the next goes to %d", i, h.sent, h.at)
		}
	}
}

// TestRefusalsTeachAPace holds what is learnt of an answer 429 or 503: how long nothing is sent, and once
// for all that were under way, how many may be at once and what rate the host stands.
func TestRefusalsTeachAPace(t *testing.T) {
	for name, tt := range map[string]struct {
		status        int
		after         string
		sent, cut     float64
		paused        float64
		pace, since   float64
		accepted      int
		credit        time.Duration
		strict        bool
		wantPaused    float64
		budget        float64 // of eight before
		wantPace      float64
		gain          float64
		wantCredit    time.Duration
		strictly, new bool // refuses what was saved up; is counted
	}{
		"the first":            {429, "2", -1, never, never, 0, -8, 100, 0, false, 2, 4, 9.5, 0.095, 750 * time.Millisecond, false, true},
		"without a time":       {429, "", -1, never, never, 0, -9, 100, 0, false, 1, 4, 9.5, 0.095, 750 * time.Millisecond, false, true},
		"that may be at once":  {429, "0", -1, never, never, 0, -10, 100, 0, false, 0, 4, 9.5, 0.095, 0, false, true},
		"at once":              {429, "0", 0, -1, never, 0, 0, 100, 0, false, 0, 4, 95, 0.95, 0, false, true},
		"paused already":       {429, "2", -1, never, 12, 0, -8, 100, 0, false, 12, 4, 4.75, 0.0475, 750 * time.Millisecond, false, true},
		"of nothing accepted":  {429, "2", -1, never, never, 0, -8, 0, 0, false, 2, 4, 1, 0.095, 750 * time.Millisecond, false, true},
		"again":                {429, "2", -1, -5, never, 10, -8, 80, 0, false, 2, 4, 8, 0, 750 * time.Millisecond, false, true},
		"again, and not less":  {429, "2", -1, -5, never, 10, -8, 100, 0, false, 2, 4, 9, 0, 750 * time.Millisecond, false, true},
		"again, and of none":   {429, "2", -1, -5, never, 10, -8, 0, 0, false, 2, 4, 1, 0, 750 * time.Millisecond, false, true},
		"the same news":        {429, "2", -5, -5, never, 10, -8, 80, time.Second, false, 2, 8, 10, 7, time.Second, false, false},
		"older news":           {429, "2", -6, -5, never, 10, -8, 80, time.Second, false, 2, 8, 10, 7, time.Second, false, false},
		"what was saved up":    {429, "2", -1, -5, -0.5, 10, -8, 80, time.Second, false, 2, 4, 8, 0, 0, true, true},
		"saved up, long ago":   {429, "2", -1, -5, -1, 10, -8, 80, time.Second, false, 2, 4, 8, 0, 750 * time.Millisecond, false, true},
		"it is known to":       {429, "2", -1, -5, -9, 10, -8, 80, 0, true, 2, 4, 8, 0, 0, true, true},
		"busy":                 {503, "2", -1, never, never, 0, -8, 100, 0, false, 2, 4, 0, 7, 0, false, true},
		"busy, without a time": {503, "", -1, never, never, 10, -8, 100, time.Second, false, 0, 4, 10, 7, time.Second, false, true},
		"busy, the same again": {503, "", -5, -5, never, 10, -8, 100, time.Second, false, 0, 8, 10, 7, time.Second, false, false},
	} {
		h := &host{budget: 8, cut: instant(tt.cut), paused: instant(tt.paused), pace: tt.pace, since: instant(tt.since), accepted: tt.accepted, credit: tt.credit, strict: tt.strict, gain: 7, next: instant(-3)}
		resp := &http.Response{StatusCode: tt.status, Header: http.Header{}}
		if tt.after != "" {
			resp.Header.Set("Retry-After", tt.after)
		}
		h.refused(instant(tt.sent), noon, resp)
		if h.paused != instant(tt.wantPaused) || h.budget != tt.budget || !near(h.pace, tt.wantPace) || !near(h.gain, tt.gain) || h.credit != tt.wantCredit || h.strict != tt.strictly || (h.cut == noon) != tt.new {
			t.Errorf("%s: %+v", name, h)
		}
		next, since, accepted := instant(-3), instant(tt.since), tt.accepted
		if tt.new && tt.status == 429 {
			next, since, accepted = h.paused.Add(-h.credit), h.paused, 0
		}
		if h.next != next || h.since != since || h.accepted != accepted {
			t.Errorf("%s: next %s, %d accepted since %s", name, h.next, h.accepted, h.since)
		}
	}
	h := &host{budget: 1.5, cut: instant(-5)}
	if h.refused(noon, noon, &http.Response{StatusCode: 503}); h.budget != 1 {
		t.Errorf("%v may be under way", h.budget)
	}
}

// TestSuccessesTeachAPace holds what is learnt of any other answer: one more may be under way, and
// requests that wait for the pace may go a little faster.
func TestSuccessesTeachAPace(t *testing.T) {
	for name, tt := range map[string]struct {
		flying, waiting int
		since, pace     float64
		sent, cut       float64
		gain            float64
		want            float64 // pace
		accepted        int     // of five before
	}{
		"no pace": {2, 1, -1, 0, 0, never, 0, 0, 6}, "after a while": {1, 0, -3, 0, 0, never, 0, 0, 1}, "after a shorter while": {1, 0, -2, 0, 0, never, 0, 0, 6}, "beside another": {2, 0, -3, 0, 0, never, 0, 0, 6},
		"before another": {1, 1, -3, 0, 0, never, 0, 0, 6}, "after a while, with a pace": {1, 0, -3, 10, 0, -5, 0, 10, 6},
		"heard of later": {2, 1, -3, 10, -5, -5, 0.5, 10.5, 6}, "heard of later, at the pace": {2, 0, -3, 10, -6, -5, 0.5, 10.5, 6}, "nobody waits": {2, 0, -3, 10, -1, -5, 0.5, 10, 6},
		"fresh": {2, 1, -3, 10, -1, -9, 0, 10.01, 6}, "not fresh": {2, 1, -3, 10, -1, -10, 0, 10.05, 6}, "a first measure": {2, 1, -3, 10, -1, -9, 0.5, 10.05, 6},
	} {
		h := &host{full: 8, budget: 4, flying: tt.flying, waiting: make([]chan time.Time, tt.waiting), since: instant(tt.since), pace: tt.pace, cut: instant(tt.cut), gain: tt.gain, accepted: 5}
		h.noteSuccess(instant(tt.sent), noon)
		if !near(h.pace, tt.want) || h.accepted != tt.accepted || h.budget != 4.25 || (h.since == noon) != (tt.accepted == 1) {
			t.Errorf("%s: %+v", name, h)
		}
	}
	h := &host{full: 8, budget: 7.95}
	if h.noteSuccess(noon, noon); h.budget != 8 {
		t.Errorf("%v may be under way", h.budget)
	}
}

// TestBudgetsOfHosts holds which published budget is a host's, and how many requests to it may be under way.
func TestBudgetsOfHosts(t *testing.T) {
	l := &Limiter{InFlight: 3, Budgets: map[string]Budget{"pkg.dev": {Requests: 5, Per: time.Second}, "none.example": {Per: time.Second}}}
	for name, want := range map[string]int{"pkg.dev": 5, "eu.pkg.dev": 5, "xpkg.dev": 0, "pkg.dev.example": 0, "dev": 0, "none.example": 0} {
		h := l.host(name)
		if len(h.sent) != want || (h.window > 0) != (want > 0) || h.full != 3 || h.budget != 3 || l.host(name) != h {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for _, n := range []int{0, -1} {
		if h := (&Limiter{InFlight: n}).host("a.example"); h.full != DefaultInFlight || h.budget != DefaultInFlight {
			t.Errorf("%d: %+v", n, h)
		}
	}
}

// TestRetryAfter holds both forms of what a server asks for, and its cap.
func TestRetryAfter(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "30": MaxRetryAfter, "31": MaxRetryAfter, "18446744073709551615": MaxRetryAfter, "18446744073709551616": MaxRetryAfter, "": -1, "-1": -1, "+1": -1, "1.5": -1, "x": -1, "7s": -1,
		noon.Add(7 * time.Second).UTC().Format(http.TimeFormat): 7 * time.Second, noon.Add(-7 * time.Second).UTC().Format(http.TimeFormat): 0, noon.Add(time.Hour).UTC().Format(http.TimeFormat): MaxRetryAfter,
	} {
		d, ok := RetryAfter(http.Header{"Retry-After": {" " + in + " "}}, noon)
		if ok != (want >= 0) || d != max(0, want) {
			t.Errorf("%q: %s %v", in, d, ok)
		}
	}
}
