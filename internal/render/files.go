package render

import (
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

const kindFile = "file"

// files writes the results about files: under what their URLs have in common, a row a
// file.
func (t *table) files(results []*report.Result) {
	if len(results) == 0 {
		return
	}
	title := commonDirectory(results)
	rows := make([]row, len(results))
	for i, res := range results {
		rows[i] = row{strings.TrimPrefix(res.Subject, title), res}
	}
	width := 0
	for i := range rows {
		width = max(width, utf8.RuneCountInString(terminal.Escape(rows[i].label)))
	}
	if title != "" {
		t.Line(t.Paint(terminal.Bold, terminal.Escape(title)))
	}
	for _, r := range rows {
		cells := []string{"  " + t.Pad(terminal.Escape(r.label), terminal.Escape(r.label), width), t.digest(r.Digest)}
		for _, c := range r.Checks {
			mark, style := t.mark(c)
			cells = append(cells, t.Paint(style, mark)+" "+terminal.Escape(c.Name))
		}
		t.Line(strings.TrimRight(strings.Join(cells, "  "), " "))
	}
	t.explain(group{title: title, rows: rows})
	t.Line("")
}

// commonDirectory returns the longest prefix of all subjects that ends in a slash.
func commonDirectory(results []*report.Result) string {
	common := results[0].Subject
	for _, res := range results {
		for !strings.HasPrefix(res.Subject, common) {
			common = common[:len(common)-1]
		}
	}
	return common[:strings.LastIndexByte(common, '/')+1]
}
