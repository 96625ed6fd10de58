package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func hostOfLanes(lanes int) *laneHost {
	return &laneHost{meter: meter{lanes: lanes}, changed: make(chan struct{})}
}

// called says whether a channel was closed.
func called(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestLanesOfRequests holds that a file goes to the lane that has least to do, the first of them,
// and everything to the first lane of a host that only leads on.
func TestLanesOfRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		lanes int
		busy  []int
		leads bool
		want  int
	}{
		"none is busy": {3, nil, false, 0}, "the first is": {3, []int{1}, false, 1}, "all are alike": {3, []int{1, 1, 1}, false, 0}, "the last has least": {3, []int{2, 2, 1}, false, 2},
		"two have least": {3, []int{2, 1, 1}, false, 1}, "there is only one": {1, []int{5}, false, 0}, "it leads on": {3, []int{5}, true, 0}, "more were there": {2, []int{1, 1, 0}, false, 0},
	} {
		h := hostOfLanes(tt.lanes)
		h.leads = tt.leads
		copy(h.busy[:], tt.busy)
		lane := h.book(new(bulk))
		want := 1
		if tt.want < len(tt.busy) {
			want += tt.busy[tt.want]
		}
		if lane != tt.want || h.busy[lane] != want || h.flying != 1 {
			t.Errorf("%s: lane %d, %v, %d in all", name, lane, h.busy, h.flying)
		}
		changed := h.changed
		if h.end(lane, false); h.busy[lane] != want-1 || h.flying != 0 || !called(changed) || called(h.changed) {
			t.Errorf("%s: given back: %v, %d in all", name, h.busy, h.flying)
		}
	}
}

// TestBrokenLanes holds that a lane which broke leaves those below it, and the first never breaks any.
func TestBrokenLanes(t *testing.T) {
	for name, tt := range map[string]struct {
		lane   int
		broken bool
		want   int
	}{"the first": {0, true, 6}, "the second": {1, true, 1}, "the fourth": {3, true, 3}, "it ended": {3, false, 6}} {
		h := hostOfLanes(6)
		h.busy[tt.lane], h.flying = 1, 1
		if h.end(tt.lane, tt.broken); h.meter.lanes != tt.want || h.meter.rest.IsZero() != (tt.want == 6) {
			t.Errorf("%s: %d lanes, no trial before %s", name, h.meter.lanes, h.meter.rest)
		}
	}
}

// TestClaims holds how many ranges may begin: two a lane, over HTTP/1 one fewer than there are
// lanes, none before a trial; and that each is counted until it has begun or is given up.
func TestClaims(t *testing.T) {
	for name, tt := range map[string]struct {
		lanes, flying, claims int
		http1, split, ok      bool
	}{
		"room for the last": {3, 3, 2, false, true, true}, "none": {3, 3, 3, false, true, false}, "less than none": {3, 6, 3, false, true, false}, "not tried": {3, 0, 0, false, false, false},
		"HTTP/1": {3, 1, 0, true, true, true}, "HTTP/1, none": {3, 1, 1, true, true, false}, "HTTP/1, one lane": {1, 0, 0, true, true, false}, "one lane": {1, 1, 0, false, true, true},
	} {
		h := hostOfLanes(tt.lanes)
		h.flying, h.claims, h.http1, h.meter.split = tt.flying, tt.claims, tt.http1, tt.split
		ok, again := h.claim()
		if ok != tt.ok || (again == nil) != tt.ok || h.claims-tt.claims != map[bool]int{true: 1}[tt.ok] {
			t.Errorf("%s: %v, %d claims", name, ok, h.claims)
		}
		if !ok {
			if h.call(); !called(again) {
				t.Errorf("%s: not called", name)
			}
		}
	}
	h, other := hostOfLanes(3), hostOfLanes(3)
	h.claims, other.claims = 2, 2
	begun, given, foreign := &bulk{claimed: h}, &bulk{claimed: h}, &bulk{claimed: other}
	changed := h.changed
	for i, do := range []func(){func() { h.book(begun) }, func() { h.book(begun) }, func() { h.unclaim(begun) }, func() { h.unclaim(foreign); h.book(foreign) }} {
		if do(); h.claims != 1 || called(changed) || foreign.claimed != other || other.claims != 2 {
			t.Errorf("step %d: %d claims", i, h.claims)
		}
	}
	for range 2 {
		if h.unclaim(given); h.claims != 0 || !called(changed) {
			t.Errorf("given up: %d claims", h.claims)
		}
	}
}

// TestWhatAnswersTellOfAHost holds what is learnt from an answer's header.
func TestWhatAnswersTellOfAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		time.Sleep(10 * time.Second)
		for name, tt := range map[string]struct {
			status, proto int
			ago           time.Duration // it was sent; 0 is not known
			before        time.Duration // the shortest so far
			rtt           time.Duration
			http1, leads  bool
			lanes         int // of six, of which four are used
		}{
			"fine": {200, 2, time.Second, 0, time.Second, false, false, 6}, "slower": {200, 2, 2 * time.Second, time.Second, time.Second, false, false, 6}, "faster": {200, 2, time.Second, 2 * time.Second, time.Second, false, false, 6},
			"not known when": {200, 2, 0, 0, 0, false, false, 6}, "HTTP/1": {200, 1, 0, time.Second, time.Second, true, false, 6}, "leads on": {302, 2, 0, 0, 0, false, true, 6},
			"too many requests": {429, 2, 0, 0, 0, false, false, 2}, "busy": {503, 2, 0, 0, 0, false, false, 2}, "broken": {500, 2, 0, 0, 0, false, false, 6}, "not there": {404, 2, 0, 0, 0, false, false, 6},
		} {
			h := hostOfLanes(6)
			copy(h.busy[:], []int{1, 2, 1, 0, 3})
			h.meter.rtt = tt.before
			sent := time.Time{}
			if tt.ago > 0 {
				sent = time.Now().Add(-tt.ago)
			}
			h.note(&http.Response{StatusCode: tt.status, ProtoMajor: tt.proto}, sent)
			if h.meter.rtt != tt.rtt || h.http1 != tt.http1 || h.leads != tt.leads || h.meter.lanes != tt.lanes || (tt.lanes < 6) != (h.meter.rest.Sub(began) == 10*time.Second+restRefused) {
				t.Errorf("%s: %s, HTTP/1 %v, leads %v, %d lanes, rest %s", name, h.meter.rtt, h.http1, h.leads, h.meter.lanes, h.meter.rest)
			}
		}
	})
}

