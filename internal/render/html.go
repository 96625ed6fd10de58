package render

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxHTMLProofs is how many verified subjects of a page have their evidence in it. Of a
// larger report the others stand in the matrix alone: the page stays one that opens.
const maxHTMLProofs = 2000

// maxHTMLOpen is how many unknown subjects have theirs, and maxHTMLCauses how many causes are told.
const (
	maxHTMLOpen   = 5000
	maxHTMLCauses = 1000
)

var (
	//go:embed report.html
	htmlText string
	//go:embed report.css
	htmlStyle string

	// html/template is HTML's escaper; each value is what Escape leaves of it. The page is
	// parsed when the first is written: other formats have no use for it.
	htmlPage = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("report").Funcs(template.FuncMap{"text": terminal.Escape}).Parse(htmlText))
	})
)

// HTML writes the report as one page that holds everything it needs: it has no script,
// loads nothing from a server, and says so to the browser (Content-Security-Policy). Verdict
// and causes stand first, then a matrix of image by platform, then the evidence of each
// subject, folded where it is verified.
func HTML(w io.Writer, r report.Report) error {
	sum := sha256.Sum256([]byte(htmlStyle))
	p := htmlReport{
		Style: template.CSS(htmlStyle), StyleHash: base64.StdEncoding.EncodeToString(sum[:]), //nolint:gosec // compiled in
		Verdict: r.Verdict(), Line: verdictLine(r), Asked: asked(r.Scope), Counts: r.Counts(), Report: r,
		Time: r.Time.UTC().Format("2 January 2006, 15:04:05 UTC"),
	}
	_, p.Line, _ = strings.Cut(p.Line, "  ")
	p.remarks(r)
	list := causes(problems(r))
	for _, c := range list[:min(len(list), maxHTMLCauses)] {
		p.Causes = append(p.Causes, htmlCauseOf(c))
	}
	p.MoreCauses = len(list) - len(p.Causes)
	p.subjects(r)
	to := bufio.NewWriterSize(w, 64<<10)
	if err := htmlPage().Execute(to, p); err != nil {
		return err
	}
	return to.Flush()
}

type (
	htmlReport struct {
		report.Report
		Style      template.CSS
		StyleHash  string
		Verdict    report.Verdict
		Asked      string
		Line       string
		Time       string
		Counts     report.Counts
		Remarks    []string
		Causes     []htmlCause
		MoreCauses int
		Matrices   []*htmlMatrix
		Lists      []*htmlList
		LeftOut    int
	}
	htmlCause struct {
		Checks  string
		Class   string
		Says    string
		Meaning string
		Todo    string
		Of      []string
		More    int
	}
	htmlMatrix struct {
		Title   string
		Columns []string
		Rows    []htmlRow
	}
	htmlRow struct {
		Name, Rest string
		Verdict    report.Verdict
		Cells      []htmlCell
	}
	htmlCell struct {
		Results []htmlResult // of one platform, such as of several versions of Windows
		Verdict report.Verdict
		Link    string // empty where the evidence is left out
	}
	// htmlList is a part of the evidence.
	htmlList struct {
		Title  string
		Groups []htmlGroup
	}
	htmlGroup struct {
		Title   string
		Verdict report.Verdict
		Results []htmlResult
	}
	htmlResult struct {
		*report.Result
		ID     string
		Label  string
		Says   report.Verdict
		Places []string
	}
)

func (p *htmlReport) remarks(r report.Report) {
	for _, x := range runProblems(r) {
		p.Remarks = append(p.Remarks, x.check.Detail)
	}
	switch n := len(r.Merged); {
	case n > 0:
		p.Remarks = append(p.Remarks, "merged from "+terminal.Plural(n, "saved report")+": it is their word, and nothing was examined")
	case r.Saved:
		p.Remarks = append(p.Remarks, "made from a saved report: it is its writer's word, and nothing was examined")
	}
	if len(r.Scope.Absent) > 0 {
		p.Remarks = append(p.Remarks, "it does not speak of what was not there: "+absent(r.Scope.Absent))
	}
	p.Remarks = append(p.Remarks, beside(r.Scope)...)
	for what, s := range map[string]report.Source{"policy": r.Policy, "trusted root": r.TrustedRoot} {
		if !s.Embedded {
			p.Remarks = append(p.Remarks, "judged by the "+what+" "+cmp.Or(s.Path, "unnamed")+", not by the one that is built in")
		}
	}
	slices.Sort(p.Remarks)
}

func htmlCauseOf(c cause) htmlCause {
	const shown = 12
	out := htmlCause{Checks: strings.Join(c.names, ", "), Class: c.check.Verdict.String(), Says: sentence(report.Check{Detail: c.check.Detail, Reason: c.check.Reason}), Todo: (problem{check: c.check}).todo(), Of: c.of}
	if m := meanings[c.check.Reason]; c.check.Name != ofRun {
		out.Meaning = m
	}
	if !c.check.Required {
		out.Class = "note"
	}
	if n := len(out.Of) - shown; n > 0 {
		out.Of, out.More = out.Of[:shown], n
	}
	return out
}

