package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render/describe"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/spf13/cobra"
)

func notesCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var want noteFilter
	c := &cobra.Command{
		Use:   "notes VERSION",
		Short: "Print the release notes of a version",
		Long: `Prints what the CHANGELOG tells of a version, or with --since of every version after
that one. Across minor versions these are the notes of each .0, which tell of
everything since the .0 before, and of the patches of VERSION's own minor.

Filters join: a note must match one --kind, one --sig, and --grep, a regular
expression ("(?i)" before it ignores case). Notes prove nothing; who published the
CHANGELOG is said on stderr.`,
		Example: command.WithExamples(
			"kverify notes v1.27.2",
			"kverify notes v1.27.2 --since v1.26.4  # what an upgrade brings",
			"kverify notes v1.27.2 --kind bug --sig node  # what was mended in the kubelet",
			"kverify notes v1.27.2 --grep '(?i)kube-proxy' -o markdown",
			"kverify notes v1.27.2 -o json  # for a program",
		),
		Args:              command.Needs(1, 1, "one version", "kverify notes v1.27.2"),
		ValidArgsFunction: command.CompleteVersions(false, nil),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			return notes(ctx, r, want, args[0])
		}),
	}
	f := c.Flags()
	f.StringSliceVar(&want.kinds, "kind", nil, "only this `KIND`: "+command.OrList(noteKinds)+"; repeatable")
	f.StringSliceVar(&want.sigs, "sig", nil, "only of this `SIG`, such as node or api-machinery; repeatable")
	f.StringVar(&want.grep, "grep", "", "only what this regular `EXPRESSION` matches")
	f.StringVar(&want.since, "since", "", "of every version after this `VERSION`")
	for _, name := range []string{"kind", "sig", "grep", "since"} {
		_ = f.SetAnnotation(name, command.NotFromEnvironment, nil)
	}
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(noteKinds, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("sig", cobra.FixedCompletions(sigs, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("since", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return command.Versions(), cobra.ShellCompDirectiveNoFileComp
	})
	flags.AddTelling(c, describe.NotesFormats...)
	return c
}

// noteKinds are those of release.Note.
var noteKinds = []string{"urgent", "security", "known-issue", "deprecation", "api-change", "feature", "design",
	"documentation", "failing-test", "bug", "cleanup", "dependency", "other"}

// sigs are the special interest groups that release notes name, so that a
// misspelt one is told from one that has no note. Those met in notes are known, too.
var sigs = []string{"api-machinery", "apps", "architecture", "auth", "autoscaling", "cli", "cloud-provider", "cluster-lifecycle",
	"contributor-experience", "docs", "etcd", "instrumentation", "k8s-infra", "multicluster", "network", "node", "release",
	"scalability", "scheduling", "security", "storage", "testing", "ui", "windows"}

// noteFilter is what notes are narrowed to.
type noteFilter struct {
	kinds, sigs []string
	grep, since string
}

// sigName writes "API Machinery" and "sig-api-machinery" as "api-machinery".
func sigName(s string) string {
	return strings.TrimPrefix(strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(s)), "sig-")
}

func notes(ctx context.Context, r *command.ReadOnlyRun, want noteFilter, spec string) error {
	if err := command.Chosen("kind", want.kinds, noteKinds); err != nil {
		return err
	}
	pattern, err := regexp.Compile(want.grep)
	if err != nil {
		return command.Usagef("--grep %q is not a regular expression: %v; correct it, or put \\ before what is meant literally", want.grep, err)
	}
	version, err := r.Resolve(ctx, spec)
	if err != nil {
		return err
	}
	from := release.Version{}
	if want.since != "" {
		if from, err = r.Resolve(ctx, want.since); err != nil {
			return err
		}
		if from.Compare(version) >= 0 || from.Major != version.Major {
			return command.Usagef("--since %s is not before %s; name an older version of 1.x", from, version)
		}
	}
	view, err := readNotes(ctx, r, from, version)
	if err != nil {
		return err
	}
	if err := want.apply(view, pattern); err != nil {
		return err
	}
	if len(view.Notes) == 0 {
		r.Remark("%s: no note matches", version)
	}
	_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
		return describe.Notes(w, *view, format, o)
	})
	return err
}

// maxMinors bounds how many CHANGELOGs are read for one --since: Kubernetes has
// had some 40 minors, and each has a document of up to a megabyte.
const maxMinors = 12

