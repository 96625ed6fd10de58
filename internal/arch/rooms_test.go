package arch

import (
	"cmp"
	"go/ast"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// circles is, for each package that has one, how many of its files lie in its
// largest circle: files of which each leans on every other, directly or through
// more of them. A package that is not in the list has none. The numbers only
// shrink: whoever makes one smaller writes the smaller one here.
var circles = map[string]int{
	"internal/render":   3,
	"internal/world":    3,
	"pkg/fetch":         3,
	"pkg/mirror/create": 4,
	"pkg/mirror/push":   3,
	"pkg/registry":      7,
	"pkg/release":       2,
	"pkg/report":        2,
	"pkg/sbom":          5,
	"pkg/support":       3,
	"pkg/trust":         5,
	"pkg/verify":        3,
}

// resolve type-checks one package against nothing but itself: what other
// packages declare is unknown, and names that the package declares are resolved.
func resolve(files []file) *types.Info {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	config := types.Config{Importer: hollow{}, Error: func(error) {}, FakeImportC: true}
	var syntax []*ast.File
	for _, f := range files {
		syntax = append(syntax, f.ast)
	}
	_, _ = config.Check(files[0].pkg, files[0].fset, syntax, info) // its errors are of what was not imported
	return info
}

// hollow imports every package as one that declares nothing.
type hollow struct{}

func (hollow) Import(p string) (*types.Package, error) {
	pkg := types.NewPackage(p, path.Base(p))
	pkg.MarkComplete()
	return pkg, nil
}

// rooms are the files of each package, without tests.
func rooms(t *testing.T) map[string][]file {
	out := map[string][]file{}
	for _, f := range load(t) {
		if !f.test && f.pkg != "." {
			out[f.pkg] = append(out[f.pkg], f)
		}
	}
	return out
}

// leans says which files of a package use what another of its files declares.
func leans(files []file) map[string][]string {
	info := resolve(files)
	home := map[types.Object]string{}
	each := func(visit func(f file, id *ast.Ident)) {
		for _, f := range files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					visit(f, id)
				}
				return true
			})
		}
	}
	each(func(f file, id *ast.Ident) {
		if o := info.Defs[id]; o != nil {
			home[o] = f.path
		}
	})
	on := map[string][]string{}
	each(func(f file, id *ast.Ident) {
		if o := info.Uses[id]; o != nil {
			if h := home[origin(o)]; h != "" && h != f.path && !slices.Contains(on[f.path], h) {
				on[f.path] = append(on[f.path], h)
			}
		}
	})
	return on
}

// origin is what was declared, of a method or field of a generic type.
func origin(o types.Object) types.Object {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return o
}

// largestCircle finds the files that reach one another: Tarjan's strongly
// connected components, of which the largest counts.
func largestCircle(on map[string][]string) []string {
	index, low, onStack := map[string]int{}, map[string]int{}, map[string]bool{}
	var stack, largest []string
	var visit func(f string)
	visit = func(f string) {
		index[f] = len(index) + 1
		low[f] = index[f]
		stack, onStack[f] = append(stack, f), true
		for _, g := range on[f] {
			if index[g] == 0 {
				visit(g)
				low[f] = min(low[f], low[g])
			} else if onStack[g] {
				low[f] = min(low[f], index[g])
			}
		}
		if low[f] != index[f] {
			return
		}
		at := slices.Index(stack, f)
		circle := slices.Clone(stack[at:])
		for _, g := range circle {
			onStack[g] = false
		}
		stack = stack[:at]
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	for _, f := range slices.Sorted(maps.Keys(on)) {
		if index[f] == 0 {
			visit(f)
		}
	}
	if len(largest) < 2 {
		return nil
	}
	slices.Sort(largest)
	return largest
}

func TestCircles(t *testing.T) {
	for pkg, files := range rooms(t) {
		circle := largestCircle(leans(files))
		switch pinned := circles[pkg]; cmp.Compare(len(circle), pinned) {
		case 1:
			t.Errorf("%s: %d of %d files lie in one circle, more than %d: %s", pkg, len(circle), len(files), pinned, bases(circle))
		case -1:
			t.Errorf("%s: the largest circle has %d of %d files now; write that instead of %d", pkg, len(circle), len(files), pinned)
		}
	}
}

func bases(paths []string) string {
	var out []string
	for _, p := range paths {
		out = append(out, path.Base(p))
	}
	return strings.Join(out, " ")
}

// TestNothingIsPromoted holds that no exported struct embeds what is not
// exported: its methods and fields would be set and called from outside without
// a word of documentation. And no struct embeds a pointer to another of its package:
// a session is a named field, so that a reader sees whose method is called.
func TestNothingIsPromoted(t *testing.T) {
	for pkg, files := range rooms(t) {
		if !strings.HasPrefix(pkg, "pkg/") {
			continue
		}
		for _, f := range files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				body, ok := spec.Type.(*ast.StructType)
				if !ok {
					return true
				}
				for _, field := range body.Fields.List {
					if len(field.Names) > 0 {
						continue
					}
					kind := field.Type
					star, pointer := kind.(*ast.StarExpr)
					if pointer {
						kind = star.X
					}
					id, own := kind.(*ast.Ident)
					switch {
					case own && pointer:
						t.Errorf("%s: %s embeds *%s; give it a name", f.path, spec.Name.Name, id.Name)
					case own && spec.Name.IsExported() && !id.IsExported():
						t.Errorf("%s: %s embeds %s, and exports by it what nobody documents", f.path, spec.Name.Name, id.Name)
					}
				}
				return true
			})
		}
	}
}
