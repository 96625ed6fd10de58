package fetch

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// gate lets the first request to an https host connect alone. net/http dials
// once for each request that finds no connection, so a burst of 64 would make
// 64 handshakes and, with HTTP/2, throw 63 of them away. The others wait here
// for as long as the first handshake takes, which they would have taken too,
// and then share it; a host that turns out to speak only HTTP/1 is never
// gated again. A host whose connection takes no more streams is dialled again
// by one request at a time; see streams.go.
type gate struct {
	next  http.RoundTripper
	most  int // HTTP/2 connections to a host
	mu    sync.Mutex
	hosts map[string]*gateHost
}

type gateHost struct {
	name       string        // host:port
	connecting chan struct{} // open while one request sets a connection up
	open       bool          // a connection that others can share is there
	http1      bool
	streams
}

func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	h := g.host(req.URL)
	if req.URL.Scheme != "https" {
		return g.next.RoundTrip(req.WithContext(withHost(req.Context(), h)))
	}
	for {
		seen := g.changes(h)
		resp, err := g.once(req, h)
		if !errors.Is(err, errFull) {
			return resp, err
		}
		// The server did nothing with it. A stream is free when another request has
		// ended, or when the dialling request has done so.
		if err := g.waitTurn(req.Context(), h, seen); err != nil {
			return nil, err
		}
		if req, err = anew(req); err != nil {
			return nil, err
		}
	}
}

// anew gives a request with its body from the first byte: net/http closes one
// also where nothing of it was sent.
func anew(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errFull
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.WithContext(req.Context())
	req.Body = body
	return req, nil
}

func (g *gate) host(u *url.URL) *gateHost {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	name := net.JoinHostPort(strings.ToLower(u.Hostname()), port)
	key := u.Scheme + "://" + name
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.hosts[key]
	if h == nil {
		h = &gateHost{name: name}
		g.hosts[key] = h
	}
	return h
}

// once sends the request when no other request is making the first connection.
func (g *gate) once(req *http.Request, h *gateHost) (*http.Response, error) {
	g.mu.Lock()
	var mine, wait chan struct{}
	switch {
	case h.full():
		g.mu.Unlock()
		return nil, errFull
	case h.http1:
	case h.connecting != nil:
		wait = h.connecting
	case !h.open:
		mine = make(chan struct{})
		h.connecting = mine
	}
	use := &use{gate: g, host: h}
	h.under++
	g.mu.Unlock()
	if wait != nil {
		// However that ends, this request goes next: if the connection could
		// not be made, each request finds out for itself, side by side.
		select {
		case <-wait:
		case <-req.Context().Done():
			use.ended()
			return nil, req.Context().Err()
		}
	}
	under := true // RoundTrip has not returned and has no connection yet
	trace := &httptrace.ClientTrace{
		ConnectStart: func(string, string) {
			// The shared connection has gone: those that come later wait. A
			// dial may outlive its request, and then must hold no other.
			g.mu.Lock()
			defer g.mu.Unlock()
			if under && h.connecting == nil && !h.http1 && h.busy == 0 {
				mine = make(chan struct{})
				h.connecting = mine
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			g.mu.Lock()
			defer g.mu.Unlock()
			under = false
			if c, ok := info.Conn.(tlsConn); ok {
				h.h2 = c.ConnectionState().NegotiatedProtocol == "h2"
				h.http1 = !h.h2
			}
			use.took(info.Conn)
			h.release(true)
		},
	}
	ctx := httptrace.WithClientTrace(withHost(req.Context(), h), trace)
	resp, err := g.next.RoundTrip(req.WithContext(ctx))
	g.mu.Lock()
	defer g.mu.Unlock()
	under = false
	if mine != nil && h.connecting == mine {
		h.release(false) // it never connected
	}
	if err != nil {
		use.over()
	} else {
		use.answered()
		resp.Body = &counted{ReadCloser: resp.Body, done: use.ended}
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
