package mirrors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// createOptions are what a mirror was asked for.
type createOptions struct {
	command.Systems
	versions []release.Version
	names    []string
	refs     []registry.Ref

	dir                          string
	archive                      archiving
	signKey                      string
	all, kubeadm, source         bool
	allowUnknown, refresh, noRun bool
	would                        wouldFetch
	busy                         bool // something was fetched or written
}

func createCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var o createOptions
	c := &cobra.Command{
		Use:   "create VERSION... [NAME...]",
		Short: "Make a mirror of releases, or bring one up to date",
		Long: `Carries releases into a directory with everything that proves them: images with
every blob, signature and attestation, files with their checksums, signatures and log
entries, the SBOM, the CHANGELOG, the lines of the promotion manifests. Everything is
verified on its way in, and inside "kverify verify DIR" does it again without network.

VERSION is a version, a channel such as stable, or a range such as v1.27.1..v1.27.4. A
NAME is an image or a program (kube-proxy, kubectl), a kind of file (client, server,
node, test, source, binary, archive), "images" or "files" for all of them, a path of
dl.k8s.io, or an image of no release (registry.k8s.io/pause:3.9). Without any, all of them.

What is there is not fetched again, and what was cut off is continued. What could
not be proved fails the run, unless --allow-unknown keeps it outside of what is served.`,
		Example: command.WithExamples(
			"kverify mirror create v1.27.2 --os linux --arch amd64 -d mirror  # for one kind of node",
			"kverify mirror create v1.27.2 images kubeadm kubelet --platform linux/amd64,linux/arm64 -d mirror",
			"kverify mirror create v1.27.1 v1.27.2 --all --with-kubeadm-images -d mirror  # every platform",
			"kverify mirror create v1.27.2 --all -d mirror --archive mirror.tar  # and one file of it",
			"kverify mirror create v1.27.2 --all -d mirror --archive new.tar --base MANIFEST.json  # what the other side lacks",
			"kverify mirror create v1.27.2 --all -d mirror --archive mirror.tar --split 4GB  # for disks that hold no larger file",
			"kverify mirror create v1.27.2 --all --with-kubeadm-images -d mirror --sign-key cosign.key",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &command.UsageError{Err: errors.New("mirror create needs a version and got none; write kverify mirror create v1.27.2 --os linux --arch amd64 -d DIR"), Hint: "try: kverify mirror create --help"}
			}
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&o.dir, "dir", "d", "", "make the mirror in `DIR`")
	o.Add(c, true, "")
	f.BoolVar(&o.all, "all", false, "for every system and architecture")
	f.BoolVar(&o.kubeadm, "with-kubeadm-images", false, "also pause, etcd and coredns, as the version's kubeadm asks for them")
	f.BoolVar(&o.source, "with-source", false, "also the source tarballs")
	f.BoolVar(&o.allowUnknown, "allow-unknown", false, "keep what could not be proved, outside of what is served, and go on")
	f.BoolVar(&o.refresh, "refresh", false, "ask for everything anew, also for what is there and cannot change")
	f.StringVar(&o.archive.file, "archive", "", "then write the mirror into this `FILE`, a tar archive")
	f.StringVar(&o.archive.base, "base", "", "with --archive: leave out what the mirror in `PATH` has, a directory, an archive or its MANIFEST.json")
	f.StringVar(&o.archive.size, "split", "", "with --archive: in parts of at most `SIZE`, such as 4GB: FILE.001, FILE.002 and so on")
	f.StringVar(&o.signKey, "sign-key", "", "vouch for the mirror with the private key in this `FILE` (kverify mirror keygen)")
	f.BoolVar(&o.noRun, "dry-run", false, "verify, list what would be fetched, and fetch nothing")
	f.VisitAll(command.OwnFlag(c))
	c.ValidArgsFunction = command.CompleteVersions(false, command.NamesOf)
	c.RunE = func(c *cobra.Command, args []string) error { return createMirror(a, c, &flags, &o, args) }
	flags.Add(c)
	flags.AddExplain(c.Flags())
	return c
}

