package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "kverify",
		Short: "One verdict for one Kubernetes version",
		Long:  "kverify proves that the images of a Kubernetes release are the ones that Kubernetes released.",
		Example: withExamples(
			"kverify images v1.27.2  # every image, on every architecture",
			"kverify images v1.27.2 kube-proxy --arch arm64  # one of them",
			"kverify images v1.27.2 --mirror DIR  # with no network",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2  # an image by its name",
			"kverify images v1.27.2 -o json=report.json  # the verdict for a program",
		),
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		PersistentPreRunE:          notEmpty,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := "try: kverify help"
				if like := c.SuggestionsFor(args[0]); len(like) > 0 {
					hint = "did you mean: kverify " + like[0]
				}
				return &usageError{err: fmt.Errorf("there is no command %q; the commands are %s", args[0], commandNames(c)), hint: hint}
			}
			help(a.stderr, c)
			return usagef("no command was given; name one of %s", commandNames(c))
		},
		Args: cobra.ArbitraryArgs,
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		err = fmt.Errorf("%s: %w; correct or leave it out", c.Name(), flagError(err))
		return &usageError{err: err, hint: "try: " + c.CommandPath() + " --help"}
	})
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { help(a.stdout, c) })
	c.AddCommand(a.images(), a.download(), a.verify(), a.list(), a.sbom(), a.notes(), a.report(), a.releases(), a.skew(), a.policyCommand(), a.trustCommand(), a.mirror(), a.version(), a.completion())
	c.AddCommand(topics()...)
	c.SetHelpCommand(a.helpCommand())
	c.CompletionOptions.DisableDefaultCmd = true
	return c
}

