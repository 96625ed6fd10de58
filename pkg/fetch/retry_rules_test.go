package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// TestWhatIsTriedAgain holds which answers and errors may be otherwise the next time.
func TestWhatIsTriedAgain(t *testing.T) {
	for status := 100; status < 600; status++ {
		want := status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504
		if got := again(t.Context(), &http.Response{StatusCode: status}, nil, false); got != want {
			t.Errorf("%d: %v", status, got)
		}
		if !again(t.Context(), &http.Response{StatusCode: status}, nil, true) {
			t.Errorf("%d, cut: not again", status)
		}
	}
	wrapped := func(err error) error { return fmt.Errorf("x: %w", err) }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"any": {errors.New("reset"), true}, "a name that is none": {&net.DNSError{IsNotFound: true}, false}, "a name that could not be asked for": {&net.DNSError{}, true},
		"a certificate": {&tls.CertificateVerificationError{Err: errors.New("bad")}, false}, "no TLS": {tls.RecordHeaderError{}, false}, "plain HTTP": {http.ErrSchemeMismatch, false},
		"no network": {errNoTransport, false}, "no proxy": {errBadProxy, false}, "a proxy that refuses": {&proxyError{status: 403}, false}, "a proxy that asks who": {&proxyError{status: 407}, false}, "a proxy's last": {&proxyError{status: 499}, false},
		"a proxy that fails": {&proxyError{status: 500}, true}, "a proxy that cannot reach it": {&proxyError{status: 502}, true}, "an authority": {x509.UnknownAuthorityError{}, false}, "a name": {x509.HostnameError{Certificate: &x509.Certificate{}}, false},
		"an alert": {&net.OpError{Op: "remote error", Err: tls.AlertError(48)}, false}, "another alert": {&net.OpError{Op: "remote error", Err: tls.AlertError(80)}, true}, "dialling": {&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
	} {
		if got := again(t.Context(), nil, wrapped(tt.err), false); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if again(ended, &http.Response{StatusCode: 503}, nil, false) || again(ended, nil, errors.New("reset"), false) || again(ended, &http.Response{StatusCode: 200}, nil, true) {
		t.Error("nobody waits for it any more")
	}
}

// TestWhatMayBeSentTwice holds which requests change nothing, and can be sent from their first byte.
func TestWhatMayBeSentTwice(t *testing.T) {
	body := io.NopCloser(strings.NewReader("x"))
	get := func() (io.ReadCloser, error) { return body, nil }
	marked := http.Header{"Idempotency-Key": nil}
	for name, tt := range map[string]struct {
		r    http.Request
		want bool
	}{
		"by no name": {http.Request{}, true}, "GET": {http.Request{Method: "GET"}, true}, "HEAD": {http.Request{Method: "HEAD"}, true}, "POST": {http.Request{Method: "POST"}, false}, "PUT": {http.Request{Method: "PUT"}, false}, "DELETE": {http.Request{Method: "DELETE"}, false},
		"a POST that is marked": {http.Request{Method: "POST", Header: marked}, true}, "with its body": {http.Request{Method: "POST", Header: marked, Body: body, GetBody: get}, true}, "a body that is gone": {http.Request{Method: "POST", Header: marked, Body: body}, false},
		"a GET whose body is gone": {http.Request{Method: "GET", Body: body}, false}, "an empty body": {http.Request{Method: "POST", Header: marked, Body: http.NoBody}, true}, "not marked, with its body": {http.Request{Method: "POST", Body: body, GetBody: get}, false},
	} {
		if got := repeatable(&tt.r); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWaitsBetweenAttempts holds how long each is, to the half of it that is drawn.
func TestWaitsBetweenAttempts(t *testing.T) {
	for name, tt := range map[string]struct {
		wait time.Duration
		n    int
		want time.Duration
	}{
		"the first": {0, 1, 200 * time.Millisecond}, "the second": {0, 2, 400 * time.Millisecond}, "below naught": {-1, 1, 200 * time.Millisecond}, "its own": {time.Second, 1, time.Second}, "doubled": {time.Second, 3, 4 * time.Second},
		"ten seconds at most": {time.Second, 9, 10 * time.Second}, "after very many": {time.Second, 70, 10 * time.Second}, "a nanosecond": {time.Nanosecond, 70, 1024},
	} {
		for range 50 {
			if got := (&Retry{Wait: tt.wait}).wait(tt.n); got < tt.want/2 || got >= tt.want/2+tt.want {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// TestWhatIsPeekedAt holds of which answers how much is read before they are handed over, that all of
// it is handed over, and which were cut.
func TestWhatIsPeekedAt(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		method    string
		status    int
		announced int64
		limit     int64 // that is wanted; -1 is not said
		size      int
		err       error
		read      int // beforehand
		cut       bool
	}{
		"a document": {"GET", 200, 9, 9, 9, nil, 9, false}, "not announced": {"GET", 200, -1, 9, 9, nil, 9, false}, "longer than wanted": {"GET", 200, -1, 9, 99, nil, 10, false}, "announced as longer": {"GET", 200, 11, 9, 99, nil, 0, false}, "announced as one longer": {"GET", 200, 10, 9, 10, nil, 10, false},
		"cut": {"GET", 200, 9, 9, 5, broken, 5, true}, "cut behind what is wanted": {"GET", 200, -1, 9, 10, broken, 10, false}, "cut at once": {"GET", 200, 9, 9, 0, broken, 0, true}, "short": {"GET", 200, 9, 9, 5, nil, 5, false},
		"a last success": {"GET", 299, 9, 9, 9, nil, 9, false}, "none": {"GET", 300, 9, 9, 9, broken, 0, false}, "below": {"GET", 199, 9, 9, 9, broken, 0, false}, "a head": {"HEAD", 200, 9, 9, 9, broken, 0, false}, "what is sent once": {"POST", 200, 9, 9, 9, broken, 0, false},
		"a part of a file": {"GET", 206, 9, 0, 9, broken, 0, false}, "nobody says": {"GET", 200, -1, -1, peekLimit + 9, nil, peekLimit, false},
	} {
		whole := strings.Repeat("x", tt.size)
		body := &readSoFar{Reader: strings.NewReader(whole)}
		all := io.Reader(body)
		if tt.err != nil {
			all = io.MultiReader(body, iotest.ErrReader(tt.err))
		}
		closed := 0
		resp := &http.Response{StatusCode: tt.status, ContentLength: tt.announced, Body: &closing{all, &closed}}
		ctx := t.Context()
		if tt.limit >= 0 {
			ctx = withLimit(ctx, tt.limit)
		}
		if cut := new(Retry).peek(ctx, &http.Request{Method: tt.method}, resp); cut != tt.cut || body.n != tt.read {
			t.Errorf("%s: cut %v, %d bytes were read", name, cut, body.n)
		}
		got, err := io.ReadAll(resp.Body)
		if _ = resp.Body.Close(); string(got) != whole || !errors.Is(err, tt.err) || closed != 1 {
			t.Errorf("%s: handed over %d bytes, %v, closed %d times", name, len(got), err, closed)
		}
	}
}

// TestAttempts holds how often a request is sent, when, and what stands in the end.
func TestAttempts(t *testing.T) {
	reset := errors.New("reset")
	const n, g, s, o = 429, 404, 503, 200
	for name, tt := range map[string]struct {
		attempts int
		answers  []int // 0: an error
		sent     int
		last     int
	}{
		"once": {1, []int{s, o}, 1, s}, "once, and an error": {1, []int{0, o}, 1, 0}, "twice": {2, []int{s, s, o}, 2, s}, "good at last": {2, []int{s, o}, 2, o}, "an error at last": {2, []int{s, 0, o}, 2, 0}, "by default": {0, []int{s}, DefaultAttempts, s}, "below naught": {-1, []int{s}, DefaultAttempts, s},
		"told to wait": {2, []int{n}, 4, n}, "once, told to wait": {1, []int{n, o}, 1, n}, "told to wait, and down": {2, []int{n, n, s, s, o}, 4, s}, "down, and told to wait": {2, []int{s, n, n, n, o}, 4, n}, "told to wait, and good": {2, []int{n, n, n, o}, 4, o}, "told to wait, and not there": {2, []int{n, g, o}, 2, g},
	} {
		synctest.Test(t, func(t *testing.T) {
			sent, open := 0, 0
			repeats := new(atomic.Int64)
			waits := new(Waits)
			r := &Retry{Attempts: tt.attempts, Repeats: repeats, Waits: waits, Next: tripper(func(r *http.Request) (*http.Response, error) {
				if b, _ := io.ReadAll(r.Body); string(b) != "body" {
					t.Errorf("%s: sent %q", name, b)
				}
				if open > 0 {
					t.Errorf("%s: %d answers before it are open", name, open)
				}
				sent++
				status := tt.answers[min(sent, len(tt.answers))-1]
				if status == 0 {
					return nil, reset
				}
				open++
				return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"2"}}, Body: &closesOnce{Reader: strings.NewReader("x"), open: &open}}, nil
			})}
			if tt.sent == 1 {
				r.Repeats = nil
			}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example/", strings.NewReader("body"))
			began := time.Now()
			resp, err := r.RoundTrip(req)
			last := 0
			if err == nil {
				last = resp.StatusCode
				_ = resp.Body.Close()
			}
			took, least, most := time.Since(began), time.Duration(0), time.Duration(0)
			for i := range tt.sent - 1 {
				if tt.answers[min(i, len(tt.answers)-1)] != 0 {
					least, most = least+2*time.Second, most+2050*time.Millisecond
				}
			}
			if sent != tt.sent || last != tt.last || repeats.Load() != int64(sent-1) || took < least || took > most || last == 0 && !errors.Is(err, reset) {
				t.Errorf("%s: sent %d times in %s, last %d %v, %d repeats", name, sent, took, last, err, repeats.Load())
			}
		})
	}
}

// TestAttemptsEndWithTheirRequest holds that what came stands where there is no time for another, that a
// wait ends with the request, and that a body which cannot be had again is an error.
func TestAttemptsEndWithTheirRequest(t *testing.T) {
	failed := errors.New("failed")
	for name, tt := range map[string]struct {
		within time.Duration // 0: no deadline
		ends   time.Duration // by whoever asked
		after  string
		body   error
		want   string
		took   time.Duration
		sent   int
	}{
		"no time for it":    {5 * time.Second, 0, "6", nil, "503", 0, 1},
		"time for it":       {5 * time.Second, 0, "4", nil, "200", 4 * time.Second, 2},
		"ended":             {0, time.Second, "6", nil, "ended", time.Second, 1},
		"the body is gone":  {0, 0, "6", failed, "failed", 6 * time.Second, 1},
		"asked to wait 0 s": {0, 0, "0", nil, "200", 0, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			defer end()
			if tt.within > 0 {
				ctx, end = context.WithTimeout(ctx, tt.within)
				defer end()
			}
			if tt.ends > 0 {
				time.AfterFunc(tt.ends, end)
			}
			sent := 0
			r := &Retry{Next: tripper(func(*http.Request) (*http.Response, error) {
				if sent++; sent > 1 {
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				}
				return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {tt.after}}, Body: http.NoBody}, nil
			})}
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.example/", strings.NewReader("body"))
			if tt.body != nil {
				req.GetBody = func() (io.ReadCloser, error) { return nil, tt.body }
			}
			began := time.Now()
			resp, err := r.RoundTrip(req)
			got := ""
			switch {
			case err == nil:
				got = fmt.Sprint(resp.StatusCode)
			case errors.Is(err, failed):
				got = "failed"
			case errors.Is(err, context.Canceled):
				got = "ended"
			}
			if took := time.Since(began).Truncate(100 * time.Millisecond); got != tt.want || took != tt.took || sent != tt.sent {
				t.Errorf("%s: %s %v in %s, sent %d times", name, got, err, took, sent)
			}
		})
	}
}
