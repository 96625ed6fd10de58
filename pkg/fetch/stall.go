package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// ErrStalled is the cause of an error when a server keeps a connection open
// and sends nothing more, or next to nothing.
var ErrStalled = errors.New("the server stalled in mid-answer")

// stallQuota is how many bytes must come within each period: a server that
// drips a byte at a time holds nobody. Any real link does better by far.
const stallQuota = 1 << 10

// Stall ends a response whose body stops coming, and an upload whose body is
// not taken.
type Stall struct {
	Next http.RoundTripper
	// Timeout is the longest time in which less than 1 KiB may come, or nothing
	// of an upload be taken; zero is 30 seconds.
	Timeout time.Duration
}

// RoundTrip sends the request and watches over its body.
func (s *Stall) RoundTrip(req *http.Request) (*http.Response, error) {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		up := &upload{ReadCloser: req.Body, timeout: timeout}
		up.timer = time.AfterFunc(timeout, func() { cancel(ErrStalled) })
		defer up.stop() // whatever is still read of it, nobody waits for
		out.Body = up
	}
	resp, err := s.Next.RoundTrip(out)
	if err != nil {
		if errors.Is(context.Cause(ctx), ErrStalled) {
			err = ErrStalled
		}
		cancel(nil)
		return nil, err
	}
	b := &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, timeout: timeout}
	b.timer = time.AfterFunc(timeout, func() { cancel(ErrStalled) })
	resp.Body = b
	return resp, nil
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
