package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxMarkdown is what a GitHub job takes as a step's summary; a larger one is not shown at all.
const maxMarkdown = 1 << 20

// maxCauses is how many causes are explained; the table below has more.
const maxCauses = 50

// Markdown writes the report as a summary of a job or a comment: the verdict, every
// cause once with what to do, then a table of what is not verified, and, folded, of
// what is. It stays under a mebibyte, and says what it left out for that.
func Markdown(w io.Writer, r report.Report) error {
	d := &markdownDoc{}
	mark := map[report.Verdict]string{report.Verified: "✅", report.Refuted: "❌", report.Unknown: "❔"}[r.Verdict()]
	word, rest, _ := strings.Cut(verdictLine(r), "  ")
	d.block("## %s kverify: %s\n\n%s\n", mark, word, markdownCode(rest))
	d.causes(r)
	d.table(r)
	d.judges(r)
	if d.leftOut > 0 {
		d.buf.WriteString(fmt.Sprintf("\n%s not shown: a summary holds one mebibyte. The JSON report has everything.\n", terminal.Plural(d.leftOut, "part")+" of this report "+map[bool]string{true: "is", false: "are"}[d.leftOut == 1]))
	}
	_, err := w.Write(d.buf.Bytes())
	return err
}

type markdownDoc struct {
	buf     bytes.Buffer
	leftOut int
}

// block writes a part whole or not at all.
func (d *markdownDoc) block(format string, args ...any) {
	const reserved = 1024 // for the closing of what is open, and the last line
	s := fmt.Sprintf(format, args...)
	if d.buf.Len()+len(s) > maxMarkdown-reserved {
		d.leftOut++
		return
	}
	d.buf.WriteString(s)
}

func (d *markdownDoc) causes(r report.Report) {
	list := causes(problems(r))
	for i, c := range list {
		if i == maxCauses {
			d.block("\n…and %s, in the table below.\n", terminal.Plural(len(list)-i, "more cause"))
			break
		}
		of := ""
		if n := len(c.of); n > 0 {
			shown := c.of[:min(n, 3)]
			parts := make([]string, len(shown))
			for j, s := range shown {
				parts[j] = markdownCode(s)
			}
			of = strings.Join(parts, ", ")
			if n > len(shown) {
				of += fmt.Sprintf(" and %d more", n-len(shown))
			}
			of = " — " + of
		}
		d.block("\n- **%s %s**%s\n\n  %s\n", markdownWord(c.check), markdownCode(strings.Join(c.names, ", ")), of, markdownCode(sentence(c.check)))
		if todo := (problem{check: c.check}).todo(); todo != "" {
			d.block("\n  *What to do:* %s\n", todo) // words of ours
		}
	}
	shown := map[string]bool{}
	for _, res := range each(r.Results) {
		for _, i := range res.Incidents {
			if !shown[i.ID] {
				d.block("\n- *A known incident:* %s %s %s\n", markdownCode(i.Title), markdownCode(i.Link), markdownCode(i.Advice))
			}
			shown[i.ID] = true
		}
	}
}

func markdownWord(c report.Check) string {
	switch {
	case !c.Required:
		return "note"
	case c.Verdict == report.Verified:
		return "ok"
	}
	return c.Verdict.String()
}

// table lists the results that are not verified, and folds the others away.
func (d *markdownDoc) table(r report.Report) {
	var bad, fine []*report.Result
	for _, res := range each(r.Results) {
		if res.Verdict() == report.Verified {
			fine = append(fine, res)
		} else {
			bad = append(bad, res)
		}
	}
	slices.SortStableFunc(bad, func(a, b *report.Result) int { return int(b.Verdict()) - int(a.Verdict()) })
	if len(bad) > 0 {
		d.block("\n")
		d.rows(bad)
	}
	if len(fine) > 0 {
		d.block("\n<details><summary>%s verified</summary>\n\n", terminal.Plural(len(fine), "subject"))
		d.rows(fine)
		d.buf.WriteString("\n</details>\n") // what was opened is closed, whatever was left out
	}
}

func (d *markdownDoc) rows(list []*report.Result) {
	d.block("| verdict | subject | platform | digest | checks |\n| --- | --- | --- | --- | --- |\n")
	for _, res := range list {
		var checks []string
		for _, c := range res.Checks {
			if word := markdownWord(c); word != "ok" && c.Required {
				checks = append(checks, markdownCode(c.Name)+" "+word)
			}
		}
		d.block("| %s | %s | %s | %s | %s |\n", res.Verdict(), markdownCode(res.Subject), markdownCode(res.Platform), markdownCode(terminal.Short(res.Digest)),
			cmp.Or(strings.Join(checks, ", "), "all "+fmt.Sprint(len(res.Checks))))
	}
}

func (d *markdownDoc) judges(r report.Report) {
	judges := fmt.Sprintf("%s %s, %s, policy %s, trusted root %s", cmp.Or(r.Tool.Name, "kverify"), r.Tool.Version, r.Time.UTC().Format("2006-01-02 15:04:05 UTC"), terminal.Short(r.Policy.Digest), terminal.Short(r.TrustedRoot.Digest))
	d.block("\n%s\n", markdownCode(judges))
}

// markdownCode is Markdown's escaper: all text from outside stands in a code span, in
// which nothing is a link, a mention, a reference, markup or HTML. What would end the
// span or the cell of a table is written as Escape writes what is not visible.
func markdownCode(s string) string {
	s = strings.TrimSpace(strings.NewReplacer("`", `\x60`, "|", `\x7c`).Replace(terminal.Escape(s)))
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
