package render

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/pkg/report"
)

// SGR parameters; several are joined with ";" by writing them one after another.
const (
	bold   = "1;"
	dim    = "2;"
	red    = "31;"
	green  = "32;"
	yellow = "33;"
)

func styleOf(v report.Verdict) string {
	switch v {
	case report.Verified:
		return green
	case report.Refuted:
		return red
	}
	return yellow
}

// paint colours escaped text.
func (t *table) paint(style, s string) string {
	if !t.Color || s == "" || style == "" {
		return s
	}
	return "\x1b[" + strings.TrimSuffix(style, ";") + "m" + s + "\x1b[0m"
}

// pad fills painted text, which shows as plain does, up to a width.
func (t *table) pad(painted, plain string, width int) string {
	return painted + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(plain)))
}

func (t *table) line(s string) {
	t.buf.WriteString(s)
	t.buf.WriteByte('\n')
}

// minText is the narrowest column that text is wrapped into; a terminal that
// leaves less gets long lines and wraps them itself.
const minText = 30

// wrapped writes mark and text, continued under the text's own column.
func (t *table) wrapped(indent, mark, style, text string) {
	const markWidth = 4 // of FAIL, note, also, seen
	hang := len(indent) + markWidth + 1
	lines := []string{text}
	if room := t.Width - hang; room >= minText {
		lines = wrap(text, room)
	}
	for i, l := range lines {
		if i == 0 {
			t.line(indent + t.pad(t.paint(style, mark), mark, markWidth) + " " + l)
			continue
		}
		t.line(strings.Repeat(" ", hang) + l)
	}
}

// painted is what paint puts around a text, which takes no room.
var painted = regexp.MustCompile("\x1b\\[[0-9;]*m")

// wrap breaks text at spaces into lines of at most width characters; a longer
// word, such as a digest, stays whole.
func wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(painted.ReplaceAllString(word, ""))
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

// storyWidth is where prose is broken that goes to no terminal.
const storyWidth = 88

func (t *table) heading(s string) { t.line("  " + t.paint(bold, Escape(s))) }

func (t *table) prose(s string) { t.hang("    ", "    ", s) }

// item is one of a list.
func (t *table) item(s string) { t.hang("    - ", "      ", s) }

func (t *table) hang(first, rest, s string) {
	width := t.Width
	if width <= 0 || width > storyWidth {
		width = storyWidth
	}
	for i, l := range wrap(Escape(s), max(minText, width-len(rest))) {
		if i == 0 {
			t.line(first + l)
		} else {
			t.line(rest + l)
		}
	}
}

// last writes the last line, which is one line unless the terminal is narrow.
func (t *table) last(s string) {
	for i, l := range t.wrap(s, 2) {
		if i > 0 {
			l = "  " + l
		}
		t.line(l)
	}
}

// wrap breaks a text at words for what an indent leaves of the terminal.
func (t *table) wrap(s string, indent int) []string {
	if room := t.Width - indent; room >= minText {
		return wrap(s, room)
	}
	return []string{s}
}

// someOf names the first of a list, and counts the others.
func someOf(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@=,+%-]+$`)

// shellWord quotes a word for a POSIX shell, where it needs that.
func shellWord(w string) string {
	if plainWord.MatchString(w) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
