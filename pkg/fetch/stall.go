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

// Stall ends a response whose body stops coming.
type Stall struct {
	Next http.RoundTripper
	// Timeout is the longest time in which less than 1 KiB may come; zero is
	// 30 seconds.
	Timeout time.Duration
}

// RoundTrip sends the request and watches over its body.
func (s *Stall) RoundTrip(req *http.Request) (*http.Response, error) {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := s.Next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	b := &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, timeout: timeout}
	b.timer = time.AfterFunc(timeout, func() { cancel(ErrStalled) })
	resp.Body = b
	return resp, nil
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
