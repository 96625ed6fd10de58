package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"
)

// maxShared is how many HTTP/2 connections a host gets whose limit of streams
// is lower than what is to be asked at once. With eight streams each, a small
// server's own limit, they carry the budget of a Limiter; with fewer, requests
// wait for one another.
const maxShared = 8

// lookAgain is how long a request waits for word of a free stream before it
// tries by itself: a stream may be freed without a sign of it here.
const lookAgain = 250 * time.Millisecond

// errFull says that a request was not sent: the host's connections take no more
// streams (RFC 9113, 5.1.2), and no further one may be dialled now.
var errFull = errors.New("the server takes no more requests on its connections")

// streams is what is known of a host's HTTP/2 connections. net/http alone knows
// how many streams a server allows, and says so by dialling again; a dial is
// therefore where a request can be told to wait. All of it is guarded by gate.mu.
type streams struct {
	h2      bool            // the host speaks HTTP/2
	failed  bool            // the last dial came to nothing
	under   int             // requests that were let through and have not ended
	flying  int             // those of them that have a connection
	busy    int             // connections that have requests under way
	fresh   int             // connections beside those, of which the limit is not known yet
	limit   int             // how many were let through for each connection when they took no more
	line    []chan struct{} // requests that wait for a stream, in order
	changes int             // how often some may have become free
}

// mayDial says whether one more connection may be made, and counts it. No request
// waits for a host that is not known to speak HTTP/2, nor after a dial that
// failed: then each request finds out for itself.
func (s *streams) mayDial(most int) (ok, counted bool) {
	switch {
	case !s.h2 || s.failed:
		return true, false
	case s.fresh > 0 || s.busy >= most:
		return false, false
	}
	s.fresh++
	if s.busy > 0 {
		s.limit = max(1, s.flying/s.busy)
	}
	return true, true
}

// full says that a request waits though it might find a connection: a server's
// limit comes a round trip after the connection, and until then net/http would
// send more than it takes. The one before tells what to expect.
func (s *streams) full() bool {
	return s.fresh > 0 && s.limit > 0 && s.under >= s.limit*(s.busy+1)
}

// settled says that the limit of a connection is known, or that it was given up.
func (s *streams) settled() {
	s.fresh--
	s.callAll()
}

func (s *streams) callAll() {
	s.changes++
	for _, turn := range s.line {
		close(turn)
	}
	s.line = nil
}

// freed says that a request has ended: the first that waits may go.
func (s *streams) freed() {
	s.changes++
	if len(s.line) > 0 {
		close(s.line[0])
		s.line = s.line[1:]
	}
}

func (g *gate) changes(h *gateHost) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return h.changes
}

// waitTurn waits until a request that was refused may try again: at once if
// something has changed since seen was read.
func (g *gate) waitTurn(ctx context.Context, h *gateHost, seen int) error {
	turn := make(chan struct{})
	g.mu.Lock()
	if h.changes != seen {
		g.mu.Unlock()
		return ctx.Err()
	}
	h.line = append(h.line, turn)
	g.mu.Unlock()
	t := time.NewTimer(lookAgain)
	defer t.Stop()
	var err error
	select {
	case <-turn:
	case <-t.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(h.line, turn); i >= 0 {
		h.line = slices.Delete(h.line, i, i+1)
	} else if err != nil {
		h.freed() // its turn had come: pass it on
	}
	return err
}

type hostKey struct{}

func withHost(ctx context.Context, h *gateHost) context.Context {
	return context.WithValue(ctx, hostKey{}, h)
}

// dialer dials for a request of an https host unless it is to wait.
func (g *gate) dialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		h, ok := ctx.Value(hostKey{}).(*gateHost)
		if !ok {
			return dial(ctx, network, addr)
		}
		g.mu.Lock()
		may, counted := h.mayDial(g.most)
		g.mu.Unlock()
		if !may {
			return nil, errFull
		}
		raw, err := dial(ctx, network, addr)
		if err != nil {
			if counted {
				g.mu.Lock()
				h.failed = true
				h.settled()
				g.mu.Unlock()
			}
			return nil, err
		}
		return &shared{Conn: raw, gate: g, host: h, fresh: counted, direct: h.name == addr}, nil
	}
}

// shared is a connection, below its TLS if it has any.
type shared struct {
	net.Conn
	gate   *gate
	host   *gateHost
	fresh  bool // counted in streams.fresh
	direct bool // to the host itself, not to a proxy
	flying int  // requests on it
}

// Close ends the connection, and the wait for it if it never came to be.
func (c *shared) Close() error {
	c.gate.mu.Lock()
	if c.fresh {
		c.fresh = false
		c.host.failed = c.flying == 0
		c.host.settled()
	}
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// use is what one request has of a connection. net/http may give it another
// one on the way.
type use struct {
	gate *gate
	host *gateHost
	conn *shared
	done bool
}

// took notes the connection that a request was given; gate.mu is held.
func (u *use) took(conn net.Conn) {
	u.drop()
	c := below(conn)
	if c == nil || u.done {
		return
	}
	if u.conn = c; c.flying == 0 {
		u.host.busy++
	}
	c.flying++
	u.host.flying++
	u.host.failed = false
	if c.fresh {
		u.host.callAll()
	}
}

// answered notes that the connection has answered; gate.mu is held. The
// server's settings came before that (RFC 9113, 3.4).
func (u *use) answered() {
	if c := u.conn; c != nil && c.fresh {
		c.fresh = false
		u.host.settled()
	}
}

// below gives the connection that is under all TLS; nil if this package did not make it.
func below(conn net.Conn) *shared {
	for {
		t, ok := conn.(*tls.Conn)
		if !ok {
			break
		}
		conn = t.NetConn()
	}
	c, _ := conn.(*shared)
	return c
}

func (u *use) drop() {
	c := u.conn
	if c == nil {
		return
	}
	u.conn = nil
	u.host.flying--
	if c.flying--; c.flying == 0 {
		u.host.busy--
	}
}

// over says that the request has ended; gate.mu is held.
func (u *use) over() {
	if u.done {
		return
	}
	u.done = true
	u.host.under--
	if u.conn != nil {
		u.drop()
		u.host.freed()
	}
}

func (u *use) ended() {
	u.gate.mu.Lock()
	defer u.gate.mu.Unlock()
	u.over()
}
