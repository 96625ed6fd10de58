package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// filesAtOnce is how many files travel side by side: enough to hide the round
// trips of small ones, few enough to share a line and to bound the memory.
const filesAtOnce = 8

// wish is what a download was asked for.
type wish struct {
	names, oses, arches, kinds []string
	all, dryRun                bool
	dir, layout                string
}

func (a *app) download() *cobra.Command {
	var flags shared
	var w wish
	c := &cobra.Command{
		Use:   "download VERSION [NAME...]",
		Short: "Download files of a release, proven before they get their name",
		Long: `Downloads files of a release and proves them: every document that claims a
checksum must agree with the bytes, the signature must be in the transparency log,
and the signed SBOM must name the file. Only then does a file get its name, and
NAME.sigstore.json beside it, with which any Sigstore client verifies it offline.

A NAME is a program (kubectl, kubeadm, kubelet, kube-proxy, ...), a kind of tarball
(client, server, node, test, source), or a file as dl.k8s.io calls it
(kubernetes-client-linux-amd64.tar.gz, bin/linux/arm64/kubectl).

What is there and right is not fetched again, and what was cut off is gone on from.`,
		Example: withExamples(
			"kverify download v1.27.2 kubectl  # for this machine",
			"kverify download v1.27.2 kubectl kubeadm kubelet --os linux --arch arm64 -d bin",
			"kverify download stable client  # the tarball of clients",
			"kverify download v1.27.2 --all --layout dl -d mirror  # every file, as dl.k8s.io has them",
			"kverify download v1.27.2 --kind binary --dry-run  # what it would fetch",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{err: errors.New("download needs a version and got none; write kverify download v1.27.2 kubectl"), hint: "try: kverify download --help"}
			}
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&w.oses, "os", nil, "for this `OS`, such as linux, darwin or windows; repeatable (default this machine's)")
	f.StringSliceVar(&w.arches, "arch", nil, "for this `ARCH`, such as arm64; repeatable (default this machine's)")
	f.StringSliceVar(&w.kinds, "kind", nil, "files of this `KIND`: binary, client, server, node, test, source or archive; repeatable")
	f.StringVarP(&w.dir, "dir", "d", ".", "save in `DIR`, which is made if need be")
	f.StringVar(&w.layout, "layout", "flat", "`LAYOUT` of the directory: flat, or dl for the paths of dl.k8s.io")
	f.BoolVar(&w.all, "all", false, "every file of the release, for every system unless --os or --arch say which")
	f.BoolVar(&w.dryRun, "dry-run", false, "list what would be fetched, and fetch nothing")
	for _, name := range []string{"os", "arch", "kind", "dir", "layout", "all", "dry-run"} {
		_ = f.SetAnnotation(name, notFromEnvironment, nil)
	}
	c.RunE = a.downloading(&flags, &w)
	flags.add(c)
	return c
}

func (w *wish) check() error {
	switch {
	case w.layout != "flat" && w.layout != "dl":
		return usagef("--layout %q is none; write flat or dl", w.layout)
	case w.all && len(w.names)+len(w.kinds) > 0:
		return usagef("--all and names or kinds contradict each other; give one of them")
	case !w.all && len(w.names)+len(w.kinds) == 0:
		return usagef("nothing was named; write a NAME such as kubectl, --kind KIND, or --all")
	}
	for _, k := range w.kinds {
		if !slices.Contains(fileKinds, k) {
			return usagef("--kind %q is none; there are %s", k, orList(fileKinds))
		}
	}
	return nil
}

var fileKinds = []string{"binary", "client", "server", "node", "test", "source", "archive"}

// kindNames are the kinds that a NAME may be; of the others there are too many files.
var kindNames = []string{"client", "server", "node", "test", "source"}

func (a *app) downloading(flags *shared, w *wish) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		w.names = unique(args[1:])
		if err := w.check(); err != nil {
			return err
		}
		v, err := a.verifier(set)
		if err != nil {
			return err
		}
		version, err := a.resolve(ctx, v.Fetch, args[0])
		if err != nil {
			return err
		}
		a.sayLater(advise(version))
		files, err := v.Files(version)
		if err != nil {
			return err
		}
		targets, r, err := w.choose(ctx, files)
		if err != nil {
			return err
		}
		switch {
		case len(targets) == 0: // r says why
		case w.dryRun:
			return a.listTargets(ctx, files, w, targets)
		default:
			if r, err = a.fetchAll(ctx, files, set, w, targets); err != nil {
				return err
			}
		}
		a.code = verdictExit[r.Verdict()]
		a.sayRemarks(set)
		return a.write(r, set)
	}
}

