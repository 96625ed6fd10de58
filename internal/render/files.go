package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/pkg/report"
)

const kindFile = "file"

// fewFiles is how many files have a row each; of more, those of one directory
// of which the same is said share one, unless they are refuted.
const fewFiles = 12

// files writes the results about files: under what their URLs have in common,
// a row a file, or a row for several of one directory.
func (t *table) files(results []report.Result) {
	if len(results) == 0 {
		return
	}
	title := commonDirectory(results)
	var rows []row
	folded := map[string]int{} // index in rows, by directory and checks
	counts := map[int]int{}
	for _, res := range results {
		label := strings.TrimPrefix(res.Subject, title)
		if len(results) <= fewFiles || t.Verbose || t.Wide || res.Verdict() == report.Refuted || len(res.Notes) > 0 {
			rows = append(rows, row{label, res})
			continue
		}
		dir := "."
		if i := strings.LastIndexByte(label, '/'); i >= 0 {
			dir = label[:i]
		}
		var key strings.Builder
		key.WriteString(dir)
		for _, c := range res.Checks {
			mark, _ := t.mark(c)
			key.WriteString("\x00" + c.Name + mark)
			if c.Verdict != report.Verified {
				key.WriteString(sentence(c))
			}
		}
		i, ok := folded[key.String()]
		if !ok {
			i = len(rows)
			folded[key.String()] = i
			rows = append(rows, row{dir, report.Result{Checks: res.Checks}})
		}
		counts[i]++
	}
	width := 0
	for i := range rows {
		if n := counts[i]; n > 0 {
			rows[i].label = fmt.Sprintf("%s (%s)", rows[i].label, plural(n, "file"))
		}
		width = max(width, utf8.RuneCountInString(Escape(rows[i].label)))
	}
	if title != "" {
		t.line(t.paint(bold, Escape(title)))
	}
	for _, r := range rows {
		cells := []string{"  " + t.pad(Escape(r.label), Escape(r.label), width), t.digest(r.Digest)}
		for _, c := range r.Checks {
			mark, style := t.mark(c)
			cells = append(cells, t.paint(style, mark)+" "+Escape(c.Name))
		}
		t.line(strings.TrimRight(strings.Join(cells, "  "), " "))
	}
	t.explain(group{title: title, rows: rows})
	t.line("")
}

// commonDirectory returns the longest prefix of all subjects that ends in a slash.
func commonDirectory(results []report.Result) string {
	common := results[0].Subject
	for _, res := range results {
		for !strings.HasPrefix(res.Subject, common) {
			common = common[:len(common)-1]
		}
	}
	return common[:strings.LastIndexByte(common, '/')+1]
}
