package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// imageHost is the registry whose names kverify verifies. A stand-in for it is
// mapped at the image's name, by the registry's client; stand-ins for other
// hosts are mapped at the URL.
const imageHost = "registry.k8s.io"

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

// foreignJudge names a policy and a trusted root that are not built in; empty if both are.
func foreignJudge(policy *trust.Policy, root *trust.Root) string {
	var names []string
	for _, s := range []struct {
		what string
		report.Source
	}{{"policy", policy.Source()}, {"trusted root", root.Source()}} {
		if !s.Embedded {
			names = append(names, fmt.Sprintf("%s %s %s", s.what, s.Path, s.Digest))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "judged by " + strings.Join(names, " and ") + ", not by what is built in"
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

// vouched reads what the operator of a mirror vouches for by a key. The key is
// a judge too, and may not lie in what it judges.
func vouched(set *settings) (*vouch.Word, error) {
	if set.key == "" {
		return nil, nil
	}
	if set.mirror == "" {
		return nil, usagef("--key says who vouches for a mirror, or with --bundle who signed, and neither is named; add --mirror DIR, or leave it out: the policy says who signs Kubernetes")
	}
	text, err := readFile(set.ctx, set.key, maxKeyFile)
	if err != nil {
		return nil, usagef("--key %s: %w; give a public key in PEM", set.key, plainError(err))
	}
	if _, err := sigstore.ParseKey(text); err != nil {
		return nil, usagef("--key %s: %w; give a public key in PEM", set.key, err)
	}
	if err := set.outside("--key", set.key, false); err != nil {
		return nil, err
	}
	dir, err := mirror.Open(set.mirror)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read
	list, signature, err := dir.Vouch()
	if err != nil {
		return nil, err
	}
	return vouch.Read(set.key, text, list, signature)
}

// cache chooses where bytes are kept between runs. A mirror is a directory
// already, and a run whose images come from it keeps nothing. Without a HOME
// there is no cache, unless one is named.
func cache(set *settings) (*registry.Cache, error) {
	if set.noCache || set.mirror != "" && set.endpoints[imageHost] == nil {
		return nil, nil
	}
	if set.cache != "" {
		if err := os.MkdirAll(set.cache, 0o700); err != nil {
			return nil, usagef("--cache %s: %w; name a directory that can be written to, or give --no-cache", set.cache, plainError(err))
		}
		return registry.NewCache(set.cache, 0), nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return nil, nil //nolint:nilerr // no HOME is no error
	}
	return registry.NewCache(filepath.Join(user, "kverify"), 0), nil
}

// trustedBy reads the policy and the trusted root. What is judged must not
// bring its own judge: neither may lie in the mirror, or in a directory that is
// verified, unless it is the very one that is compiled in.
func trustedBy(set *settings) (policy *trust.Policy, root *trust.Root, err error) {
	par.Do(
		func() { policy = trust.EmbeddedPolicy() },
		func() { root = trust.EmbeddedRoot() },
	)
	if set.policy != "" {
		if policy, err = trust.LoadPolicy(set.policy); err != nil {
			return nil, nil, notTrust("--policy", set.policy, err)
		}
		if err := set.outside("--policy", set.policy, policy.Source().Embedded); err != nil {
			return nil, nil, err
		}
	}
	if set.trustedRoot != "" {
		if root, err = trust.LoadRoot(set.trustedRoot); err != nil {
			return nil, nil, notTrust("--trusted-root", set.trustedRoot, err)
		}
		if err := set.outside("--trusted-root", set.trustedRoot, root.Source().Embedded); err != nil {
			return nil, nil, err
		}
	}
	return policy, root, nil
}

// notTrust words why a file is no policy or trusted root.
func notTrust(flag, path string, err error) error {
	var file *trust.FileError
	if errors.As(err, &file) {
		return usagef("%s %s is no %s: %w; correct it, or leave the flag out for the built-in one", flag, path, file.What, file.Err)
	}
	return usagef("%s %s: %w; name a file, or leave the flag out for the built-in one", flag, path, plainError(err))
}

// outside refuses a file that lies in what is judged: by its name, by any link
// on the way, or by what it is in the end.
func (set *settings) outside(flag, file string, embedded bool) error {
	if embedded {
		return nil
	}
	if set.mirror != "" {
		if err := outsideOf(set.mirror, "the mirror "+set.mirror, flag, file); err != nil {
			return err
		}
	}
	for _, dir := range set.judged {
		if err := outsideOf(dir, dir, flag, file); err != nil {
			return err
		}
	}
	return nil
}

func outsideOf(judged, name, flag, file string) error {
	dir, err := os.Stat(judged)
	if err != nil {
		return usagef("%s: %w; name a directory that is there", name, plainError(err))
	}
	names, err := linkedNames(file)
	if err != nil {
		return usagef("%s %s: %w; give a file", flag, file, plainError(err))
	}
	for _, p := range names {
		for parent := filepath.Dir(p); ; parent = filepath.Dir(parent) {
			// By what they are, not by how they are written: names may differ in case.
			if info, err := os.Stat(parent); err == nil && os.SameFile(dir, info) {
				return usagef("%s %s lies inside %s, which it is to judge; keep it apart from what you carry in", flag, file, name)
			}
			if parent == filepath.Dir(parent) {
				break
			}
		}
	}
	return nil
}

// linkedNames gives the absolute names of a file: as it was given, of every
// link that it leads over, and with all links resolved.
func linkedNames(file string) ([]string, error) {
	const maxLinks = 40 // what Linux follows
	// The parent first, as the system walks it: a ".." behind a link is another
	// directory than in a path that was cleaned before.
	parent, base := filepath.Split(file)
	if parent == "" {
		parent = "."
	}
	parent, err := filepath.EvalSymlinks(parent)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Abs(filepath.Join(parent, base))
	if err != nil {
		return nil, err
	}
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	names := []string{resolved}
	for range maxLinks {
		names = append(names, name)
		info, err := os.Lstat(name)
		if err != nil {
			return nil, err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			break
		}
		target, err := os.Readlink(name)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(target) {
			parent, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return nil, err
			}
			target = filepath.Join(parent, target)
		}
		name = target
	}
	return names, nil
}