// choose turns what was asked for into files of the release. Without any, the
// report says why.
func (w *wish) choose(ctx context.Context, files *verify.Files) ([]verify.Target, report.Report, error) {
	var paths []string
	programs := false // the documents name single programs
	listing := files.Load(ctx)
	for _, it := range listing.Items {
		if !it.Image && verify.IsSubject(it.Subject) {
			paths = append(paths, it.Subject)
			programs = programs || strings.HasPrefix(it.Subject, "bin/")
		}
	}
	if err := files.NotReleased(ctx); err != nil && len(paths) == 0 {
		return nil, files.Report(ctx, w.names, w.systems(), []report.Result{{
			Subject: files.Version.String(), Kind: "release", Release: files.Version.String(),
			Checks: []report.Check{{Name: report.Inventory, Required: true, Reason: report.NotReleased, Detail: err.Error()}},
		}}), nil
	}
	var chosen []string
	for _, p := range paths {
		if w.all && w.fits(p) {
			chosen = append(chosen, p)
		}
		if slices.Contains(w.kinds, release.DescribeFile(p).Kind) && w.fits(p) {
			chosen = append(chosen, p)
		}
	}
	for _, name := range w.names {
		found := w.named(name, paths)
		if len(found) == 0 && !programs && isProgram(name) {
			found = w.built(name) // no document lists programs: the path is known all the same
		}
		if len(found) == 0 {
			return nil, report.Report{}, listing.None(usagef("%s has no file %q for %s; %s", files.Version, name, strings.Join(w.systems(), ", "), w.instead(name, paths)))
		}
		chosen = append(chosen, found...)
	}
	slices.Sort(chosen)
	chosen = slices.Compact(chosen)
	if len(chosen) == 0 {
		return nil, report.Report{}, listing.None(usagef("%s has no such file for %s; see \"kverify list %s\"", files.Version, strings.Join(w.systems(), ", "), files.Version))
	}
	targets := make([]verify.Target, len(chosen))
	taken := map[string]string{}
	for i, p := range chosen {
		t := verify.Target{Path: p, Name: path.Base(p), Mode: 0o644}
		if w.layout == "dl" {
			t.Name = "release/" + files.Version.String() + "/" + p
		}
		if release.DescribeFile(p).Kind == "binary" {
			t.Mode = 0o755
		}
		key := strings.ToLower(t.Name) // some file systems know no case
		if other, ok := taken[key]; ok {
			return nil, report.Report{}, usagef("%s and %s would both be saved as %s; add --layout dl, or choose one system with --os and --arch", other, p, t.Name)
		}
		taken[key] = p
		targets[i] = t
	}
	return targets, report.Report{}, nil
}

// fits says whether a file is for the systems that were asked for. What is for
// no system is for all.
func (w *wish) fits(p string) bool {
	info := release.DescribeFile(p)
	oses, arches := w.oses, w.arches
	if !w.all {
		if len(oses) == 0 {
			oses = []string{runtime.GOOS}
		}
		if len(arches) == 0 {
			arches = []string{runtime.GOARCH}
		}
	}
	return info.OS == "" || (len(oses) == 0 || slices.Contains(oses, info.OS)) && (len(arches) == 0 || slices.Contains(arches, info.Arch))
}

// fitsName is fits for a file that was named: what ends in .exe is a program for
// Windows, wherever kverify runs, and none for anything else.
func (w *wish) fitsName(p, name string) bool {
	if !strings.HasSuffix(name, ".exe") {
		return w.fits(p)
	}
	windows := *w
	if len(w.oses) == 0 {
		windows.oses = []string{"windows"}
	}
	return strings.HasSuffix(p, ".exe") && windows.fits(p)
}