// readNotes reads the notes after from, which may be zero, up to version.
func readNotes(ctx context.Context, r *command.ReadOnlyRun, from, version release.Version) (*describe.NotesView, error) {
	if version.Minor-from.Minor > maxMinors && !from.IsZero() {
		return nil, command.Usagef("from %s to %s are more than %d minor versions; ask in two steps", from, version, maxMinors)
	}
	first := version.Minor
	if !from.IsZero() && from.Minor < version.Minor {
		first = from.Minor + 1
	}
	v, err := r.Ask()
	if err != nil {
		return nil, err
	}
	type minor struct {
		source describe.NotesSource
		notes  []release.Note
		order  []release.Version
		err    error
	}
	minors := make([]minor, version.Minor-first+1)
	load := func(ctx context.Context, i int) {
		m := &minors[i]
		last := version
		if last.Minor != first+i {
			last = release.Version{Major: version.Major, Minor: first + i}
		}
		doc := release.Load(ctx, v.Fetch, last, release.Options{Want: []release.Document{release.DocChangelog}}).Changelog
		if doc.Body == nil {
			if m.err = doc.Err; last == version && fetch.Is(doc.Err, fetch.NotFound) {
				m.err = untold(ctx, v.Fetch, last)
			}
			return
		}
		m.source = describe.NotesSource{URL: doc.URL, Digest: string(doc.Digest), Origin: doc.Origin}
		if m.order, m.err = release.ChangelogVersions(doc.Body); m.err != nil {
			return
		}
		if from.Minor == last.Minor && !slices.Contains(m.order, from) {
			m.err = untold(ctx, v.Fetch, from)
			return
		}
		for _, w := range sectionsAfter(m.order, from, last) {
			notes, err := release.ParseNotes(doc.Body, w)
			if err != nil {
				m.err = err
				return
			}
			m.notes = append(m.notes, notes...)
		}
		if m.err == nil && !slices.Contains(m.order, last) {
			m.err = untold(ctx, v.Fetch, last)
		}
	}
	par.Map(ctx, len(minors), len(minors), load, func(i int) { minors[i].err = context.Cause(ctx) })
	view := &describe.NotesView{Version: version, Since: from}
	for i := len(minors) - 1; i >= 0; i-- { // newest first, as in the document
		m := minors[i]
		if m.err != nil {
			return nil, fmt.Errorf("notes of %s: %w", version, m.err)
		}
		view.Sources = append(view.Sources, m.source)
		view.Notes = append(view.Notes, m.notes...)
		r.Remark("%s: %s", m.source.URL, command.Origin(m.source.Origin))
	}
	return view, nil
}

// untold says why there are no notes of a version: it was never released, a mirror does
// not hold it, or its CHANGELOG tells nothing of it.
func untold(ctx context.Context, c *fetch.Client, v release.Version) error {
	r := release.Load(ctx, c, v, release.Options{Want: []release.Document{release.DocChangelog, release.DocSBOM}})
	return cmp.Or(r.NotReleased(), r.NotHeld(), r.Changelog.Err)
}

// sectionsAfter picks the sections of one CHANGELOG that tell of what came after from,
// up to last: without from, last alone. Pre-releases are told of once more by
// their release, and are picked only between pre-releases.
func sectionsAfter(order []release.Version, from, last release.Version) (out []release.Version) {
	for _, v := range order {
		switch {
		case v == last:
		case from.IsZero(), v.Compare(last) > 0, v.Compare(from) <= 0:
			continue
		case v.Pre != "" && last.Pre == "" && from.Pre == "":
			continue
		case v.Pre != "" && from.Minor != last.Minor && last.Pre == "":
			continue
		}
		out = append(out, v)
	}
	return out
}

// apply narrows the view.
func (f noteFilter) apply(view *describe.NotesView, pattern *regexp.Regexp) error {
	known := slices.Clone(sigs)
	for _, n := range view.Notes {
		for _, s := range n.SIGs {
			known = append(known, sigName(s))
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	var asked []string
	for _, s := range f.sigs {
		if s = sigName(s); !slices.Contains(known, s) {
			return command.Usagef("--sig %q is unknown; name one of %s%s", s, strings.Join(known, ", "), guess.DidYouMean(s, known))
		}
		asked = append(asked, s)
	}
	view.Notes = slices.DeleteFunc(view.Notes, func(n release.Note) bool {
		return len(f.kinds) > 0 && !slices.Contains(f.kinds, n.Kind) ||
			len(asked) > 0 && !slices.ContainsFunc(n.SIGs, func(s string) bool { return slices.Contains(asked, sigName(s)) }) ||
			!pattern.MatchString(n.Text)
	})
	return nil
}
