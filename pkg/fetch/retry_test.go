package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// script answers each further request with the next of its steps, and then
// keeps to the last.
func script(count *int, steps ...func() (*http.Response, error)) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		*count++
		return steps[min(*count, len(steps))-1]()
	}
}

func status(n int, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return answer(n, strings.NewReader(""), 0, header...), nil }
}

func good() (*http.Response, error)  { return answer(200, strings.NewReader("good"), 4), nil }
func reset() (*http.Response, error) { return nil, errors.New("connection reset by peer") }
func cut() (*http.Response, error) {
	return answer(200, io.MultiReader(strings.NewReader("go"), failingReader{io.ErrUnexpectedEOF}), 4), nil
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []func() (*http.Response, error)
		ok    bool
		kind  fetch.Kind
		sent  int
		least time.Duration
		most  time.Duration
	}{
		{"good at once", []func() (*http.Response, error){good}, true, 0, 1, 0, 0},
		{"reset", []func() (*http.Response, error){reset, reset, good}, true, 0, 3, 300 * time.Millisecond, 900 * time.Millisecond},
		{"cut in mid-body", []func() (*http.Response, error){cut, good}, true, 0, 2, 100 * time.Millisecond, 300 * time.Millisecond},
		{"500", []func() (*http.Response, error){status(500), status(502), status(504), good}, true, 0, 4, 0, 3 * time.Second},
		{"seconds", []func() (*http.Response, error){status(429, "Retry-After", "7"), good}, true, 0, 2, 7 * time.Second, 7100 * time.Millisecond},
		{"date", []func() (*http.Response, error){status(503, "Retry-After", "Sat, 01 Jan 2000 00:00:09 GMT"), good}, true, 0, 2, 9 * time.Second, 9100 * time.Millisecond},
		{"an hour, capped", []func() (*http.Response, error){status(429, "Retry-After", "3600"), good}, true, 0, 2, 30 * time.Second, 30100 * time.Millisecond},
		{"a date far away, capped", []func() (*http.Response, error){status(429, "Retry-After", "Sat, 01 Jan 2050 00:00:00 GMT"), good}, true, 0, 2, 30 * time.Second, 30100 * time.Millisecond},
		{"throttled for long", []func() (*http.Response, error){status(429), status(429), status(429), status(429), status(429), good}, true, 0, 6, 0, time.Minute},

		{"down", []func() (*http.Response, error){status(503)}, false, fetch.ServerError, 4, 0, 5 * time.Second},
		{"always reset", []func() (*http.Response, error){reset}, false, fetch.Unreachable, 4, 0, 5 * time.Second},
		{"always cut", []func() (*http.Response, error){cut}, false, fetch.Truncated, 4, 0, 5 * time.Second},
		{"always throttled", []func() (*http.Response, error){status(429, "Retry-After", "1")}, false, fetch.Throttled, 8, 7 * time.Second, 8 * time.Second},
		{"404", []func() (*http.Response, error){status(404), good}, false, fetch.NotFound, 1, 0, 0},
		{"403", []func() (*http.Response, error){status(403), good}, false, fetch.Forbidden, 1, 0, 0},
		{"501", []func() (*http.Response, error){status(501), good}, false, fetch.ServerError, 1, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			sent, start := 0, time.Now()
			c := &fetch.Client{Transport: &fetch.Retry{Next: script(&sent, tt.steps...)}}
			resp, err := c.Get(t.Context(), "https://dl.k8s.io/x", 10)
			took := time.Since(start)
			if tt.ok && (err != nil || string(resp.Body) != "good") || !tt.ok && !fetch.Is(err, tt.kind) {
				t.Errorf("%s: %v %v", tt.name, resp, err)
			}
			if sent != tt.sent || took < tt.least || tt.most > 0 && took > tt.most {
				t.Errorf("%s: sent %d times in %s; want %d in %s to %s", tt.name, sent, took, tt.sent, tt.least, tt.most)
			}
		})
	}
}

func TestRetryRepeatsOnlyWhatChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		r    fetch.Request
		sent int
	}{
		{fetch.Request{Method: "GET"}, 2},
		{fetch.Request{Method: "HEAD"}, 2},
		{fetch.Request{Method: "POST", Body: []byte("x")}, 1},
		{fetch.Request{Method: "PUT", Body: []byte("x")}, 1},
		{fetch.Request{Method: "DELETE"}, 1},
		{fetch.Request{Method: "POST", Body: []byte("x"), Repeatable: true}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			sent := 0
			next := script(&sent, status(503), good)
			c := &fetch.Client{Transport: &fetch.Retry{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Body != nil {
					if b, _ := io.ReadAll(r.Body); !bytes.Equal(b, tt.r.Body) {
						t.Errorf("%s: sent %q", tt.r.Method, b)
					}
				}
				return next(r)
			})}}
			tt.r.URL = "https://rekor.sigstore.dev/api/v1/index/retrieve"
			c.Do(t.Context(), tt.r)
			if sent != tt.sent {
				t.Errorf("%s (look-up %t): sent %d times, want %d", tt.r.Method, tt.r.Repeatable, sent, tt.sent)
			}
		})
	}
}

func TestRetryAndTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		c := &fetch.Client{Transport: &fetch.Retry{Next: script(&sent, status(429, "Retry-After", "20"))}}
		// What the server said is worth more than "deadline exceeded".
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Get(ctx, "https://dl.k8s.io/x", 10); !fetch.Is(err, fetch.Throttled) || time.Since(start) > 0 {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		if _, err := c.Get(ctx, "https://dl.k8s.io/x", 10); !fetch.Is(err, fetch.Cancelled) {
			t.Error(err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s to notice", took)
		}
	})
}

// A body that is too large, or endless, is not read to its end by Retry either.
func TestRetryReadsNoMoreThanIsWanted(t *testing.T) {
	read := 0
	c := &fetch.Client{Transport: &fetch.Retry{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		return answer(200, readFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil }), -1), nil
	})}}
	if _, err := c.Get(t.Context(), "https://dl.k8s.io/x", 100); !fetch.Is(err, fetch.TooLarge) {
		t.Error(err)
	}
	if read > 64<<10 {
		t.Errorf("read %d bytes of an endless body with a limit of 100", read)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// With real connections: the server resets the first two in mid-body.
func TestRetryRealReset(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 3 {
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "go")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "good")
	}))
	defer s.Close()
	c := &fetch.Client{Transport: &fetch.Retry{Next: fetch.NewTransport(fetch.Options{}), Wait: time.Millisecond}}
	resp, err := c.Get(t.Context(), s.URL, 10)
	if err != nil || string(resp.Body) != "good" || n != 3 {
		t.Fatalf("%v %v after %d", resp, err, n)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "0", "-1", "99999999999999999999999", "Sat, 01 Jan 2000 00:00:09 GMT", "x", " 5 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := fetch.RetryAfter(http.Header{"Retry-After": {s}}, time.Unix(0, 0))
		if d < 0 || d > fetch.MaxRetryAfter || !ok && d != 0 {
			t.Errorf("%q: %s %t", s, d, ok)
		}
	})
}
