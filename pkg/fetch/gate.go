package fetch

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
)

// gate lets the first request to an https host connect alone. net/http dials
// once for each request that finds no connection, so a burst of 64 would make
// 64 handshakes and, with HTTP/2, throw 63 of them away. The others wait here
// for as long as the first handshake takes, which they would have taken too,
// and then share it; a host that turns out to speak only HTTP/1 is never
// gated again.
type gate struct {
	next  http.RoundTripper
	mu    sync.Mutex
	hosts map[string]*gateHost
}

type gateHost struct {
	connecting chan struct{} // open while one request sets a connection up
	open       bool          // a connection that others can share is there
	http1      bool
}

func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return g.next.RoundTrip(req)
	}
	key := strings.ToLower(req.URL.Host)
	g.mu.Lock()
	h := g.hosts[key]
	if h == nil {
		h = &gateHost{}
		g.hosts[key] = h
	}
	var mine, wait chan struct{}
	switch {
	case h.http1:
	case h.connecting != nil:
		wait = h.connecting
	case !h.open:
		mine = make(chan struct{})
		h.connecting = mine
	}
	g.mu.Unlock()
	if wait != nil {
		// However that ends, this request goes next: if the connection could
		// not be made, everybody finds out for himself, side by side.
		select {
		case <-wait:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	under := true // RoundTrip has not returned and has no connection yet
	trace := &httptrace.ClientTrace{
		ConnectStart: func(string, string) {
			// The shared connection has gone: those that come later wait. A
			// dial may outlive its request, and then must hold nobody.
			g.mu.Lock()
			defer g.mu.Unlock()
			if under && h.connecting == nil && !h.http1 {
				mine = make(chan struct{})
				h.connecting, h.open = mine, false
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			g.mu.Lock()
			defer g.mu.Unlock()
			under = false
			if c, ok := info.Conn.(tlsConn); ok {
				h.http1 = c.ConnectionState().NegotiatedProtocol != "h2"
			}
			h.release(true)
		},
	}
	resp, err := g.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	g.mu.Lock()
	defer g.mu.Unlock()
	under = false
	if mine != nil && h.connecting == mine {
		h.release(false) // it never connected
	}
	return resp, err
}

// release lets the waiting requests go.
func (h *gateHost) release(open bool) {
	h.open = open
	if h.connecting != nil {
		close(h.connecting)
		h.connecting = nil
	}
}

type tlsConn interface{ ConnectionState() tls.ConnectionState }
