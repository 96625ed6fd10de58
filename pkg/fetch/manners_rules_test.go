package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhoAsks holds that a request says it, unless it does already, and that the caller's is left as it was.
func TestWhoAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		by     string
		header http.Header
		want   string
	}{
		"plain": {"tool/1", http.Header{"X": {"y"}}, "tool/1"}, "no header": {"tool/1", nil, "tool/1"}, "it says so itself": {"tool/1", http.Header{"User-Agent": {"other"}}, "other"}, "nobody": {"", http.Header{"X": {"y"}}, ""}, "nobody, and no header": {"", nil, ""},
	} {
		var got http.Header
		u := &UserAgent{Name: tt.by, Next: tripper(func(r *http.Request) (*http.Response, error) { got = r.Header; return nil, io.EOF })}
		req := (&http.Request{Header: tt.header}).WithContext(t.Context())
		before := fmt.Sprint(tt.header)
		if _, err := u.RoundTrip(req); !errors.Is(err, io.EOF) || got.Get("User-Agent") != tt.want || got.Get("X") != tt.header.Get("X") || fmt.Sprint(req.Header) != before {
			t.Errorf("%s: said %q, the caller's is %v", name, got, req.Header)
		}
	}
}

// TestWaitsThatAreTold holds which waits a user is told of: long ones, of an answer, the last to end for each
// host, for as long as they last.
func TestWaitsThatAreTold(t *testing.T) {
	answer := func(status int) *http.Response { return &http.Response{StatusCode: status} }
	for name, tt := range map[string]struct {
		do    func(w *Waits)
		after time.Duration
		want  string
	}{
		"long":               {func(w *Waits) { w.note("a", answer(429), 2*time.Second) }, time.Second, "[a asks to wait (429)]"},
		"just long enough":   {func(w *Waits) { w.note("a", answer(503), time.Second) }, 0, "[a answered 503]"},
		"short":              {func(w *Waits) { w.note("a", answer(429), time.Second-1) }, 0, "[]"},
		"of no answer":       {func(w *Waits) { w.note("a", nil, time.Minute) }, 0, "[]"},
		"over":               {func(w *Waits) { w.note("a", answer(429), 2*time.Second) }, 2 * time.Second, "[]"},
		"of two":             {func(w *Waits) { w.note("b", answer(500), 2*time.Second); w.note("a", answer(429), 2*time.Second) }, 0, "[a asks to wait (429) b answered 500]"},
		"the later":          {func(w *Waits) { w.note("a", answer(429), 9*time.Second); w.note("a", answer(503), 2*time.Second) }, 3 * time.Second, "[a asks to wait (429)]"},
		"the later, at last": {func(w *Waits) { w.note("a", answer(429), 2*time.Second); w.note("a", answer(503), 9*time.Second) }, 3 * time.Second, "[a answered 503]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := new(Waits)
			tt.do(w)
			time.Sleep(tt.after)
			if got := fmt.Sprint(w.Now()); got != tt.want {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
	var none *Waits
	none.note("a", answer(429), time.Minute)
}

// TestLeavingTheQueue holds that a request which ends while it waits for its turn takes no other's with it,
// and no more may be under way for it.
func TestLeavingTheQueue(t *testing.T) {
	for name, tt := range map[string]struct {
		waiting, leaves int
		want            []string // who went when the first two were let go, one after the other
	}{
		"the first":  {3, 0, []string{"1", "1 2"}},
		"the second": {3, 1, []string{"0", "0 2"}},
		"the last":   {3, 2, []string{"0", "0 1"}},
		"the only":   {1, 0, []string{"", ""}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &host{full: 2, budget: 2}
			for range 2 { // it is full
				if _, err := h.acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			ctx, leave := context.WithCancel(t.Context())
			rest, end := context.WithCancel(t.Context())
			defer end()
			went := make([]string, 0, 3)
			for i := range tt.waiting {
				mine := rest
				if i == tt.leaves {
					mine = ctx
				}
				go func() {
					if _, err := h.acquire(mine); err == nil {
						h.mu.Lock()
						went = append(went, fmt.Sprint(i))
						h.mu.Unlock()
					}
				}()
				synctest.Wait()
			}
			leave()
			synctest.Wait()
			if h.flying != 2 || len(went) > 0 || len(h.waiting) != tt.waiting-1 {
				t.Errorf("%s: %d under way, %d wait, %v went", name, h.flying, len(h.waiting), went)
			}
			for _, want := range tt.want {
				h.release()
				synctest.Wait()
				if got := strings.Join(went, " "); got != want {
					t.Errorf("%s: went %s, want %s", name, got, want)
				}
			}
			if h.flying != len(went) {
				t.Errorf("%s: %d under way", name, h.flying)
			}
			ended, gone := context.WithCancel(t.Context())
			gone()
			if _, err := h.acquire(ended); !errors.Is(err, context.Canceled) || h.flying != len(went) {
				t.Errorf("%s: %v, %d under way", name, err, h.flying)
			}
		})
	}
}

// TestATurnIsNotLost holds that one which came together with its request's end is passed on.
func TestATurnIsNotLost(t *testing.T) {
	for range 50 { // which of the two is seen is drawn
		synctest.Test(t, func(t *testing.T) {
			h := &host{full: 1, budget: 1}
			if _, err := h.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, end := context.WithCancel(t.Context())
			over := make(chan error, 1)
			go func() {
				_, err := h.acquire(ctx)
				over <- err
			}()
			synctest.Wait()
			h.mu.Lock() // nobody looks before both have come
			end()
			h.flying--
			h.pump()
			h.mu.Unlock()
			want := 1
			if err := <-over; err != nil {
				want = 0
			}
			if h.flying != want || len(h.waiting) != 0 {
				t.Errorf("%d under way, %d wait", h.flying, len(h.waiting))
			}
		})
	}
}
