package render

import (
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/pkg/report"
)

const kindFile = "file"

// files writes the results about files: under what their URLs have in common, a row a
// file.
func (t *table) files(results []report.Result) {
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