// TestWhoIsCalledForMoreLanes holds that those who wait for a claim are called when a trial begins, which
// is where more waits than is under way: for a claim, or on a lane behind another.
func TestWhoIsCalledForMoreLanes(t *testing.T) {
	for name, tt := range map[string]struct {
		waiting, flying int
		want            bool
	}{"nothing waits": {0, 1, false}, "one waits": {1, 1, true}, "two on one lane": {0, 2, true}} {
		synctest.Test(t, func(t *testing.T) {
			h := hostOfLanes(1)
			h.busy[0], h.flying = tt.flying, tt.flying
			h.wait(tt.waiting + 1)
			h.wait(-1)
			changed := h.changed
			for range 4 {
				h.received(1000)
				time.Sleep(interval)
			}
			if called(changed) != tt.want || h.meter.split != tt.want {
				t.Errorf("%s: called %v, split %v", name, called(changed), h.meter.split)
			}
		})
	}
}

// TestRequestsOnLanes holds on which lane a request goes, what its answer tells, and that the lane is
// given back once, however it ends.
func TestRequestsOnLanes(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		bulky   bool
		err     error // in place of an answer
		body    io.Reader
		read    bool // to its end
		gone    bool // who asked
		lane    int
		lanes   int // left of three
		unknown bool
	}{
		"a document":       {false, nil, strings.NewReader("x"), true, false, 0, 3, true},
		"none":             {false, broken, nil, false, false, 0, 3, true},
		"a file":           {true, nil, strings.NewReader("x"), true, false, 1, 3, false},
		"a file, closed":   {true, nil, strings.NewReader("x"), false, false, 1, 3, false},
		"a file, broken":   {true, nil, iotest.ErrReader(broken), true, false, 1, 1, false},
		"a file, given up": {true, nil, iotest.ErrReader(broken), true, true, 1, 3, false},
		"no file":          {true, broken, nil, false, false, 1, 1, true},
		"no file, gone":    {true, broken, nil, false, true, 1, 3, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked []int
			lane := func(i int) http.RoundTripper {
				return tripper(func(r *http.Request) (*http.Response, error) {
					asked = append(asked, i)
					if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
						trace.WroteHeaders()
					}
					time.Sleep(time.Second)
					if tt.err != nil {
						return nil, tt.err
					}
					return &http.Response{StatusCode: 200, ProtoMajor: 2, Body: io.NopCloser(tt.body)}, nil
				})
			}
			made := 0
			l := &lanes{hosts: map[string]*laneHost{}, all: []http.RoundTripper{lane(0)}}
			l.further = func() http.RoundTripper { made++; return lane(made) }
			ctx, cancel := context.WithCancel(t.Context())
			if tt.gone {
				cancel()
			}
			mark := new(bulk)
			if tt.bulky {
				ctx = withBulk(ctx, mark)
			}
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://A.example/", nil)
			h := l.host(req)
			h.meter.lanes, h.busy[0], h.flying = 3, 1, 1
			resp, err := l.RoundTrip(req)
			if fmt.Sprint(asked) != fmt.Sprint([]int{tt.lane}) || !errors.Is(err, tt.err) || (mark.host.Load() != h) != tt.unknown || len(l.all) != tt.lane+1 {
				t.Errorf("%s: lanes %v of %d, %v, known %v", name, asked, len(l.all), err, mark.host.Load() != nil)
			}
			if err == nil {
				if flying := 1 + tt.lane; h.flying != flying || tt.bulky != (h.meter.rtt == time.Second) {
					t.Errorf("%s: %d under way, %s", name, h.flying, h.meter.rtt)
				}
				if tt.read {
					_, _ = io.ReadAll(resp.Body)
				}
				_ = resp.Body.Close()
				_ = resp.Body.Close()
			}
			if h.flying != 1 || h.busy[0] != 1 || h.busy[1] != 0 || h.meter.lanes != tt.lanes {
				t.Errorf("%s: %d under way, %v, %d lanes", name, h.flying, h.busy, h.meter.lanes)
			}
			cancel()
		})
	}
	l := &lanes{hosts: map[string]*laneHost{}}
	first := l.host(&http.Request{URL: at(t, "https://a.example/")})
	for s, want := range map[string]bool{"https://A.example/x": true, "http://a.example/": false, "https://a.example:8443/": false, "https://b.example/": false} {
		if got := l.host(&http.Request{URL: at(t, s)}) == first; got != want || first.meter.lanes != firstLanes {
			t.Errorf("%s: %v", s, got)
		}
	}
}
