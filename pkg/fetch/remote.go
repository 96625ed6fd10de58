package fetch

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
	"sync"
)

// remote learns the address of the connection that a request was given, if the
// connection was made to the very host that was asked.
type remote struct {
	mu    sync.Mutex
	addr  netip.Addr
	stand string // the URL that was asked in place of the request's
	from  string // the mirror that answers
	holds []string
}

type remoteKey struct{}

// stoodIn notes that a stand-in was asked.
func stoodIn(ctx context.Context, url string) {
	if r, ok := ctx.Value(remoteKey{}).(*remote); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stand = url
	}
}

// FromMirror notes that the mirror of that name answers a request, and no network; an
// empty name takes that back. What is wrong is then told of the mirror: see [Error].
func FromMirror(ctx context.Context, name string) {
	if r, ok := ctx.Value(remoteKey{}).(*remote); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.from, r.holds = name, nil
	}
}

// Holding notes the releases that the mirror holds which answers that it does not hold
// what was asked for: see [Error.Holds].
func Holding(ctx context.Context, releases []string) {
	if r, ok := ctx.Value(remoteKey{}).(*remote); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.holds = releases
	}
}

func (r *remote) mirror() (name string, holds []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from, r.holds
}

func (r *remote) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, remoteKey{}, r), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.addr = netip.Addr{}
		c := below(info.Conn)
		if c == nil || !c.direct {
			return
		}
		if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			r.addr = tcp.AddrPort().Addr().Unmap()
		}
	}})
}

func (r *remote) get() (addr netip.Addr, stand string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addr, r.stand
}
