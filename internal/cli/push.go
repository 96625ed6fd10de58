package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

const (
	// pushJobs is fewer than a reader has: every one of them makes a registry write.
	pushJobs = 16
	// commitTime bounds how long a registry may take to answer for a blob: some
	// copy it once more, into slower storage, before they do.
	commitTime = 2 * time.Minute
)

// shipment is what a push was asked for.
type shipment struct {
	plain, overwrite, dryRun bool
}

func (a *app) mirrorPush() *cobra.Command {
	flags := shared{cache: "", noCache: true}
	var s shipment
	c := &cobra.Command{
		Use:   "push DIR|FILE.tar REGISTRY[/PREFIX] [VERSION...]",
		Short: "Push a mirror's images into a registry, signatures and all",
		Long: `Verifies the images of a mirror, a directory or an archive, with no network, and pushes those that are
verified into a registry: byte for byte, under the names and digests that they have
outside, with the repositories of single architectures, signatures and referrers.
PREFIX stands before every repository. With VERSIONs, only what was carried for these.

What the registry holds is not sent again, so that a push that was broken off is
finished by the next one. Whatever is sent is read back and hashed, and a tag is set
only after everything that it leads to. A tag that names something else there is left
alone and refuted, unless --overwrite is given; signatures that somebody added to
those of the release stay.

Credentials are those of docker login or podman login, credential helpers among them
(kverify help environment), and certificates of your own CA those of --ca-file or
SSL_CERT_FILE. Plain HTTP is spoken only if it is asked for, by
--plain-http or http://REGISTRY, and to this machine itself.

Inside, the copies are judged with the mirror's papers:
kverify images VERSION --mirror DIR --endpoint registry.k8s.io=https://REGISTRY/PREFIX`,
		Example: withExamples(
			"kverify mirror push DIR registry.example.com/k8s  # everything in DIR",
			"kverify mirror push DIR registry.example.com/k8s v1.27.2  # one release of it",
			"kverify mirror push DIR registry.example.com/k8s --dry-run  # only say what there is to do",
			"kverify mirror push DIR registry.example.com/k8s --dry-run -o name  # the repositories to create where none are made by themselves",
			"kverify mirror push mirror.tar 10.0.0.5:5000 --plain-http  # an archive, a registry without TLS",
		),
		Args: needs(2, -1, "a mirror and a registry", "kverify mirror push DIR registry.example.com/k8s"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&s.dryRun, "dry-run", false, "say what would be pushed, and change nothing")
	f.BoolVar(&s.overwrite, "overwrite", false, "give tags that name something else what the mirror says")
	f.BoolVar(&s.plain, "plain-http", false, "speak to the registry without TLS")
	flags.ownTLS.add(f)
	f.StringVar(&flags.trustedRoot, "trusted-root", "", "trust the CAs and logs of this `FILE` (trusted_root.json)")
	f.StringVar(&flags.policy, "policy", "", "judge by the policy in this `FILE`")
	f.StringVar(&flags.key, "key", "", "the public key in this `FILE` (PEM) vouches for the mirror")
	f.IntVarP(&flags.jobs, "jobs", "j", pushJobs, "send `N` requests side by side")
	f.DurationVar(&flags.timeout, "timeout", 0, "end the run after this `TIME`, such as 90s or 5m")
	f.IntVar(&flags.retry, "retry", defaultRetry, "repeat what failed by chance `N` times")
	f.StringArrayVarP(&flags.output, "output", "o", nil, "write the report as `FORMAT[=FILE]`: table, json or another of a report; repeatable (default table); with --dry-run also name: the repositories that it needs")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "only what failed, and the verdict; no progress")
	f.BoolVarP(&flags.verbose, "verbose", "v", false, "requests to stderr; whole digests and evidence in the table")
	f.BoolVar(&flags.noColor, "no-color", false, "no colours")
	for _, own := range []string{"dry-run", "overwrite", "plain-http"} {
		_ = f.SetAnnotation(own, notFromEnvironment, nil)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if s.dryRun {
			flags.formats = []string{"table", "json", "name"}
		}
		ctx, cancel, set, err := a.begin(c, &flags)
		if err != nil {
			return err
		}
		defer cancel()
		return a.push(ctx, set, s, args)
	}
	return c
}

