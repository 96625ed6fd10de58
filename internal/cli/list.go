package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/render/describe"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

func listCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var want narrowing
	c := &cobra.Command{
		Use:   "list VERSION [NAME...]",
		Short: "List the files and images of a release, and who claims what",
		Long: `Lists every file and image of a release. VERSION is a version such as v1.27.2,
or a channel such as stable or 1.27. With NAMEs, only those: a component such as
kubectl or kube-proxy, a kind of file such as client, or a file such as
kubernetes.tar.gz.

Each row says which documents give its checksum, and how much their word counts:
signed, published (read from its publisher) or carried (which can only refute).
Where documents disagree the row says so, and the exit code is 1. Nothing is
downloaded but documents, so that 0 means that they agree, and not that any file
was examined: see kverify verify VERSION and kverify help exit-codes.`,
		Example: command.WithExamples(
			"kverify list v1.27.2  # every file and image",
			"kverify list v1.27.2 kubectl --os linux --arch arm64  # one program",
			"kverify list v1.27.2 --kind image  # what registry.k8s.io has",
			"kverify list stable kubectl --os darwin -o url  # for a pipe",
			"kverify list v1.27.2 -o wide -o json=files.json  # whole checksums; and for a program",
		),
		Args:              cobra.MatchAll(command.Needs(1, -1, "a version", "kverify list v1.27.2"), command.VersionFirst),
		ValidArgsFunction: command.CompleteVersions(false, command.NamesOf),
	}
	c.RunE = a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
		if err := want.Read(c.Flags()); err != nil {
			return err
		}
		return list(ctx, r, want, args)
	})
	f := c.Flags()
	f.SortFlags = false
	want.Add(c, true, "(default all)")
	f.StringSliceVar(&want.kind, "kind", nil, "only this `KIND`: "+command.OrList(listedKinds)+"; repeatable (default all)")
	_ = f.SetAnnotation("kind", command.NotFromEnvironment, nil)
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(listedKinds, cobra.ShellCompDirectiveNoFileComp))
	flags.AddReading(c, describe.ListingFormats...)
	return c
}

// listedKinds are those of release.FileInfo.
var listedKinds = []string{"source", "client", "server", "node", "test", "binary", "archive", "image", "document", "other"}

func list(ctx context.Context, r *command.ReadOnlyRun, want narrowing, args []string) error {
	want.names = command.Unique(args[1:])
	if err := command.Chosen("kind", want.kind, listedKinds); err != nil {
		return err
	}
	version, err := r.Resolve(ctx, args[0])
	if err != nil {
		return err
	}
	v, err := r.Ask()
	if err != nil {
		return err
	}
	l, err := v.List(ctx, version)
	if err != nil {
		return err
	}
	r.App.Code = command.VerdictExit[l.Verdict]
	for _, note := range l.Notes {
		r.Remark("%s", note)
	}
	all := l.Items
	if l.Items, err = want.of(l); err != nil {
		return err
	}
	if _, err := r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
		return describe.Listing(w, l, format, o)
	}); err != nil {
		return err
	}
	conclude(r, l, all)
	return nil
}

// conclude says on stderr what the rows do not.
func conclude(r *command.ReadOnlyRun, l *verify.Listing, all []verify.Entry) {
	files, bare, conflicts, hidden := 0, 0, 0, 0
	for _, it := range all {
		if it.Conflict != "" {
			conflicts++
			if !slices.ContainsFunc(l.Items, func(s verify.Entry) bool { return s.Subject == it.Subject }) {
				hidden++
			}
		}
	}
	for _, it := range l.Items {
		if it.Image {
			bare++
		} else {
			files++
		}
	}
	r.Remark("%s: %s and %s", l.Version, command.Count(files, "file"), command.Count(bare, "image"))
	if bare > 0 && slices.ContainsFunc(r.Set.Outputs, func(o command.Output) bool { return o.Format == "url" }) {
		r.Remark("%s left out: it is pulled by name, and -o name lists it", command.Count(bare, "image"))
	}
	if conflicts > 0 {
		r.App.Say("the documents of %s disagree on %s (%d not in this selection): trust none of them, and see kverify verify %s", l.Version, command.Count(conflicts, "row"), hidden, l.Version)
	}
	if l.Verdict == report.Refuted && conflicts == 0 {
		r.App.Say("a document of %s is refuted, see above: what it says is not listed", l.Version)
	}
}

// narrowing is what a listing is narrowed to.
type narrowing struct {
	command.Systems
	names, kind []string
}

// A dimension is one way to narrow a listing: what was asked for, and the
// values that an item has.
type dimension struct {
	what  string // as in a message
	asked []string
	means func(asked string, it verify.Entry) bool
	shown func(verify.Entry) []string // the values to suggest
}

