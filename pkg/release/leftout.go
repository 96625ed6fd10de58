package release

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// OddRow is a row of a CHANGELOG's downloads that is not of the form that it
// should have, and was left out: it claims nothing, and what it would have
// claimed is not known.
type OddRow struct {
	Line  int      `json:"line,omitempty"`  // 1-based, in the document; 0 where it is not known
	Text  string   `json:"text"`            // as it stands, shortened; foreign: escape it before a terminal sees it
	Why   string   `json:"why"`             // what is wrong with it, foreign text in it quoted
	Names []string `json:"names,omitempty"` // the files that it names; none if that cannot be told
	Image bool     `json:"image,omitempty"` // of the table of images
}

// maxOdd bounds the rows that are left out; a section has some forty.
const maxOdd = maxFiles

// maxOddText bounds what is kept of a row; the longest of a release have 300 bytes.
const maxOddText = 400

// String names the row in a sentence.
func (o OddRow) String() string {
	s := "row " + quote(o.Text)
	if o.Line > 0 {
		s = fmt.Sprintf("line %d, %s", o.Line, s)
	}
	return s + ": " + o.Why
}

// An OddRowError says that rows of a CHANGELOG could not be read.
type OddRowError struct {
	Version Version
	Rows    []OddRow
}

func (e *OddRowError) Error() string {
	s := fmt.Sprintf("%s of %s: ", changelogName, e.Version)
	if len(e.Rows) > 0 {
		s += e.Rows[0].String()
	}
	if n := len(e.Rows) - 1; n > 0 {
		s += fmt.Sprintf(", and %d more", n)
	}
	return s + "; left out, as its form is not that of a row"
}

// A NoFilesError says that the CHANGELOG has a section for a version and lists
// no file in it: no binaries were made of it, as of v1.18.0-alpha.4.
type NoFilesError struct{ Version Version }

func (e *NoFilesError) Error() string {
	return fmt.Sprintf("%s of %s lists no file: it tells of no binaries; see the release's notes", changelogName, e.Version)
}

// Uncompared returns the row that could not be read and that may be about the
// file of that name: it names the file, or it names none and neither does
// any other row. Where it is false the file was compared with every row that
// there is for it.
func (c *Changelog) Uncompared(name string) (OddRow, bool) {
	if c == nil {
		return OddRow{}, false
	}
	_, listed := c.File(name)
	for _, o := range c.Odd {
		if !o.Image && (slices.Contains(o.Names, name) || mentions(o.Text, name) || len(o.Names) == 0 && !listed) {
			return o, true
		}
	}
	return OddRow{}, false
}

// OddImages are the rows left out of the table of images.
func (c *Changelog) OddImages() (rows []OddRow) {
	if c == nil {
		return nil
	}
	for _, o := range c.Odd {
		if o.Image {
			rows = append(rows, o)
		}
	}
	return rows
}

// leaveOutFile leaves out a row about a file.
func (c *Changelog) leaveOutFile(row tableRow, why string) error {
	return c.leaveOut(OddRow{Text: row.text, Why: why, Names: row.names()}, row.line)
}

// oddImage leaves out a row about an image.
func (c *Changelog) oddImage(row tableRow, why string) error {
	return c.leaveOut(OddRow{Text: row.text, Why: why, Image: true}, row.line)
}

// oddOr returns the error, if there is one; otherwise it leaves the row out.
func (c *Changelog) oddOr(err error, row tableRow, why string) error {
	if err != nil {
		return err
	}
	return c.leaveOutFile(row, why)
}

func (c *Changelog) leaveOut(o OddRow, line int) error {
	if len(c.Odd) == maxOdd {
		return &LimitError{changelogName, "rows that cannot be read", maxOdd}
	}
	o.Line = line
	if len(o.Text) > maxOddText {
		o.Text = o.Text[:maxOddText] + "..."
	}
	c.Odd = append(c.Odd, o)
	return nil
}

// numberLines turns the offsets of rows, which ascend, into numbers of lines.
func numberLines(rows []OddRow, source []byte) {
	done, line := 0, 1
	for i := range rows {
		if at := rows[i].Line; at >= done && at <= len(source) && at > 0 {
			line += bytes.Count(source[done:at], []byte("\n"))
			done, rows[i].Line = at, line
		} else {
			rows[i].Line = 0
		}
	}
}

// addStray takes a block among the downloads that is not a table: lines in it that
// hold a hash were meant as rows, and none reads them.
func (c *Changelog) addStray(source []byte, block ast.Node) error {
	return ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Type() != ast.TypeBlock {
			return ast.WalkSkipChildren, nil
		}
		if lines := n.Lines(); entering && lines != nil {
			return ast.WalkContinue, c.addLines(source, lines)
		}
		return ast.WalkContinue, nil
	})
}

func (c *Changelog) addLines(source []byte, lines *text.Segments) error {
	for i := range lines.Len() {
		segment := lines.At(i)
		row := tableRow{line: segment.Start, text: strings.TrimSpace(string(segment.Value(source)))}
		for text := range strings.SplitSeq(row.text, "|") {
			row.cells = append(row.cells, parseCell(strings.TrimSpace(text)))
		}
		if !row.hasHash() {
			continue
		}
		if err := c.leaveOutFile(row, "it stands outside a table"); err != nil {
			return err
		}
	}
	return nil
}

// hasHash reports whether the row holds a hash that counts.
func (r tableRow) hasHash() bool {
	for _, word := range strings.FieldsFunc(r.text, func(c rune) bool { return c > 0x7f || !alnum(byte(c)) && (c < 'A' || c > 'F') }) {
		if isHash(strings.ToLower(word)) {
			return true
		}
	}
	return false
}

// isHash reports whether s is a hash and no name.
func isHash(s string) bool { return algorithms[len(s)] != "" && isHex(s, len(s)) }

// names are the files that a row names, by the text or the link of any cell.
func (r tableRow) names() (list []string) {
	for _, c := range r.cells {
		for _, name := range []string{c.text, path.Base(c.link)} {
			if CheckPath(name) == nil && !strings.Contains(name, "/") && strings.Contains(name, ".") && !isHash(name) && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// mentions reports whether text holds name as a word of its own.
func mentions(text, name string) bool {
	for rest := text; name != ""; {
		before, after, ok := strings.Cut(rest, name)
		if !ok {
			return false
		}
		if (before == "" || !plain(before[len(before)-1])) && (after == "" || !plain(after[0])) {
			return true
		}
		rest = after
	}
	return false
}