// sortArguments sorts the arguments: what is a version, a range, a whole reference, or a name.
func (o *createOptions) sortArguments(ctx context.Context, a *command.App, v *verify.Verifier, args []string) error {
	switch {
	case o.dir == "":
		return command.Usagef("no directory was named; add -d DIR")
	case o.all && len(o.OSes)+len(o.Arches) > 0:
		return command.Usagef("--all and --os, --arch or --platform contradict each other; give one of them")
	case !o.all && (len(o.OSes) == 0 || len(o.Arches) == 0):
		return command.Usagef("for which systems is not said; give --platform, such as --platform linux/amd64, or --all")
	case o.archive.base != "" && o.archive.file == "":
		return command.Usagef("--base is for an archive, and none is named; add --archive FILE")
	}
	if err := o.archive.split(); err != nil {
		return err
	}
	if err := o.archive.ready(o.dir); err != nil {
		return err
	}
	for _, arg := range command.Unique(args) {
		if release.IsRange(arg) {
			list, err := release.Range(arg)
			if err != nil {
				return err
			}
			o.versions = append(o.versions, list...)
			continue
		}
		if _, _, err := release.Channel(arg); err == nil {
			version, err := a.Resolve(ctx, v.Fetch, arg)
			if err != nil {
				return err
			}
			a.SayLater(command.Advise(version))
			o.versions = append(o.versions, version)
			continue
		}
		if err := command.ForeignVersion(arg); err != nil {
			return err
		}
		if ref, err := registry.ParseRef(arg); err == nil {
			image, _ := command.Published(ref)
			o.refs = append(o.refs, image)
			continue
		}
		o.names = append(o.names, arg)
	}
	slices.SortFunc(o.versions, release.Version.Compare)
	o.versions = slices.Compact(o.versions)
	if len(o.versions) == 0 {
		return command.Usagef("no version was named; write one first, such as kverify mirror create v1.27.2 %s", strings.Join(args, " "))
	}
	return nil
}

// requestFor is what is wanted of one release.
func (o *createOptions) requestFor(v release.Version, policy *trust.Policy) (create.Request, error) {
	w := create.Request{Version: v, Arches: o.Arches, OSes: o.OSes, Also: slices.Clone(o.refs)}
	least, _, _ := policy.MinimumImages(v.Minor)
	for _, n := range o.names {
		switch {
		case n == release.AllImages:
			w.Images = true
		case slices.Contains(least, n):
			w.Names = append(w.Names, n)
		}
	}
	if len(o.names) == 0 || w.Images {
		w.Images, w.Names = true, nil
	}
	w.Images = w.Images || len(w.Names) > 0
	if len(o.OSes) > 0 && !slices.Contains(o.OSes, "linux") {
		w.Images, w.Names = false, nil // a release has images for Linux alone
	}
	if o.kubeadm {
		list, ok := release.KubeadmImages(v)
		if !ok {
			newest, _ := release.KubeadmKnown(v)
			return w, command.Usagef("which pause, etcd and coredns the kubeadm of %s asks for is unknown here, where the table that is built in goes up to %s; \"kubeadm config images list\" says it: name them, such as registry.k8s.io/pause:3.9, in place of --with-kubeadm-images", v, newest)
		}
		for _, name := range list {
			ref, err := registry.ParseRef(name)
			if err != nil {
				return w, err
			}
			if !slices.Contains(w.Also, ref) {
				w.Also = append(w.Also, ref)
			}
		}
	}
	onlyImages := len(o.names) > 0 && !slices.ContainsFunc(o.names, func(n string) bool { return n != release.AllImages })
	if !onlyImages {
		w.Files = func(p string) bool { return o.wants(o.names, p) }
	}
	return w, nil
}

// wants says whether a file of a release was asked for by one of these names, none
// being all. The source is large, and has to be asked for.
func (o *createOptions) wants(names []string, p string) bool {
	want := release.Selection{Names: names, OSes: o.OSes, Arches: o.Arches}
	if release.DescribeFile(p).Kind == "source" && !o.source && !slices.Contains(names, "source") && !slices.Contains(names, p) {
		return false
	}
	return want.Has(release.FileItem(p))
}

