package command

import (
	"context"
	"maps"
	"net/http"
	"net/url"
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
		if set.live != nil {
			return set.live, nil
		}
		o := set.liveOptions(set.standIns()...)
		kept, err := set.keptBytes()
		if err != nil {
			return nil, err
		}
		o.Endpoints, o.Login, o.Preconnect = files, a.fileLogin(set), set.following(kept)
		o.Led = kept.KeepRoute
		live := fetch.NewLive(o)
		if set.onNetwork != nil {
			set.onNetwork(live)
		}
		network := set.metered(live)
		if set.Again {
			set.live = network
		}
		return network, nil
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
	network := set.live
	if network == nil {
		network = set.metered(set.NamedHosts(0, set.standIns()...))
	}
	if set.Again {
		set.live = network
	}
	for _, base := range set.Endpoints {
		split.Hosts[strings.ToLower(base.Host)] = network
	}
	if len(files) == 0 {
		return split, nil
	}
	return &fetch.Endpoints{Next: split, Hosts: files, Login: a.fileLogin(set)}, nil
}

// fileLogin has the credentials of stand-ins for hosts of files. Who verifies over and over
// reads them anew each time that they are asked for: a secret that is mounted changes.
func (a *App) fileLogin(set *Settings) func(context.Context, *url.URL) (string, string, error) {
	if !set.Again {
		return a.login(a.Keychain(set.Ctx))
	}
	return func(ctx context.Context, base *url.URL) (user, password string, err error) {
		return a.login(a.Keychain(set.Ctx))(ctx, base)
	}
}

// metered counts what goes through a transport, if something is to.
func (set *Settings) metered(next http.RoundTripper) http.RoundTripper {
	if set.Meter == nil {
		return next
	}
	return set.Meter(next)
}

// liveOptions are those of every transport of the run that has a network.
func (set *Settings) liveOptions(named ...string) fetch.LiveOptions {
	return fetch.LiveOptions{
		UserAgent: "kverify/" + ThisBuild().Version, Attempts: set.Retry + 1, Sharing: set.sharing, Waits: &set.waits, Repeats: set.Repeats,
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

// Outgoing is a transport to one host that the user named for what kverify sends: it repeats
// nothing, and shows neither the client certificate nor any credential.
func (set *Settings) Outgoing(host string) http.RoundTripper {
	o := set.liveOptions(host)
	o.Connections.Identity, o.Attempts, o.Waits, o.Repeats, o.Preconnect = nil, 1, nil, nil, map[string][]string{}
	return fetch.NewLive(o)
}

// CloseMirror closes the mirror that the last verifier was made over, if there is one.
func (set *Settings) CloseMirror() {
	if set.dir != nil {
		_ = set.dir.Close() // it was only read
		set.dir = nil
	}
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
