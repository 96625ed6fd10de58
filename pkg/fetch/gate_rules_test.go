package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// spoken is a connection on which that protocol was agreed.
type spoken struct {
	net.Conn
	protocol string
}

func (s spoken) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{NegotiatedProtocol: s.protocol}
}

func newGate(next tripper) *gate { return &gate{next: next, most: 2, hosts: map[string]*gateHost{}} }

func traceOf(r *http.Request) *httptrace.ClientTrace {
	return httptrace.ContextClientTrace(r.Context())
}

func got(r *http.Request, c net.Conn) { traceOf(r).GotConn(httptrace.GotConnInfo{Conn: c}) }

// TestGateHosts holds that a host is one by scheme, name and port, given or implied.
func TestGateHosts(t *testing.T) {
	g := newGate(nil)
	a := g.host(at(t, "https://A.example/x"))
	for s, want := range map[string]struct {
		name string
		same bool
	}{
		"https://a.example:443/": {"a.example:443", true}, "https://a.example/y": {"a.example:443", true}, "http://a.example/": {"a.example:80", false}, "http://a.example:443/": {"a.example:443", false},
		"https://a.example:8443/": {"a.example:8443", false}, "https://b.example/": {"b.example:443", false}, "https://[::1]/": {"[::1]:443", false},
	} {
		if h := g.host(at(t, s)); h.name != want.name || (h == a) != want.same || h != g.host(at(t, s)) {
			t.Errorf("%s: %q, the same as the first: %v", s, h.name, h == a)
		}
	}
}

// crowd sends requests through a gate, each of which waits below it until it is let go on.
type crowd struct {
	gate  *gate
	below []*http.Request
	next  map[*http.Request]chan func() (*http.Response, error)
	ended chan error
}

func newCrowd() *crowd {
	c := &crowd{next: map[*http.Request]chan func() (*http.Response, error){}, ended: make(chan error, 10)}
	c.gate = newGate(func(r *http.Request) (*http.Response, error) {
		c.gate.mu.Lock()
		c.below = append(c.below, r)
		way := make(chan func() (*http.Response, error))
		c.next[r] = way
		c.gate.mu.Unlock()
		return (<-way)()
	})
	return c
}

func (c *crowd) send(ctx context.Context, n int) {
	for range n {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.example/", nil)
			_, err := c.gate.RoundTrip(req)
			c.ended <- err
		}()
		synctest.Wait()
	}
}

// end lets the request end that came i-th.
func (c *crowd) end(i int, err error) {
	c.next[c.below[i]] <- func() (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody}, err
	}
	synctest.Wait()
}

func (c *crowd) endAll() {
	i := 0
	for i < len(c.below) { // which grows, as who waited is let through
		select {
		case c.next[c.below[i]] <- func() (*http.Response, error) { return nil, errors.New("over") }:
		default:
		}
		synctest.Wait()
		i++
	}
}

// TestGateLetsOneConnect holds that nobody else is let through while the first request connects,
// and that all are once it has, or has failed, or where the host speaks HTTP/1.
func TestGateLetsOneConnect(t *testing.T) {
	const protocol = "h2"
	for name, tt := range map[string]struct {
		before string // what the host is known to speak
		do     func(c *crowd)
		want   int // let through in the end, of three
		open   bool
	}{
		"connecting":            {"", func(*crowd) {}, 1, false},
		"connected":             {"", func(c *crowd) { got(c.below[0], spoken{protocol: protocol}) }, 3, true},
		"connected over HTTP/1": {"", func(c *crowd) { got(c.below[0], spoken{}) }, 3, true},
		"failed":                {"", func(c *crowd) { c.end(0, errors.New("no route")) }, 3, false},
		"speaks HTTP/1":         {"http/1.1", func(*crowd) {}, 3, true},
		"open":                  {protocol, func(*crowd) {}, 3, true},
		"dials":                 {"", func(c *crowd) { traceOf(c.below[0]).ConnectStart("tcp", "a") }, 1, false},
		"dials, and is connected": {"", func(c *crowd) {
			traceOf(c.below[0]).ConnectStart("tcp", "a")
			got(c.below[0], spoken{protocol: protocol})
		}, 3, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd()
			h := c.gate.host(at(t, "https://a.example/"))
			h.open, h.http1 = tt.before != "", tt.before == "http/1.1"
			c.send(t.Context(), 3)
			tt.do(c)
			synctest.Wait()
			if n := len(c.below); n != tt.want || h.open != tt.open {
				t.Errorf("%s: %d were let through, open %v", name, n, h.open)
			}
			got(c.below[0], spoken{protocol: protocol})
			synctest.Wait()
			c.endAll()
		})
	}
}

