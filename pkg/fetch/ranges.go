package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/par"
)

const (
	// rangeSize is what one request of a file in ranges asks for: some round trips of a
	// connection's rate, so that few requests do, and not so much that a file's first
	// bytes wait long for the last of them.
	rangeSize = 2 << 20
	// rangesAhead are as many as a file may be ahead of what was read of it in order. They lie in
	// a file without a name, 48 MiB at most, and are lost with the process.
	rangesAhead = perLane * maxLanes
	// rangesFrom is the shortest rest of a file that is fetched in ranges.
	rangesFrom = 2 * rangeSize
	// headStart is how many ranges the answer that is being read keeps to itself, while the first
	// request for what comes after them is on its way.
	headStart = 1
)

// ahead reads the rest of a file in order: from the answer that began it, and from some
// range on out of answers that come side by side. Who reads it sees one body, so that a
// part on disk never has a hole.
type ahead struct {
	client  *Client
	host    *laneHost
	request Request // of a range, without its Range
	etag    string
	scratch *os.File
	tries   int

	body       io.ReadCloser // from start on
	start, end int64

	mu       sync.Mutex
	at       int64         // read so far
	cut      int           // the first range that body does not bring; -1 while it brings all
	next     int           // the first range that was not asked for, once there is a cut
	done     []bool        // by range
	err      error         // why one of them will not come
	foreign  bool          // one did not come from a publisher
	over     bool          // nothing more is read
	changed  chan struct{} // closed when something of this has changed
	requests int           // that were sent
}

func (a *ahead) offset(i int) int64 { return min(a.start+int64(i)*rangeSize, a.end) }

// head is the range that is being read; mu is held.
func (a *ahead) head() int { return int((a.at - a.start) / rangeSize) }

func (a *ahead) call() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// run calls read while ranges are fetched beside it.
func (a *ahead) run(ctx context.Context, read func(io.Reader)) {
	ctx, cancel := context.WithCancel(ctx)
	a.done, a.cut, a.at, a.changed = make([]bool, (a.end-a.start+rangeSize-1)/rangeSize), -1, a.start, make(chan struct{})
	par.Do(
		func() {
			defer cancel()
			defer a.stop()
			read(inOrder{a, ctx})
		},
		func() { par.Map(ctx, len(a.done), rangesAhead, a.fetch, nil) },
	)
}

func (a *ahead) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	a.call()
}

// inOrder is what the reader sees.
type inOrder struct {
	ahead *ahead
	ctx   context.Context //nolint:containedctx // of this one file: ends its reading
}

func (r inOrder) Read(p []byte) (n int, err error) {
	a := r.ahead
	for {
		a.mu.Lock()
		from, i, cut, changed := a.at, a.head(), a.cut, a.changed
		ofBody := cut < 0 || from < a.offset(cut)
		until := a.offset(i + 1)
		if ofBody && cut >= 0 {
			until = a.offset(cut)
		}
		ready, failed := ofBody || from == a.end || a.done[i], a.err
		a.mu.Unlock()
		switch {
		case cut < 0: // also what should not come any more is read, and told
			n, err = a.body.Read(p)
		case ofBody:
			n, err = a.body.Read(p[:min(int64(len(p)), until-from)])
		case from == a.end:
			return 0, io.EOF
		case ready:
			if n, err = a.scratch.ReadAt(p[:min(int64(len(p)), until-from)], slot(i)+from-a.offset(i)); n > 0 {
				err = nil
			}
		case failed != nil:
			return 0, failed
		default:
			select {
			case <-changed:
				continue
			case <-r.ctx.Done():
				return 0, context.Cause(r.ctx)
			}
		}
		a.advance(n)
		return n, err
	}
}

// advance notes what was read, and ends the answer that is no longer needed.
func (a *ahead) advance(n int) {
	a.mu.Lock()
	before := a.head()
	a.at += int64(n)
	if a.head() != before {
		a.call()
	}
	ended := a.cut >= 0 && a.at == a.offset(a.cut)
	a.mu.Unlock()
	if ended {
		_ = a.body.Close()
	}
}

// slot is where in scratch a range lies.
func slot(i int) int64 { return int64(i%rangesAhead) * rangeSize }

// fetch brings range i, unless the answer that is being read does.
func (a *ahead) fetch(ctx context.Context, i int) {
	mark := new(bulk)
	if !a.turn(ctx, i, mark) {
		return
	}
	err := a.bring(ctx, i, mark)
	a.host.unclaim(mark)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done[i] = err == nil; err != nil && a.err == nil {
		a.err = err
	}
	a.call()
}

// turn waits until range i may be asked for, and says whether it is to be.
func (a *ahead) turn(ctx context.Context, i int, mark *bulk) bool {
	a.host.wait(1)
	defer a.host.wait(-1)
	for {
		a.mu.Lock()
		head, changed := a.head(), a.changed
		mine := a.cut < 0 && i > head+headStart || a.cut >= 0 && i >= a.cut
		if a.over || a.err != nil || !mine {
			a.mu.Unlock()
			return false
		}
		var granted bool
		var again <-chan struct{}
		next := a.next
		if a.cut < 0 {
			next = head + headStart + 1
		}
		if i == next && i < head+rangesAhead {
			// The one that the reader waits for takes the place of the answer that has ended.
			if granted = a.cut >= 0 && i == head; !granted {
				if granted, again = a.host.claim(); granted {
					mark.claimed = a.host
				}
			}
		}
		if granted {
			if a.next = i + 1; a.cut < 0 {
				a.cut = i
			}
			a.call()
		}
		a.mu.Unlock()
		if granted {
			return true
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return false
		}
	}
}