func (a *app) images() *cobra.Command {
	var flags shared
	var lot many
	var arches []string
	c := &cobra.Command{
		Use:   "images VERSION [NAME...]",
		Short: "Verify the images of a release",
		Long: `Verifies every image of a release: the index, each platform, and the
repositories of single architectures. VERSION is a version such as v1.27.2, or a
channel such as stable or 1.27. With NAMEs, such as kube-proxy, only those images.

v1.24..v1.27 is every patch of those minors that this kverify knows of, and
--all-supported those of every minor that is supported: one job, one report. --shard
examines a part of it; "kverify report" puts the parts together again.`,
		Example: withExamples(
			"kverify images v1.27.2  # every image, on every architecture",
			"kverify images v1.27.2 kube-proxy kube-apiserver  # two of them",
			"kverify images v1.27.2 --arch amd64,arm64  # two architectures",
			"kverify images v1.27.2 --mirror DIR  # with no network",
			"kverify images v1.24..v1.27 -q  # every patch of four minors",
			"kverify images --all-supported --shard 0/8 -o json=shard-0.json  # an eighth of it",
			"kverify images stable -o table -o json=report.json  # for a person and for a program",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !lot.allSupported {
				return &usageError{err: fmt.Errorf("images needs a version and got none; write kverify images v1.27.2"), hint: "try: kverify images --help"}
			}
			return nil
		},
		RunE: a.verifying(&flags, func(ctx context.Context, v *verify.Verifier, args []string) (report.Report, error) {
			shard, err := lot.part()
			if err != nil {
				return report.Report{}, err
			}
			versions, names, err := lot.releases(ctx, a, v, args)
			if err != nil {
				return report.Report{}, err
			}
			return v.Images(ctx, verify.Request{Versions: versions, Names: names, Arches: unique(arches), Shard: shard})
		}),
	}
	c.ValidArgsFunction = completeVersions(false, func([]string) []string {
		names, _, _ := trust.EmbeddedPolicy().Least(newestMinor())
		return names
	})
	c.Flags().StringSliceVar(&arches, "arch", nil, "only this `ARCH`, such as arm64; repeatable (default all)")
	c.Flags().BoolVar(&lot.allSupported, "all-supported", false, "every patch of every minor that is supported today")
	c.Flags().StringVar(&lot.shard, "shard", "", "only the part `I/N`, such as 0/4: of several releases some, of one some images")
	flags.addAccept(c)
	flags.add(c)
	_ = c.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions(release.Arches, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) verify() *cobra.Command {
	var flags shared
	var of string
	var lot many
	c := &cobra.Command{
		Use:   "verify WHAT...",
		Short: "Verify a whole release, images by their names, or files",
		Long: `Verifies everything about a release that can be proved without downloading its
files, WHAT being a version such as v1.27.2 or a channel such as stable: the images
as kverify images does, the SBOM's signature and its binding to the version, and
every file's digests, across all documents that claim one.

Or verifies images by name, WHAT being registry.k8s.io/NAME:TAG or
registry.k8s.io/NAME@sha256:DIGEST. An image of a Kubernetes release is held
against that release's own documents.

Or verifies files, WHAT being a path that begins with ./, ../ or /, of a program, a
tarball, or a directory of them: which file of which release each is, and that it is
that. What a path or a program says of its version is a hint; --release names it.`,
		Example: withExamples(
			"kverify verify v1.27.2  # the whole release: images, SBOM, what is said of every file",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2  # an image by its name",
			"kverify verify ./kubectl /usr/local/bin/kubelet --release v1.27.2  # files",
			"kverify verify registry.k8s.io/kube-proxy@sha256:DIGEST  # exactly these bytes",
			"kverify verify registry.k8s.io/pause:3.10 --checks digest,signature,reference",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2 --endpoint registry.k8s.io=https://registry.example.com/k8s",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{err: fmt.Errorf("verify needs a release or an image and got none; write kverify verify v1.27.2, or registry.k8s.io/kube-proxy:v1.27.2"), hint: "try: kverify verify --help"}
			}
			return nil
		},
		RunE: a.verifying(&flags, func(ctx context.Context, v *verify.Verifier, args []string) (report.Report, error) {
			args = unique(args)
			shard, err := lot.part()
			switch {
			case err != nil:
				return report.Report{}, err
			case shard != nil && slices.ContainsFunc(args, isLocal):
				return report.Report{}, usagef("--shard: files are not split; name fewer at once")
			case slices.ContainsFunc(args, isLocal):
				return a.localFiles(ctx, v, args, of)
			case of != "":
				return report.Report{}, usagef("--release is for files, and none was named; write a file as ./FILE")
			}
			if version, ok, err := a.wholeRelease(ctx, v, args); ok || err != nil {
				if err != nil {
					return report.Report{}, err
				}
				if shard != nil {
					return report.Report{}, usagef("--shard: a whole release is not split; write kverify images %s --shard %s for its images", version, shard)
				}
				return v.Release(ctx, verify.Request{Versions: []release.Version{version}})
			}
			var refs []registry.Ref
			for _, what := range args {
				ref, err := a.reference(what)
				if err != nil {
					return report.Report{}, err
				}
				refs = append(refs, ref)
			}
			mine, err := verify.ShareReferences(refs, shard)
			if err != nil {
				return report.Report{}, err
			}
			r, err := v.References(ctx, mine)
			if r.Scope.Shard = shard; shard != nil {
				r.Scope.Subjects = nil
				for _, ref := range refs {
					r.Scope.Subjects = append(r.Scope.Subjects, ref.String())
				}
			}
			return r, err
		}),
	}
	c.Flags().StringVar(&of, "release", "", "files are of this `VERSION`")
	_ = c.Flags().SetAnnotation("release", notFromEnvironment, nil)
	c.Flags().StringVar(&lot.shard, "shard", "", "only the part `I/N` of the images, such as 0/4")
	flags.addAccept(c)
	flags.add(c)
	c.ValidArgsFunction = completeVersions(true, nil)
	return a.withBundle(a.withMirrors(c, &flags), &flags)
}

// wholeRelease says whether a release was asked for, which stands alone: its
// verdict is one, and not one among others.
func (a *app) wholeRelease(ctx context.Context, v *verify.Verifier, args []string) (version release.Version, ok bool, err error) {
	for _, what := range args {
		if _, _, err := release.Channel(what); err != nil {
			continue
		}
		if _, err := os.Lstat(what); err == nil {
			return version, true, usagef("%q is both a release and a file here; run this from another directory", what)
		}
		if len(args) > 1 {
			return version, true, usagef("%q is a release, which is verified alone; write kverify verify %s, and name the rest in another run", what, what)
		}
		version, err = a.resolve(ctx, v.Fetch, what)
		return version, true, err
	}
	return version, false, nil
}

