// Package terminal writes text that a person reads: [Escape] makes what is foreign safe to
// print, and a [Page] has lines, colours and grids that fit into a terminal.
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/lazyregexp"
)

// MaxText bounds one piece of foreign text in a table, in characters: enough
// for any sentence, too little to push a verdict off the screen.
const MaxText = 2000

// Escape makes foreign text safe to print on a terminal and on one line. What
// is not visible is written as \x1b, \u202e and so on: control characters and
// with them every escape sequence, line breaks, marks that reverse or hide
// text, and bytes that are not UTF-8. So is what a job's runner would obey when it
// reads it in a log. Longer text than a sentence is cut, and says so.
func Escape(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for n := 0; len(s) > 0; n++ {
		if n == MaxText {
			fmt.Fprintf(&b, "... (%d bytes more)", len(s))
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[size:]
	}
	return disarm(b.String())
}

// What the runners of jobs obey in whatever a step prints: "##[command]" (GitHub),
// "##vso[command]" (Azure) and "##teamcity[command]" anywhere in a line, and
// "::command" after leading blanks (actions/runner, ActionCommand.cs).
var (
	hashCommand  = lazyregexp.New(`##([A-Za-z]*\[)`)
	colonCommand = lazyregexp.New(`(^| )::`)
)

// disarm breaks such commands. A word may come to stand first in a line by wrapping,
// so that every word counts as leading.
func disarm(s string) string {
	if strings.Contains(s, "##") {
		s = hashCommand().ReplaceAllString(s, `#\x23$1`)
	}
	if strings.Contains(s, "::") {
		s = colonCommand().ReplaceAllString(s, `$1\x3a:`)
	}
	return s
}

// EscapeLines is Escape for messages, which may have more lines than one. Of a
// long line the middle is left out: a message ends with its reason.
func EscapeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if len(l) <= MaxText {
			lines[i] = Escape(l)
			continue
		}
		head, tail := Boundary(l, MaxText/4), Boundary(l, len(l)-MaxText/4)
		lines[i] = fmt.Sprintf("%s... (%d bytes) ...%s", Escape(l[:head]), tail-head, Escape(l[tail:]))
	}
	return strings.Join(lines, "\n")
}

// Boundary is the beginning of the character at i.
func Boundary(s string, i int) int {
	for n := 0; n < utf8.UTFMax-1 && i > 0 && !utf8.RuneStart(s[i]); n++ {
		i--
	}
	return i
}

func isPlain(s string) bool {
	if len(s) > MaxText {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.Contains(s, "##") && !strings.Contains(s, "::")
}

// EscapeWhole is Escape for text that has passed a parser with a limit of its
// own, and must not be cut.
func EscapeWhole(s string) string {
	if len(s) <= MaxText {
		return Escape(s)
	}
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), MaxText)
		for n < len(s) && n > MaxText-4 && s[n]&0xC0 == 0x80 { // not inside a character
			n--
		}
		b.WriteString(Escape(s[:n]))
		s = s[n:]
	}
	return disarm(b.String())
}

// Printable reports whether text holds nothing that a terminal would act on.
func Printable(text []byte) bool {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
		text = text[size:]
	}
	return true
}
