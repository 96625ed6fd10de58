package command

import (
	"net/http"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/verify"
)

// Verifier makes the verifier of the run.
func (a *App) Verifier(set *Settings) (*verify.Verifier, error) {
	transport, err := a.Transport(set)
	if err != nil {
		return nil, err
	}
	policy, root, err := TrustedBy(set)
	if err != nil {
		return nil, err
	}
	a.judge = foreignJudge(policy, root)
	a.toCopies = a.networkOfCopies(set)
	progress := new(verify.Progress)
	client := &fetch.Client{Transport: transport, Full: a.Full(progress)}
	images := &registry.Client{Fetch: client, Keychain: a.Keychain(set.Ctx), Endpoints: map[string]string{}}
	if base := set.Endpoints[ImageHost]; base != nil {
		images.Endpoints[ImageHost] = base.String()
	}
	if images.Cache, err = set.keptBytes(); err != nil {
		return nil, err
	}
	vouched, err := vouched(set)
	if err != nil {
		return nil, err
	}
	var lock report.Lock
	if set.Lock != "" {
		if lock, err = set.readLock(); err != nil {
			return nil, err
		}
	}
	return &verify.Verifier{
		Hints:   lock.Entries,
		Vouched: vouched, Sparse: set.sparse,
		Fetch: client, Registry: images, Policy: policy, Root: root, Also: a.also(set, progress),
		Checks: set.checks, Require: set.require, Jobs: set.Jobs,
		Tool: ThisBuild().Tool(), Progress: progress,
	}, nil
}

// networkOfCopies is how private copies are read beside a mirror, which has none: bytes
// come from where a name on the command line points, and what proves them from the
// mirror. It is nil without a mirror, since then the run has a network.
func (a *App) networkOfCopies(set *Settings) func(hosts []string) http.RoundTripper {
	if set.Mirror == "" {
		return nil
	}
	return func(hosts []string) http.RoundTripper {
		network := set.NamedHosts(0, append(hosts, set.standIns()...)...)
		if set.Verbose {
			return &fetch.Trace{Next: network, W: a.Stderr}
		}
		return network
	}
}

// Copies reads private copies. Beside a mirror it has a network only if one of the names
// that were given is mapped to ours: archives and lists open no socket.
func (a *App) Copies(v *verify.Verifier, given []registry.Ref) *registry.Client {
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
func (a *App) also(set *Settings, p *verify.Progress) *verify.Also {
	if set.dir == nil || set.Endpoints[ImageHost] == nil || !set.dir.Holds(ImageHost) {
		return nil
	}
	var transport http.RoundTripper = set.dir
	if set.Verbose {
		transport = &fetch.Trace{Next: transport, W: a.Stderr}
	}
	return &verify.Also{Registry: &registry.Client{Fetch: &fetch.Client{Transport: transport, Full: a.Full(p)}}, Name: "the mirror " + set.Mirror}
}
