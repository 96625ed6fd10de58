package cli

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
)

// transport assembles the one transport of the run:
//
//	no --mirror           Trace -> Live
//	--mirror              Trace -> Dir
//	--mirror, --endpoint  Trace -> Endpoints -> Split: stand-ins Live, all else Dir
//
// A run with a mirror alone has no transport that could open a socket.
func (a *app) transport(set *settings) (http.RoundTripper, error) {
	transport, err := a.untraced(set)
	if err == nil && set.verbose {
		transport = &fetch.Trace{Next: transport, W: a.stderr}
	}
	return transport, err
}

func (a *app) untraced(set *settings) (http.RoundTripper, error) {
	// A stand-in for the registry is mapped at the image's name, by the registry's
	// client; stand-ins for other hosts are mapped at the URL.
	files := maps.Clone(set.endpoints)
	delete(files, imageHost)
	if set.mirror == "" {
		o := set.liveOptions(set.standIns()...)
		o.Endpoints, o.Login, o.Ahead = files, a.login(a.keychain(set.ctx)), set.following()
		live := fetch.NewLive(o)
		if set.onNetwork != nil {
			set.onNetwork(live)
		}
		return live, nil
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
	network := set.namedHosts(0, set.standIns()...)
	for _, base := range set.endpoints {
		split.Hosts[strings.ToLower(base.Host)] = network
	}
	if len(files) == 0 {
		return split, nil
	}
	return &fetch.Endpoints{Next: split, Hosts: files, Login: a.login(a.keychain(set.ctx))}, nil
}

// liveOptions are those of every transport of the run that has a network.
func (set *settings) liveOptions(named ...string) fetch.LiveOptions {
	return fetch.LiveOptions{
		UserAgent: "kverify/" + version().Version, Attempts: set.retry + 1,
		Named: named, Connections: fetch.Options{CAs: set.own.cas, Identity: set.own.identity},
	}
}

// namedHosts is a transport to the hosts that the user named, which connects to none
// before it is asked. header bounds the wait for an answer; zero is the default.
func (set *settings) namedHosts(header time.Duration, hosts ...string) http.RoundTripper {
	o := set.liveOptions(hosts...)
	o.Connections.Header, o.Ahead = header, map[string][]string{}
	return fetch.NewLive(o)
}

// following are the hosts to connect to ahead. A stand-in for the registry keeps its
// signatures itself, wherever it lies.
func (set *settings) following() map[string][]string {
	hosts := fetch.FollowingHosts()
	if set.endpoints[imageHost] != nil {
		delete(hosts, "pkg.dev")
	}
	return hosts
}

// standIns are the hosts that --endpoint names.
func (set *settings) standIns() (hosts []string) {
	for _, base := range set.endpoints {
		hosts = append(hosts, base.Host)
	}
	return hosts
}
