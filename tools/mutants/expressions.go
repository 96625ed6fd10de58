package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// plainBool says that an expression may be mixed with comparisons.
func (m *maker) plainBool(x ast.Expr) bool {
	t := m.info.TypeOf(x)
	b, ok := t.(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// errorTest says that an expression compares an error with nil, and how.
func (m *maker) errorTest(x ast.Expr) (token.Token, bool) {
	b, ok := ast.Unparen(x).(*ast.BinaryExpr)
	if !ok || b.Op != token.EQL && b.Op != token.NEQ {
		return 0, false
	}
	nilY := m.info.Types[b.Y].IsNil()
	return b.Op, nilY && m.isError(b.X)
}

func (m *maker) isError(x ast.Expr) bool {
	t := m.info.TypeOf(x)
	return t != nil && types.Identical(t, types.Universe.Lookup("error").Type())
}

// condition negates what decides, if it is no comparison that is swapped anyway.
func (m *maker) condition(x ast.Expr) {
	if b, ok := ast.Unparen(x).(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
		return
	}
	if !m.plainBool(x) || m.info.Types[x].Value != nil {
		return
	}
	n := m.add(x, fmt.Sprintf("not %s", m.code(x)))
	m.wrap(x, func(inner string) string { return fmt.Sprintf("(mutantOn(%d) != (%s))", n, inner) })
}

// fix has a condition taken as true or false.
func (m *maker) fix(x ast.Expr, to bool) {
	n := m.add(x, fmt.Sprintf("%s is %v", m.code(x), to))
	m.wrap(x, func(inner string) string {
		if to {
			return fmt.Sprintf("(mutantOn(%d) || (%s))", n, inner)
		}
		return fmt.Sprintf("(!mutantOn(%d) && (%s))", n, inner)
	})
}

var swapped = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
}

// binary swaps a comparison, and leaves out either side of a conjunction.
func (m *maker) binary(b *ast.BinaryExpr) {
	if b.Op == token.LAND || b.Op == token.LOR {
		for _, side := range []ast.Expr{b.X, b.Y} {
			if in, ok := ast.Unparen(side).(*ast.BinaryExpr); ok && in.Op == b.Op || !m.plainBool(side) {
				continue // its own sides are left out
			}
			m.fix(side, b.Op == token.LAND)
		}
		return
	}
	other, ok := swapped[b.Op]
	if !ok || !m.plainBool(b) {
		return
	}
	if op, ok := m.errorTest(b); ok { // to ignore the error; as negated, every run would fail
		if !m.fixed(op == token.EQL) {
			m.fix(b, op == token.EQL)
		}
		return
	}
	n := m.add(b, fmt.Sprintf("%s is %s", m.code(b), other))
	if b.Op == token.EQL || b.Op == token.NEQ {
		m.wrap(b, func(inner string) string { return fmt.Sprintf("(mutantOn(%d) != (%s))", n, inner) })
		return
	}
	m.wrap(b, func(inner string) string {
		return fmt.Sprintf("(mutantOn(%d) && (%s %s %s) || !mutantOn(%d) && (%s))", n, m.node(b.X), other, m.node(b.Y), n, inner)
	})
}

// fixed says that what is being walked is a side of a conjunction, where leaving it out
// already takes it as that.
func (m *maker) fixed(to bool) bool {
	for i := len(m.stack) - 2; i >= 0; i-- {
		switch p := m.stack[i].(type) {
		case *ast.ParenExpr:
		case *ast.BinaryExpr:
			return p.Op == token.LAND && to || p.Op == token.LOR && !to
		default:
			return false
		}
	}
	return false
}

// constant puts another member of an enumeration of ours in the place of one, and
// true in that of false.
func (m *maker) constant(x ast.Expr) {
	if _, ok := m.stack[len(m.stack)-2].(*ast.SelectorExpr); ok {
		return
	}
	c, ok := m.object(x).(*types.Const)
	if !ok {
		return
	}
	if c.Parent() == types.Universe {
		if m.plainBool(x) {
			n := m.add(x, fmt.Sprintf("%s is %v in %s", c.Name(), c.Name() == "false", m.around()))
			m.wrap(x, func(inner string) string { return fmt.Sprintf("(mutantOn(%d) != (%s))", n, inner) })
		}
		return
	}
	named, ok := c.Type().(*types.Named)
	if !ok || named.Obj().Pkg() == nil || !strings.HasPrefix(named.Obj().Pkg().Path()+"/", m.module+"/") {
		return
	}
	if b, ok := named.Underlying().(*types.Basic); !ok || b.Info()&types.IsInteger == 0 {
		return
	}
	members := enumeration(named, c.Pkg() == m.types)
	i := slices.Index(members, c.Name())
	if i < 0 || len(members) < 2 {
		return
	}
	others := []string{members[(i+1)%len(members)]}
	if len(members) == 3 { // a verdict: both others
		others = append(others, members[(i+2)%3])
	}
	for _, other := range others {
		alt := other
		if s, ok := x.(*ast.SelectorExpr); ok {
			alt = m.code(s.X) + "." + other
		}
		n := m.add(x, fmt.Sprintf("%s is %s in %s", m.code(x), alt, m.around()))
		m.wrap(x, func(inner string) string { return fmt.Sprintf("mutantPick(%d, %s, %s)", n, inner, alt) })
	}
}

// around is the statement that holds what is being walked, for its name.
func (m *maker) around() string {
	for i := len(m.stack) - 1; i >= 0; i-- {
		switch n := m.stack[i].(type) {
		case *ast.CaseClause:
			return "case " + m.code(n.List[0])
		case *ast.IfStmt:
			return "if " + m.code(n.Cond)
		case *ast.BlockStmt, *ast.File:
			return m.code(n)
		case ast.Stmt, *ast.ValueSpec:
			return m.code(n)
		}
	}
	return ""
}

// enumeration is the members of a type, by the order of their values.
func enumeration(t *types.Named, inside bool) (names []string) {
	scope := t.Obj().Pkg().Scope()
	var all []*types.Const
	for _, name := range scope.Names() {
		if c, ok := scope.Lookup(name).(*types.Const); ok && types.Identical(c.Type(), t) && (inside || c.Exported()) {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b *types.Const) int {
		return strings.Compare(fmt.Sprintf("%20s", a.Val()), fmt.Sprintf("%20s", b.Val()))
	})
	for _, c := range all {
		names = append(names, c.Name())
	}
	return names
}
