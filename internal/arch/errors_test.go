package arch

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// judgesErrors are the functions that give an error a reason of their own, and why
// the one table of errors, in internal/session, cannot.
var judgesErrors = map[string]string{
	"internal/detached/rekor.go:proposed": "status 404 is of the log's address, and not of an entry",
	"pkg/verify/signature.go:prove":       "a log entry that is not the signature's is forged, where other bytes are a mismatch elsewhere",
	"pkg/verify/attestation.go:noList":    "a list that a registry does not serve is not an empty one",
}

// TestOneTableOfErrors holds that an error means the same wherever it was met: a branch
// that asks for an error's type does not choose the reason of a check.
func TestOneTableOfErrors(t *testing.T) {
	files := load(t)
	reasons := map[string]bool{}
	for _, f := range files {
		if f.pkg == "pkg/report" && !f.test {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if v, ok := n.(*ast.ValueSpec); ok {
					if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Reason" {
						reasons[v.Names[0].Name] = true
					}
				}
				return true
			})
		}
	}
	if len(reasons) < 10 {
		t.Fatalf("%d reasons were found in pkg/report", len(reasons))
	}
	found := map[string]bool{}
	for _, f := range files {
		if f.test || !strings.HasPrefix(f.pkg, "pkg/") && !strings.HasPrefix(f.pkg, "internal/") || f.pkg == "internal/session" {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if chosen := reasonByError(n, reasons); chosen != "" {
					at := f.path + ":" + fn.Name.Name
					found[at] = true
					if judgesErrors[at] == "" {
						t.Errorf("%s makes an error %s; give its type a Classify method, or add a row to session.Classify", at, chosen)
					}
				}
				return true
			})
		}
	}
	for _, at := range slices.Sorted(maps.Keys(judgesErrors)) {
		if !found[at] {
			t.Errorf("%s judges no error of its own any more; take it from the list", at)
		}
	}
}

// reasonByError is the reason that a branch chooses by an error's type; empty if it chooses none.
func reasonByError(n ast.Node, reasons map[string]bool) (chosen string) {
	var conditions []ast.Expr
	var body []ast.Stmt
	switch n := n.(type) {
	case *ast.CaseClause:
		conditions, body = n.List, n.Body
	case *ast.IfStmt:
		conditions, body = []ast.Expr{n.Cond}, n.Body.List
	}
	asks := false
	for _, c := range conditions {
		ast.Inspect(c, func(n ast.Node) bool {
			switch on, name := selector(n); {
			case on == "errors" && (name == "As" || name == "Is" || name == "AsType"), on == "fetch" && name == "Is", on == "layout" && name == "IsCorrupt":
				asks = true
			}
			return true
		})
	}
	for _, s := range body {
		ast.Inspect(s, func(n ast.Node) bool {
			if on, name := selector(n); asks && on == "report" && reasons[name] {
				chosen = name
			}
			return true
		})
	}
	return chosen
}

// selector takes "package.Name" apart.
func selector(n ast.Node) (on, name string) {
	if s, ok := n.(*ast.SelectorExpr); ok {
		if id, ok := s.X.(*ast.Ident); ok {
			return id.Name, s.Sel.Name
		}
	}
	return "", ""
}
