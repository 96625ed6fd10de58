package terminal

import (
	"strings"
	"unicode/utf8"
)

// A Row is a row of a grid. Its cells are foreign text, as is Below, which says on a line of
// its own what is wrong with the row; empty if nothing is.
type Row struct {
	Cells []string
	Below string
}

// Grid adds a header and rows in columns. Where the terminal is
// too narrow, the last column is broken at words; where even that does not fit, each row is
// a line with its first cell, and below it the others behind the words of the header.
func (p *Page) Grid(head []string, rows []Row) {
	widths := make([]int, len(head))
	for i, h := range head {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, r := range rows {
		for i, c := range r.Cells {
			r.Cells[i] = Escape(c)
			widths[i] = max(widths[i], utf8.RuneCountInString(r.Cells[i]))
		}
	}
	last, before := len(head)-1, 0
	for _, w := range widths[:last] {
		before += w + 2
	}
	stacked := p.Width > 0 && before+widths[last] > p.Width && p.Width-before < MinText
	write := func(cells []string, style string) {
		if stacked {
			p.stack(head, cells, style)
			return
		}
		var out []string
		for i, c := range cells[:len(cells)-1] {
			out = append(out, p.Pad(p.Paint(style, c), c, widths[i]))
		}
		end := cells[len(cells)-1]
		lines := []string{end}
		if len(cells) == len(head) {
			lines = p.Wrap(end, before)
		}
		p.Line(strings.TrimRight(strings.Join(append(out, p.Paint(style, lines[0])), "  "), " "))
		for _, l := range lines[1:] {
			p.Line(strings.Repeat(" ", before) + p.Paint(style, l))
		}
	}
	if !stacked {
		write(head, Dim)
	}
	for _, r := range rows {
		style := ""
		if r.Below != "" {
			style = Red
		}
		write(r.Cells, style)
		if r.Below != "" {
			p.Marked("    ", "FAIL", Red, Escape(r.Below))
		}
	}
}

// stack writes a row of a grid that is wider than the terminal.
func (p *Page) stack(head, cells []string, style string) {
	const hang = "    "
	p.Line(p.Paint(style, cells[0]))
	line := ""
	for i, c := range cells[1:] {
		if c == "-" || c == "" {
			continue
		}
		cell := strings.ToLower(head[i+1]) + ": " + c
		if line != "" && utf8.RuneCountInString(hang+line+"  "+cell) > p.Width {
			p.Line(hang + line)
			line = ""
		}
		if line != "" {
			line += "  "
		}
		line += cell
	}
	if line == "" {
		return
	}
	for _, l := range p.Wrap(line, len(hang)) {
		p.Line(hang + l)
	}
}
