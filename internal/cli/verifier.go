package cli

import (
	"net/http"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/verify"
)

// verifier makes the verifier of the run.
func (a *app) verifier(set *settings) (*verify.Verifier, error) {
	transport, err := a.transport(set)
	if err != nil {
		return nil, err
	}
	policy, root, err := trustedBy(set)
	if err != nil {
		return nil, err
	}
	a.judge = foreignJudge(policy, root)
	a.toCopies = a.networkOfCopies(set)
	progress := new(verify.Progress)
	client := &fetch.Client{Transport: transport, Full: full(progress)}
	images := &registry.Client{Fetch: client, Keychain: a.keychain(set.ctx), Endpoints: map[string]string{}}
	if base := set.endpoints[imageHost]; base != nil {
		images.Endpoints[imageHost] = base.String()
	}
	if images.Cache, err = cache(set); err != nil {
		return nil, err
	}
	vouched, err := vouched(set)
	if err != nil {
		return nil, err
	}
	return &verify.Verifier{
		Vouched: vouched, Sparse: set.sparse,
		Fetch: client, Registry: images, Policy: policy, Root: root, Also: a.also(set, progress),
		Checks: set.checks, Require: set.require, Jobs: set.jobs,
		Tool: version().tool(), Progress: progress,
	}, nil
}

// networkOfCopies is how private copies are read beside a mirror, which has none: bytes
// come from where a name on the command line points, and what proves them from the
// mirror. It is nil without a mirror, since then the run has a network.
func (a *app) networkOfCopies(set *settings) func(hosts []string) http.RoundTripper {
	if set.mirror == "" {
		return nil
	}
	return func(hosts []string) http.RoundTripper {
		network := set.namedHosts(0, append(hosts, set.standIns()...)...)
		if set.verbose {
			return &fetch.Trace{Next: network, W: a.stderr}
		}
		return network
	}
}

// copies reads private copies. Beside a mirror it has a network only if one of the names
// that were given is mapped to ours: archives and lists open no socket.
func (a *app) copies(v *verify.Verifier, given []registry.Ref) *registry.Client {
	c := &registry.Client{Fetch: v.Fetch, Keychain: v.Registry.Keychain}
	var hosts []string
	for _, ref := range given {
		if ref.Host != v.Policy.Images.Registry && ref.Host != sight.Former {
			hosts = append(hosts, ref.Host)
		}
	}
	if a.toCopies != nil && len(hosts) > 0 {
		c.Fetch = &fetch.Client{Transport: a.toCopies(hosts), Full: v.Fetch.Full}
	}
	return c
}

// also is the mirror, where a stand-in has the images: what is signed about them may
// lie in either. A mirror that holds nothing of the registry has nothing to say.
func (a *app) also(set *settings, p *verify.Progress) *verify.Also {
	if set.dir == nil || set.endpoints[imageHost] == nil || !set.dir.Holds(imageHost) {
		return nil
	}
	var transport http.RoundTripper = set.dir
	if set.verbose {
		transport = &fetch.Trace{Next: transport, W: a.stderr}
	}
	return &verify.Also{Registry: &registry.Client{Fetch: &fetch.Client{Transport: transport, Full: full(p)}}, Name: "the mirror " + set.mirror}
}
