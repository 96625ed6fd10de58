package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// mutant is one change of the code, which its number turns on.
type mutant struct {
	Number int    `json:"-"`
	Name   string `json:"mutant"` // file, function, and what becomes what: stands though lines move
	File   string `json:"file"`   // within the module
	Line   int    `json:"line"`
	Of     string `json:"of"` // hash of the function, or of the file
	init   bool   // of a package's variable, which is set before any test runs
	// function is its file and function.
	function string
}

// A wrap writes the text of a node anew, mutants and original in one.
type wrap func(inner string) string

// maker goes through one file and makes its mutants.
type maker struct {
	*scope
	file   int
	path   string
	all    *[]*mutant
	seen   map[string]int // how often a name was made
	wraps  map[ast.Node][]wrap
	labels map[ast.Node]string // loops that a mutant leaves
	ends   []*ast.BlockStmt    // bodies that must not be fallen out of
	skip   map[ast.Node]bool
	stack  []ast.Node
}

// add makes a mutant of a node, and returns its number.
func (m *maker) add(n ast.Node, what string) int {
	fn, text := m.function(), m.texts[m.file]
	if fn != "" {
		text = text[m.offset(m.stack[1].Pos()):m.offset(m.stack[1].End())]
	}
	one := &mutant{Number: len(*m.all) + 1, File: m.path, Of: sum(text), Line: m.fset.Position(n.Pos()).Line, init: fn == "", function: m.path + " " + fn}
	one.Name = fmt.Sprintf("%s %s: %s", m.path, fn, what)
	m.seen[one.Name]++
	if n := m.seen[one.Name]; n > 1 {
		one.Name += fmt.Sprintf(" (%d)", n)
	}
	*m.all = append(*m.all, one)
	return one.Number
}

// function names the declared function that is being walked.
func (m *maker) function() string {
	for _, n := range m.stack {
		if f, ok := n.(*ast.FuncDecl); ok {
			if f.Recv != nil {
				return types.ExprString(f.Recv.List[0].Type) + "." + f.Name.Name
			}
			return f.Name.Name
		}
	}
	return ""
}

// code is a node's text on one line, cut to what tells it from others.
func (m *maker) code(n ast.Node) string {
	text := m.texts[m.file][m.offset(n.Pos()):m.offset(n.End())]
	line := strings.Join(strings.Fields(string(text)), " ")
	if r := []rune(line); len(r) > 90 {
		line = string(r[:90]) + "…"
	}
	return line
}

func (m *maker) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *maker) wrap(n ast.Node, w wrap) { m.wraps[n] = append(m.wraps[n], w) }

// render is a file's text with all its mutants.
func (m *maker) render(f *ast.File) []byte {
	var out bytes.Buffer
	out.WriteString(m.between(f, m.offset(f.FileStart), m.offset(f.FileEnd)))
	return out.Bytes()
}

// node is a node's text with its mutants and those below.
func (m *maker) node(n ast.Node) string {
	text := m.between(n, m.offset(n.Pos()), m.offset(n.End()))
	for _, w := range m.wraps[n] {
		text = w(text)
	}
	return text
}

// between is the text from one offset to another, in which the nodes below n are
// rendered.
func (m *maker) between(n ast.Node, from, to int) string {
	var out bytes.Buffer
	text := m.texts[m.file]
	depth := 0
	ast.Inspect(n, func(c ast.Node) bool {
		if c == nil {
			depth--
			return false
		}
		if depth++; depth == 1 { // n itself
			return true
		}
		depth--
		if c.Pos() >= c.End() || m.offset(c.Pos()) < from {
			return false
		}
		out.Write(text[from:m.offset(c.Pos())])
		out.WriteString(m.node(c))
		from = m.offset(c.End())
		return false
	})
	if b, ok := n.(*ast.BlockStmt); ok && slices.Contains(m.ends, b) {
		out.Write(text[from : to-1])
		out.WriteString(`; panic("a mutant fell out of its function")}`)
		return out.String()
	}
	out.Write(text[from:to])
	return out.String()
}
