package render

import (
	"cmp"
	"strings"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// Options say how a table is written. The zero value is plain text with one
// line an explanation, which is the same for every reader and stays so.
type Options struct {
	Color bool // colours, and marks instead of words
	Width int  // of the terminal, to wrap at words; 0 wraps nothing
	Quiet bool // only the last line
	Wide  bool // a row a platform with whole digests, other names, places, and what every check looked at
	// Explain tells in words of the subjects of these names, where "" is every one that is
	// not verified, in the place of the short table. Nil tells of none.
	Explain []string
	// Command are the arguments of the command line that made the report, to say what to run
	// next; nil if there is none.
	Command []string
}

const kindImage = "image"

// A table is the page of a report.
type table struct {
	terminal.Page
	options   Options
	checks    []string // columns of the images' table
	label     int      // widths
	document  int
	explained map[explanation]string // what was explained already, and under which image
}

func newTable(o Options) *table {
	return &table{Page: terminal.Page{Options: terminal.Options{Color: o.Color, Width: o.Width}}, options: o, explained: map[explanation]string{}}
}

// An explanation is of a check, or a remark.
type explanation struct {
	rank              int // what is worse stands first
	style, mark, what string
	words             string // not escaped
}

// mark is a check's cell. A check that is not required stands in brackets.
func (t *table) mark(c report.Check) (mark, style string) {
	words := map[report.Verdict]string{report.Verified: "ok", report.Refuted: "FAIL", report.Unknown: "?"}
	if t.Color {
		words = map[report.Verdict]string{report.Verified: "✓", report.Refuted: "✗", report.Unknown: "?"}
	}
	style = styleOf(c.Verdict)
	if !c.Required {
		return "(" + words[c.Verdict] + ")", terminal.Dim
	}
	return words[c.Verdict], style
}

func (t *table) digestWidth() int {
	if t.options.Wide {
		return 64
	}
	return terminal.ShortDigest
}

func (t *table) digest(d string) string {
	hex := strings.TrimPrefix(d, "sha256:")
	if len(hex) > t.digestWidth() {
		hex = hex[:t.digestWidth()]
	}
	hex = terminal.Escape(cmp.Or(hex, "-"))
	return t.Pad(t.Paint(terminal.Dim, hex), hex, t.digestWidth())
}
