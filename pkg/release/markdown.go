package release

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	xast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

const (
	// maxChangelog is the size of the largest CHANGELOG that is read; the
	// largest so far has about 1 MB.
	maxChangelog = 4 << 20
	// maxLines and maxColumns bound its tables, whose missing cells the reader
	// fills up: a few bytes could otherwise cost gigabytes. A CHANGELOG has some
	// ten thousand lines, and tables of two or three columns.
	maxLines   = 60_000
	maxColumns = 16
	// maxLine bounds a line in bytes; the longest entries have a few thousand.
	maxLine = 32 << 10
	// maxNesting bounds lists within lists, on one line ("- - - -") or by
	// indentation: each costs another look at every line in it. A CHANGELOG has
	// four, one a line.
	maxNesting = 16
	maxIndent  = 8 * maxNesting

	changelogName = "CHANGELOG"
)

// markdown reads the blocks of a document: headings, lists, code, HTML,
// paragraphs, tables. It leaves out block quotes, link definitions and all
// markup within a line, none of which carries a claim, and whose reading takes
// time that grows with the square of hostile input. So what is within a cell
// or a heading stays as written; see [parseCell].
var markdown = sync.OnceValue(func() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewHTMLBlockParser(), 900),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithParagraphTransformers(util.Prioritized(extension.NewTableParagraphTransformer(), 200)),
	)
})

// checkLines refuses a document whose reading would cost too much.
func checkLines(data []byte) error {
	if len(data) > maxChangelog {
		return &LimitError{changelogName, "bytes", maxChangelog}
	}
	n := 0
	for line := range bytes.Lines(data) {
		if n++; n > maxLines {
			return &LimitError{changelogName, "lines", maxLines}
		}
		if len(line) > maxLine {
			return &LimitError{changelogName, "bytes in a line", maxLine}
		}
		// A table's columns are counted in the line below its header.
		if len(bytes.Trim(line, "|-: \t\r\n")) == 0 && bytes.Count(line, []byte("|")) > maxColumns {
			return &LimitError{changelogName, "columns in a table", maxColumns}
		}
		if n := bulletsOf(line); n > maxNesting || n > 0 && len(line)-len(bytes.TrimLeft(line, " \t")) > maxIndent {
			return &LimitError{changelogName, "lists within lists", maxNesting}
		}
	}
	return nil
}

// bulletsOf counts the list markers that line begins with.
func bulletsOf(line []byte) int {
	for n := 0; ; n++ {
		line = bytes.TrimLeft(line, " \t")
		rest := bytes.TrimLeft(line, "0123456789")
		if len(rest) < 2 || len(rest) == len(line) && !strings.ContainsRune("-+*", rune(rest[0])) ||
			len(rest) < len(line) && rest[0] != '.' && rest[0] != ')' || n > maxNesting {
			return n
		}
		if line = rest[1:]; line[0] != ' ' && line[0] != '\t' {
			return n
		}
	}
}

// section is the part of a CHANGELOG that is about one version: blocks in the
// document's order, without the heading that names the version.
type section struct {
	source []byte
	blocks []ast.Node
	end    int  // offset in source of whatever follows the last block
	twice  bool // another section names the same version
}

// parseSections splits a CHANGELOG into the versions it tells of, in its own
// order. A version's section begins at the heading "# v1.27.2", or where that
// is missing at "## Downloads for v1.27.2", and ends at the next version's.
// Headings of the first level that name no version belong to the section they
// stand in. The table of contents is a list and no heading.
func parseSections(data []byte) (order []Version, sections map[Version]*section, err error) {
	if err := checkLines(data); err != nil {
		return nil, nil, err
	}
	doc := markdown().Parse(text.NewReader(data))
	sections = map[Version]*section{}
	var current *section
	var at Version
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			title := plainText(h, data)
			v, level1 := headingVersion(title, h.Level)
			if level1 || !v.IsZero() && (current == nil || v != at) {
				if current != nil {
					current.end = lineStart(data, blockStart(h))
				}
				old := sections[v]
				current, at = &section{source: data, end: len(data), twice: old != nil}, v
				sections[v] = current
				if old == nil {
					order = append(order, v)
				}
				if level1 {
					continue
				}
			}
		}
		if current != nil {
			current.blocks = append(current.blocks, n)
		}
	}
	return order, sections, nil
}

