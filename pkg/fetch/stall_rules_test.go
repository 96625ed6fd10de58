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
	"testing/synctest"
	"time"
)

// pieces is a body of which each comes after a while, until its request ends.
type pieces struct {
	ctx    context.Context //nolint:containedctx // of its request
	after  time.Duration
	size   int
	left   int
	closed int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	p.left--
	if err := sleep(p.ctx, p.after); err != nil {
		return 0, err
	}
	return min(len(b), p.size), nil
}

func (p *pieces) Close() error { p.closed++; return io.ErrClosedPipe }

// TestBodiesThatStall holds how slow an answer may be: a KiB must come within each period, from the last
// one that did.
func TestBodiesThatStall(t *testing.T) {
	for name, tt := range map[string]struct {
		timeout, after time.Duration
		size, pieces   int
		want           time.Duration // when it stalled; 0: it came
	}{
		"fast":                  {time.Second, 100 * time.Millisecond, stallQuota, 50, 0},
		"just fast enough":      {time.Second, 999 * time.Millisecond, stallQuota, 5, 0},
		"nothing more":          {time.Second, time.Hour, stallQuota, 5, time.Second},
		"a byte less each time": {time.Second, 400 * time.Millisecond, stallQuota - 1, 9, 0}, // two of them are enough
		"half of it each time":  {time.Second, 600 * time.Millisecond, stallQuota / 2, 9, time.Second},
		"a drip":                {time.Second, 10 * time.Millisecond, 1, 500, time.Second},
		"by default":            {0, 29 * time.Second, stallQuota, 3, 0},
		"by default, nothing":   {0, time.Hour, stallQuota, 3, 30 * time.Second},
		"below naught":          {-1, time.Hour, stallQuota, 3, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var body *pieces
			g := &StallGuard{Timeout: tt.timeout, Next: tripper(func(r *http.Request) (*http.Response, error) {
				body = &pieces{ctx: r.Context(), after: tt.after, size: tt.size, left: tt.pieces}
				return &http.Response{Body: body}, nil
			})}
			began := time.Now()
			resp, err := g.RoundTrip((&http.Request{}).WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			took := time.Since(began)
			switch {
			case tt.want > 0 && (!errors.Is(err, ErrStalled) || took != tt.want):
				t.Errorf("%s: %d bytes, %v after %s", name, n, err, took)
			case tt.want == 0 && (err != nil || n != int64(tt.size*tt.pieces)):
				t.Errorf("%s: %d bytes, %v after %s", name, n, err, took)
			}
			if body.ctx.Err() == nil {
				t.Errorf("%s: what belongs to it has not ended", name)
			}
			if err := resp.Body.Close(); !errors.Is(err, io.ErrClosedPipe) || body.closed != 1 {
				t.Errorf("%s: closed %d times, %v", name, body.closed, err)
			}
		})
	}
}

// TestOtherEndsOfABody holds that what is no stall is not called one, and that closing ends what belongs to it.
func TestOtherEndsOfABody(t *testing.T) {
	broken, gone := errors.New("broken"), errors.New("gone")
	for name, tt := range map[string]struct {
		err  error // of the body
		gone bool  // whoever asked
		want error
	}{"broken": {broken, false, broken}, "gone": {context.Canceled, true, context.Canceled}, "at its end": {nil, false, nil}} {
		ctx, end := context.WithCancelCause(t.Context())
		var inner *http.Request
		g := &StallGuard{Next: tripper(func(r *http.Request) (*http.Response, error) {
			inner = r
			return &http.Response{Body: io.NopCloser(served{body: "x", err: tt.err}.response().Body)}, nil
		})}
		resp, err := g.RoundTrip((&http.Request{}).WithContext(ctx))
		if err != nil || inner.Context().Err() != nil {
			t.Fatal(err)
		}
		if tt.gone {
			end(gone)
		}
		if text, err := io.ReadAll(resp.Body); string(text) != "x" || !errors.Is(err, tt.want) || inner.Context().Err() == nil || tt.err == nil && err != nil {
			t.Errorf("%s: %q %v", name, text, err)
		}
		end(nil)
		resp, err = g.RoundTrip((&http.Request{}).WithContext(t.Context()))
		if err != nil || inner.Context().Err() != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); inner.Context().Err() == nil {
			t.Errorf("%s: closed, and what belongs to it has not ended", name)
		}
	}
}

