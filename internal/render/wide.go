package render

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// rows writes a row a result: first the release and its documents, then files, then the
// images, each with a column a check, then what failed and why, under the image.
func (t *table) rows(w io.Writer, r report.Report) {
	images := groups(r.Results)
	t.measure(images)
	var documents []group
	var files []*report.Result
	for _, res := range each(r.Results) {
		switch res.Kind {
		case kindImage:
		case kindFile:
			files = append(files, res)
		default:
			documents = append(documents, group{rows: []row{{label: res.Subject, Result: res}}})
		}
	}
	t.documents(w, documents)
	t.files(files)
	t.header(images)
	for _, g := range images {
		t.group(g)
		t.Spill(w)
	}
	if len(images) > 0 {
		t.Line("")
	}
}

func (t *table) measure(images []group) {
	seen := map[string]bool{}
	for _, g := range images {
		for _, r := range g.rows {
			t.label = max(t.label, utf8.RuneCountInString(terminal.Escape(r.label)))
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

func (t *table) documents(w io.Writer, list []group) {
	for _, g := range list {
		t.document = max(t.document, utf8.RuneCountInString(terminal.Escape(g.rows[0].label)))
	}
	for _, g := range list {
		res := g.rows[0]
		cells := []string{t.Pad(t.Paint(terminal.Bold, terminal.Escape(res.label)), terminal.Escape(res.label), t.document)}
		cells = append(cells, t.digest(res.Digest))
		for _, c := range res.Checks {
			mark, style := t.mark(c)
			cells = append(cells, t.Paint(style, mark)+" "+terminal.Escape(c.Name))
		}
		t.Line(strings.TrimRight(strings.Join(cells, "  "), " "))
		t.explain(g)
		t.Spill(w)
	}
	if len(list) > 0 {
		t.Line("")
	}
}

func (t *table) header(images []group) {
	if len(images) == 0 {
		return
	}
	const platform, sha = "PLATFORM", "SHA256"
	t.label = max(t.label, len(platform))
	cells := []string{"  " + t.Pad(platform, platform, t.label), t.Pad(sha, sha, t.digestWidth())}
	for _, c := range t.checks {
		cells = append(cells, terminal.Escape(c))
	}
	t.Line(t.Paint(terminal.Dim, strings.Join(cells, "  ")))
}

func (t *table) group(g group) {
	t.Line(t.Paint(terminal.Bold, terminal.Escape(g.title)))
	for _, r := range g.rows {
		cells := []string{"  " + t.Pad(terminal.Escape(r.label), terminal.Escape(r.label), t.label), t.digest(r.Digest)}
		for _, name := range t.checks {
			c, ok := r.Check(name)
			mark, style := t.mark(c)
			if !ok {
				mark, style = "-", terminal.Dim
			}
			cells = append(cells, t.Pad(t.Paint(style, mark), mark, utf8.RuneCountInString(terminal.Escape(name))))
		}
		t.Line(strings.TrimRight(strings.Join(cells, "  "), " "))
	}
	t.explain(g)
}