// dimensions narrow one by one; each must hold. What is for no system at all is not
// for the one that is asked for.
func (s narrowing) dimensions() []dimension {
	byName := func(name string, it verify.Entry) bool {
		return release.Selection{Names: []string{name}, Archives: true}.Has(itemOf(it))
	}
	is := func(values func(verify.Entry) []string) func(string, verify.Entry) bool {
		return func(asked string, it verify.Entry) bool { return slices.Contains(values(it), asked) }
	}
	kind := func(it verify.Entry) []string { return []string{it.Info.Kind} }
	oses := func(it verify.Entry) []string { return platformPart(it, it.Info.OS, 0) }
	arches := func(it verify.Entry) []string { return platformPart(it, it.Info.Arch, 1) }
	return []dimension{
		{"NAME", s.names, byName, shortName},
		{"--kind", s.kind, is(kind), kind}, {"--os", s.OSes, is(oses), oses}, {"--arch", s.Arches, is(arches), arches},
	}
}

func itemOf(it verify.Entry) release.Item {
	return release.Item{Subject: it.Subject, Info: it.Info, Platforms: it.Platforms}
}

// shortName is what to call an item: its component, or a file by its last element.
func shortName(it verify.Entry) []string {
	if it.Info.Component != "" {
		return []string{it.Info.Component}
	}
	return []string{it.Subject[strings.LastIndexByte(it.Subject, '/')+1:]}
}

func platformPart(it verify.Entry, own string, part int) []string {
	if own != "" {
		return []string{own}
	}
	var out []string
	for _, p := range it.Platforms {
		if parts := strings.Split(p, "/"); part < len(parts) {
			out = append(out, parts[part])
		}
	}
	return out
}

func (d dimension) has(it verify.Entry) bool {
	return len(d.asked) == 0 || slices.ContainsFunc(d.asked, func(a string) bool { return d.means(a, it) })
}

// of returns the items that are selected. A selection of nothing is a usage
// error that says what there is; where not every document could be read, it is
// an error that says which, and does not call the command line wrong.
func (s narrowing) of(l *verify.Listing) ([]verify.Entry, error) {
	fail := func(format string, args ...any) ([]verify.Entry, error) {
		err := l.None(command.Usagef(format, args...))
		var usage *command.UsageError
		if l.Verdict != report.Verified && errors.As(err, &usage) {
			return nil, plainText{err.Error() + " (its documents are not all to be believed)"}
		}
		return nil, err
	}
	if len(l.Items) == 0 {
		return nil, plainText{nothingListed(l)}
	}
	dims := s.dimensions()
	for _, d := range dims {
		for _, a := range d.asked {
			if a == "" {
				return nil, command.Usagef("%s is empty; leave it out, or name one of %s", d.what, available(l.Items, d.shown))
			}
			if !slices.ContainsFunc(l.Items, func(it verify.Entry) bool { return d.means(a, it) }) {
				return fail("%s %q: %s has none; there are %s%s", d.what, a, l.Version, available(l.Items, d.shown), guess.DidYouMean(a, values(l.Items, d.shown)))
			}
		}
	}
	var out []verify.Entry
	for _, it := range l.Items {
		if !slices.ContainsFunc(dims, func(d dimension) bool { return !d.has(it) }) {
			out = append(out, it)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	// Which one to change: with all the others there would be something.
	for i := len(dims) - 1; i >= 0; i-- {
		var rest []verify.Entry
		for _, it := range l.Items {
			if !slices.ContainsFunc(dims, func(d dimension) bool { return d.what != dims[i].what && !d.has(it) }) {
				rest = append(rest, it)
			}
		}
		if have := available(rest, dims[i].shown); len(dims[i].asked) > 0 && have != "" {
			return fail("nothing in %s is all of that; with everything but %s %s there are %s", l.Version, dims[i].what, strings.Join(dims[i].asked, ","), have)
		}
	}
	return fail("nothing in %s is all of that; leave out one of NAME, --kind, --os, --arch", l.Version)
}

// nothingListed says why a listing is empty. The promotion manifest is read of
// every release, and speaks of those that it names.
func nothingListed(l *verify.Listing) string {
	if l.Gone != nil {
		return l.Gone.Error()
	}
	read := slices.DeleteFunc(slices.Clone(l.Read), func(d release.Document) bool { return d == release.DocPromotion })
	if len(read) == 0 {
		return fmt.Sprintf("nothing is known of %s: none of its documents could be read", l.Version)
	}
	var names []string
	for _, d := range read {
		names = append(names, string(d))
	}
	return fmt.Sprintf("nothing of %s can be listed: what was read gives no sha256 or sha512 of any file (%s)", l.Version, strings.Join(names, ", "))
}

// available lists the values that items have, each once.
func available(items []verify.Entry, of func(verify.Entry) []string) string {
	const most = 60 // a release has 45 names
	out := values(items, of)
	if len(out) > most {
		out = append(out[:most], "...")
	}
	return strings.Join(out, ", ")
}

func values(items []verify.Entry, of func(verify.Entry) []string) (out []string) {
	for _, it := range items {
		out = append(out, of(it)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// plainText is an error that is not the user's mistake.
type plainText struct{ text string }

func (p plainText) Error() string { return p.text }
