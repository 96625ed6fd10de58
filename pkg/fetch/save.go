package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// maxUnannounced caps a file whose length the server does not say, which no
	// publisher's server omits: a client cannot tell such a body from an endless one.
	maxUnannounced = 256 << 20
	// smallFile is what shares the first connection with everything else, if the caller knows.
	smallFile = 1 << 20
	// progress is what an attempt must bring for the attempts to be counted anew.
	progress = 1 << 20
)

// SaveRequest says what to save where.
type SaveRequest struct {
	URL   string
	Root  *os.Root // the directory that nothing leaves
	Name  string   // the file's final name in it, slash-separated; see [CheckName]
	Limit int64    // cap of the file in bytes; zero is MaxFile

	Header http.Header // sent along; Authorization is dropped on the way to another host

	Attempts int           // how often a body that breaks off is taken up again without progress; zero is DefaultAttempts
	Wait     time.Duration // before the second attempt, with jitter; zero is 200 ms
	Fresh    bool          // begin from zero, whatever is on disk, and fetch all of it in one answer

	Reserve  *DiskReserve // nil checks only this file's own need
	Progress *Transfer    // nil counts nothing
}

// Save streams a file into its part and returns the part, complete and
// hashed. What an earlier run left of it is hashed again and continued,
// unless the server says by ETag, Last-Modified or length that it now has
// another file.
//
// Requests that fail are repeated by the transport; what Save itself repeats
// is the rest of a body that broke off. On an error the part stays on disk for
// a later run. Errors are [*Error] and [*FileError].
func (c *Client) Save(ctx context.Context, r SaveRequest) (*Part, error) {
	if r.Limit <= 0 || r.Limit > MaxFile {
		r.Limit = MaxFile
	}
	if r.Attempts <= 0 {
		r.Attempts = DefaultAttempts
	}
	p, err := openPart(r.Root, r.Name)
	if err != nil {
		return nil, err
	}
	if p.whole = r.Fresh; r.Fresh {
		err = p.restart()
	} else {
		err = p.resume(r.URL, r.Progress)
	}
	for n := 1; err == nil; n++ {
		before := p.Size
		if err = p.fetchMissing(ctx, c, r); err == nil {
			p.sum()
			if p.origin && p.Resumed == 0 {
				p.Origin = Published
			}
			return p, nil
		}
		var broken *brokenError
		if !errors.As(err, &broken) {
			break
		}
		if err = broken.Err; ctx.Err() != nil || errors.As(err, new(*FileError)) {
			break
		}
		if p.Size-before >= progress {
			n = 1
		}
		if n >= r.Attempts {
			break
		}
		if sleep(ctx, (&Retry{Wait: r.Wait}).wait(n)) != nil {
			break
		}
		err = nil
	}
	if p.Size == 0 { // nothing that a later run could use
		return nil, errors.Join(err, p.Discard())
	}
	var e *Error
	if errors.As(err, &e) {
		e.KeptBytes = p.Size
	}
	return nil, errors.Join(err, p.Close())
}

// brokenError marks what going on from here may mend.
type brokenError struct{ Err error }

func (e *brokenError) Error() string { return e.Err.Error() }

// fetchMissing asks for what is missing and adds it to the part.
func (p *Part) fetchMissing(ctx context.Context, c *Client, r SaveRequest) error {
	req := Request{URL: r.URL, Header: r.Header.Clone()}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	from := p.Size
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		switch {
		case p.state.ETag != "" && !strings.HasPrefix(p.state.ETag, "W/"):
			req.Header.Set("If-Range", p.state.ETag)
		case p.state.LastModified != "":
			req.Header.Set("If-Range", p.state.LastModified)
		}
	}
	// A limit of nothing: the transport hands the body over as it comes.
	mark := new(bulk)
	send := withLimit(ctx, 0)
	if r.Limit > smallFile {
		send = withBulk(send, mark)
	}
	resp, e, published, err := c.open(send, &req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	p.FinalURL = e.FinalURL
	if err := p.checkAnswer(resp, e, r); err != nil {
		return err
	}
	p.origin = p.origin && published
	release, err := r.Reserve.reserve(p)
	if err != nil {
		return err
	}
	defer release()
	a := p.newAhead(c, mark, resp, r.Header, r.Attempts)
	if a == nil {
		return p.receive(ctx, resp.Body, e, r)
	}
	defer a.close(p)
	a.run(ctx, func(body io.Reader) { err = p.receive(ctx, body, e, r) })
	return err
}

