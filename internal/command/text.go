package command

import (
	"fmt"
	"slices"
	"strings"
)

// helpWidth is how wide a line of help is at most.
const helpWidth = 100

// OrList reads "a, b or c".
func OrList(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func OrElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func BytesText(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	if n < 1e9 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// WithExamples lines up the remarks of a command's examples, as far as there is room for
// them behind their lines; the others stand above theirs.
func WithExamples(lines ...string) string {
	const indent, remark = "  ", "  # "
	commands, texts := make([]string, len(lines)), make([]string, len(lines))
	for i, l := range lines {
		commands[i], texts[i], _ = strings.Cut(l, remark)
	}
	above := map[int]bool{}
	var width int
	for {
		longest, room := -1, true
		width = 0
		for i := range lines {
			if texts[i] != "" && !above[i] && len(commands[i]) > width {
				longest, width = i, len(commands[i])
			}
		}
		for i := range lines {
			room = room && (texts[i] == "" || above[i] || len(indent)+width+len(remark)+len(texts[i]) <= helpWidth)
		}
		if room {
			break
		}
		above[longest] = true
	}
	var out []string
	for i, c := range commands {
		switch {
		case above[i]:
			out = append(out, indent+strings.TrimSpace(remark)+" "+texts[i], continued(indent+c))
		case texts[i] != "":
			out = append(out, fmt.Sprintf("%s%-*s%s%s", indent, width, c, remark, texts[i]))
		default:
			out = append(out, continued(indent+c))
		}
	}
	return strings.Join(out, "\n")
}

// continued breaks a command line that is too long as a shell joins it again.
func continued(line string) string {
	if len(line) <= helpWidth {
		return line
	}
	at := strings.LastIndexByte(line[:helpWidth-2], ' ')
	return line[:at] + " \\\n      " + line[at+1:]
}

// folded breaks lines that are wider than help is.
func folded(text string) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		for len(line) > helpWidth {
			at := strings.LastIndexByte(line[:helpWidth+1], ' ')
			if at <= 0 {
				break
			}
			out, line = append(out, line[:at]), line[at+1:]
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// SplitList reads "a,b c" as a, b and c, each once.
func SplitList(s string) (list []string) {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}
