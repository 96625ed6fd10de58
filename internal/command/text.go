package command

import (
	"fmt"
	"slices"
	"strings"
)

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
	if n >= 1e9 {
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// WithExamples lines up the remarks of a command's examples.
func WithExamples(lines ...string) string {
	const remark = "  # "
	width := 0
	for _, l := range lines {
		if command, _, ok := strings.Cut(l, remark); ok {
			width = max(width, len(command))
		}
	}
	for i, l := range lines {
		if command, text, ok := strings.Cut(l, remark); ok {
			l = fmt.Sprintf("%-*s%s%s", width, command, remark, text)
		}
		lines[i] = "  " + l
	}
	return strings.Join(lines, "\n")
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