// registryURL reads REGISTRY[/PREFIX]: https, unless plain HTTP was asked for
// or never leaves the machine.
func registryURL(arg string, plain bool) (*url.URL, error) {
	const form = "write HOST[:PORT][/PREFIX], such as registry.example.com/k8s"
	raw := arg
	if scheme, rest, ok := strings.Cut(arg, "://"); ok {
		if plain && scheme != "http" {
			return nil, usagef("%s and --plain-http contradict each other; give one of them", withoutSecrets(arg))
		}
		arg = rest
	} else {
		host, _, _ := strings.Cut(arg, "/")
		scheme = "https"
		if plain || registry.PlainHTTP(strings.ToLower(host)) {
			scheme = "http"
		}
		raw = scheme + "://" + arg
	}
	base, err := fetch.ParseEndpoint(raw)
	if err != nil {
		return nil, usagef("%q is no registry: %w; %s%s", withoutSecrets(arg), err, form, passwordHint(arg))
	}
	base.Host = strings.ToLower(base.Host)
	if err := registry.CheckBase(base); err != nil {
		return nil, usagef("%q is no registry with a prefix of repositories: %w; %s", arg, err, form)
	}
	if _, err := registry.ParseRef(base.Host + "/name:tag"); err != nil {
		return nil, usagef("%q is no registry; %s", arg, form)
	}
	if base.Host == "docker.io" {
		base.Host = "index.docker.io" // the name that the API and credentials go by
	}
	return base, nil
}

func (a *app) push(ctx context.Context, set *settings, s shipment, args []string) error {
	base, err := registryURL(args[1], s.plain)
	if err != nil {
		return err
	}
	var versions []release.Version
	for _, v := range args[2:] {
		version, err := release.ParseVersion(v)
		if err != nil {
			return err
		}
		versions = append(versions, version)
	}
	set.mirror = args[0]
	v, err := a.verifier(set)
	if err != nil {
		return err
	}
	dir, err := mirror.Open(args[0])
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // only read
	held := dir.Images()
	for _, version := range versions {
		if !slices.ContainsFunc(held, func(r registry.Ref) bool { return r.Tag == version.String() }) {
			return usagef("%s holds no image of %s; see its MANIFEST.json, or leave the version out", args[0], version)
		}
	}
	if len(held) == 0 {
		return usagef("%s holds no images; give a mirror that has some", args[0])
	}

	// The mirror first: what is not proved here goes nowhere.
	var judged report.Report
	a.watch(set, v.Progress, "verifying "+args[0], func() { judged, err = dir.Judge(ctx, v, versions) })
	if err != nil {
		return err
	}
	verified := dir.Verified(judged)
	network := named(set, fetch.Options{Header: commitTime}, base.Host)
	if set.verbose {
		network = &fetch.Trace{Next: network, W: a.stderr}
	}
	p := mirror.Push{
		To: &registry.Client{
			Fetch: &fetch.Client{Transport: network}, Keychain: a.keychain(ctx),
			Endpoints: map[string]string{imageHost: base.String()},
		},
		Admit: func(ref registry.Ref) bool { return ref.Host == imageHost && verified(ref) },
		Jobs:  set.jobs, Attempts: set.retry + 1, Overwrite: s.overwrite, DryRun: s.dryRun,
		Progress: new(mirror.PushProgress),
	}
	var result *mirror.PushResult
	a.watchBytes(set, "to "+base.Host, p.Progress.Counts, func() { result, err = dir.Push(ctx, p) })
	if err != nil {
		return err
	}
	there := base.Host + base.Path
	a.sayShipped(set, s, there, result)
	a.sayUnmade(there, result)
	a.sayRemarks(set)
	r := result.Report(judged, there)
	r.Scope.Subjects = []string{there}
	if s.dryRun {
		r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool { // what is yet to be pushed is no failure
			return slices.ContainsFunc(result.Copies, func(c mirror.Copy) bool { return c.State == mirror.Wanted && c.There(there) == res.Subject })
		})
		r.Results = append(r.Results, judged.Results...)
		a.code = verdictExit[r.Verdict()]
		return a.listCopies(set, there, result)
	}
	a.code = verdictExit[r.Verdict()]
	return a.write(r, set)
}

