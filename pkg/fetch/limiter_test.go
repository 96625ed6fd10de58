package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// bucket is a server with a token bucket, in the bubble's time.
type bucket struct {
	rate, burst float64
	latency     time.Duration
	retryAfter  string

	mu                sync.Mutex
	tokens            float64
	last              time.Time
	accepted, refused int
	flying, most      int
}

func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.flying++
	b.most = max(b.most, b.flying)
	b.mu.Unlock()
	time.Sleep(b.latency / 2)
	b.mu.Lock()
	now := time.Now()
	if b.last.IsZero() {
		b.tokens = b.burst
	} else {
		b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
		b.accepted++
	} else {
		b.refused++
	}
	b.mu.Unlock()
	time.Sleep(b.latency / 2)
	b.mu.Lock()
	b.flying--
	b.mu.Unlock()
	if ok {
		return answer(200, strings.NewReader("x"), 1), nil
	}
	if b.retryAfter == "" {
		return answer(429, strings.NewReader(""), 0), nil
	}
	return answer(429, strings.NewReader(""), 0, "Retry-After", b.retryAfter), nil
}

// Against a server that lets 80 requests a second pass, everything arrives, in
// at most 1.2 times the ideal time, with some 5 % refused: waits are drawn at random.
func TestLimiterLearnsThePace(t *testing.T) {
	for _, n := range []int{1000, 2040} {
		for _, latency := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
			for _, retryAfter := range []string{"1", ""} {
				for _, rate := range []float64{80, 40, 200} {
					synctest.Test(t, func(t *testing.T) {
						b := &bucket{rate: rate, burst: 80, latency: latency, retryAfter: retryAfter}
						c := &fetch.Client{Transport: &fetch.Retry{Next: &fetch.Limiter{Next: b}}}
						start := time.Now()
						var failed atomic.Int32
						par.Map(t.Context(), n, n, func(ctx context.Context, i int) {
							if _, err := c.Get(ctx, fmt.Sprintf("https://registry.k8s.io/v2/%d", i), 10); err != nil {
								failed.Add(1)
							}
						}, nil)
						took := time.Since(start).Seconds()
						ideal := (float64(n)-b.burst)/b.rate + latency.Seconds()
						t.Logf("n=%d latency=%s Retry-After=%q rate=%.0f: %d refused (%.1f %%), %.2f times ideal", n, latency, retryAfter, rate,
							b.refused, 100*float64(b.refused)/float64(n), took/ideal)
						if failed.Load() > 0 || b.most > fetch.DefaultInFlight {
							t.Errorf("%d failed, %d in flight", failed.Load(), b.most)
						}
						// A faster host with the same bucket looks like a slow one at
						// first, and is then tried out bit by bit.
						most, share := 1.2, 0.07
						if rate != 80 {
							most, share = 2.5, 0.1
						}
						if float64(b.refused) > share*float64(n+b.refused) || took > most*ideal {
							t.Errorf("refused %d of %d in %.1f s; ideal %.1f s", b.refused, n, took, ideal)
						}
					})
				}
			}
		}
	}
}

func TestLimiterKeepsAPublishedBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sent []time.Time
		l := &fetch.Limiter{Budgets: map[string]fetch.Budget{"pkg.dev": {Requests: 50, Per: 10 * time.Second}},
			Next: roundTrip(func(*http.Request) (*http.Response, error) {
				mu.Lock()
				sent = append(sent, time.Now())
				mu.Unlock()
				time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
				return answer(200, strings.NewReader("x"), 1), nil
			})}
		c := &fetch.Client{Transport: l}
		start := time.Now()
		par.Map(t.Context(), 220, 220, func(ctx context.Context, i int) {
			if _, err := c.Get(ctx, "https://us-docker.pkg.dev/v2/x", 10); err != nil {
				t.Error(err)
			}
		}, nil)
		for i := 50; i < len(sent); i++ {
			if d := sent[i].Sub(sent[i-50]); d < 10*time.Second {
				t.Fatalf("request %d left %s after the 50th before it", i, d)
			}
		}
		if took := time.Since(start); took > 41*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestLimiterHalvesGrowsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		flying, most, refuse := 0, 0, 0
		var firstAfter time.Time
		l := &fetch.Limiter{InFlight: 16, Next: roundTrip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			flying++
			most = max(most, flying)
			no := refuse > 0
			refuse--
			if !no && firstAfter.IsZero() {
				firstAfter = time.Now()
			}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			flying--
			mu.Unlock()
			if no {
				return answer(503, strings.NewReader(""), 0, "Retry-After", "5"), nil
			}
			return answer(200, strings.NewReader("x"), 1), nil
		})}
		c := &fetch.Client{Transport: l}
		run := func(n int) (peak int, took time.Duration) {
			most = 0
			start := time.Now()
			par.Map(t.Context(), n, n, func(ctx context.Context, i int) { c.Get(ctx, "https://a.example/x", 10) }, nil)
			return most, time.Since(start)
		}
		if peak, took := run(64); peak != 16 || took != 400*time.Millisecond {
			t.Errorf("in the beginning: %d in flight, %s", peak, took)
		}
		refuse, firstAfter = 1, time.Time{}
		run(1)
		start := time.Now()
		if peak, _ := run(32); peak < 8 || peak > 11 {
			t.Errorf("after a refusal %d in flight, want about 8", peak)
		}
		if d := firstAfter.Sub(start); d != 5*time.Second {
			t.Errorf("the host was left in peace for %s, want 5s", d)
		}
		run(300)
		if peak, _ := run(64); peak != 16 {
			t.Errorf("grown back to %d in flight, want 16", peak)
		}
		// One wave of refusals is one piece of news.
		refuse, firstAfter = 16, time.Time{}
		run(16)
		if peak, _ := run(32); peak < 8 || peak > 11 {
			t.Errorf("after a wave of refusals %d in flight, want about 8", peak)
		}
	})
}

func TestLimiterCancelLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		l := &fetch.Limiter{InFlight: 2, Next: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/block" {
				<-block
			}
			if r.URL.Path == "/fail" {
				return nil, errors.New("no")
			}
			return answer(200, strings.NewReader("x"), 1), nil
		})}
		c := &fetch.Client{Transport: l}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		time.AfterFunc(2*time.Second, func() { close(block) })
		par.Map(t.Context(), 22, 22, func(_ context.Context, i int) {
			switch {
			case i < 2:
				c.Get(t.Context(), "https://a.example/block", 10)
			case i < 12:
				time.Sleep(time.Millisecond)
				if _, err := c.Get(ctx, "https://a.example/x", 10); !fetch.Is(err, fetch.Cancelled) {
					t.Error(err)
				}
			default:
				time.Sleep(2 * time.Millisecond)
				if _, err := c.Get(t.Context(), "https://a.example/x", 10); err != nil {
					t.Error(err)
				}
			}
		}, nil)
		for range 5 {
			c.Get(t.Context(), "https://a.example/fail", 10)
		}
		if _, err := c.Get(t.Context(), "https://a.example/x", 10); err != nil {
			t.Error(err)
		}
		// A body that is only closed, or read to its end and closed twice,
		// counts once.
		for range 5 {
			req, _ := http.NewRequest("GET", "https://a.example/x", nil)
			resp, err := l.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			resp.Body.Close()
		}
	})
}

// A burst shares one connection where there is HTTP/2, and afterwards too; with
// HTTP/1 a pool stays warm.
func TestConnections(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		const together = 32
		var now atomic.Int32
		met := make(chan struct{})
		meet := sync.OnceFunc(func() { close(met) })
		n := newInternet(t, h2, []string{"registry.k8s.io"}, func(w http.ResponseWriter, r *http.Request) {
			if now.Add(1) >= together {
				meet()
			}
			select { // nobody is answered before so many have asked
			case <-met:
			case <-r.Context().Done():
			case <-time.After(30 * time.Second):
				t.Errorf("HTTP/2 %t: only %d side by side", h2, now.Load())
				meet()
			}
			now.Add(-1)
			io.WriteString(w, "x")
		})
		c := &fetch.Client{Transport: &fetch.Limiter{Next: fetch.NewTransport(n.options())}}
		for range 3 {
			par.Map(t.Context(), 128, 128, func(ctx context.Context, i int) {
				if _, err := c.Get(ctx, "https://registry.k8s.io/x", 10); err != nil {
					t.Error(err)
				}
			}, nil)
		}
		conns := n.conns.Load()
		// HTTP/1 puts a connection back a moment after its answer was read, and who
		// asks in that moment opens another. Bursts without a pool would open 192.
		if h2 && conns != 1 || !h2 && conns > 2*fetch.DefaultInFlight {
			t.Errorf("HTTP/2 %t: %d connections", h2, conns)
		}
	}
}

// The one who connects first may fail or give up: nobody waits for ever.
func TestConnectionsWhenTheFirstFails(t *testing.T) {
	n := newInternet(t, true, []string{"registry.k8s.io"}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") })
	o := n.options()
	dial := o.Dial
	var dials atomic.Int32
	o.Dial = func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		if dials.Add(1) == 1 {
			time.Sleep(20 * time.Millisecond)
			return nil, errors.New("no route")
		}
		return dial(ctx, network, addr)
	}
	transport := fetch.NewTransport(o)
	c := &fetch.Client{Transport: transport}
	var failed atomic.Int32
	par.Map(t.Context(), 16, 16, func(ctx context.Context, i int) {
		if _, err := c.Get(ctx, "https://registry.k8s.io/x", 10); err != nil {
			failed.Add(1)
		}
	}, nil)
	if failed.Load() != 1 {
		t.Errorf("%d failed, want the first only", failed.Load())
	}
	// The server closes all connections: the next burst shares one new one. Who
	// meets a connection that is closing asks again, as in every run.
	c = &fetch.Client{Transport: &fetch.Retry{Next: transport}}
	before := n.conns.Load()
	n.tls.CloseClientConnections()
	time.Sleep(20 * time.Millisecond)
	par.Map(t.Context(), 16, 16, func(ctx context.Context, i int) {
		if _, err := c.Get(ctx, "https://registry.k8s.io/x", 10); err != nil {
			t.Error(err)
		}
	}, nil)
	if d := n.conns.Load() - before; d > 16 {
		t.Errorf("%d new connections", d)
	}
}

func BenchmarkLimiter(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }))
	defer s.Close()
	c := &fetch.Client{Transport: &fetch.Retry{Next: &fetch.Limiter{Next: fetch.NewTransport(fetch.Options{})}}}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Get(b.Context(), s.URL, 10); err != nil {
				b.Error(err)
			}
		}
	})
}