// headingVersion returns the version that a heading opens, or the zero
// Version; level1 is true for a heading that is nothing but a version.
func headingVersion(title string, level int) (v Version, level1 bool) {
	if level == 1 && strings.HasPrefix(title, "v") {
		if v, err := ParseVersion(title); err == nil {
			return v, true
		}
	}
	if rest, ok := strings.CutPrefix(title, "Downloads for "); ok && level <= 2 {
		if v, err := ParseVersion(rest); err == nil {
			return v, false
		}
	}
	return Version{}, false
}

// findSection returns the section of one version. A CHANGELOG without it is a
// [*NoSectionError]: each release adds its own.
func findSection(data []byte, v Version) (*section, error) {
	order, sections, err := parseSections(data)
	if err != nil {
		return nil, err
	}
	s := sections[v]
	if s == nil {
		if len(sections) == 0 {
			return nil, &FormatError{Document: changelogName, Why: "it has no section for any version"}
		}
		return nil, &NoSectionError{Version: v, Newest: slices.MaxFunc(order, Version.Compare), Document: changelogName + "-" + v.MinorString() + ".md"}
	}
	if s.twice {
		return nil, &AmbiguousError{changelogName, v.String(), [2]string{"a section", "another section of the same version"}}
	}
	return s, nil
}

// plainText returns the text of a heading or a cell, on one line, as written.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() || t.HardLineBreak() {
				b.WriteByte(' ')
			}
		}
	}
	return strings.TrimSpace(b.String())
}

// blockStart returns the offset of the first text of a block, -1 for none.
func blockStart(n ast.Node) int {
	start := -1
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Type() != ast.TypeBlock {
			return ast.WalkSkipChildren, nil
		}
		if l := n.Lines(); entering && l != nil && l.Len() > 0 {
			start = l.At(0).Start
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return start
}

// lineStart returns the offset of the line that holds offset at.
func lineStart(source []byte, at int) int {
	for at > 0 && at <= len(source) && source[at-1] != '\n' {
		at--
	}
	return max(at, 0)
}

// tableRow is one row of a table.
type tableRow struct {
	cells   []cell
	columns int    // how many the row itself has, which a reader of tables cuts or fills up
	line    int    // the offset of its first text, of which numberLines makes a line; 0 without any
	text    string // as it stands
}

// tableRows returns every row of a table, header first.
func tableRows(t *xast.Table, source []byte) []tableRow {
	var rows []tableRow
	for r := t.FirstChild(); r != nil; r = r.NextSibling() {
		var row tableRow
		at := -1
		for c := r.FirstChild(); c != nil; c = c.NextSibling() {
			whole := plainText(c, source)
			cell := parseCell(whole)
			cell.list = whole
			row.cells = append(row.cells, cell)
			if text, ok := c.FirstChild().(*ast.Text); ok && at < 0 {
				at = text.Segment.Start
			}
		}
		if row.columns = len(row.cells); at >= 0 {
			row.text = lineAt(source, at)
			row.columns = columns(row.text)
			row.line = at
		}
		rows = append(rows, row)
	}
	return rows
}

// lineAt returns the line that holds offset at, without the space around it.
func lineAt(source []byte, at int) string {
	start := lineStart(source, at)
	line, _, _ := bytes.Cut(source[start:], []byte("\n"))
	return string(bytes.TrimSpace(line))
}

// columns counts the cells of a row as it stands. A bar at either end makes none,
// and an escaped one parts none.
func columns(row string) int {
	row = strings.ReplaceAll(row, `\|`, "")
	return 1 + strings.Count(strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|"), "|")
}

// cell is what one cell of a table holds, or one item of a list in a cell.
type cell struct {
	text string
	link string // where the text leads, if it is a link
	list string // the whole cell, for one that holds a list
}

// parseCell reads the three forms that a cell of a release has: plain text,
// `code`, and [text](link). Anything else is text as it stands.
func parseCell(s string) cell {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		text, link, ok1 := strings.Cut(inner, "](")
		link, ok2 := strings.CutSuffix(link, ")")
		if ok1 && ok2 && !strings.ContainsAny(text, "[]") && !strings.ContainsAny(link, "() ") {
			return cell{text: text, link: link}
		}
	}
	if len(s) > 2 && s[0] == '`' && s[len(s)-1] == '`' {
		if inner := s[1 : len(s)-1]; !strings.Contains(inner, "`") {
			return cell{text: inner}
		}
	}
	return cell{text: s}
}