// checkAnswer holds an answer's header against what is on disk, and decides whether
// the body goes on from there or begins anew.
func (p *Part) checkAnswer(resp *http.Response, e *Error, r SaveRequest) error {
	now := state{URL: r.URL, ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified"), Length: resp.ContentLength}
	anew := func() error {
		if err := p.restart(); err != nil {
			return err
		}
		r.Progress.start(now.Length)
		return nil
	}
	switch {
	case resp.StatusCode == http.StatusOK:
	case resp.StatusCode == http.StatusPartialContent && p.Size > 0:
		from, total, err := contentRange(resp.Header.Get("Content-Range"))
		if err != nil || from != p.Size || resp.ContentLength >= 0 && resp.ContentLength != total-from {
			// It lies about the part: what is here may be another file's.
			if err := anew(); err != nil {
				return err
			}
			return &brokenError{e.because(Truncated, fmt.Errorf("bytes from %d were asked for, and Content-Range %s came", from, quote(resp.Header.Get("Content-Range"))))}
		}
		if now.Length = total; p.state.differs(now) {
			if err := anew(); err != nil {
				return err
			}
			return &brokenError{e.because(Truncated, errors.New("the server has another file now than when this was begun"))}
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && p.Size > 0:
		if err := anew(); err != nil {
			return err
		}
		return &brokenError{e.because(BadStatus, errors.New("the server has a shorter file now than when this was begun"))}
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return e.because(BadStatus, notWhole(resp.StatusCode))
	default:
		e.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		drain(resp.Body)
		return e.because(statusKind(resp.StatusCode), nil)
	}
	if err := encoded(resp); err != nil {
		return e.because(NotDocument, err)
	}
	if htmlType(resp.Header.Get("Content-Type")) {
		return e.because(NotDocument, errors.New("a web page (Content-Type text/html)"))
	}
	if now.Length > r.Limit {
		return e.because(TooLarge, fmt.Errorf("%d bytes announced, at most %d are saved", now.Length, r.Limit))
	}
	if resp.StatusCode == http.StatusOK && p.Size > 0 {
		if err := anew(); err != nil { // it does not know ranges, or has another file now
			return err
		}
	}
	if p.Size == 0 {
		p.state = now
		r.Progress.start(now.Length)
		return p.writeState()
	}
	return nil
}

// differs says whether a server speaks of another file than before, by
// whatever it said both times.
func (s state) differs(now state) bool {
	other := func(a, b string) bool { return a != "" && b != "" && a != b }
	return other(s.ETag, now.ETag) || other(s.LastModified, now.LastModified) || s.Length >= 0 && s.Length != now.Length
}

// contentRange reads "bytes FROM-TO/TOTAL" of an answer that reaches to the end
// (RFC 9110, 14.4).
func contentRange(v string) (from, total int64, err error) {
	bad := fmt.Errorf("Content-Range %s", quote(v))
	rest, ok := strings.CutPrefix(v, "bytes ")
	if !ok {
		return 0, 0, bad
	}
	span, size, _ := strings.Cut(rest, "/") // what is missing is no number
	first, last, _ := strings.Cut(span, "-")
	var n [3]uint64
	for i, s := range []string{first, last, size} {
		if n[i], err = strconv.ParseUint(s, 10, 62); err != nil {
			return 0, 0, bad
		}
	}
	if n[0] > n[1] || n[1]+1 != n[2] {
		return 0, 0, bad
	}
	return int64(n[0]), int64(n[2]), nil
}

// receive adds the body to the part.
func (p *Part) receive(ctx context.Context, from io.Reader, e *Error, r SaveRequest) error {
	want := p.state.Length // of the whole
	limit := r.Limit
	if want < 0 {
		limit = min(limit, maxUnannounced)
	}
	first := p.Size == 0
	body := io.LimitReader(from, limit-p.Size+1)
	if first {
		body = &pageReader{Reader: body}
	}
	_, err := p.pump(body, p.file, r.Progress)
	var local *FileError
	var timeout net.Error
	switch {
	case errors.As(err, &local):
		return err
	case errors.Is(err, errPage):
		return errors.Join(p.restart(), e.because(NotDocument, err))
	case err != nil && ctx.Err() != nil:
		return e.transport(ctx, err)
	case err != nil && (errors.Is(err, ErrStalled) || errors.As(err, &timeout) && timeout.Timeout()):
		return &brokenError{e.because(Unreachable, err)}
	case err != nil:
		return &brokenError{e.because(Truncated, fmt.Errorf("cut after %d bytes: %w", p.Size, err))}
	case p.Size > limit:
		return errors.Join(p.restart(), e.because(TooLarge, fmt.Errorf("more than %d bytes", limit)))
	case want >= 0 && p.Size > want:
		return errors.Join(p.restart(), &brokenError{e.because(Truncated, fmt.Errorf("more than the %d bytes that were announced", want))})
	case want >= 0 && p.Size < want:
		return &brokenError{e.because(Truncated, fmt.Errorf("%d bytes, but %d were announced", p.Size, want))}
	}
	return nil
}