func createMirror(a *command.App, c *cobra.Command, flags *command.Shared, o *createOptions, args []string) error {
	ctx, cancel, set, err := a.Begin(c, flags)
	if err != nil {
		return err
	}
	defer cancel()
	if c.Flags().Changed("checks") {
		return command.Usagef("--checks does not go with a mirror, which holds only what was proved in full; leave it out")
	}
	if set.Mirror != "" && set.Key != "" {
		return command.Usagef("--key is for who uses a mirror; leave it out")
	}
	v, err := a.Verifier(set)
	if err != nil {
		return err
	}
	v.Also = nil // what is copied comes from one place: a signature that lies elsewhere would not come along
	if err := o.Systems.Read(c.Flags()); err != nil {
		return err
	}
	if err := o.sortArguments(ctx, a, v, args); err != nil {
		return err
	}
	var wishes []create.Request
	for _, version := range o.versions {
		w, err := o.requestFor(version, v.Policy)
		if err != nil {
			return err
		}
		wishes = append(wishes, w)
	}
	operator, err := operator(ctx, a, o.signKey, o.dir)
	if err != nil {
		return err
	}
	m, err := create.New(create.Options{Dir: o.dir, Verifier: v, RegistryURL: set.Endpoints[command.ImageHost], AllowUnknown: o.allowUnknown,
		Refresh: o.refresh, Attempts: set.Retry + 1, Tool: command.ThisBuild().Tool(), Operator: operator, DryRun: o.noRun})
	if err != nil {
		return err
	}
	defer m.Close()
	defer a.Soften()()
	var all report.Report
	listed := 0
	for _, w := range wishes {
		r, made, err := createOne(ctx, a, set, m, w, o)
		if err != nil {
			return err
		}
		if len(all.Results) == 0 {
			all = r
			all.Scope.Names, all.Scope.Platforms = o.names, o.systems()
		} else {
			all.Scope.Subjects = append(all.Scope.Subjects, r.Scope.Subjects...)
			all.Releases = append(all.Releases, r.Releases...)
			all.Results = append(all.Results, r.Results...)
			all.Interrupted = all.Interrupted || r.Interrupted
		}
		if made.Listed {
			listed++
		}
		if ctx.Err() != nil {
			break
		}
	}
	if o.noRun {
		return o.would.total(a)
	}
	m.Sweep()
	a.Code = command.VerdictExit[all.Verdict()]
	if o.archive.file != "" && listed == len(wishes) {
		if err := pack(ctx, a, set, o.dir, o.archive); err != nil {
			return err
		}
	}
	if listed == len(wishes) {
		sayEnd(a, set, o.dir, o.busy, all)
	}
	a.SayRemarks()
	return a.Write(all, set)
}

// systems are what was asked for, as "OS/ARCH"; none are all.
func (o *createOptions) systems() (list []string) {
	for _, system := range o.OSes {
		for _, arch := range o.Arches {
			list = append(list, system+"/"+arch)
		}
	}
	return list
}

// createOne carries one release.
func createOne(ctx context.Context, a *command.App, set *command.Settings, m *create.Maker, w create.Request, o *createOptions) (report.Report, create.Committed, error) {
	var plan *create.Plan
	var err error
	a.Watch(set, m.Verifier.Progress, w.Version.String(), func() { plan, err = m.Plan(ctx, w) })
	if err != nil {
		return report.Report{}, create.Committed{}, err
	}
	if w.Files != nil && plan.Report.Verdict() == report.Verified && len(o.names) > 0 {
		if missing := o.missing(w, plan); missing != "" {
			return report.Report{}, create.Committed{}, plan.None(ctx, command.Usagef("%s has no image and no file %q for these systems; see \"kverify list %s\"%s", w.Version, missing, w.Version, guess.DidYouMean(missing, command.NamesOf([]string{w.Version.String()}))))
		}
	}
	if o.noRun {
		return plan.Report, create.Committed{}, o.would.list(ctx, a, set, m.Verifier.Fetch, w, plan)
	}
	if err := plan.CheckFree(); err != nil {
		return report.Report{}, create.Committed{}, err
	}
	watched := make([]command.WatchedFile, len(plan.Items))
	for i, it := range plan.Items {
		name, _, _ := strings.Cut(it.Name, "@") // of blobs the image, not the digest
		if strings.HasPrefix(name, "sha256:") { // a manifest, which is there at once
			name = ""
		}
		watched[i].Name, watched[i].Size, watched[i].Transfer = name, it.Size, &it.Transfer
	}
	if len(plan.Items) > 0 {
		size := func(ctx context.Context, i int) int64 {
			return command.SizeOf(ctx, m.Verifier.Fetch, w.Version.FileURL(plan.Items[i].Name))
		}
		a.WatchFiles(ctx, set, command.Watched{What: w.Version.String(), Files: watched, Size: size}, func(began, ended func(int)) {
			plan.Run(ctx, min(command.FilesAtOnce, set.Jobs), func(i int, _ string) { began(i) }, func(i int, _ string) { ended(i) })
		})
	}
	r, made, err := plan.Commit(ctx)
	if err != nil {
		return r, made, err
	}
	idle := made.Listed && !made.Wrote && !slices.ContainsFunc(plan.Items, func(it *create.Item) bool { return !it.AlreadyThere })
	o.busy = o.busy || !idle
	switch {
	case idle: // said once, at the end
	case made.Listed && r.Verdict() == report.Verified:
		a.SayLater(fmt.Sprintf("%s: %s and %s are in the mirror %s", w.Version, command.Count(len(plan.Items)-plan.Files(), "blob"), command.Count(plan.Files(), "file"), o.dir))
	case made.Listed:
		a.SayLater(fmt.Sprintf("%s is in the mirror %s, except for what could not be proved: that lies outside of what is served, and MANIFEST.json records it", w.Version, o.dir))
	case r.Verdict() == report.Refuted:
		a.SayLater(fmt.Sprintf("%s: something was refuted, and nothing of it was listed in %s", w.Version, o.dir))
	case ctx.Err() != nil:
		a.SayLater(fmt.Sprintf("%s: nothing of it was listed in %s yet; run it again, which continues from what is there", w.Version, o.dir))
	default:
		a.SayLater(fmt.Sprintf("%s: something could not be proved, and nothing of it was listed in %s; run it again, which continues from what is there, or keep what is unknown outside with --allow-unknown", w.Version, o.dir))
	}
	sayAboutMirror(a, made)
	return r, made, nil
}

