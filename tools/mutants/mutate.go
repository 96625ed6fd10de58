package main

import (
	"go/ast"
	"go/token"
)

// mutate makes all mutants of a package, in the order of files and lines, and each
// file's text with all of them.
func mutate(s *source) ([]*mutant, [][]byte) {
	var all []*mutant
	sc, seen := newScope(s), map[string]int{}
	texts := make([][]byte, len(s.files))
	for i, f := range s.files {
		m := &maker{scope: sc, file: i, path: s.rel(s.names[i]), all: &all, seen: seen,
			wraps: map[ast.Node][]wrap{}, labels: map[ast.Node]string{}, skip: map[ast.Node]bool{}}
		m.walk(f)
		texts[i] = m.render(f)
	}
	return all, texts
}

// walk visits what is in scope.
func (m *maker) walk(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			m.stack = m.stack[:len(m.stack)-1]
			return false
		}
		if m.skip[n] || m.text0(n) {
			return false
		}
		m.stack = append(m.stack, n)
		m.visit(n)
		return true
	})
}

// text0 says that a node and all below it are words, types or constants.
func (m *maker) text0(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		return n.Body == nil || m.textFunc(n)
	case *ast.GenDecl:
		return n.Tok != token.VAR
	case *ast.CompositeLit:
		return m.textLiteral(n)
	case *ast.KeyValueExpr:
		return m.textName(n.Key)
	case ast.Stmt:
		return m.textStmt(n)
	}
	return false
}

func (m *maker) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		m.guardEnd(n.Type, n.Body)
	case *ast.FuncLit:
		m.guardEnd(n.Type, n.Body)
	case *ast.CallExpr:
		if from := m.formats(n); from >= 0 {
			for _, a := range n.Args[from:] {
				m.skip[a] = true
			}
		}
	case *ast.KeyValueExpr:
		m.skip[n.Key] = true // a name, or a constant that tells rows apart
	case *ast.BlockStmt:
		m.statements(n.List)
	case *ast.CaseClause:
		if tagless(m.stack) {
			for _, x := range n.List {
				m.condition(x)
			}
		}
		m.statements(n.Body)
	case *ast.CommClause:
		m.statements(n.Body)
	case *ast.IfStmt:
		m.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			m.condition(n.Cond)
		}
	case *ast.ReturnStmt:
		m.results(n)
	case *ast.BinaryExpr:
		m.binary(n)
	case *ast.Ident, *ast.SelectorExpr:
		m.constant(n.(ast.Expr))
	}
}

// tagless says that the clause on top of the stack is of a switch of conditions.
func tagless(stack []ast.Node) bool {
	s, ok := stack[len(stack)-3].(*ast.SwitchStmt)
	return ok && s.Tag == nil
}

// guardEnd keeps a body complete for the compiler, whatever is dropped in it.
func (m *maker) guardEnd(t *ast.FuncType, body *ast.BlockStmt) {
	if t.Results != nil && len(t.Results.List) > 0 {
		m.ends = append(m.ends, body)
	}
}
