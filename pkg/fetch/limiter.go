package fetch

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// DefaultInFlight is how many requests to one host may be under way at once.
// It hides round trips of 50 ms at some 1,000 requests a second, and stays
// below the 100 streams that HTTP/2 servers commonly allow.
const DefaultInFlight = 64

// Limiter keeps the manners towards each host. It starts with a full budget of
// requests in flight, halves it when the host answers 429 or 503, and lets it
// grow back. When the host asks to wait (Retry-After) all requests to it wait.
// A host that has refused is also paced from then on, at the rate that it is
// seen to accept. Requests go in the order in which they came.
type Limiter struct {
	Next     http.RoundTripper
	InFlight int // the budget of each host; zero is DefaultInFlight

	// Budgets are rates that hosts have published, by URL host or a domain
	// above it; see [PublishedBudgets]. They are kept before any refusal.
	Budgets map[string]Budget

	mu    sync.Mutex
	hosts map[string]*host
}

// Budget is a number of requests in a sliding window of time.
type Budget struct {
	Requests int
	Per      time.Duration
}

// PublishedBudgets are what the hosts of Kubernetes' images publish, less a
// margin for others behind the same address: 2,490 in 30 seconds for
// registry.k8s.io, about 5,000 a minute for Artifact Registry.
func PublishedBudgets() map[string]Budget {
	return map[string]Budget{
		"registry.k8s.io": {Requests: 2400, Per: 30 * time.Second},
		"pkg.dev":         {Requests: 4800, Per: time.Minute},
	}
}

// RoundTrip waits for its turn, sends the request, and learns from the answer.
// The request counts as under way until its body is closed or at its end.
func (l *Limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	h := l.host(strings.ToLower(req.URL.Host))
	// When its turn came, not when this got round to it: what was let go before a
	// refusal brings the same news as that.
	sent, err := h.acquire(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := l.Next.RoundTrip(req)
	if err != nil {
		h.release()
		return nil, err
	}
	h.learn(sent, resp)
	resp.Body = &counted{ReadCloser: resp.Body, done: h.release}
	return resp, nil
}

func (l *Limiter) host(name string) *host {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[name]
	if h == nil {
		full := l.InFlight
		if full <= 0 {
			full = DefaultInFlight
		}
		h = &host{full: full, budget: float64(full)}
		for domain, b := range l.Budgets {
			if (name == domain || strings.HasSuffix(name, "."+domain)) && b.Requests > 0 {
				h.window, h.sent = b.Per, make([]time.Time, b.Requests)
			}
		}
		if l.hosts == nil {
			l.hosts = map[string]*host{}
		}
		l.hosts[name] = h
	}
	return h
}

// host is what is known of one host.
type host struct {
	mu      sync.Mutex
	full    int     // the largest budget
	budget  float64 // requests that may be under way now
	flying  int
	waiting []chan time.Time // in order of arrival; each is told when it may go
	timer   *time.Timer      // set while the first of them waits for the clock

	paused time.Time     // nothing is sent before
	cut    time.Time     // of the last refusal that was counted
	pace   float64       // requests a second; zero is free
	next   time.Time     // when the pace allows another
	credit time.Duration // of the last pause, which next may lag behind
	strict bool          // this host refuses what was saved up
	gain   float64       // what one more accepted request adds to the first measure

	since    time.Time // accepted is counted from here
	accepted int

	window time.Duration // of a published budget
	sent   []time.Time   // a ring: when each of its last requests was sent
	at     int
}

func (h *host) acquire(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	turn := make(chan time.Time, 1)
	h.mu.Lock()
	h.waiting = append(h.waiting, turn)
	h.pump()
	h.mu.Unlock()
	select {
	case at := <-turn:
		return at, nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, w := range h.waiting {
		if w == turn {
			h.waiting = append(h.waiting[:i], h.waiting[i+1:]...)
			h.pump()
			return time.Time{}, ctx.Err()
		}
	}
	// Its turn had come already: pass it on.
	h.flying--
	h.pump()
	return time.Time{}, ctx.Err()
}

func (h *host) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flying--
	h.pump()
}

// pump lets the requests go that may go now, and sets the clock for the next.
func (h *host) pump() {
	for len(h.waiting) > 0 && h.flying < max(1, int(h.budget)) {
		now := time.Now()
		if d := h.delay(now); d > 0 {
			if h.timer == nil {
				h.timer = time.AfterFunc(d, func() {
					h.mu.Lock()
					defer h.mu.Unlock()
					h.timer = nil
					h.pump()
				})
			}
			return
		}
		h.noteSent(now)
		h.waiting[0] <- now
		h.waiting = h.waiting[1:]
	}
}

type counted struct {
	io.ReadCloser
	once sync.Once
	done func()
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil {
		c.once.Do(c.done)
	}
	return n, err
}

func (c *counted) Close() error {
	err := c.ReadCloser.Close()
	c.once.Do(c.done)
	return err
}
