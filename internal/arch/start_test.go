package arch

import (
	"go/ast"
	"go/constant"
	"go/types"
	"regexp"
	"strings"
	"testing"
)

// TestStart holds that no command pays at its start for what it may not use: no regular expression
// is compiled and no template parsed while the program initializes. What internal/lazyregexp
// compiles later is compiled here, since an invalid expression panics where it is first used.
func TestStart(t *testing.T) {
	found := 0
	for pkg, files := range rooms(t) {
		if isApart(pkg) || pkg == "internal/lazyregexp" || strings.HasPrefix(pkg, "tools/") {
			continue
		}
		info := resolve(files)
		for _, f := range files {
			for _, decl := range f.ast.Decls {
				if vars, ok := decl.(*ast.GenDecl); ok {
					early(t, f, vars)
				}
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && isCall(call, "lazyregexp", "New") {
					found++
					compiles(t, f, info, call)
				}
				return true
			})
		}
	}
	if found < 30 {
		t.Errorf("only %d regular expressions found", found)
	}
}

// early finds what a declaration outside of functions compiles.
func early(t *testing.T, f file, vars *ast.GenDecl) {
	ast.Inspect(vars, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if isCall(n, "regexp", "MustCompile") || isCall(n, "regexp", "MustCompilePOSIX") || isCall(n, "template", "Must") {
				t.Errorf("%s: every start of the program pays for it; use lazyregexp.New or sync.OnceValue", f.fset.Position(n.Pos()))
			}
		}
		return true
	})
}

// compiles compiles the constant that a call is given.
func compiles(t *testing.T, f file, info *types.Info, call *ast.CallExpr) {
	at := f.fset.Position(call.Pos())
	value := info.Types[call.Args[0]].Value
	if value == nil || value.Kind() != constant.String {
		t.Errorf("%s: the expression is no constant of its package", at)
		return
	}
	if _, err := regexp.Compile(constant.StringVal(value)); err != nil {
		t.Errorf("%s: %v", at, err)
	}
}

func isCall(call *ast.CallExpr, pkg, name string) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}
