package command

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
)

// Transport assembles the one transport of the run:
//
//	no --mirror           Trace -> Live
//	--mirror              Trace -> Mirror
//	--mirror, --endpoint  Trace -> Endpoints -> ByHost: stand-ins Live, all else Mirror
//
// A run with a mirror alone has no transport that could open a socket.
func (a *App) Transport(set *Settings) (http.RoundTripper, error) {
	transport, err := a.untraced(set)
	if err == nil && set.Verbose {
		transport = &fetch.Trace{Next: transport, W: a.Stderr}
	}
	return transport, err
}

func (a *App) untraced(set *Settings) (http.RoundTripper, error) {
	// A stand-in for the registry is mapped at the image's name, by the registry's
	// client; stand-ins for other hosts are mapped at the URL.
	files := maps.Clone(set.Endpoints)
	delete(files, ImageHost)
	if set.Mirror == "" {
		o := set.liveOptions(set.standIns()...)
		kept, err := set.keptBytes()
		if err != nil {
			return nil, err
		}
		o.Endpoints, o.Login, o.Preconnect = files, a.login(a.Keychain(set.Ctx)), set.following(kept)
		o.Led = kept.KeepRoute
		live := fetch.NewLive(o)
		if set.onNetwork != nil {
			set.onNetwork(live)
		}
		return live, nil
	}
	dir, err := mirror.Open(set.Mirror)
	if err != nil {
		return nil, err
	}
	if set.Endpoints[ImageHost] == nil {
		set.sparse = dir.Sparse()
	}
	if set.dir = dir; len(set.Endpoints) == 0 {
		return dir, nil
	}
	split := &fetch.ByHost{Hosts: map[string]http.RoundTripper{}, Else: dir}
	network := set.NamedHosts(0, set.standIns()...)
	for _, base := range set.Endpoints {
		split.Hosts[strings.ToLower(base.Host)] = network
	}
	if len(files) == 0 {
		return split, nil
	}
	return &fetch.Endpoints{Next: split, Hosts: files, Login: a.login(a.Keychain(set.Ctx))}, nil
}

// liveOptions are those of every transport of the run that has a network.
func (set *Settings) liveOptions(named ...string) fetch.LiveOptions {
	return fetch.LiveOptions{
		UserAgent: "kverify/" + ThisBuild().Version, Attempts: set.Retry + 1, Sharing: set.sharing, Waits: &set.waits,
		Named: named, Network: set.network, Connections: fetch.Options{CAs: set.own.cas, Identity: set.own.identity},
	}
}

// NamedHosts is a transport to the hosts that the user named, which connects to none
// before it is asked. header bounds the wait for an answer; zero is the default.
func (set *Settings) NamedHosts(header time.Duration, hosts ...string) http.RoundTripper {
	o := set.liveOptions(hosts...)
	o.Connections.Header, o.Preconnect = header, map[string][]string{}
	return fetch.NewLive(o)
}

// following are the hosts to connect to ahead, with those that redirects led to in earlier
// runs. A stand-in for the registry keeps its signatures itself, wherever it lies.
func (set *Settings) following(kept *registry.Cache) map[string][]string {
	hosts := fetch.FollowingHosts()
	if set.Endpoints[ImageHost] != nil {
		delete(hosts, "pkg.dev")
		return hosts
	}
	for from, to := range kept.Routes() {
		hosts[from] = append(hosts[from], to...)
	}
	return hosts
}

// standIns are the hosts that --endpoint names.
func (set *Settings) standIns() (hosts []string) {
	for _, base := range set.Endpoints {
		hosts = append(hosts, base.Host)
	}
	return hosts
}