// subjects lays out the results: images in a matrix a release, and all of them, with
// their evidence, in lists.
func (p *htmlReport) subjects(r report.Report) {
	lists := map[string]*htmlList{}
	for _, title := range []string{"The release and its documents", "Images", "Files", "Mirrors and others"} {
		lists[title] = &htmlList{Title: title}
		p.Lists = append(p.Lists, lists[title])
	}
	room := map[report.Verdict]int{report.Verified: maxHTMLProofs, report.Unknown: maxHTMLOpen, report.Refuted: len(r.Results)}
	matrices := map[string]*htmlMatrix{}
	n := 0
	for _, g := range subjects(r.Results) {
		list := lists[htmlListOf(string(g.rows[0].Kind))]
		group := htmlGroup{Title: g.title, Verdict: verdictOf(g)}
		whole := room[group.Verdict] > 0
		for _, row := range g.rows {
			n++
			res := htmlResult{Result: row.Result, ID: fmt.Sprintf("r%d", n), Label: row.label, Says: row.Verdict(), Places: places(row.Result)}
			if whole {
				room[group.Verdict]--
			} else {
				res.ID = ""
				p.LeftOut++
			}
			group.Results = append(group.Results, res)
		}
		if whole {
			list.Groups = append(list.Groups, group)
		}
		if g.rows[0].Kind == kindImage {
			release := g.rows[0].Release
			m := matrices[release]
			if m == nil {
				m = &htmlMatrix{Title: release}
				matrices[release], p.Matrices = m, append(p.Matrices, m)
			}
			m.add(group)
		}
	}
	for _, list := range p.Lists { // what is not verified stands first
		slices.SortStableFunc(list.Groups, func(a, b htmlGroup) int { return htmlRank(a.Verdict) - htmlRank(b.Verdict) })
	}
	p.Lists = slices.DeleteFunc(p.Lists, func(l *htmlList) bool { return len(l.Groups) == 0 })
}

func htmlListOf(kind string) string {
	switch kind {
	case kindImage:
		return "Images"
	case kindFile:
		return "Files"
	case "release", "document":
		return "The release and its documents"
	}
	return "Mirrors and others"
}

func htmlRank(v report.Verdict) int {
	return slices.Index([]report.Verdict{report.Refuted, report.Unknown, report.Verified}, v)
}

// add puts an image into the matrix: a cell a platform, versions of Windows in one.
func (m *htmlMatrix) add(g htmlGroup) {
	slash := strings.LastIndexByte(g.Title, '/') + 1
	row := htmlRow{Name: g.Title[slash:], Rest: strings.TrimSuffix(g.Title[:slash], "/"), Verdict: g.Verdict}
	cells := map[string]*htmlCell{}
	for _, res := range g.Results {
		column, _, _ := strings.Cut(cmp.Or(res.Platform, "index"), ":")
		if !slices.Contains(m.Columns, column) {
			m.Columns = append(m.Columns, column)
		}
		cell := cells[column]
		if cell == nil {
			cell = &htmlCell{Verdict: res.Says, Link: res.ID}
			cells[column] = cell
		} else if htmlRank(res.Says) < htmlRank(cell.Verdict) {
			cell.Verdict, cell.Link = res.Says, res.ID
		}
		cell.Results = append(cell.Results, res)
	}
	for _, c := range m.Columns {
		if cell := cells[c]; cell != nil {
			row.Cells = append(row.Cells, *cell)
		} else {
			row.Cells = append(row.Cells, htmlCell{})
		}
	}
	m.Rows = append(m.Rows, row)
}

// Pad fills the row up to the width of its matrix, whose last columns came later.
func (m *htmlMatrix) Pad(row htmlRow) []struct{} {
	return make([]struct{}, len(m.Columns)-len(row.Cells))
}

// Mark is the cell's sign, beside its colour.
func (htmlReport) Mark(v report.Verdict) string {
	return map[report.Verdict]string{report.Verified: "✓", report.Refuted: "✗", report.Unknown: "?"}[v]
}

// Short is as much of a digest as a person compares.
func (c htmlCell) Short() string {
	if n := len(c.Results); n > 1 && c.Results[0].Platform != "" {
		return fmt.Sprintf("%d of them", n)
	}
	_, hex, _ := strings.Cut(c.Results[0].Digest, ":")
	return cmp.Or(hex[:min(len(hex), 8)], "no digest")
}

// Facts are the fields of evidence in a fixed order, as "name: value".
func (htmlReport) Facts(e report.Evidence) (list []string) {
	for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
		list = append(list, k+": "+e.Fields[k])
	}
	return list
}

// Expected is what a check wants to find.
func (htmlReport) Expected(name string) string { return expected[name] }

// Weight says why a claim counts, or does not.
func (htmlReport) Weight(s *report.Strength) string {
	if s == nil {
		return ""
	}
	return s.String() + ": " + strengths[*s]
}

// Class is a check's colour.
func (htmlReport) Class(c report.Check) string {
	if !c.Required {
		return "note"
	}
	return c.Verdict.String()
}

// Sentence is what a check says.
func (htmlReport) Sentence(c report.Check) string {
	if c.Verdict == report.Verified {
		return cmp.Or(c.Detail, "it holds")
	}
	return sentence(c)
}