// TestGateWhenAConnectionIsLost holds that a dial of a request that has no connection yet makes
// those wait that come later, unless others have connections, and that it is no gate for ever.
func TestGateWhenAConnectionIsLost(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(c *crowd, h *gateHost)
		want int // let through, of two
	}{
		"dials anew":       {func(c *crowd, _ *gateHost) { traceOf(c.below[0]).ConnectStart("tcp", "a") }, 1},
		"others have some": {func(c *crowd, h *gateHost) { h.busy = 1; traceOf(c.below[0]).ConnectStart("tcp", "a"); h.busy = 0 }, 2},
		"HTTP/1":           {func(c *crowd, h *gateHost) { h.http1 = true; traceOf(c.below[0]).ConnectStart("tcp", "a") }, 2},
		"has one already": {func(c *crowd, _ *gateHost) {
			got(c.below[0], spoken{protocol: "h2"})
			traceOf(c.below[0]).ConnectStart("tcp", "a")
		}, 2},
		"has ended already": {func(c *crowd, _ *gateHost) {
			c.end(0, errors.New("over"))
			traceOf(c.below[0]).ConnectStart("tcp", "a")
		}, 2},
		"has connected": {func(c *crowd, _ *gateHost) {
			traceOf(c.below[0]).ConnectStart("tcp", "a")
			got(c.below[0], spoken{protocol: "h2"})
		}, 2},
		"has failed": {func(c *crowd, _ *gateHost) {
			traceOf(c.below[0]).ConnectStart("tcp", "a")
			c.end(0, errors.New("over"))
		}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd()
			h := c.gate.host(at(t, "https://a.example/"))
			h.open = true
			c.send(t.Context(), 1)
			tt.set(c, h)
			c.send(t.Context(), 1)
			if n := len(c.below); n != tt.want {
				t.Errorf("%s: %d were let through", name, n)
			}
			got(c.below[0], spoken{protocol: "h2"})
			synctest.Wait()
			c.endAll()
		})
	}
}

// TestGateOfAnother holds that a request which once connected, and ends, lets nobody through whom another's
// new connection keeps waiting.
func TestGateOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		c.send(t.Context(), 1)
		got(c.below[0], spoken{protocol: "h2"})
		c.send(t.Context(), 1)
		traceOf(c.below[1]).ConnectStart("tcp", "a")
		c.end(0, errors.New("over"))
		c.send(t.Context(), 1)
		if n := len(c.below); n != 2 {
			t.Errorf("%d were let through", n)
		}
		got(c.below[1], spoken{protocol: "h2"})
		synctest.Wait()
		if n := len(c.below); n != 3 {
			t.Errorf("%d were let through once it was connected", n)
		}
		c.endAll()
	})
}

// TestGateGivesUpWithItsRequest holds that a request which ends while it waits is not sent, and
// that it is counted no longer.
func TestGateGivesUpWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		c.send(t.Context(), 1)
		ctx, cancel := context.WithCancel(t.Context())
		c.send(ctx, 1)
		h := c.gate.host(at(t, "https://a.example/"))
		if h.under != 2 {
			t.Errorf("%d are under way", h.under)
		}
		cancel()
		if err := <-c.ended; !errors.Is(err, context.Canceled) || len(c.below) != 1 || h.under != 1 {
			t.Errorf("%v; %d were sent, %d are under way", err, len(c.below), h.under)
		}
		c.endAll()
		if h.under != 0 || h.connecting != nil {
			t.Errorf("%d are under way", h.under)
		}
	})
}

// TestGateLearnsTheProtocol holds that each connection says anew what the host speaks.
func TestGateLearnsTheProtocol(t *testing.T) {
	say := ""
	g := newGate(func(r *http.Request) (*http.Response, error) {
		if say != "nothing" {
			got(r, spoken{protocol: say})
		} else {
			got(r, nil)
		}
		return &http.Response{Body: http.NoBody}, nil
	})
	h := g.host(at(t, "https://a.example/"))
	for _, tt := range []struct {
		say       string
		h2, http1 bool
	}{{"h2", true, false}, {"http/1.1", false, true}, {"nothing", false, true}, {"", false, true}, {"h2", true, false}, {"nothing", true, false}} {
		say = tt.say
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example/", nil)
		if _, err := g.RoundTrip(req); err != nil || h.h2 != tt.h2 || h.http1 != tt.http1 {
			t.Errorf("%q: HTTP/2 %v, HTTP/1 %v, %v", tt.say, h.h2, h.http1, err)
		}
	}
}

