package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// verdict is the last line: what was asked, how it went and why, and everything that
// makes the answer less, or other, than the embedded policy's.
func (t *table) verdict(r report.Report, list []trouble) string {
	v := r.Verdict()
	var b strings.Builder
	b.WriteString(t.Paint(terminal.Bold+styleOf(v), strings.ToUpper(v.String())) + "  " + asked(r.Scope) + ": " + outcome(r, list))
	remark := func(format string, args ...any) {
		b.WriteString(t.Paint(terminal.Yellow, " ("+fmt.Sprintf(format, args...)+")"))
	}
	if r.Interrupted && (len(list) == 0 || list[0].check.Reason != report.Interrupted) {
		remark("%s", terminal.Escape(stopped(r)))
	}
	if s := r.Scope.Shard; s != nil {
		remark("shard %s, not the whole", s)
	}
	switch n := len(r.Merged); {
	case n > 0:
		remark("merged from %s, as they say", terminal.Plural(n, "report"))
	case r.Saved:
		remark("as the saved report says; nothing was examined")
	}
	if r.Scope.Partial {
		remark("partial: left out %s", terminal.Escape(strings.Join(r.Scope.Omitted, ", ")))
	}
	if len(r.Scope.Absent) > 0 {
		remark("absent: %s", terminal.Escape(absent(r.Scope.Absent)))
	}
	for _, words := range beside(r.Scope) {
		remark("%s", terminal.Escape(words))
	}
	if bound := boundTo(r); bound != "" {
		remark("%s", terminal.Escape(bound))
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
		remark("accepted incident %s: %s", terminal.Escape(strings.Join(r.Accepted, ", ")), what)
	}
	var foreign []string
	for _, s := range []struct {
		what string
		report.Source
	}{{"policy", r.Policy}, {"trusted root", r.TrustedRoot}} {
		if !s.Embedded {
			foreign = append(foreign, terminal.Escape(s.what+" "+cmp.Or(s.Path, "unnamed")+" "+terminal.Short(s.Digest)))
		}
	}
	foreign = append(foreign, ofAnother(r)...)
	if k := r.OperatorKey; k != nil {
		foreign = append(foreign, terminal.Escape("vouched for by "+cmp.Or(k.Path, "an unnamed key")+" "+terminal.Short(k.Digest)))
	}
	if len(foreign) > 0 {
		remark("%s", strings.Join(foreign, ", "))
	}
	return b.String()
}

// longReason is how much of a reason stands in the verdict line.
const longReason = 240

// outcome is how it went: how many subjects were verified, or the first cause for which
// it is not, and how much else there is. It is escaped.
func outcome(r report.Report, list []trouble) string {
	if r.Verdict() == report.Verified {
		return terminal.Plural(len(r.Results), "subject")
	}
	if len(list) == 0 {
		return "nothing was examined"
	}
	first := list[0]
	why := clip(terminal.Escape(first.sentence(namingOf(r), r.Scope)), longReason)
	if n := len(list) - 1; n > 0 {
		why += ", and " + terminal.Plural(n, "more cause")
	}
	var counts []string
	for _, c := range []struct {
		v report.Verdict
		n int
	}{{report.Verified, r.Count(report.Verified)}, {report.Unknown, r.Count(report.Unknown)}} {
		if c.n > 0 && (c.v == report.Verified || first.check.Verdict == report.Refuted) {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.v))
		}
	}
	if len(counts) > 0 {
		why += "; " + strings.Join(counts, ", ")
	}
	return why
}

// sentence says of what a trouble is, and its cause.
func (x trouble) sentence(n naming, s report.Scope) string {
	cause := x.words()
	if x.general {
		return cause
	}
	items := n.items(x.results)
	if strings.HasPrefix(cause, "is ") && len(items) > 0 {
		var names []string
		for _, it := range items {
			names = append(names, it.name)
		}
		who, parts := someOf(names), items[0].parts()
		if len(items) == 1 && len(s.Subjects) == 1 && items[0].name == s.Subjects[0] {
			who = "it" // stands before it already
		}
		if len(items) > 1 {
			cause, parts = "are "+strings.TrimPrefix(cause, "is "), ""
		}
		return both(who+" "+cause, parts)
	}
	if x.several {
		cause = "such as: " + cause
	}
	who := n.who(x.results)
	if len(items) == 1 && len(s.Subjects) == 1 && strings.HasSuffix("/"+s.Subjects[0], "/"+items[0].name) {
		who = items[0].parts() // of what was asked for
	}
	if who == "" || len(s.Subjects) == 1 && who == s.Subjects[0] {
		return cause
	}
	return who + ": " + cause
}

// clip cuts a text at a word, and shows that it did.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)[:most]
	s = string(runes)
	if i := strings.LastIndexByte(s, ' '); i > most/2 {
		s = s[:i]
	}
	return strings.TrimRight(s, " ,;:(") + " ..."
}

// beside words what was seen and is not in the verdict.
func beside(s report.Scope) (words []string) {
	if n := len(s.Others); n > 0 {
		text := terminal.Plural(n, "image") + " not Kubernetes', not judged"
		if s.Vendors > 0 {
			text += ", " + terminal.Plural(s.Vendors, "vendor's build") + " among them"
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
		out = append(out, fmt.Sprintf("%s of %s", strings.Join(platforms[:min(len(platforms), 8)], ", "), terminal.Plural(len(images), "image")))
	}
	return strings.Join(out, "; ")
}

// boundTo says which release a digest turned out to be of that was asked for
// without a tag; empty if none was, or nothing is bound.
func boundTo(r report.Report) string {
	var of []string
	for _, res := range each(r.Results) {
		name, digest, pinned := strings.Cut(res.Subject, "@")
		if !pinned || res.Kind != kindImage || res.Platform != "" || res.Release == "" || strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
			continue
		}
		if c, _ := res.Check(report.Binding); c.Verdict == report.Verified {
			of = append(of, fmt.Sprintf("%s is of %s", terminal.Short(digest), res.Release))
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
		what        string
		named, ours report.Source
	}{{"policy", r.Policy, policy}, {"trusted root", r.TrustedRoot, root}} {
		if s.named.Embedded && s.named.Digest != s.ours.Digest {
			out = append(out, terminal.Escape(fmt.Sprintf("%s of %s %s %s", s.what, cmp.Or(r.Tool.Name, "kverify"), cmp.Or(r.Tool.Version, "unknown"), terminal.Short(s.named.Digest))))
		}
	}
	return out
}

// asked words the scope, so that no reader takes a part for the whole.
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
	return terminal.Escape(what)
}

// verdictLine is the table's last line, escaped with Escape.
func verdictLine(r report.Report) string {
	return newTable(Options{}).verdict(r, troubles(r))
}
