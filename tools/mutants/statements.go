package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// statements makes mutants that leave out one of a list, or leave a loop in
// another way.
func (m *maker) statements(list []ast.Stmt) {
	for _, s := range list {
		if m.textStmt(s) {
			continue
		}
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && !m.blank(s) {
				m.drop(s)
			}
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && !m.panics(call) {
				m.drop(s)
			}
		case *ast.IncDecStmt:
			m.drop(s)
		case *ast.ReturnStmt:
			if m.falls(s) != endOfFunction && !m.afterError() {
				m.drop(s)
			}
		case *ast.BranchStmt:
			m.branch(s)
		}
	}
}

// afterError says that the list on top of the stack is all that follows the test of
// an error. To leave out its one statement is to ignore the error, another mutant.
func (m *maker) afterError() bool {
	if len(m.stack) < 2 {
		return false
	}
	b, _ := m.stack[len(m.stack)-1].(*ast.BlockStmt)
	i, ok := m.stack[len(m.stack)-2].(*ast.IfStmt)
	if !ok || i.Body != b || len(b.List) != 1 || i.Else != nil {
		return false
	}
	op, ok := m.errorTest(i.Cond)
	return ok && op == token.NEQ
}

// blank says that an assignment stores nothing.
func (m *maker) blank(s *ast.AssignStmt) bool {
	return !slices.ContainsFunc(s.Lhs, func(x ast.Expr) bool { i, ok := x.(*ast.Ident); return !ok || i.Name != "_" })
}

func (m *maker) panics(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.Ident)
	return ok && f.Name == "panic"
}

// drop leaves out a statement.
func (m *maker) drop(s ast.Stmt) {
	n := m.add(s, "without "+m.code(s))
	m.wrap(s, func(inner string) string { return fmt.Sprintf("if !mutantOn(%d) { %s }", n, inner) })
}

// branch turns continue into break, break of a loop into continue, and drops either.
func (m *maker) branch(s *ast.BranchStmt) {
	if s.Label != nil || s.Tok != token.CONTINUE && s.Tok != token.BREAK {
		return
	}
	loop, inner := m.loop()
	if s.Tok == token.BREAK && inner {
		m.drop(s) // of a switch
		return
	}
	if m.falls(s) != endOfLoop {
		m.drop(s)
	}
	other, label := "break", ""
	if s.Tok == token.BREAK {
		other = "continue"
	} else {
		label = m.label(loop)
	}
	n := m.add(s, fmt.Sprintf("%s for %s after %s", other, s.Tok, m.before()))
	m.wrap(s, func(inner string) string { return fmt.Sprintf("if mutantOn(%d) { %s %s }; %s", n, other, label, inner) })
}

// before is what leads to the statement that is being walked.
func (m *maker) before() string {
	for i := len(m.stack) - 1; i >= 0; i-- {
		switch n := m.stack[i].(type) {
		case *ast.IfStmt:
			return "if " + m.code(n.Cond)
		case *ast.CaseClause:
			if len(n.List) > 0 {
				return "case " + m.code(n.List[0])
			}
			return "default"
		}
	}
	return "nothing"
}

// loop is the innermost loop, and whether a switch or select lies in between.
func (m *maker) loop() (loop ast.Node, inner bool) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		switch n := m.stack[i].(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return n, inner
		case *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
			inner = true
		}
	}
	return nil, inner
}

// label is that of a loop: its own, or one that is put before it.
func (m *maker) label(loop ast.Node) string {
	for i, n := range m.stack {
		if l, ok := n.(*ast.LabeledStmt); ok && m.stack[i+1] == loop {
			return l.Label.Name
		}
	}
	if m.labels[loop] == "" {
		name := fmt.Sprintf("mutantLoop%d", loop.Pos())
		m.labels[loop] = name
		m.wrap(loop, func(inner string) string { return name + ": " + inner })
	}
	return m.labels[loop]
}

// What follows a statement that is left out.
const (
	nextStatement = iota
	endOfLoop
	endOfFunction
)

// falls says what follows a statement of the list on top of the stack.
func (m *maker) falls(s ast.Stmt) int {
	var below ast.Node = s
	for i := len(m.stack) - 1; i >= 0; i-- {
		switch n := m.stack[i].(type) {
		case *ast.BlockStmt:
			if _, ok := below.(ast.Stmt); ok && len(n.List) > 0 && !isClause(below) && n.List[len(n.List)-1] != below {
				return nextStatement
			}
		case *ast.CaseClause:
			if n.Body[len(n.Body)-1] != below {
				return nextStatement
			}
		case *ast.CommClause:
			if n.Body[len(n.Body)-1] != below {
				return nextStatement
			}
		case *ast.ForStmt, *ast.RangeStmt:
			return endOfLoop
		case *ast.FuncDecl, *ast.FuncLit:
			return endOfFunction
		}
		below = m.stack[i]
	}
	return nextStatement
}

func isClause(n ast.Node) bool {
	switch n.(type) {
	case *ast.CaseClause, *ast.CommClause:
		return true
	}
	return false
}

// results negates what a function decides, and forgets the error of one that
// returns nothing else.
func (m *maker) results(r *ast.ReturnStmt) {
	for _, x := range r.Results {
		if m.plainBool(x) {
			m.condition(x)
		}
	}
	if len(r.Results) != 1 || !m.isErrorResult() || m.info.Types[r.Results[0]].IsNil() {
		return
	}
	x := r.Results[0]
	if t, ok := m.info.TypeOf(x).(*types.Tuple); ok && t.Len() != 1 {
		return
	}
	n := m.add(r, "nil for "+m.code(x))
	m.wrap(x, func(inner string) string { return fmt.Sprintf("mutantNil(%d, %s)", n, inner) })
}

// isErrorResult says that the function that is being walked returns an error alone.
func (m *maker) isErrorResult() bool {
	for i := len(m.stack) - 1; i >= 0; i-- {
		var t *ast.FuncType
		switch n := m.stack[i].(type) {
		case *ast.FuncDecl:
			t = n.Type
		case *ast.FuncLit:
			t = n.Type
		default:
			continue
		}
		return t.Results != nil && len(t.Results.List) == 1 && len(t.Results.List[0].Names) <= 1 && m.isError(t.Results.List[0].Type)
	}
	return false
}
