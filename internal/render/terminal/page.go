package terminal

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/lazyregexp"
)

// Options are what a page is written for. The zero value is plain text that is not wrapped,
// which is the same for every reader.
type Options struct {
	Color bool // colours, and marks instead of words
	Width int  // columns of the terminal, to wrap at words; 0 wraps nothing
}

// Styles are SGR parameters (ECMA-48, 8.3.117), each with its semicolon: several are joined
// by writing them one after another.
const (
	Bold   = "1;"
	Dim    = "2;"
	Red    = "31;"
	Green  = "32;"
	Yellow = "33;"
)

// MinText is the narrowest column that text is wrapped into, in characters; a terminal that
// leaves less gets long lines and wraps them itself.
const MinText = 30

// A Page is text for a person, put together line by line. What its methods take was escaped
// by the caller, but for a grid's cells. The zero value is an empty page.
type Page struct {
	Options
	buf     bytes.Buffer
	spilled int   // lines that were written already
	err     error // of writing them
}

// WriteTo writes the page to w, and empties it.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	if p.err != nil {
		return 0, p.err
	}
	return p.buf.WriteTo(w)
}

// Spill writes what there is of a page to w, if it is much: a page may be longer than should be
// held. An error stays, and WriteTo says it.
func (p *Page) Spill(w io.Writer) {
	const much = 64 << 10
	if p.buf.Len() < much {
		return
	}
	p.spilled = p.Height()
	if p.err == nil {
		_, p.err = p.buf.WriteTo(w)
	}
	p.buf.Reset()
}

// Bytes are the lines so far that were not written, valid until the next one.
func (p *Page) Bytes() []byte { return p.buf.Bytes() }

// Height is how many lines the page has so far.
func (p *Page) Height() int { return p.spilled + bytes.Count(p.buf.Bytes(), []byte("\n")) }

// Append adds the lines of another page.
func (p *Page) Append(q *Page) { p.buf.Write(q.buf.Bytes()) }

// Line adds a line.
func (p *Page) Line(s string) {
	p.buf.WriteString(s)
	p.buf.WriteByte('\n')
}

// Paint puts a text in a style, where the page has colours.
func (p *Page) Paint(style, s string) string {
	if !p.Color || s == "" || style == "" {
		return s
	}
	return "\x1b[" + strings.TrimSuffix(style, ";") + "m" + s + "\x1b[0m"
}

// Pad fills painted text, which shows as plain does, up to a width in characters.
func (p *Page) Pad(painted, plain string, width int) string {
	return painted + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(plain)))
}

// Marked adds a line of a mark and a text, continued under the text's own column.
func (p *Page) Marked(indent, mark, style, text string) {
	const markWidth = 4 // of FAIL, note, also, seen
	hang := len(indent) + markWidth + 1
	lines := []string{text}
	if room := p.Width - hang; room >= MinText {
		lines = Wrap(text, room)
	}
	for i, l := range lines {
		if i == 0 {
			p.Line(indent + p.Pad(p.Paint(style, mark), mark, markWidth) + " " + l)
			continue
		}
		p.Line(strings.Repeat(" ", hang) + l)
	}
}

// Last adds the last line, which is one line unless the terminal is narrow.
func (p *Page) Last(s string) {
	for i, l := range p.Wrap(s, 2) {
		if i > 0 {
			l = "  " + l
		}
		p.Line(l)
	}
}

// Wrap breaks a text at words into lines for what an indent leaves of the terminal.
func (p *Page) Wrap(s string, indent int) []string {
	if room := p.Width - indent; room >= MinText {
		return Wrap(s, room)
	}
	return []string{s}
}

// painted is what Paint puts around a text, which takes no room.
var painted = lazyregexp.New("\x1b\\[[0-9;]*m")

// Wrap breaks text at spaces into lines of at most width characters; a longer
// word, such as a digest, stays whole.
func Wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(painted().ReplaceAllString(word, ""))
		if used > 0 && used+1+n > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}
