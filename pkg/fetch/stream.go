package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Stream is an answer that is read as it comes. It fails at its end, and not
// with [io.EOF], if it is longer than the limit, or shorter or longer than it
// was announced.
type Stream struct {
	body  io.ReadCloser
	e     *Error
	want  int64 // bytes announced; -1 if none were
	limit int64
	read  int64
	ctx   context.Context //nolint:containedctx // of this one answer: says why a read failed
}

// Open sends r as [Client.Do] does and leaves the body to be read by the
// caller, who closes it. A page is not recognised as one.
func (c *Client) Open(ctx context.Context, r Request) (*Stream, error) {
	if r.Limit <= 0 {
		r.Limit = DefaultLimit
	}
	send := withLimit(ctx, r.Limit)
	if r.Limit > smallFile {
		send = withBulk(send, new(bulk))
	}
	resp, e, _, err := c.open(send, &r) //nolint:bodyclose // the stream closes it
	if err != nil {
		return nil, err
	}
	if err := streamable(resp, r); err != nil {
		e.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		drain(resp.Body)
		return nil, e.because(err.kind, err.err)
	}
	return &Stream{body: resp.Body, e: e, want: resp.ContentLength, limit: r.Limit, ctx: ctx}, nil
}

type because struct {
	kind Kind
	err  error
}

func streamable(resp *http.Response, r Request) *because {
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode > 299 {
			return &because{statusKind(resp.StatusCode), nil}
		}
		return &because{BadStatus, notWhole(resp.StatusCode)}
	}
	if err := encoded(resp); err != nil {
		return &because{NotDocument, err}
	}
	if resp.ContentLength > r.Limit {
		return &because{TooLarge, fmt.Errorf("%d bytes announced, at most %d are read", resp.ContentLength, r.Limit)}
	}
	return nil
}

// Read reads as [io.Reader] does; any error but io.EOF is an [*Error].
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.read += int64(n)
	switch {
	case s.read > s.limit:
		return n, s.e.because(TooLarge, fmt.Errorf("more than %d bytes", s.limit))
	case errors.Is(err, io.EOF) && s.want >= 0 && s.read != s.want:
		return n, s.e.because(Truncated, fmt.Errorf("%d bytes, but %d were announced", s.read, s.want))
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case s.ctx.Err() != nil:
		return n, s.e.transport(s.ctx, err)
	}
	return n, s.e.because(Truncated, fmt.Errorf("cut after %d bytes: %w", s.read, err))
}

// Close ends the request, whether or not the body was read to its end.
func (s *Stream) Close() error { return s.body.Close() }
