package cli

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
)

// transport assembles the one transport of the run:
//
//	no --mirror           Trace -> Endpoints -> live
//	--mirror              Trace -> Dir
//	--mirror, --endpoint  Trace -> Endpoints -> Split: stand-ins live, all else Dir
//
// A run with a mirror alone has no transport that could open a socket.
func (a *app) transport(set *settings) (http.RoundTripper, error) {
	bottom, err := a.bottom(set)
	if err != nil {
		return nil, err
	}
	urls := map[string]*url.URL{}
	for host, base := range set.endpoints {
		if host != imageHost {
			urls[host] = base
		}
	}
	if len(urls) > 0 {
		bottom = &fetch.Endpoints{Next: bottom, Hosts: urls, Login: a.login(a.keychain(set.ctx))}
	}
	if set.verbose {
		bottom = &fetch.Trace{Next: bottom, W: a.stderr}
	}
	return bottom, nil
}

func (a *app) bottom(set *settings) (http.RoundTripper, error) {
	if set.mirror == "" {
		return live(set), nil
	}
	dir, err := mirror.Open(set.mirror)
	if err != nil {
		return nil, err
	}
	if set.endpoints[imageHost] == nil {
		set.sparse = dir.Sparse()
	}
	if set.dir = dir; len(set.endpoints) == 0 {
		return dir, nil
	}
	split := &fetch.Split{Hosts: map[string]http.RoundTripper{}, Else: dir}
	network := named(set, fetch.Options{}, set.standIns()...)
	for _, base := range set.endpoints {
		split.Hosts[strings.ToLower(base.Host)] = network
	}
	return split, nil
}

// live is the stack that speaks to the network.
func live(set *settings) http.RoundTripper {
	ahead := &fetch.Ahead{Next: set.network(fetch.Options{}, set.standIns()...), Hosts: following(set)}
	if set.soon != nil {
		set.soon(ahead)
	}
	return polite(set, ahead)
}

// named is the stack that speaks to the hosts that the user named, and to no
// others.
func named(set *settings, o fetch.Options, hosts ...string) http.RoundTripper {
	return polite(set, set.network(o, hosts...))
}

func polite(set *settings, bottom http.RoundTripper) http.RoundTripper {
	return &fetch.UserAgent{
		Name: "kverify/" + version().Version,
		Next: &fetch.Retry{
			Attempts: set.retry + 1,
			Next:     &fetch.Limiter{Next: bottom, Budgets: fetch.PublishedBudgets()},
		},
	}
}

// following are the hosts to connect to ahead, less those that something stands
// in for: a host that was mapped away is not contacted.
func following(set *settings) map[string][]string {
	hosts := fetch.FollowingHosts()
	for from, next := range hosts {
		hosts[from] = slices.DeleteFunc(next, func(host string) bool { return set.endpoints[host] != nil })
	}
	if set.endpoints[imageHost] != nil {
		delete(hosts, "pkg.dev") // the stand-in may lie there, and keeps its signatures itself
	}
	return hosts
}

// network is the transport of a run. The client certificate is for the hosts
// that the user named, and for none that is published on.
func (set *settings) network(o fetch.Options, hosts ...string) http.RoundTripper {
	o.CAs = set.own.cas
	all := fetch.NewTransport(o)
	if set.own.identity == nil {
		return all
	}
	o.Identity = set.own.identity
	known := fetch.NewTransport(o)
	split := &fetch.Split{Hosts: map[string]http.RoundTripper{}, Else: all}
	for _, host := range hosts {
		if !fetch.PublishedHost(host) {
			split.Hosts[strings.ToLower(host)] = known
		}
	}
	return split
}

// standIns are the hosts that --endpoint names.
func (set *settings) standIns() (hosts []string) {
	for _, base := range set.endpoints {
		hosts = append(hosts, base.Host)
	}
	return hosts
}
