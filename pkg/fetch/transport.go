package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

var errBadProxy = errors.New("the proxy's address is not a URL (HTTPS_PROXY, HTTP_PROXY)")

var errNoTransport = errors.New("this client was given no transport")

// maxHeader caps an answer's header; net/http would read ten megabytes.
// Real ones are under 4 KiB.
const maxHeader = 64 << 10

// Options are the settings of [NewTransport]. The zero value is right for a
// live run.
type Options struct {
	// Proxy chooses a proxy; nil reads HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
	Proxy func(*http.Request) (*url.URL, error)
	// TLS is the client's side of TLS; nil verifies against the system's
	// certificates. With InsecureSkipVerify nothing is ever Published.
	TLS *tls.Config
	// CAs are trusted besides TLS's or the system's. An answer that needed one of
	// them is Carried, whatever host it is of.
	CAs []*x509.Certificate
	// Identity is shown to a server that asks for a client certificate. Give it
	// only to a transport for hosts that the user named.
	Identity *Identity
	// Dial opens a connection; nil dials TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Idle is how many connections are opened, and kept, for a host that speaks
	// only HTTP/1; zero is 64, the budget of a Limiter, so that none is thrown
	// away that the next request needs.
	Idle int
	// Connect bounds a dial and, once more, a TLS handshake; zero is 10 s.
	Connect time.Duration
	// Header bounds the time from the request to the answer's header; zero is
	// 30 s.
	Header time.Duration
	// StallTimeout bounds the time in which an answer's body makes no progress; zero
	// is 30 s.
	StallTimeout time.Duration
}

// quietProxy chooses as choose does, and repeats nothing of an address that
// cannot be read: a password may stand in it.
func quietProxy(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		u, err := choose(req)
		if err != nil {
			return nil, errBadProxy
		}
		return u, nil
	}
}

// NewTransport makes the bottom of a live stack: one HTTP/2 connection for
// each host that speaks it and allows enough streams (a few where it does
// not, or where files come faster over several), a sized pool of warm ones for each that speaks only HTTP/1,
// no compression, and a time-out for every wait. It never retries on its own.
func NewTransport(o Options) http.RoundTripper {
	if o.Idle <= 0 {
		o.Idle = DefaultInFlight
	}
	if o.Connect <= 0 {
		o.Connect = 10 * time.Second
	}
	if o.Header <= 0 {
		o.Header = 30 * time.Second
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second}).DialContext
	}
	conf := &tls.Config{}
	if o.TLS != nil {
		conf = o.TLS.Clone()
	}
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	if conf.ClientSessionCache == nil {
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if len(o.CAs) > 0 {
		conf.RootCAs = withCAs(o.CAs)
	}
	if o.Identity != nil {
		conf.Certificates = []tls.Certificate{o.Identity.cert}
	}
	several := &lanes{hosts: map[string]*laneHost{}, all: []http.RoundTripper{newLane(o, conf, maxShared, 8<<20, 16<<20)}}
	several.further = func() http.RoundTripper { return newLane(o, conf, 1, 3<<20, 3<<20) }
	live := &StallGuard{Next: several, Timeout: o.StallTimeout}
	if len(o.CAs) > 0 {
		return &ownCA{next: live}
	}
	return live
}

// newLane makes what connects, at most so often to a host that speaks HTTP/2, with how much may
// be received and not yet read. On the
// first lane a file alone fills a line of 80 MB/s at 100 ms, and several share what bounds the
// memory when the disk is the slower. Further lanes are for connections that are each slower than that.
func newLane(o Options, conf *tls.Config, most, perStream, perConnection int) http.RoundTripper {
	g := &gate{hosts: map[string]*gateHost{}, most: most}
	base := &http.Transport{
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return &proxyError{host: proxy.Host, status: resp.StatusCode}
			}
			return nil
		},
		Proxy:                  quietProxy(o.Proxy),
		DialContext:            g.dialer(o.Dial),
		TLSClientConfig:        conf.Clone(), // net/http writes into it
		TLSHandshakeTimeout:    o.Connect,
		ResponseHeaderTimeout:  o.Header,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4 * o.Idle,
		MaxIdleConnsPerHost:    o.Idle,
		MaxConnsPerHost:        o.Idle, // a request waits for a warm one rather than dial the next
		IdleConnTimeout:        90 * time.Second,
		HTTP2: &http.HTTP2Config{
			// StrictMaxConcurrentRequests stays off: with it, requests that have
			// reserved a stream wait for one another for ever where a server allows
			// fewer streams than begin at once. The gate does what it is for: it
			// keeps requests from dialling anew while a connection is busy.
			MaxReceiveBufferPerStream:     perStream,
			MaxReceiveBufferPerConnection: perConnection,
			// A connection that died without a word is found out.
			SendPingTimeout: 15 * time.Second,
			PingTimeout:     10 * time.Second,
			// A connection that takes nothing more holds up no request that wants to begin.
			WriteByteTimeout: o.Header,
		},
	}
	g.next = base
	return g
}