// bring fetches range i, and what is missing of it again where it breaks off.
func (a *ahead) bring(ctx context.Context, i int, mark *bulk) error {
	from, to := a.offset(i), a.offset(i+1)
	for n := 1; ; n++ {
		got, broken, err := a.ask(ctx, mark, from, to, slot(i)+from-a.offset(i))
		from += got
		if !broken || ctx.Err() != nil || n >= a.tries {
			return err
		}
		if err := sleep(ctx, (&Retry{}).wait(n)); err != nil {
			return err
		}
	}
}

// ask fetches bytes from to to, and puts them where they belong in scratch. broken says that
// asking for what is missing may mend the error.
func (a *ahead) ask(ctx context.Context, mark *bulk, from, to, where int64) (got int64, broken bool, err error) {
	req := a.request
	req.Header = req.Header.Clone()
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	req.Header.Set("If-Range", a.etag)
	resp, e, published, err := a.client.open(withBulk(withLimit(ctx, 0), mark), &req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	if err := a.isRange(resp, from, to); err != nil {
		return 0, false, e.because(BadStatus, err)
	}
	blk := spare.Get().(*block)
	defer spare.Put(blk)
	got, err = io.CopyBuffer(io.NewOffsetWriter(a.scratch, where), io.LimitReader(resp.Body, to-from), blk.buf[:])
	a.mu.Lock()
	a.foreign = a.foreign || !published
	a.requests++
	a.mu.Unlock()
	if got == to-from {
		return got, false, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return got, true, e.because(Truncated, fmt.Errorf("cut after %d of %d bytes: %w", got, to-from, bare(err)))
}

// isRange says why an answer is not these bytes of the same file (RFC 9110, 13.1.5, 14.4, 15.3.7).
func (a *ahead) isRange(resp *http.Response, from, to int64) error {
	want := fmt.Sprintf("bytes %d-%d/%d", from, to-1, a.end)
	switch {
	case resp.StatusCode != http.StatusPartialContent:
		return fmt.Errorf("status %d to a request for %s of the same file", resp.StatusCode, want)
	case resp.Header.Get("Content-Range") != want || resp.ContentLength >= 0 && resp.ContentLength != to-from:
		return fmt.Errorf("%s were asked for, and Content-Range %s came", want, quote(resp.Header.Get("Content-Range")))
	case resp.Header.Get("ETag") != a.etag:
		return errors.New("the server has another file now than when this was begun")
	}
	return encoded(resp)
}

// newAhead prepares the rest of a part, of which resp brings all or the beginning. It is
// nil where that is not worth it, or not possible: ranges are of one file only under a
// strong validator, and over a transport that knows its connections. header is what was sent
// along, and each range is asked for up to tries times.
func (p *Part) newAhead(c *Client, mark *bulk, resp *http.Response, header http.Header, tries int) *ahead {
	host, etag := mark.host.Load(), p.state.ETag
	rest := p.state.Length - p.Size
	if host == nil || p.whole || rest < rangesFrom || !strings.HasPrefix(etag, `"`) || resp.Header.Get("ETag") != etag {
		return nil
	}
	if ranges := resp.Header.Get("Accept-Ranges"); resp.StatusCode != http.StatusPartialContent && !strings.EqualFold(ranges, "bytes") {
		return nil
	}
	if free, known := freeSpace(p.file); known && free < rest+2*rangesAhead*rangeSize {
		return nil
	}
	scratch, err := p.openScratch()
	if err != nil {
		return nil
	}
	a := &ahead{client: c, host: host, etag: etag, scratch: scratch, tries: tries, body: resp.Body, start: p.Size, end: p.state.Length}
	a.request = Request{URL: p.FinalURL, Header: header.Clone()}
	if a.request.Header == nil {
		a.request.Header = http.Header{}
	}
	asked, err := parseURL(p.state.URL)
	final, err2 := parseURL(p.FinalURL)
	if err != nil || err2 != nil || hostPort(asked) != hostPort(final) {
		for _, secret := range secrets {
			a.request.Header.Del(secret)
		}
	}
	return a
}

// openScratch makes a file beside the part that loses its name at once, where the system can.
func (p *Part) openScratch() (*os.File, error) {
	name := scratchOf(p.name)
	clearName(p.root, name) // of a run that was killed: this one has the part's lock
	f, err := p.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_ = p.root.Remove(name)
	}
	return f, err
}

// close gives up what no name leads to.
func (a *ahead) close(p *Part) {
	_ = a.scratch.Close()
	_ = p.root.Remove(scratchOf(p.name)) // where an open file keeps its name
	if a.requests > 0 {
		p.Joined, p.origin = true, p.origin && !a.foreign
	}
	p.whole = p.whole || a.err != nil
}
