// Package render writes a finished [report.Report] for its readers: [Report]
// knows every format, such as the table for a person and JSON for a program.
//
// A report holds text from registries, documents and certificates, any of
// which may belong to an attacker. Nothing of it reaches the output unescaped:
// [terminal.Escape] makes it visible, and each format has an escaper of its own above it.
package render

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

func styleOf(v report.Verdict) string {
	switch v {
	case report.Verified:
		return terminal.Green
	case report.Refuted:
		return terminal.Red
	}
	return terminal.Yellow
}

// storyWidth is where prose is broken that goes to no terminal.
const storyWidth = 88

func (t *table) heading(s string) { t.Line("  " + t.Paint(terminal.Bold, terminal.Escape(s))) }

func (t *table) prose(s string) { t.hang("    ", "    ", s) }

// item is one of a list.
func (t *table) item(s string) { t.hang("    - ", "      ", s) }

func (t *table) hang(first, rest, s string) {
	width := t.Width
	if width <= 0 || width > storyWidth {
		width = storyWidth
	}
	for i, l := range terminal.Wrap(terminal.Escape(s), max(terminal.MinText, width-len(rest))) {
		if i == 0 {
			t.Line(first + l)
		} else {
			t.Line(rest + l)
		}
	}
}

// someOf names the first of a list, and counts the others.
func someOf(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

var plainWord = lazyregexp.New(`^[A-Za-z0-9_./:@=,+%-]+$`)

// shellWord quotes a word for a POSIX shell, where it needs that.
func shellWord(w string) string {
	if plainWord().MatchString(w) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
