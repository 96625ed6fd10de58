package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// textNames are the fields, variables and parameters that hold words for a reader.
// A string that is stored under another name may decide something, and is in scope.
var textNames = []string{"detail", "what", "hint", "format", "why", "title", "message", "text", "label", "note", "says", "words"}

// scope tells texts from decisions: see the package comment for the rules.
type scope struct {
	*source
	decides map[types.Object]bool // functions of this package whose string is compared
}

func newScope(s *source) *scope {
	sc := &scope{source: s, decides: map[types.Object]bool{}}
	from := map[types.Object][]types.Object{} // variable to the functions that it was set from
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
				for i := range a.Lhs {
					if v, fn := sc.object(a.Lhs[i]), sc.callee(a.Rhs[i]); v != nil && fn != nil {
						from[v] = append(from[v], fn)
					}
				}
			}
			return true
		})
	}
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			b, ok := n.(*ast.BinaryExpr)
			if !ok || b.Op != token.EQL && b.Op != token.NEQ {
				return true
			}
			for _, x := range []ast.Expr{b.X, b.Y} {
				if fn := sc.callee(x); fn != nil {
					sc.decides[fn] = true
				}
				for _, fn := range from[sc.object(x)] {
					sc.decides[fn] = true
				}
			}
			return true
		})
	}
	return sc
}

// object is what an identifier or a selector names, or nil.
func (sc *scope) object(x ast.Expr) types.Object {
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		if o := sc.info.Defs[x]; o != nil {
			return o
		}
		return sc.info.Uses[x]
	case *ast.SelectorExpr:
		return sc.info.Uses[x.Sel]
	}
	return nil
}

// callee is the function that an expression calls, or nil.
func (sc *scope) callee(x ast.Expr) types.Object {
	if call, ok := ast.Unparen(x).(*ast.CallExpr); ok {
		if fn, ok := sc.object(call.Fun).(*types.Func); ok {
			return fn
		}
	}
	return nil
}

// textFunc says that a function only words something: String, Error and their like,
// and what returns one string that nothing in its package compares.
func (sc *scope) textFunc(f *ast.FuncDecl) bool {
	if slices.Contains([]string{"String", "Error", "GoString", "Format"}, f.Name.Name) && f.Recv != nil {
		return true
	}
	fn, ok := sc.info.Defs[f.Name].(*types.Func)
	if !ok {
		return false
	}
	results := fn.Signature().Results()
	return results.Len() == 1 && isString(results.At(0).Type()) && !sc.decides[fn] && sc.returnsText(f)
}

// returnsText says that what a function returns is words, at least once.
func (sc *scope) returnsText(f *ast.FuncDecl) (text bool) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
			text = text || sc.text(r.Results[0])
		}
		return true
	})
	return text
}

// isString says that a type is plain string: a named one may be an enumeration.
func isString(t types.Type) bool {
	b, ok := t.(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

// text says that an expression is words: a literal with a blank in it, a call that
// formats, an error's text, or what is put together of such.
func (sc *scope) text(x ast.Expr) bool {
	if t := sc.info.Types[x]; t.Value != nil && t.Value.Kind() == constant.String {
		return strings.Contains(constant.StringVal(t.Value), " ")
	}
	switch x := ast.Unparen(x).(type) {
	case *ast.BinaryExpr:
		return x.Op == token.ADD && (sc.text(x.X) || sc.text(x.Y))
	case *ast.CallExpr:
		if sc.formats(x) >= 0 && isString(sc.info.Types[x].Type) {
			return true
		}
		sel, ok := x.Fun.(*ast.SelectorExpr)
		return ok && (sel.Sel.Name == "Error" || sel.Sel.Name == "String") && len(x.Args) == 0
	}
	return false
}

// formats is the index from which a call's arguments are a text, or -1: everything
// from a parameter called format on, if anything may follow, and all of errors.New.
func (sc *scope) formats(call *ast.CallExpr) int {
	signature, ok := sc.info.Types[call.Fun].Type.(*types.Signature)
	if !ok {
		return -1
	}
	if fn, ok := sc.object(call.Fun).(*types.Func); ok && fn.FullName() == "errors.New" {
		return 0
	}
	params := signature.Params()
	if !signature.Variadic() || params.Len() < 2 {
		return -1
	}
	last, ok := params.At(params.Len() - 1).Type().(*types.Slice)
	if !ok || !isString(params.At(params.Len()-2).Type()) {
		return -1
	}
	if e, ok := last.Elem().Underlying().(*types.Interface); !ok || !e.Empty() {
		return -1
	}
	return params.Len() - 2
}

// textName says that an expression names a place for words, or for evidence.
func (sc *scope) textName(x ast.Expr) bool {
	name := ""
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	t := sc.info.TypeOf(x)
	return t != nil && (isEvidence(t) || isString(t) && slices.Contains(textNames, strings.ToLower(name)))
}

// isEvidence says that a type is what a report shows beside a verdict, or a list of such.
func isEvidence(t types.Type) bool {
	if list, ok := t.(*types.Slice); ok {
		t = list.Elem()
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "Evidence"
}

// textBlock says that statements only choose words: all of them store such.
func (sc *scope) textBlock(list []ast.Stmt) bool {
	for _, s := range list {
		if !sc.textStmt(s) {
			return false
		}
	}
	return len(list) > 0
}

func (sc *scope) textStmt(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.AssignStmt:
		for i, l := range s.Lhs {
			words := len(s.Lhs) == len(s.Rhs) && sc.text(s.Rhs[i]) && isString(sc.info.TypeOf(l))
			if !sc.textName(l) && !words {
				return false
			}
		}
		return true
	case *ast.BlockStmt:
		return sc.textBlock(s.List)
	case *ast.IfStmt:
		return sc.textBlock(s.Body.List) && (s.Else == nil || sc.textStmt(s.Else))
	case *ast.SwitchStmt:
		for _, c := range s.Body.List {
			if c := c.(*ast.CaseClause); len(c.Body) > 0 && !sc.textBlock(c.Body) {
				return false
			}
		}
		return true
	}
	return false
}

// textLiteral says that a composite literal is a table of words.
func (sc *scope) textLiteral(l *ast.CompositeLit) bool {
	switch t := sc.info.TypeOf(l).Underlying().(type) {
	case *types.Map:
		return isString(t.Elem())
	case *types.Slice:
		return isString(t.Elem())
	case *types.Array:
		return isString(t.Elem())
	}
	return false
}