// sayShipped sums up on stderr what a push did.
func (a *app) sayShipped(set *settings, s shipment, there string, r *mirror.PushResult) {
	if set.quiet {
		return
	}
	n := map[mirror.CopyState]int{}
	for _, c := range r.Copies {
		n[c.State]++
		if c.Note != "" {
			a.say("%s: %s", c.Ref, c.Note)
		}
	}
	if s.dryRun {
		a.say("%s would be pushed to %s, %d are there; at most %s (%s) would be sent; nothing was",
			count(n[mirror.Wanted], "name"), there, n[mirror.Kept], count(r.Sent, "blob"), bytesText(r.Bytes))
	} else {
		for _, c := range r.Causes() {
			if c.Count > 1 {
				a.say("%s failed for one cause, such as %s: %v", count(c.Count, "name"), c.First.Ref, c.First.Err)
			}
		}
		a.say("%s pushed to %s, %d were there, %d failed; %s sent (%s), %d taken over from another repository, %d found there",
			count(n[mirror.Pushed], "name"), there, n[mirror.Kept], n[mirror.Failed], count(r.Sent, "blob"), bytesText(r.Bytes), r.Mounted, r.Present)
	}
}

// sayUnmade lists the repositories that somebody must make first, once.
func (a *app) sayUnmade(there string, r *mirror.PushResult) {
	if list := r.Unmade(there); len(list) > 0 {
		a.say("%s has no such repositories, and makes none by itself; make these, and push again (--dry-run -o name lists all that a push needs):", there)
		for _, repo := range list {
			a.say("  %s", repo)
		}
	}
}

// listCopies prints what a dry run found, a name a line, or the repositories alone.
func (a *app) listCopies(set *settings, there string, r *mirror.PushResult) error {
	var b strings.Builder
	if set.outputs[0].format == "name" {
		_, err := fmt.Fprintln(a.stdout, strings.Join(r.Repositories(there), "\n"))
		return err
	}
	for _, c := range r.Copies {
		what := map[mirror.CopyState]string{mirror.Wanted: "would be pushed", mirror.Kept: "is there"}[c.State]
		if c.Err != nil {
			what = "cannot be pushed: " + c.Err.Error()
		}
		fmt.Fprintf(&b, "%s -> %s: %s\n", c.Ref, c.There(there), what)
	}
	_, err := fmt.Fprint(a.stdout, render.EscapeLines(b.String()))
	return err
}

// watchBytes runs work with a bar of bytes beside it, if somebody looks.
func (a *app) watchBytes(set *settings, what string, counts func() (done, total int64), work func()) {
	if _, ok := terminal(a.stderr); !ok || set.quiet || set.verbose || a.getenv("TERM") == "dumb" {
		work()
		return
	}
	over := make(chan struct{})
	par.Do(
		func() { byteBar(a.stderr, what, counts, over) },
		func() {
			defer close(over)
			work()
		},
	)
}

// byteBar draws until over is closed, and leaves no trace.
func byteBar(w io.Writer, what string, counts func() (done, total int64), over <-chan struct{}) {
	tick := time.NewTicker(barPeriod)
	defer tick.Stop()
	for {
		select {
		case <-over:
			fmt.Fprint(w, "\r\x1b[K")
			return
		case <-tick.C:
			done, total := counts()
			fmt.Fprint(w, "\r\x1b[K"+barLine(what, min(done, total), total))
		}
	}
}
