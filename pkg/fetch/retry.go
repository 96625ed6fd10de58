package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// DefaultAttempts is how often a request is sent at most: often enough for
	// a server that restarts, seldom enough for one that is down.
	DefaultAttempts = 4

	// peekLimit is how much of a body Retry reads before it hands an answer
	// over, so that a cut within it can still be mended. All documents fit.
	peekLimit = 8 << 20
)

// Retry sends again what failed by chance: connections that break, also in
// mid-body, and answers 408, 429, 500, 502, 503 and 504. It is the one place
// that does, so that attempts never multiply. It repeats only what changes
// nothing: GET, HEAD, and a POST that is marked as a look-up.
type Retry struct {
	Next     http.RoundTripper
	Attempts int           // how often a request is sent at most; zero is DefaultAttempts, 1 never repeats
	Waits    *Waits        // is told of long waits; nil is told of none
	Wait     time.Duration // before the second attempt, doubled for each further one, with jitter; zero is 200 ms
	Repeats  *atomic.Int64 // counts what was sent again; nil counts nothing
}

// RoundTrip sends the request until an answer stands, the attempts are used
// up, or the context would end before the next one.
func (r *Retry) RoundTrip(req *http.Request) (*http.Response, error) {
	attempts := r.Attempts
	if attempts <= 0 {
		attempts = DefaultAttempts
	}
	if !repeatable(req) {
		attempts = 1
	}
	ctx := req.Context()
	throttled := 0
	for n := 1; ; n++ {
		try := req
		if n > 1 {
			if r.Repeats != nil {
				r.Repeats.Add(1)
			}
			try = req.Clone(ctx)
			if req.GetBody != nil {
				body, err := req.GetBody()
				if err != nil {
					return nil, err
				}
				try.Body = body
			}
		}
		resp, err := r.Next.RoundTrip(try)
		var cut bool
		if err == nil {
			cut = r.peek(ctx, req, resp)
		}
		// Being told to wait is not a failure of the request: such turns are
		// counted apart, and allowed as often again.
		limit := attempts
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			throttled++
			limit = 2 * attempts
		} else {
			limit += throttled
		}
		if attempts == 1 || n >= limit || !again(ctx, resp, err, cut) {
			return resp, err
		}
		wait := r.wait(n)
		if resp != nil {
			if asked, ok := RetryAfter(resp.Header, time.Now()); ok {
				wait = asked + time.Duration(rand.Int64N(int64(50*time.Millisecond)))
			}
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return resp, err // what came says more than "deadline exceeded"
		}
		if resp != nil {
			drain(resp.Body)
		}
		r.Waits.note(req.URL.Host, resp, wait)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (r *Retry) wait(n int) time.Duration {
	base := r.Wait
	if base <= 0 {
		base = 200 * time.Millisecond
	}
	d := min(base<<min(n-1, 10), 10*time.Second)
	return d/2 + time.Duration(rand.Int64N(int64(d)))
}

// peek reads the beginning of a good answer and reports whether it was cut.
func (r *Retry) peek(ctx context.Context, req *http.Request, resp *http.Response) (cut bool) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 || req.Method == http.MethodHead || !repeatable(req) {
		return false
	}
	limit := int64(peekLimit)
	if want, ok := ctx.Value(limitKey{}).(int64); ok {
		limit = min(limit, want+1)
	}
	if resp.ContentLength > limit {
		return false // a stream, or too large: no use in waiting for it
	}
	var head bytes.Buffer
	_, err := io.CopyN(&head, resp.Body, limit)
	rest := io.Reader(resp.Body)
	if errors.Is(err, io.EOF) {
		rest, err = bytes.NewReader(nil), nil
	} else if err != nil {
		rest = failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&head, rest), resp.Body}
	return err != nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	if req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead {
		return true
	}
	_, marked := req.Header["Idempotency-Key"]
	return marked
}

// again reports whether what happened may be otherwise next time.
func again(ctx context.Context, resp *http.Response, err error, cut bool) bool {
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		switch resp.StatusCode {
		case 408, 429, 500, 502, 503, 504:
			return true
		}
		return cut
	}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var proxy *proxyError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, errors.As(err, &cert), errors.As(err, &record),
		errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, errNoTransport), errors.Is(err, errBadProxy),
		errors.As(err, &proxy) && proxy.status < 500, (&Error{Err: err}).tlsHint() != "":
		return false
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
