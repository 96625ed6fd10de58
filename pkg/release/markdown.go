package release

import (
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	xast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

const (
	// maxChangelog is the size of the largest CHANGELOG that is read; the
	// largest so far has about 1 MB.
	maxChangelog  = 8 << 20
	changelogName = "CHANGELOG"
)

// markdown reads CommonMark with tables, as GitHub shows a CHANGELOG.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Table))

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
	if len(data) > maxChangelog {
		return nil, nil, &LimitError{changelogName, "bytes", maxChangelog}
	}
	doc := markdown.Parser().Parse(text.NewReader(data))
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
// [*NotReleasedError]: each release adds its own.
func findSection(data []byte, v Version) (*section, error) {
	_, sections, err := parseSections(data)
	if err != nil {
		return nil, err
	}
	s := sections[v]
	if s == nil {
		if len(sections) == 0 {
			return nil, &FormatError{Document: changelogName, Why: "it has no section for any version"}
		}
		return nil, &NotReleasedError{Version: v, Document: changelogName + "-" + v.MinorString() + ".md"}
	}
	if s.twice {
		return nil, &AmbiguousError{changelogName, v.String(), [2]string{"a section", "another section of the same version"}}
	}
	return s, nil
}

// plainText returns what a reader sees of a node's text: that of links and
// code without their marks.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	// Inline text nests only as deep as its markers do; goldmark bounds that.
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
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

// tableRows returns the text and the link of every cell, header first.
func tableRows(t *xast.Table, source []byte) [][]cell {
	var rows [][]cell
	for r := t.FirstChild(); r != nil; r = r.NextSibling() {
		var row []cell
		for c := r.FirstChild(); c != nil; c = c.NextSibling() {
			row = append(row, cell{text: plainText(c, source), link: onlyLink(c)})
		}
		rows = append(rows, row)
	}
	return rows
}

type cell struct {
	text string
	link string // destination, if the cell is one link and nothing else
}

func onlyLink(c ast.Node) string {
	if c.ChildCount() != 1 {
		return ""
	}
	if l, ok := c.FirstChild().(*ast.Link); ok {
		return string(l.Destination)
	}
	return ""
}