// TestGateSendsAgainWhatWasNotSent holds that a request for which there was no stream goes anew,
// with its body from the first byte, and only as long as someone waits for it.
func TestGateSendsAgainWhatWasNotSent(t *testing.T) {
	failed := errors.New("failed")
	for name, tt := range map[string]struct {
		url, body string
		getBody   func() (io.ReadCloser, error)
		gone      bool // who asked, once it was sent
		sent      string
		err       error
	}{
		"no body":                    {"https://a.example/", "", nil, false, "[] []", nil},
		"a body":                     {"https://a.example/", "body", func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("body")), nil }, false, "[body] [body]", nil},
		"a body that is gone":        {"https://a.example/", "body", nil, false, "[body]", errFull},
		"a body that fails":          {"https://a.example/", "body", func() (io.ReadCloser, error) { return nil, failed }, false, "[body]", failed},
		"nobody waits":               {"https://a.example/", "", nil, true, "[]", context.Canceled},
		"plain HTTP has no streams":  {"http://a.example/", "", nil, false, "[]", errFull},
		"nobody waits, and no other": {"https://a.example/", "body", nil, true, "[body]", context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sent := ""
			g := newGate(func(r *http.Request) (*http.Response, error) {
				var body []byte
				if r.Body != nil {
					body, _ = io.ReadAll(r.Body)
				}
				if sent += fmt.Sprintf(" [%s]", body); strings.Count(sent, "[") > 1 {
					return &http.Response{Body: http.NoBody}, nil
				}
				if tt.gone {
					cancel()
				}
				return nil, errFull
			})
			req, _ := http.NewRequestWithContext(ctx, http.MethodPut, tt.url, nil)
			if tt.body != "" {
				req.Body = io.NopCloser(strings.NewReader(tt.body))
			} else if name == "no body" {
				req.Body = http.NoBody
			}
			req.GetBody = tt.getBody
			resp, err := g.RoundTrip(req)
			if sent = strings.TrimSpace(sent); sent != tt.sent || !errors.Is(err, tt.err) || (resp != nil) != (tt.err == nil) {
				t.Errorf("%s: sent %s, %v", name, sent, err)
			}
		})
	}
}

// TestWaitingForATurn holds how long a request waits for a stream: not at all if something has
// changed, till it is its turn, or a while, or its own end; and that it leaves the line.
func TestWaitingForATurn(t *testing.T) {
	for name, tt := range map[string]struct {
		seen int
		do   func(h *gateHost, cancel func())
		took time.Duration
		err  error
	}{
		"something has changed": {1, func(*gateHost, func()) {}, 0, nil},
		"its turn":              {2, func(h *gateHost, _ func()) { h.freed() }, time.Millisecond, nil},
		"all are called":        {2, func(h *gateHost, _ func()) { h.callAll() }, time.Millisecond, nil},
		"nothing":               {2, func(*gateHost, func()) {}, lookAgain, nil},
		"it ends":               {2, func(_ *gateHost, cancel func()) { cancel() }, time.Millisecond, context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			g := newGate(nil)
			h := g.host(at(t, "https://a.example/"))
			h.changes = 2
			time.AfterFunc(time.Millisecond, func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				tt.do(h, cancel)
			})
			began := time.Now()
			err := g.waitTurn(ctx, h, tt.seen)
			g.mu.Lock()
			defer g.mu.Unlock()
			if took := time.Since(began); took != tt.took || !errors.Is(err, tt.err) || len(h.line) != 0 {
				t.Errorf("%s: %s, %v, %d in line", name, took, err, len(h.line))
			}
		})
	}
}

// TestAnAnswerSettlesItsConnection holds that a connection's limit is known once it has answered, and not
// where its request failed; and that a request is counted until its body has ended.
func TestAnAnswerSettlesItsConnection(t *testing.T) {
	failed := errors.New("failed")
	for name, tt := range map[string]struct {
		err   error
		fresh int
		under int // before the body's end
	}{"an answer": {nil, 0, 1}, "none": {failed, 1, 0}} {
		g := newGate(nil)
		h := g.host(at(t, "https://a.example/"))
		h.h2, h.open, h.fresh = true, true, 1
		conn := &shared{Conn: &nowhere{}, gate: g, host: h, fresh: true}
		g.next = tripper(func(r *http.Request) (*http.Response, error) {
			got(r, conn)
			return &http.Response{Body: http.NoBody}, tt.err
		})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example/", nil)
		resp, err := g.RoundTrip(req)
		if !errors.Is(err, tt.err) || h.fresh != tt.fresh || h.under != tt.under || h.flying != tt.under || h.busy != tt.under {
			t.Errorf("%s: %v, %+v", name, err, h.streams)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		if h.under != 0 || h.flying != 0 || h.busy != 0 || conn.flying != 0 {
			t.Errorf("%s, once it is over: %+v", name, h.streams)
		}
	}
}
