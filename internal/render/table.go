package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Options say how a table is written. The zero value is plain text with one
// line an explanation, which is the same whoever reads it and stays so.
type Options struct {
	Color   bool // colours, and marks instead of words
	Width   int  // of the terminal, to wrap explanations; 0 wraps nothing
	Quiet   bool // only the subjects that are not verified, and the verdict
	Verbose bool // whole digests, other names, what every check looked at, and the story of each subject
	Wide    bool // whole digests, other names, and where each subject was seen
}

// Table writes the report as text: first the release and its documents, then
// files, then the images, each with a row a platform and a column a check, then what
// failed and why, under the image. The last line is the verdict.
func Table(w io.Writer, r report.Report, o Options) error {
	t := &table{Options: o, said: map[text]string{}}
	results := r.Results
	if o.Quiet {
		results = slices.DeleteFunc(slices.Clone(results), func(res report.Result) bool { return res.Verdict() == report.Verified })
	}
	images := groups(results)
	t.measure(images)
	var documents []group
	var files []report.Result
	for _, res := range results {
		switch res.Kind {
		case kindImage:
		case kindFile:
			files = append(files, res)
		default:
			documents = append(documents, group{rows: []row{{label: res.Subject, Result: res}}})
		}
	}
	t.documents(documents)
	t.files(files)
	t.header(images)
	for _, g := range images {
		t.group(g)
	}
	if len(images) > 0 {
		t.line("")
	}
	if o.Verbose {
		t.stories(r)
	}
	t.line(t.verdict(r))
	_, err := w.Write(t.buf.Bytes())
	return err
}

// Verdict writes the table's last line alone.
func Verdict(w io.Writer, r report.Report, o Options) error {
	t := &table{Options: o}
	t.line(t.verdict(r))
	_, err := w.Write(t.buf.Bytes())
	return err
}

const kindImage = "image"

type table struct {
	Options
	buf      bytes.Buffer
	checks   []string // columns of the images' table
	label    int      // widths
	document int
	said     map[text]string // what was explained already, and under which image
}

// A group is an image with its platforms.
type group struct {
	title string
	rows  []row
}

type row struct {
	label string
	report.Result
}

// groups sorts the images' results under the image they belong to, in the
// order of the report.
func groups(results []report.Result) []group {
	var list []group
	at := map[string]int{}
	for _, res := range results {
		if res.Kind != kindImage {
			continue
		}
		title, label := place(res)
		i, ok := at[title]
		if !ok {
			i = len(list)
			at[title] = i
			list = append(list, group{title: title})
		}
		list[i].rows = append(list[i].rows, row{label, res})
	}
	return list
}

// place names the group and the row of an image's result. A per-architecture
// repository (kube-proxy-arm64) stands with its image.
func place(res report.Result) (title, label string) {
	if res.Platform == "" {
		return res.Subject, "index"
	}
	_, arch, _ := strings.Cut(res.Platform, "/")
	arch, _, _ = strings.Cut(arch, ":")
	arch, _, _ = strings.Cut(arch, "/")
	slash := strings.LastIndexByte(res.Subject, '/') + 1
	end := strings.IndexAny(res.Subject[slash:], ":@")
	if end < 0 {
		return res.Subject, res.Platform
	}
	end += slash
	image, ok := strings.CutSuffix(res.Subject[:end], "-"+arch)
	if !ok {
		return res.Subject, res.Platform
	}
	return image + res.Subject[end:], res.Platform + " in " + res.Subject[slash:end]
}

func (t *table) measure(images []group) {
	seen := map[string]bool{}
	for _, g := range images {
		for _, r := range g.rows {
			t.label = max(t.label, utf8.RuneCountInString(Escape(r.label)))
			for _, c := range r.Checks {
				seen[c.Name] = true
			}
		}
	}
	for _, name := range report.CheckNames {
		if seen[name] {
			t.checks = append(t.checks, name)
			delete(seen, name)
		}
	}
	var others []string
	for name := range seen {
		others = append(others, name)
	}
	slices.Sort(others)
	t.checks = append(t.checks, others...)
}