// sayAboutMirror says what the people inside should know.
func sayAboutMirror(a *command.App, made create.Committed) {
	if !made.Listed {
		return
	}
	if made.Unsigned {
		a.SayLater("MANIFEST.json has changed, and its old signature, which no longer fits, was removed; sign it with --sign-key")
	}
	if len(made.Absent) > 0 {
		a.SayLater(fmt.Sprintf(`the mirror is sparse: its indexes, whose bytes are signed, name platforms that it has not (%s). "kverify mirror serve" serves it so; a registry must accept an index without some of its platforms: distribution does from version 3 on with validation.manifests.indexes.platforms set to none, others refuse it; see docs/mirror.md`,
			strings.Join(made.Absent, ", ")))
	}
}

// missing is a name that nothing was found for.
func (o *createOptions) missing(w create.Request, plan *create.Plan) string {
	for _, n := range o.names {
		if n == release.AllImages || n == release.AllFiles || slices.Contains(w.Names, n) {
			continue
		}
		if !slices.ContainsFunc(plan.Items, func(it *create.Item) bool { return o.wants([]string{n}, it.Name) }) {
			return n
		}
	}
	return ""
}

// operator reads the key that signs the mirror's list.
func operator(ctx context.Context, a *command.App, path, dir string) (*vouch.Operator, error) {
	if path == "" {
		return nil, nil
	}
	text, err := command.ReadFile(ctx, path, command.MaxKeyFile)
	if err != nil {
		return nil, command.Usagef("--sign-key %s: %w; give a key that kverify mirror keygen wrote", path, command.PlainError(err))
	}
	password := []byte(a.Getenv("COSIGN_PASSWORD"))
	if fd, ok := command.Terminal(a.Stderr); ok && len(password) == 0 {
		fmt.Fprintf(a.Stderr, "Password of %s: ", terminal.Escape(path))
		if password, err = term.ReadPassword(fd); err != nil {
			return nil, command.Usagef("--sign-key %s: no password could be read (%w); set COSIGN_PASSWORD", path, err)
		}
		fmt.Fprintln(a.Stderr)
	}
	o, err := vouch.ReadOperator(text, password)
	if err != nil {
		return nil, command.Usagef("--sign-key %s: %w; give a key that kverify mirror keygen or cosign generate-key-pair wrote, and its password in COSIGN_PASSWORD", path, err)
	}
	if command.OutsideOf(dir, dir, "--sign-key", path) != nil && mirrorExists(dir) {
		return nil, command.Usagef("--sign-key %s lies inside the mirror %s, with which it would be carried away; keep it apart", path, dir)
	}
	return o, nil
}

func mirrorExists(dir string) bool {
	d, err := mirror.Open(dir)
	if err != nil {
		return false
	}
	_ = d.Close()
	return true
}
