package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

// downloadOptions are what a download was asked for.
type downloadOptions struct {
	command.Systems
	names, kinds []string
	all, dryRun  bool
	dir, layout  string
	client       *fetch.Client // asks how large files are
}

func downloadCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var o downloadOptions
	c := &cobra.Command{
		Use:   "download VERSION [NAME...]",
		Short: "Download files of a release, proven before they get their name",
		Long: `Downloads files of a release and proves them: every document that claims a
checksum must agree with the bytes, the signature must be in the transparency log,
and the signed SBOM must name the file. Only then does a file get its name, and
NAME.sigstore.json beside it, with which any Sigstore client verifies it offline.

A NAME is a program (kubectl, kubeadm, kubelet, kube-proxy, ...), a kind of file
(client, server, node, test, source, binary, archive), or a file as dl.k8s.io calls it
(kubernetes-client-linux-amd64.tar.gz, bin/linux/arm64/kubectl).

What is there and right is not fetched again, and what was cut off is continued.`,
		Example: command.WithExamples(
			"kverify download v1.27.2 kubectl  # for this machine",
			"kverify download v1.27.2 kubectl kubeadm kubelet --os linux --arch arm64 -d bin",
			"kverify download stable client  # the tarball of clients",
			"kverify download v1.27.2 --all --layout dl -d mirror  # every file, as dl.k8s.io has them",
			"kverify download v1.27.2 --kind binary --dry-run  # what it would fetch",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &command.UsageError{Err: errors.New("download needs a version and got none; write kverify download v1.27.2 kubectl"), Hint: "try: kverify download --help"}
			}
			return command.VersionFirst(c, args)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	o.Add(c, true, "(default this machine's)")
	f.StringSliceVar(&o.kinds, "kind", nil, "files of this `KIND`: binary, client, server, node, test, source or archive; repeatable")
	f.StringVarP(&o.dir, "dir", "d", ".", "save in `DIR`, which is made if need be")
	f.StringVar(&o.layout, "layout", "flat", "`LAYOUT` of the directory: flat, or dl for the paths of dl.k8s.io")
	f.BoolVar(&o.all, "all", false, "every file of the release, for every system unless --os or --arch say which")
	f.BoolVar(&o.dryRun, "dry-run", false, "list what would be fetched, and fetch nothing")
	for _, name := range []string{"kind", "dir", "layout", "all", "dry-run"} {
		_ = f.SetAnnotation(name, command.NotFromEnvironment, nil)
	}
	_ = c.RegisterFlagCompletionFunc("kind", command.CompleteList(release.FileKinds))
	_ = c.RegisterFlagCompletionFunc("layout", cobra.FixedCompletions([]string{"flat", "dl"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = command.CompleteVersions(false, command.FilesOf)
	c.RunE = downloading(a, &flags, &o)
	flags.Add(c)
	flags.AddExplain(c.Flags())
	return c
}

func (o *downloadOptions) check() error {
	switch {
	case o.layout != "flat" && o.layout != "dl":
		return command.Usagef("--layout %q is invalid; write flat or dl", o.layout)
	case o.all && len(o.names)+len(o.kinds) > 0:
		return command.Usagef("--all and names or kinds contradict each other; give one of them")
	case !o.all && len(o.names)+len(o.kinds) == 0:
		return command.Usagef("nothing was named; write a NAME such as kubectl, --kind KIND, or --all")
	}
	for _, k := range o.kinds {
		if !slices.Contains(release.FileKinds, k) {
			return command.Usagef("--kind %q is not a kind of files; write %s%s", k, command.OrList(release.FileKinds), guess.DidYouMean(k, release.FileKinds))
		}
	}
	return nil
}

// selection is what was asked for: for this machine's system where none was named,
// and by --all for every one.
func (o *downloadOptions) selection() release.Selection {
	s := release.Selection{Names: slices.Concat(o.names, o.kinds), OSes: o.OSes, Arches: o.Arches}
	if o.all {
		return s
	}
	return s.Here()
}

func downloading(a *command.App, flags *command.Shared, o *downloadOptions) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.Begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		o.names = command.Unique(args[1:])
		if err := o.Read(c.Flags()); err != nil {
			return err
		}
		o.SystemNamed(o.names)
		if err := o.check(); err != nil {
			return err
		}
		v, err := a.Verifier(set)
		if err != nil {
			return a.Unvouched(set, err)
		}
		o.client = v.Fetch
		version, err := a.Resolve(ctx, v.Fetch, args[0])
		if err != nil {
			return err
		}
		a.SayLater(command.Advise(version))
		files, err := v.Files(version)
		if err != nil {
			return err
		}
		var targets []verify.Target
		var r report.Report
		a.Await(set, "reading the documents of "+version.String(), func() { targets, r, err = o.choose(ctx, files) })
		if err != nil {
			return err
		}
		switch {
		case len(targets) == 0: // r says why
		case o.dryRun:
			return listTargets(ctx, a, files, o.dir, o.measure(ctx, a, set, files, targets))
		default:
			if r, err = fetchAll(ctx, a, files, set, o, targets); err != nil {
				return err
			}
		}
		a.Code = command.VerdictExit[r.Verdict()]
		a.SayRemarks()
		return a.Write(r, set)
	}
}

// choose turns what was asked for into files of the release. Without any, the
// report says why.
func (o *downloadOptions) choose(ctx context.Context, files *verify.Files) ([]verify.Target, report.Report, error) {
	var paths []string
	programs := false // the documents name single programs
	listing := files.Load(ctx)
	for _, it := range listing.Items {
		if !it.Image && verify.IsSubject(it.Subject) {
			paths = append(paths, it.Subject)
			programs = programs || it.Info.Kind == "binary"
		}
	}
	want := o.selection()
	if gone, ok := files.Gone(ctx); ok && len(paths) == 0 {
		return nil, files.Report(ctx, o.names, want.Systems(), []report.Result{gone}), nil
	}
	chosen, missing := want.Paths(paths)
	for _, name := range missing {
		if slices.Contains(o.kinds, name) {
			continue // one kind of several, perhaps: what was chosen says
		}
		var built []string
		if !programs { // no document lists programs: the path is known all the same
			built = want.ProgramPaths(name)
		}
		if len(built) == 0 {
			return nil, report.Report{}, listing.None(command.Usagef("%s has no file %q for %s; %s", files.Version, name, strings.Join(want.Systems(), ", "), instead(name, paths)))
		}
		chosen = append(chosen, built...)
	}
	slices.Sort(chosen)
	chosen = slices.Compact(chosen)
	if len(chosen) == 0 {
		return nil, report.Report{}, listing.None(command.Usagef("%s has no such file for %s; see \"kverify list %s\"", files.Version, strings.Join(want.Systems(), ", "), files.Version))
	}
	targets, err := o.targets(files.Version, chosen)
	return targets, report.Report{}, err
}

// targets say where each file goes.
func (o *downloadOptions) targets(version release.Version, chosen []string) ([]verify.Target, error) {
	targets := make([]verify.Target, len(chosen))
	taken := map[string]string{}
	for i, p := range chosen {
		t := verify.Target{Path: p, Name: path.Base(p), Mode: 0o644}
		if o.layout == "dl" {
			t.Name = "release/" + version.String() + "/" + p
		}
		if release.DescribeFile(p).Kind == "binary" {
			t.Mode = 0o755
		}
		key := strings.ToLower(t.Name) // some file systems know no case
		if other, ok := taken[key]; ok {
			return nil, command.Usagef("%s and %s would both be saved as %s; add --layout dl, or choose one system with --os and --arch", other, p, t.Name)
		}
		taken[key] = p
		targets[i] = t
	}
	return targets, nil
}

// instead says where a name exists, or which names do.
func instead(name string, paths []string) string {
	known := slices.Clone(release.FileKinds)
	var systems, programs []string
	for _, p := range paths {
		info := release.DescribeFile(p)
		known = append(known, p, path.Base(p))
		if info.Kind == "binary" {
			programs = append(programs, info.Component)
		}
		if info.OS != "" && (info.Component == name && info.Kind == "binary" || info.Kind == name) {
			systems = append(systems, info.OS+"/"+info.Arch)
		}
	}
	list := programs
	what := "its programs are "
	if len(systems) > 0 {
		list, what = systems, "it is for "
	}
	if len(list) == 0 {
		return "its documents list none" + guess.DidYouMean(name, known)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return what + strings.Join(list, ", ") + guess.DidYouMean(name, append(programs, known...))
}

// measured is a file that would be fetched: how large its server says that it is, -1 where it does not.
type measured struct {
	verify.Target
	url  string
	size int64
}

func (o *downloadOptions) measure(ctx context.Context, a *command.App, set *command.Settings, files *verify.Files, targets []verify.Target) []measured {
	list, urls := make([]measured, len(targets)), make([]string, len(targets))
	for i, t := range targets {
		urls[i] = files.Version.FileURL(t.Path)
	}
	for i, n := range a.Lengths(ctx, set, o.client, urls) {
		list[i] = measured{targets[i], urls[i], n}
	}
	return list
}

// listTargets prints what would be fetched, a file a line, and how much that is.
func listTargets(ctx context.Context, a *command.App, files *verify.Files, dir string, targets []measured) error {
	var b strings.Builder
	total, unsized := int64(0), 0
	for _, t := range targets {
		if t.size < 0 {
			unsized++
		}
		total += max(t.size, 0)
		fmt.Fprintf(&b, "%s -> %s  %s\n", t.url, filepath.Join(dir, filepath.FromSlash(t.Name)), command.SizeText(t.size))
	}
	_, err := fmt.Fprint(a.Stdout, terminal.EscapeLines(b.String()))
	size := command.BytesText(total)
	if unsized > 0 {
		size += " and " + command.Count(unsized, "file") + " of unknown size"
	}
	a.Say("%s of %s would be fetched, and nothing was; nothing was verified", command.Count(len(targets), "file"), size)
	a.Code = command.VerdictExit[files.Load(ctx).Verdict]
	return err
}

// fetchAll downloads the targets side by side and reports on all of them.
func fetchAll(ctx context.Context, a *command.App, files *verify.Files, set *command.Settings, o *downloadOptions, targets []verify.Target) (report.Report, error) {
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return report.Report{}, command.Usagef("--dir %s: %w; name a directory that can be written to", o.dir, command.PlainError(err))
	}
	root, err := fetch.OpenDir(o.dir)
	if err != nil {
		return report.Report{}, command.Usagef("--dir %s: %w; name a directory that can be written to", o.dir, command.PlainError(err))
	}
	defer root.Close() //nolint:errcheck // only names lead through it
	defer a.Soften()()
	results := make([]report.Result, len(targets))
	space := new(fetch.DiskReserve)
	watched := make([]command.WatchedFile, len(targets))
	for i := range targets {
		targets[i].Attempts, targets[i].Reserve, targets[i].WaitIfBusy = set.Retry+1, space, true
		targets[i].Progress = new(fetch.Transfer)
		watched[i] = command.WatchedFile{Name: targets[i].Name, Transfer: targets[i].Progress}
	}
	size := func(ctx context.Context, i int) int64 {
		return command.SizeOf(ctx, o.client, files.Version.FileURL(targets[i].Path))
	}
	a.WatchFiles(ctx, set, command.Watched{What: files.Version.String(), Files: watched, Size: size}, func(began, ended func(i int)) {
		par.Map(ctx, len(targets), min(command.FilesAtOnce, set.Jobs), func(ctx context.Context, i int) {
			began(i)
			results[i] = files.Download(ctx, root, targets[i])
			if results[i].Verdict() == report.Verified {
				results[i].SeenAs = append(results[i].SeenAs, filepath.Join(o.dir, filepath.FromSlash(targets[i].Name)))
			}
			ended(i)
		}, func(i int) { results[i] = files.Skipped(targets[i].Path) })
	})
	return files.Report(ctx, o.names, o.selection().Systems(), results), nil
}