func (t *table) documents(list []group) {
	for _, g := range list {
		t.document = max(t.document, utf8.RuneCountInString(Escape(g.rows[0].label)))
	}
	for _, g := range list {
		res := g.rows[0]
		cells := []string{t.pad(t.paint(bold, Escape(res.label)), Escape(res.label), t.document)}
		cells = append(cells, t.digest(res.Digest))
		for _, c := range res.Checks {
			mark, style := t.mark(c)
			cells = append(cells, t.paint(style, mark)+" "+Escape(c.Name))
		}
		t.line(strings.TrimRight(strings.Join(cells, "  "), " "))
		t.explain(g)
	}
	if len(list) > 0 {
		t.line("")
	}
}

func (t *table) header(images []group) {
	if len(images) == 0 {
		return
	}
	const platform, sha = "PLATFORM", "SHA256"
	t.label = max(t.label, len(platform))
	cells := []string{"  " + t.pad(platform, platform, t.label), t.pad(sha, sha, t.digestWidth())}
	for _, c := range t.checks {
		cells = append(cells, Escape(c))
	}
	t.line(t.paint(dim, strings.Join(cells, "  ")))
}

func (t *table) group(g group) {
	t.line(t.paint(bold, Escape(g.title)))
	for _, r := range g.rows {
		cells := []string{"  " + t.pad(Escape(r.label), Escape(r.label), t.label), t.digest(r.Digest)}
		for _, name := range t.checks {
			c, ok := r.Check(name)
			mark, style := t.mark(c)
			if !ok {
				mark, style = "-", dim
			}
			cells = append(cells, t.pad(t.paint(style, mark), mark, utf8.RuneCountInString(Escape(name))))
		}
		t.line(strings.TrimRight(strings.Join(cells, "  "), " "))
	}
	t.explain(g)
}

// mark is a check's cell. A check that is not required stands in brackets.
func (t *table) mark(c report.Check) (mark, style string) {
	words := map[report.Verdict]string{report.Verified: "ok", report.Refuted: "FAIL", report.Unknown: "?"}
	if t.Color {
		words = map[report.Verdict]string{report.Verified: "✓", report.Refuted: "✗", report.Unknown: "?"}
	}
	style = styleOf(c.Verdict)
	if !c.Required {
		return "(" + words[c.Verdict] + ")", dim
	}
	return words[c.Verdict], style
}

// verdict is the last line: what was asked, how it went, and everything that
// makes the answer less, or other, than the embedded policy's.
func (t *table) verdict(r report.Report) string {
	v := r.Verdict()
	var b strings.Builder
	b.WriteString(t.paint(bold+styleOf(v), strings.ToUpper(v.String())) + "  " + asked(r.Scope) + ": ")
	fmt.Fprintf(&b, "%s verified, %d refuted, %d unknown",
		plural(r.Count(report.Verified), "subject"), r.Count(report.Refuted), r.Count(report.Unknown))
	remark := func(format string, args ...any) {
		b.WriteString(t.paint(yellow, " ("+fmt.Sprintf(format, args...)+")"))
	}
	if r.Interrupted {
		remark("interrupted")
	}
	if s := r.Scope.Shard; s != nil {
		remark("shard %s, not the whole", s)
	}
	switch n := len(r.Merged); {
	case n > 0:
		remark("merged from %s, as they say", plural(n, "report"))
	case r.Saved:
		remark("as the saved report says; nothing was examined")
	}
	if r.Scope.Partial {
		remark("partial: left out %s", Escape(strings.Join(r.Scope.Omitted, ", ")))
	}
	if len(r.Scope.Absent) > 0 {
		remark("absent: %s", Escape(absent(r.Scope.Absent)))
	}
	for _, words := range beside(r.Scope) {
		remark("%s", Escape(words))
	}
	if bound := boundTo(r); bound != "" {
		remark("%s", Escape(bound))
	}
	if len(r.Accepted) > 0 {
		what := "it does not cover all that failed"
		switch {
		case v == report.Verified:
			what = "nothing needed it"
		case r.Excused() && r.Saved:
			what = "by that run; the verdict is the same"
		case r.Excused():
			what = "so the exit code is 0; the verdict is the same"
		}
		remark("accepted incident %s: %s", Escape(strings.Join(r.Accepted, ", ")), what)
	}
	var foreign []string
	for _, s := range []struct {
		what string
		report.Source
	}{{"policy", r.Policy}, {"trusted root", r.TrustedRoot}} {
		if !s.Embedded {
			foreign = append(foreign, Escape(s.what+" "+cmp.Or(s.Path, "unnamed")+" "+short(s.Digest)))
		}
	}
	foreign = append(foreign, ofAnother(r)...)
	if k := r.OperatorKey; k != nil {
		foreign = append(foreign, Escape("vouched for by "+cmp.Or(k.Path, "an unnamed key")+" "+short(k.Digest)))
	}
	if len(foreign) > 0 {
		remark("%s", strings.Join(foreign, ", "))
	}
	return b.String()
}

