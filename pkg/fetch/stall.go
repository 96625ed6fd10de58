package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// ErrStalled is the cause of an error when a server keeps a connection open
// and sends nothing more, or next to nothing.
var ErrStalled = errors.New("the server stalled in mid-answer")

// errNoStream is the cause where a connection was had and the request could
// not begin on it.
var errNoStream = errors.New("the server let no request begin on its connection")

// stallQuota is how many bytes must come within each period: a server that
// drips a byte at a time holds no caller. Any real link does better by far.
const stallQuota = 1 << 10

// StallGuard ends a response whose body stops coming, and an upload whose body is
// not taken, and a request that cannot begin on the connection that it has.
type StallGuard struct {
	Next http.RoundTripper
	// Timeout is the longest time in which less than 1 KiB may come, or nothing
	// of an upload be taken, or no request begin; zero is 30 seconds.
	Timeout time.Duration
}

// RoundTrip sends the request and watches over its body.
func (s *StallGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		up := &upload{ReadCloser: req.Body, timeout: timeout}
		up.timer = time.AfterFunc(timeout, func() { cancel(ErrStalled) })
		defer up.stop() // no caller waits for what is still read of it
		out.Body = up
	}
	begin := &starting{timeout: timeout, give: func() { cancel(errNoStream) }}
	defer begin.stop()
	resp, err := s.Next.RoundTrip(out.WithContext(httptrace.WithClientTrace(ctx, begin.trace())))
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, ErrStalled) || errors.Is(cause, errNoStream) {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	b := &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, timeout: timeout}
	b.timer = time.AfterFunc(timeout, func() { cancel(ErrStalled) })
	resp.Body = b
	return resp, nil
}

// starting watches over the time between a connection and the request's header
// on it. net/http bounds the wait for an answer only from there on.
type starting struct {
	timeout time.Duration
	give    func()
	mu      sync.Mutex
	timer   *time.Timer
	over    bool
}

func (b *starting) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			b.mu.Lock()
			defer b.mu.Unlock()
			switch {
			case b.over:
			case b.timer == nil:
				b.timer = time.AfterFunc(b.timeout, b.give)
			default:
				b.timer.Reset(b.timeout)
			}
		},
		WroteHeaders: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.timer != nil {
				b.timer.Stop()
			}
		},
	}
}

func (b *starting) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over = true; b.timer != nil {
		b.timer.Stop()
	}
}

// upload is a request's body. Each read of it says that what was read before
// has gone out; after the last one the wait is for the answer, which the
// transport bounds itself.
type upload struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
	mu      sync.Mutex
	over    bool
}

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	if !u.over {
		u.timer.Reset(u.timeout)
	}
	u.mu.Unlock()
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.stop()
	}
	return n, err
}

func (u *upload) Close() error {
	u.stop()
	return u.ReadCloser.Close()
}

func (u *upload) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	u.timer.Stop()
}

type watched struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timeout time.Duration
	timer   *time.Timer
	got     int
	once    sync.Once
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && err != io.EOF && errors.Is(context.Cause(w.ctx), ErrStalled) {
		err = ErrStalled
	}
	if err != nil {
		w.stop()
		return n, err
	}
	if w.got += n; w.got >= stallQuota {
		w.got = 0
		w.timer.Reset(w.timeout)
	}
	return n, nil
}

func (w *watched) Close() error {
	err := w.ReadCloser.Close()
	w.stop()
	return err
}

func (w *watched) stop() {
	w.once.Do(func() {
		w.timer.Stop()
		w.cancel(nil)
	})
}
