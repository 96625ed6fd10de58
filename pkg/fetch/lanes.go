package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lanes sends files over several connections to a host, where net/http would share one:
// a server, or a line's loss, may bound each. Everything else, and what only leads on,
// stays on the first. How many there are is the meter's to say; see [meter].
type lanes struct {
	further func() http.RoundTripper // makes one more lane

	mu    sync.Mutex
	all   []http.RoundTripper // the first is for everything
	hosts map[string]*laneHost
}

// laneHost is what is known of one host.
type laneHost struct {
	mu      sync.Mutex
	meter   meter
	busy    [maxLanes]int // files and ranges under way on each lane
	flying  int           // their sum
	claims  int           // ranges that may begin and have not
	waiting int           // ranges that wait for a claim
	leads   bool          // it sends requests on to another host
	http1   bool
	changed chan struct{} // closed when a claim may be granted
}

type bulkKey struct{}

// bulk marks the request of a file or of a range of one.
type bulk struct {
	host    atomic.Pointer[laneHost] // that answered; nil where no lanes are below
	claimed *laneHost                // has granted it
}

func withBulk(ctx context.Context, b *bulk) context.Context {
	return context.WithValue(ctx, bulkKey{}, b)
}

// RoundTrip sends the request on the lane that has least to do.
func (l *lanes) RoundTrip(req *http.Request) (*http.Response, error) {
	h := l.host(req)
	b, _ := req.Context().Value(bulkKey{}).(*bulk)
	if b == nil {
		resp, err := l.lane(0).RoundTrip(req)
		if err == nil {
			h.note(resp, time.Time{})
		}
		return resp, err
	}
	lane := h.book(b)
	var sent atomic.Pointer[time.Time]
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { now := time.Now(); sent.Store(&now) }})
	resp, err := l.lane(lane).RoundTrip(req.WithContext(ctx))
	if err != nil {
		h.end(lane, req.Context().Err() == nil)
		return nil, err
	}
	if at := sent.Load(); at != nil {
		h.note(resp, *at)
	}
	b.host.Store(h)
	resp.Body = &laneBody{ReadCloser: resp.Body, host: h, lane: lane, ctx: req.Context()}
	return resp, nil
}

func (l *lanes) host(req *http.Request) *laneHost {
	key := req.URL.Scheme + "://" + strings.ToLower(req.URL.Host)
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[key]
	if h == nil {
		h = &laneHost{meter: meter{lanes: firstLanes}, changed: make(chan struct{})}
		l.hosts[key] = h
	}
	return h
}

func (l *lanes) lane(i int) http.RoundTripper {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.all) <= i {
		l.all = append(l.all, l.further())
	}
	return l.all[i]
}

// note learns from an answer's header, to a request that went out at sent; zero is unknown.
func (h *laneHost) note(resp *http.Response, sent time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if took := time.Since(sent); !sent.IsZero() && (h.meter.rtt == 0 || took < h.meter.rtt) {
		h.meter.rtt = took
	}
	h.http1 = resp.ProtoMajor == 1
	switch {
	case redirects(resp.StatusCode):
		h.leads = true
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable:
		h.meter.refused(h.used()/2, time.Now())
	}
}

// book takes the lane for a request.
func (h *laneHost) book(b *bulk) (lane int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b.claimed == h {
		b.claimed = nil
		h.claims--
	}
	for i := range h.meter.lanes {
		if !h.leads && h.busy[i] < h.busy[lane] {
			lane = i
		}
	}
	h.busy[lane]++
	h.flying++
	return lane
}

// end gives the lane back. broken says that the server, or the line, ended it.
func (h *laneHost) end(lane int, broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy[lane]--
	h.flying--
	if broken && lane > 0 {
		h.meter.refused(lane, time.Now()) // those below it are there
	}
	h.call()
}

func (h *laneHost) call() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// used are the lanes that have something to do.
func (h *laneHost) used() (n int) {
	for _, busy := range h.busy {
		n += min(busy, 1)
	}
	return n
}

// claim says whether one more range may begin: a lane has room for it, and a trial has
// shown, or is about to show, that it helps. The channel is closed when another answer
// may be given.
func (h *laneHost) claim() (ok bool, again <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.meter.lanes * perLane
	if h.http1 { // every request has its own connection, and one may be closing
		room = h.meter.lanes - 1
	}
	if !h.meter.split || h.flying+h.claims >= room {
		return false, h.changed
	}
	h.claims++
	return true, nil
}

func (h *laneHost) unclaim(b *bulk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b.claimed == h {
		b.claimed = nil
		h.claims--
		h.call()
	}
}

// wait counts those who wait for a claim.
func (h *laneHost) wait(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting += n
}

// received counts what came.
func (h *laneHost) received(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	used := h.used()
	if h.meter.add(n, time.Now(), used, h.waiting > 0 || h.flying > used) {
		h.call()
	}
}

// laneBody is the body of an answer on a lane.
type laneBody struct {
	io.ReadCloser
	host *laneHost
	lane int
	ctx  context.Context //nolint:containedctx // of this one answer: says whether it was given up
	once sync.Once
}

func (b *laneBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.host.received(n)
	if err != nil {
		b.end(!errors.Is(err, io.EOF) && b.ctx.Err() == nil)
	}
	return n, err
}

func (b *laneBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(false)
	return err
}

func (b *laneBody) end(broken bool) {
	b.once.Do(func() { b.host.end(b.lane, broken) })
}