// beside words what was seen and is not in the verdict.
func beside(s report.Scope) (words []string) {
	if n := len(s.Others); n > 0 {
		text := plural(n, "image") + " not Kubernetes', not judged"
		if s.Vendors > 0 {
			text += ", " + plural(s.Vendors, "vendor's build") + " among them"
		}
		words = append(words, text)
	}
	return append(words, s.Remarks...)
}

// absent words what is not there: names, and platforms of how many images.
func absent(list []string) string {
	var names, platforms []string
	images := map[string]bool{}
	for _, what := range list {
		image, platform, isPlatform := strings.Cut(what, " ")
		if !isPlatform {
			names = append(names, what)
			continue
		}
		images[image] = true
		if !slices.Contains(platforms, platform) {
			platforms = append(platforms, platform)
		}
	}
	var out []string
	if len(names) > 0 {
		out = append(out, someOf(names))
	}
	if len(platforms) > 0 {
		slices.Sort(platforms)
		out = append(out, fmt.Sprintf("%s of %s", strings.Join(platforms[:min(len(platforms), 8)], ", "), plural(len(images), "image")))
	}
	return strings.Join(out, "; ")
}

// someOf names the first of a list, and counts the others.
func someOf(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// boundTo says which release a digest turned out to be of that was asked for
// without a tag; empty if none was, or nothing is bound.
func boundTo(r report.Report) string {
	var of []string
	for _, res := range r.Results {
		name, digest, pinned := strings.Cut(res.Subject, "@")
		if !pinned || res.Kind != kindImage || res.Platform != "" || res.Release == "" || strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
			continue
		}
		if c, _ := res.Check(report.Binding); c.Verdict == report.Verified {
			of = append(of, fmt.Sprintf("%s is of %s", short(digest), res.Release))
		}
	}
	if len(of) == 0 {
		return ""
	}
	return someOf(of)
}

// ofAnother names the policy and the trusted root of a saved report that are said
// to be built in, and are not what is built into this program: they are of the program
// that wrote it, as it says (rule 34).
func ofAnother(r report.Report) (out []string) {
	if !r.Saved {
		return nil
	}
	policy, root := trust.Embedded()
	for _, s := range []struct {
		what       string
		said, ours report.Source
	}{{"policy", r.Policy, policy}, {"trusted root", r.TrustedRoot, root}} {
		if s.said.Embedded && s.said.Digest != s.ours.Digest {
			out = append(out, Escape(fmt.Sprintf("%s of %s %s %s", s.what, cmp.Or(r.Tool.Name, "kverify"), cmp.Or(r.Tool.Version, "unknown"), short(s.said.Digest))))
		}
	}
	return out
}

// asked words the scope, so that nobody takes a part for the whole.
func asked(s report.Scope) string {
	what := "nothing"
	if len(s.Subjects) > 0 {
		what = someOf(s.Subjects)
	}
	for _, list := range [][]string{s.Names, s.Platforms} {
		if len(list) > 0 {
			what += ", only " + strings.Join(list, " ")
		}
	}
	return Escape(what)
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// shortDigest is how much of a digest a person compares.
const shortDigest = 12

func short(digest string) string {
	if algorithm, hex, ok := strings.Cut(digest, ":"); ok && len(hex) > shortDigest {
		return algorithm + ":" + hex[:shortDigest]
	}
	return digest
}

func (t *table) digestWidth() int {
	if t.Verbose || t.Wide {
		return 64
	}
	return shortDigest
}

func (t *table) digest(d string) string {
	hex := strings.TrimPrefix(d, "sha256:")
	if len(hex) > t.digestWidth() {
		hex = hex[:t.digestWidth()]
	}
	hex = Escape(cmp.Or(hex, "-"))
	return t.pad(t.paint(dim, hex), hex, t.digestWidth())
}