// TestUploadsThatStall holds that an upload of which nothing is taken is ended, that one which goes on is
// not, and that the wait for the answer to a whole one is another's.
func TestUploadsThatStall(t *testing.T) {
	for name, tt := range map[string]struct {
		body  string
		takes func(r *http.Request) error
		want  error
		took  time.Duration
	}{
		"nothing is taken":         {"xxxx", func(r *http.Request) error { return sleep(r.Context(), time.Hour) }, ErrStalled, time.Second},
		"some is taken, then none": {"xxxx", func(r *http.Request) error { return errors.Join(take(r, 2), sleep(r.Context(), time.Hour)) }, ErrStalled, 2800 * time.Millisecond},
		"all is taken, slowly":     {"xxxx", func(r *http.Request) error { return take(r, 5) }, nil, 4500 * time.Millisecond},
		"all, and a late answer":   {"xxxx", func(r *http.Request) error { return errors.Join(take(r, 5), sleep(r.Context(), time.Minute)) }, nil, 64500 * time.Millisecond},
		"closed, and late":         {"xxxx", func(r *http.Request) error { return errors.Join(r.Body.Close(), sleep(r.Context(), time.Minute)) }, nil, time.Minute},
		"closed, and then read": {"xxxx", func(r *http.Request) error {
			return errors.Join(r.Body.Close(), take(r, 2), sleep(r.Context(), time.Minute))
		}, nil, time.Minute + 1800*time.Millisecond},
		"nothing to take": {"", func(r *http.Request) error { return sleep(r.Context(), time.Minute) }, nil, time.Minute},
		"an empty body":   {"-", func(r *http.Request) error { return sleep(r.Context(), time.Minute) }, nil, time.Minute},
		"another error":   {"xxxx", func(*http.Request) error { return io.ErrClosedPipe }, io.ErrClosedPipe, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &StallGuard{Timeout: time.Second, Next: tripper(func(r *http.Request) (*http.Response, error) {
				if err := tt.takes(r); err != nil {
					return nil, fmt.Errorf("x: %w", err)
				}
				return &http.Response{Body: http.NoBody}, nil
			})}
			req := (&http.Request{}).WithContext(t.Context())
			closed := 0
			switch tt.body {
			case "":
			case "-":
				req.Body = http.NoBody
			default:
				req.Body = &closing{strings.NewReader(tt.body), &closed}
			}
			began := time.Now()
			resp, err := g.RoundTrip(req)
			if took := time.Since(began); !errors.Is(err, tt.want) || (resp == nil) != (err != nil) || took != tt.took {
				t.Errorf("%s: %v after %s", name, err, took)
			}
			if strings.HasPrefix(name, "closed") != (closed > 0) {
				t.Errorf("%s: closed %d times", name, closed)
			}
			if resp != nil {
				_ = resp.Body.Close()
			}
		})
	}
}

// take reads a byte of a body each 900 ms.
func take(r *http.Request, n int) error {
	for range n {
		if err := sleep(r.Context(), 900*time.Millisecond); err != nil {
			return err
		}
		_, _ = r.Body.Read(make([]byte, 1))
	}
	return nil
}

// TestRequestsThatCannotBegin holds that a request which has a connection and is not written is given up, and
// that one which has none yet, or was written, is not.
func TestRequestsThatCannotBegin(t *testing.T) {
	const second = time.Second
	for name, tt := range map[string]struct {
		does func(trace *httptrace.ClientTrace, wait func(time.Duration) error) error
		want error
		took time.Duration
	}{
		"no connection": {func(_ *httptrace.ClientTrace, wait func(time.Duration) error) error { return wait(5 * second) }, nil, 5 * second},
		"a connection": {func(trace *httptrace.ClientTrace, wait func(time.Duration) error) error {
			trace.GotConn(httptrace.GotConnInfo{})
			return wait(5 * second)
		}, errNoStream, second},
		"written": {func(trace *httptrace.ClientTrace, wait func(time.Duration) error) error {
			trace.GotConn(httptrace.GotConnInfo{})
			trace.WroteHeaders()
			return wait(5 * second)
		}, nil, 5 * second},
		"written, and no more": {func(trace *httptrace.ClientTrace, wait func(time.Duration) error) error {
			trace.WroteHeaders()
			return wait(5 * second)
		}, nil, 5 * second},
		"another connection": {func(trace *httptrace.ClientTrace, wait func(time.Duration) error) error {
			trace.GotConn(httptrace.GotConnInfo{})
			if err := wait(second / 2); err != nil {
				return err
			}
			trace.GotConn(httptrace.GotConnInfo{})
			return wait(5 * second)
		}, errNoStream, second + second/2},
	} {
		synctest.Test(t, func(t *testing.T) {
			var trace *httptrace.ClientTrace
			g := &StallGuard{Timeout: second, Next: tripper(func(r *http.Request) (*http.Response, error) {
				trace = traceOf(r)
				if err := tt.does(trace, func(d time.Duration) error { return sleep(r.Context(), d) }); err != nil {
					return nil, err
				}
				return &http.Response{Body: http.NoBody}, nil
			})}
			began := time.Now()
			resp, err := g.RoundTrip((&http.Request{}).WithContext(t.Context()))
			if took := time.Since(began); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || took != tt.took {
				t.Errorf("%s: %v after %s", name, err, took)
			}
			if resp != nil {
				_ = resp.Body.Close()
			}
			trace.GotConn(httptrace.GotConnInfo{}) // late, and of no request any more
		})
	}
}

// TestBeginningIsWatchedOnce holds that a connection which comes once a request has ended begins no wait.
func TestBeginningIsWatchedOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(b *starting)
		want int
	}{
		"a connection":    {func(b *starting) { b.trace().GotConn(httptrace.GotConnInfo{}) }, 1},
		"ended":           {func(b *starting) { b.trace().GotConn(httptrace.GotConnInfo{}); b.stop() }, 0},
		"ended before it": {func(b *starting) { b.stop(); b.trace().GotConn(httptrace.GotConnInfo{}) }, 0},
		"ended, and then another one": {func(b *starting) {
			b.trace().GotConn(httptrace.GotConnInfo{})
			b.stop()
			b.trace().GotConn(httptrace.GotConnInfo{})
		}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			given := 0
			tt.do(&starting{timeout: time.Second, give: func() { given++ }})
			time.Sleep(time.Minute)
			if synctest.Wait(); given != tt.want {
				t.Errorf("%s: given up %d times", name, given)
			}
		})
	}
}