// named finds the files of a name: as dl.k8s.io calls it, by its program, or
// by its kind.
func (w *wish) named(name string, paths []string) (found []string) {
	for _, p := range paths {
		if p == name {
			return []string{p}
		}
	}
	for _, p := range paths {
		info := release.DescribeFile(p)
		if w.fitsName(p, name) && (info.Kind == "binary" && info.Component == strings.TrimSuffix(name, ".exe") || info.Kind == name && slices.Contains(kindNames, name)) {
			found = append(found, p)
		}
	}
	return found
}

func isProgram(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") == "" && !slices.Contains(fileKinds, name)
}

// built are the paths of a program on the systems that were asked for.
func (w *wish) built(name string) (paths []string) {
	oses, arches := w.oses, w.arches
	if len(oses) == 0 {
		oses = []string{runtime.GOOS}
	}
	if len(arches) == 0 {
		arches = []string{runtime.GOARCH}
	}
	for _, o := range oses {
		for _, arch := range arches {
			p := "bin/" + o + "/" + arch + "/" + name
			if o == "windows" {
				p += ".exe"
			}
			if release.CheckPath(p) == nil {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

func (w *wish) systems() (list []string) {
	if w.all && len(w.oses)+len(w.arches) == 0 {
		return nil
	}
	oses, arches := w.oses, w.arches
	if len(oses) == 0 {
		oses = []string{runtime.GOOS}
	}
	if len(arches) == 0 {
		arches = []string{runtime.GOARCH}
	}
	for _, o := range oses {
		for _, arch := range arches {
			list = append(list, o+"/"+arch)
		}
	}
	return list
}

// instead says where a name exists, or which names do.
func (w *wish) instead(name string, paths []string) string {
	if slices.Contains(fileKinds, name) && !slices.Contains(kindNames, name) {
		return "that is a kind of files; write --kind " + name
	}
	var systems, programs []string
	for _, p := range paths {
		info := release.DescribeFile(p)
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
		return "its documents list none"
	}
	slices.Sort(list)
	return what + strings.Join(slices.Compact(list), ", ")
}

// listTargets prints what would be fetched, a file a line.
func (a *app) listTargets(ctx context.Context, files *verify.Files, w *wish, targets []verify.Target) error {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "%s -> %s\n", files.Version.FileURL(t.Path), filepath.Join(w.dir, filepath.FromSlash(t.Name)))
	}
	_, err := fmt.Fprint(a.stdout, render.EscapeLines(b.String()))
	a.say("%d files would be fetched, and nothing was; nothing was verified", len(targets))
	a.code = verdictExit[files.Load(ctx).Verdict]
	return err
}

// fetchAll downloads the targets side by side and reports on all of them.
func (a *app) fetchAll(ctx context.Context, files *verify.Files, set *settings, w *wish, targets []verify.Target) (report.Report, error) {
	if err := os.MkdirAll(w.dir, 0o777); err != nil {
		return report.Report{}, usagef("--dir %s: %w; name a directory that can be written to", w.dir, plainError(err))
	}
	root, err := fetch.OpenDir(w.dir)
	if err != nil {
		return report.Report{}, usagef("--dir %s: %w; name a directory that can be written to", w.dir, plainError(err))
	}
	defer root.Close() //nolint:errcheck // only names lead through it
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(softMemory))
	results := make([]report.Result, len(targets))
	space := new(fetch.Space)
	watched := make([]watchedFile, len(targets))
	for i := range targets {
		targets[i].Attempts, targets[i].Space, targets[i].Patient = set.retry+1, space, true
		targets[i].Progress = new(fetch.Transfer)
		watched[i] = watchedFile{name: targets[i].Name, transfer: targets[i].Progress}
	}
	a.watchFiles(set, watched, func(began, ended func(i int, said string)) {
		par.Map(ctx, len(targets), min(filesAtOnce, set.jobs), func(ctx context.Context, i int) {
			began(i, "")
			results[i] = files.Download(ctx, root, targets[i])
			if results[i].Verdict() == report.Verified {
				results[i].SeenAs = append(results[i].SeenAs, filepath.Join(w.dir, filepath.FromSlash(targets[i].Name)))
			}
			ended(i, results[i].Verdict().String())
		}, func(i int) { results[i] = files.Skipped(targets[i].Path) })
	})
	return files.Report(ctx, w.names, w.systems(), results), nil
}