// reference reads one WHAT of verify that is no release.
func (a *app) reference(what string) (registry.Ref, error) {
	const accepted = "write a version, registry.k8s.io/NAME:TAG or registry.k8s.io/NAME@sha256:DIGEST"
	_, err := os.Lstat(what)
	isFile := err == nil
	ref, err := registry.ParseRef(what)
	switch {
	case isFile && err == nil:
		return ref, usagef("%q is both an image and a file here; run this from another directory", what)
	case isFile:
		return ref, usagef("%q is a file here; write ./%s for it, or %s", what, what, accepted)
	case foreignVersion(what) != nil:
		return ref, foreignVersion(what)
	case err != nil:
		for _, scheme := range []string{"https://", "http://"} {
			rest, cut := strings.CutPrefix(what, scheme)
			if ref, parseErr := registry.ParseRef(rest); cut && parseErr == nil && ref.Host != imageHost {
				return ref, elsewhere(what, scheme, ref, accepted)
			}
		}
		return ref, err
	case ref.Host == imageHost:
		return ref, nil
	}
	if image, ok := published(ref); ok {
		a.sayLater(fmt.Sprintf("%s is %s, and is read and judged as that", ref, image))
		return image, nil
	}
	return ref, elsewhere(what, "", ref, accepted)
}

func unique(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

// begin reads the flags and the environment of a command, and starts its
// deadline; the caller cancels.
func (a *app) begin(c *cobra.Command, flags *shared) (ctx context.Context, cancel context.CancelFunc, set *settings, err error) {
	a.running = true
	if err := a.fromEnvironment(c); err != nil {
		return nil, nil, nil, err
	}
	if set, err = flags.read(c); err != nil {
		return nil, nil, nil, err
	}
	if set.timeout > 0 {
		ctx, cancel = context.WithTimeout(c.Context(), set.timeout)
	} else {
		ctx, cancel = context.WithCancel(c.Context())
	}
	set.ctx = ctx
	if set.own, err = set.ownTLS.read(ctx); err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, cancel, set, nil
}

// verifying wraps a command that makes a report: flags before it, output and
// exit code after it.
func (a *app) verifying(flags *shared, work func(context.Context, *verify.Verifier, []string) (report.Report, error)) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		for _, what := range args {
			if info, err := os.Stat(what); isLocal(what) && err == nil && info.IsDir() {
				set.judged = append(set.judged, what)
			}
		}
		if set.endpoints[imageHost] == nil && !slices.ContainsFunc(args, isLocal) {
			// Policy and trusted root are read while this travels.
			set.soon = func(ahead *fetch.Ahead) { ahead.Connect(ctx, imageHost) }
		}
		v, err := a.verifier(set)
		if err != nil {
			return err
		}
		accepted, err := set.accepted(v.Policy)
		if err != nil {
			return err
		}
		var r report.Report
		a.watch(set, v.Progress, strings.Join(args, " "), func() { r, err = work(ctx, v, args) })
		a.sayRemarks(set)
		if err != nil {
			return err
		}
		r.Accepted = accepted
		if a.code = verdictExit[r.Verdict()]; r.Excused() {
			a.code = verdictExit[report.Verified]
		}
		return a.write(r, set)
	}
}

// watch runs work, with a progress bar beside it if somebody looks.
func (a *app) watch(set *settings, p *verify.Progress, what string, work func()) {
	if _, ok := terminal(a.stderr); !ok || set.quiet || set.verbose || a.getenv("TERM") == "dumb" {
		work()
		return
	}
	over := make(chan struct{})
	par.Do(
		func() { bar(a.stderr, render.Escape(what), p, over) },
		func() {
			defer close(over)
			work()
		},
	)
}

func commandNames(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.Runnable() && !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return strings.Join(names, ", ")
}
