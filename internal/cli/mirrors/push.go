package mirrors

import (
	"context"
	"slices"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/push"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/spf13/cobra"
)

const (
	// pushJobs is fewer than a reader has: every one of them makes a registry write.
	pushJobs = 16
	// commitTime bounds how long a registry may take to answer for a blob: some
	// copy it once more, into slower storage, before they do.
	commitTime = 2 * time.Minute
)

// pushOptions is what a push was asked for.
type pushOptions struct {
	plain, overwrite, dryRun bool
}

func pushCommand(a *command.App) *cobra.Command {
	flags := command.Shared{Cache: "", NoCache: true}
	var s pushOptions
	c := &cobra.Command{
		Use:   "push DIR|FILE.tar REGISTRY[/PREFIX] [VERSION...]",
		Short: "Push a mirror's images into a registry, signatures and all",
		Long: `Verifies the images of a mirror, a directory or an archive, with no network, and pushes
those that are verified into a registry: byte for byte, under the names and digests that
they have outside, with the repositories of single architectures, signatures and
referrers. PREFIX stands before every repository. With VERSIONs, only what was carried for these.

What the registry holds is not sent again, so that a push that was broken off is
finished by the next one. Whatever is sent is read back and hashed, and a tag is set
only after everything that it leads to. A tag that names something else there is left
alone and refuted, unless --overwrite is given; signatures that others added to
those of the release stay.

Credentials are those of docker login or podman login, credential helpers among them
(kverify help environment), and certificates of your own CA those of --ca-file or
SSL_CERT_FILE. Plain HTTP is spoken only if it is asked for, by
--plain-http or http://REGISTRY, and to this machine itself.

Inside, the copies are judged with the mirror's papers:
kverify images VERSION --mirror DIR --endpoint registry.k8s.io=https://REGISTRY/PREFIX`,
		Example: command.WithExamples(
			"kverify mirror push DIR registry.example.com/k8s  # everything in DIR",
			"kverify mirror push DIR registry.example.com/k8s v1.27.2  # one release of it",
			"kverify mirror push DIR registry.example.com/k8s --dry-run  # only say what there is to do",
			"kverify mirror push DIR registry.example.com/k8s --dry-run -o name  # the repositories to create where none are made by themselves",
			"kverify mirror push mirror.tar 10.0.0.5:5000 --plain-http  # an archive, a registry without TLS",
		),
		Args: command.Needs(2, -1, "a mirror and a registry", "kverify mirror push DIR registry.example.com/k8s"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&s.dryRun, "dry-run", false, "say what would be pushed, and change nothing")
	f.BoolVar(&s.overwrite, "overwrite", false, "give tags that name something else what the mirror says")
	f.BoolVar(&s.plain, "plain-http", false, "speak to the registry without TLS")
	flags.OwnTLS.Add(f)
	flags.AddTrust(f)
	flags.AddKey(f)
	flags.AddJobs(f, pushJobs, "send `N` requests side by side")
	flags.AddPace(f, command.EndRun)
	flags.Output.AddReport(c)
	f.Lookup("output").Usage += "; with --dry-run only table or name: the repositories that it needs"
	flags.AddTalk(f, "only the last line, the verdict; no progress", "requests to stderr")
	flags.AddExplain(f)
	for _, own := range []string{"dry-run", "overwrite", "plain-http"} {
		_ = f.SetAnnotation(own, command.NotFromEnvironment, nil)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if s.dryRun {
			if err := planned(c, &flags); err != nil {
				return err
			}
		}
		ctx, cancel, set, err := a.Begin(c, &flags)
		if err != nil {
			return err
		}
		defer cancel()
		return pushMirror(ctx, a, set, s, args)
	}
	return c
}

func pushMirror(ctx context.Context, a *command.App, set *command.Settings, s pushOptions, args []string) error {
	base, err := command.RegistryURL(args[1], s.plain)
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
	set.Mirror = args[0]
	v, err := a.Verifier(set)
	if err != nil && s.dryRun {
		r, err := a.UnvouchedReport(set, err)
		if err != nil {
			return err
		}
		return writePlan(a, set, plan{of: args[0], pushed: new(push.Result), judged: r})
	}
	if err != nil {
		return a.Unvouched(set, err)
	}
	dir, err := mirror.Open(args[0])
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // only read
	held := dir.Images()
	for _, version := range versions {
		if !slices.ContainsFunc(held, func(r registry.Ref) bool { return r.Tag == version.String() }) {
			return command.Usagef("%s holds no image of %s; see its MANIFEST.json, or leave the version out", args[0], version)
		}
	}
	if len(held) == 0 {
		return command.Usagef("%s holds no images; give a mirror that has some", args[0])
	}

	// The mirror first: what is not proved here goes nowhere.
	var judged report.Report
	a.Watch(set, v.Progress, "verifying "+args[0], func() { judged, err = dir.Judge(ctx, v, versions) })
	if err != nil {
		return err
	}
	verified := dir.Verified(judged)
	network := set.NamedHosts(commitTime, base.Host)
	if set.Verbose {
		network = &fetch.Trace{Next: network, W: a.Stderr}
	}
	p := push.Options{
		To: &registry.Client{
			Fetch: &fetch.Client{Transport: network, Full: a.Full(nil)}, Keychain: a.Keychain(ctx),
			Endpoints: map[string]string{command.ImageHost: base.String()},
		},
		Admit: func(ref registry.Ref) bool { return ref.Host == command.ImageHost && verified(ref) },
		Jobs:  set.Jobs, Attempts: set.Retry + 1, Overwrite: s.overwrite, DryRun: s.dryRun,
		Progress: new(push.Progress),
	}
	var result *push.Result
	a.WatchBytes(set, "to "+base.Host, p.Progress.Counts, func() { result, err = push.Run(ctx, dir, p) })
	if err != nil {
		return err
	}
	there := base.Host + base.Path
	sayShipped(a, set, s, there, result)
	sayUnmade(a, there, result)
	a.SayRemarks()
	r := result.Report(judged, there)
	r.Scope.Subjects = []string{there}
	if s.dryRun {
		return writePlan(a, set, plan{there: there, of: args[0], pushed: result, judged: judged, report: r})
	}
	a.Code = command.VerdictExit[r.Verdict()]
	return a.Write(r, set)
}

// sayShipped sums up on stderr what a push did.
func sayShipped(a *command.App, set *command.Settings, s pushOptions, there string, r *push.Result) {
	if set.Quiet {
		return
	}
	n := map[push.State]int{}
	for _, c := range r.Names {
		n[c.State]++
		if c.Note != "" {
			a.Say("%s: %s", c.Ref, c.Note)
		}
	}
	if s.dryRun {
		a.Say("%s would be pushed to %s, %d are there; at most %s (%s) would be sent; nothing was",
			command.Count(n[push.WouldPush], "name"), there, n[push.AlreadyThere], command.Count(r.Sent, "blob"), command.BytesText(r.Bytes))
	} else {
		a.Say("%s pushed to %s, %d were there, %d failed; %s sent (%s), %d taken over from another repository, %d found there",
			command.Count(n[push.Pushed], "name"), there, n[push.AlreadyThere], n[push.Failed], command.Count(r.Sent, "blob"), command.BytesText(r.Bytes), r.Mounted, r.Present)
	}
}

// sayUnmade lists the repositories that the user must make first, once.
func sayUnmade(a *command.App, there string, r *push.Result) {
	if list := r.MissingRepositories(there); len(list) > 0 {
		a.Say("%s has no such repositories, and makes none by itself; make these, and push again (--dry-run -o name lists all that a push needs):", there)
		for _, repo := range list {
			a.Say("  %s", repo)
		}
	}
}
