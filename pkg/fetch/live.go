package fetch

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// LiveOptions are the settings of [NewLive]. The zero value is right for a program
// that asks the publishers themselves; it should say who asks.
type LiveOptions struct {
	UserAgent string // who asks, such as "my-tool/1.0"; empty is what Go says
	Attempts  int    // how often a request that fails by chance is sent at most; zero is DefaultAttempts, 1 never repeats

	// Sharing is how many such programs ask from one address: each keeps to its part of
	// the rates that the publishers allow an address. Below two, all of it is this one's.
	Sharing int

	// Endpoints are stand-ins for hosts, as [ParseEndpoint] reads them, and Login what
	// they are told who asks; see [Endpoints]. A stand-in for a registry is mapped at the
	// image's name, by the registry's client, and belongs in Named.
	Endpoints map[string]*url.URL
	Login     func(ctx context.Context, base *url.URL) (user, password string, err error)

	Waits   *Waits        // is told of long waits; nil is told of none
	Repeats *atomic.Int64 // counts requests that were sent again; nil counts nothing

	Named []string // more hosts that the user named, with a port where their URLs have one

	// Connections says how connections are made. A client certificate (Identity) is
	// shown to the hosts of Endpoints and to those of Named, and to none that Kubernetes
	// publishes on.
	Connections Options

	// Network, if not nil, answers in place of connections, for programs and tests that
	// bring their own; Connections is then not used. A response is published only if its
	// TLS state is that of a connection whose certificate was verified.
	Network http.RoundTripper

	// Preconnect has the hosts to connect to before they are asked; nil means
	// [FollowingHosts], and an empty map none. A host that something stands in for is
	// not connected to.
	Preconnect map[string][]string
	// Led is told where redirects led, see [Preconnect]; nil is told nothing.
	Led func(from, to string)
}

// Live is a polite transport to the network, made by [NewLive].
type Live struct {
	top   http.RoundTripper
	ahead *Preconnect // nil connects nowhere ahead
}

// NewLive makes the transport of a live run. It keeps the manners that the
// publishers ask for: it says who asks, repeats what failed by chance and waits when
// told to, keeps to the rates that they have published, and connects once to a host.
func NewLive(o LiveOptions) *Live {
	named := slices.Clone(o.Named)
	for _, base := range o.Endpoints {
		named = append(named, base.Host)
	}
	bottom := networkOf(o, named)
	live := &Live{}
	if hosts := aheadOf(o); len(hosts) > 0 {
		live.ahead = &Preconnect{Next: bottom, Hosts: hosts, Led: o.Led}
		bottom = live.ahead
	}
	live.top = &UserAgent{Name: o.UserAgent, Next: &Retry{Attempts: o.Attempts, Waits: o.Waits, Repeats: o.Repeats, Next: &Limiter{Next: bottom, Budgets: budgetsOf(o.Sharing)}}}
	if len(o.Endpoints) > 0 {
		live.top = &Endpoints{Next: live.top, Hosts: o.Endpoints, Login: o.Login}
	}
	return live
}

// budgetsOf are the published budgets, divided by those who ask from one address.
func budgetsOf(by int) map[string]Budget {
	budgets := PublishedBudgets()
	for host, b := range budgets {
		b.Requests = max(1, b.Requests/max(1, by))
		budgets[host] = b
	}
	return budgets
}

// RoundTrip sends the request.
func (l *Live) RoundTrip(req *http.Request) (*http.Response, error) { return l.top.RoundTrip(req) }

// Connect connects to a host that is sure to be asked, and returns at once.
func (l *Live) Connect(ctx context.Context, host string) {
	if l.ahead != nil {
		l.ahead.Connect(ctx, host)
	}
}

// networkOf is the bottom of the stack: two of them where a client certificate is for
// some hosts alone.
func networkOf(o LiveOptions, named []string) http.RoundTripper {
	if o.Network != nil {
		return o.Network
	}
	own := o.Connections
	o.Connections.Identity = nil
	all := NewTransport(o.Connections)
	if own.Identity == nil {
		return all
	}
	known := NewTransport(own)
	split := &ByHost{Hosts: map[string]http.RoundTripper{}, Else: all}
	for _, host := range named {
		if !PublishedHost(host) {
			split.Hosts[strings.ToLower(host)] = known
		}
	}
	return split
}

func aheadOf(o LiveOptions) map[string][]string {
	hosts := o.Preconnect
	if hosts == nil {
		hosts = FollowingHosts()
	}
	out := map[string][]string{}
	for from, next := range hosts {
		out[from] = slices.DeleteFunc(slices.Clone(next), func(host string) bool { return o.Endpoints[host] != nil })
	}
	return out
}
