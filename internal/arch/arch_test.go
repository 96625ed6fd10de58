package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/kverify/kverify/"
)

// layers is the import order: a package imports only packages of lines above
// its own. An arrow never points back.
var layers = [][]string{
	{"internal/bounds", "internal/guess", "internal/layer", "internal/lazyregexp", "internal/par", "internal/strictjson", "pkg/oci"},
	{"internal/rootfs"},
	{"pkg/report", "pkg/fetch", "pkg/sbom"},
	{"pkg/registry", "pkg/release"},
	{"pkg/support"},
	{"pkg/trust"},
	{"pkg/convert", "pkg/sight"},
	{"pkg/sight/container", "pkg/sight/packages"},
	{"pkg/sigstore"},
	{"pkg/vouch"},
	{"internal/session"},
	{"internal/detached"},
	{"pkg/claims"},
	{"pkg/files"},
	{"pkg/verify"},
	{"pkg/seen", "internal/watch"},
	{"pkg/mirror/internal/layout"},
	{"pkg/mirror"},
	{"pkg/mirror/serve", "pkg/mirror/push", "pkg/mirror/create", "pkg/mirror/archive"},
	{"internal/render/terminal"},
	{"internal/render/encode"},
	{"internal/render", "internal/render/describe"},
	{"internal/web", "pkg/report/text"},
	{"internal/command"},
	{"internal/cli/mirrors"},
	{"internal/cli"},
	{"cmd/kverify", "tools/catalogue", "tools/kubeadm", "tools/mutants", "tools/benchcheck"},
}

// apart import nothing of ours but themselves: the world is a second opinion,
// written without the code that it judges.
var apart = []string{"internal/world", "internal/arch", "internal/simulate"}

// homes says which packages, or files, may import what is not ours. What is
// not in the list may be imported nowhere; the longest prefix decides.
var homes = map[string][]string{
	"github.com/google/go-containerregistry":     {"pkg/registry"},
	"github.com/sigstore/cosign/v2":              {"pkg/sigstore"},
	"github.com/sigstore/sigstore-go":            {"pkg/trust"},
	"github.com/sigstore/sigstore-go/pkg/root":   {"pkg/trust", "pkg/sigstore"},
	"github.com/sigstore/sigstore-go/pkg/bundle": {"pkg/sigstore"},
	"github.com/sigstore/sigstore-go/pkg/verify": {"pkg/sigstore"},
	"github.com/sigstore/sigstore-go/pkg/tlog":   {"pkg/sigstore"},
	"github.com/sigstore/protobuf-specs":         {"pkg/trust", "pkg/sigstore"},
	"github.com/sigstore/sigstore/pkg/signature": {"pkg/sigstore"},
	"github.com/digitorus/pkcs7":                 {"pkg/sigstore"},
	"github.com/digitorus/timestamp":             {"pkg/sigstore"},
	"google.golang.org/protobuf":                 {"pkg/trust"},
	"github.com/theupdateframework/go-tuf/v2":    {"pkg/trust/update.go"},
	"github.com/spdx/tools-golang":               {"pkg/sbom"},
	"go.yaml.in/yaml/v3":                         {"pkg/trust/strict.go", "pkg/support/parse.go", "pkg/support/yaml.go", "pkg/sight/yaml.go"},
	"github.com/go-json-experiment/json":         {"pkg/sight/json.go"}, // tokens of a stream; encoding/json's take five times as long
	"github.com/klauspost/compress":              {"internal/layer"},
	"github.com/ulikunitz/xz":                    {"internal/layer"},
	"github.com/yuin/goldmark":                   {"pkg/release"},
	"sigs.k8s.io/yaml":                           {"pkg/release", "pkg/trust", "internal/render/encode"},
	"github.com/spf13/cobra":                     {"internal/cli", "internal/cli/mirrors", "internal/command"},
	"github.com/spf13/pflag":                     {"internal/cli", "internal/cli/mirrors", "internal/command"},
	"github.com/schollz/progressbar/v3":          {"internal/command"},
	"golang.org/x/term":                          {"internal/cli", "internal/cli/mirrors", "internal/command"},
	"net":                                        {"pkg/fetch", "pkg/registry", "internal/cli/mirrors/serve.go", "internal/cli/watch_metrics.go", "pkg/mirror/serve/conn.go"}, // the registry reads addresses; only fetch connects, only these two listen (see never), and serve keeps what was accepted
	"crypto/tls":                                 {"pkg/fetch", "internal/command/mirror_tls.go"},
	"os/exec":                                    {"pkg/registry/helper.go", "tools/mutants", "tools/benchcheck"}, // credential helpers; the go command and test binaries
	"unsafe":                                     {},
	"log":                                        {"internal/command/mirror_tls.go"}, // what net/http's server takes
	"log/slog":                                   {},
	"testing":                                    {},
}

// starters are the files that may start goroutines, with the reason.
var starters = map[string]string{
	"internal/par/par.go":     "workers",
	"pkg/fetch/preconnect.go": "connections that no request waits for; each ends with its run, or its dial's time-out",
}

// never are calls and variables that the code does not use, and who does.
var never = map[string][]string{
	"http.DefaultClient":    {},
	"http.DefaultTransport": {},
	"http.Get":              {},
	"http.Head":             {},
	"http.Post":             {},
	"os.Exit":               {"cmd/kverify", "internal/cli", "tools/catalogue", "tools/kubeadm", "tools/mutants", "tools/benchcheck"},
	"os.Getenv":             {"internal/cli", "internal/cli/mirrors", "internal/command"},
	"os.LookupEnv":          {"internal/cli", "internal/cli/mirrors", "internal/command"},
	"os.Stdout":             {"internal/cli", "internal/cli/mirrors", "internal/command", "tools/benchcheck"},
	"os.Stderr":             {"internal/cli", "internal/command", "tools/catalogue", "tools/kubeadm", "tools/mutants", "tools/benchcheck"},
	"fmt.Print":             {},
	"fmt.Printf":            {},
	"fmt.Println":           {},
	"net.Dial":              {},
	"net.DialTimeout":       {},
	"net.Dialer":            {"pkg/fetch/transport.go"},
	"net.Listen":            {},
	"net.ListenConfig":      {"internal/cli/mirrors/serve.go", "internal/cli/watch_metrics.go"},
	"net.DefaultResolver":   {},
	"net.LookupHost":        {},
	"net.LookupIP":          {},
	"time.AfterFunc":        {"pkg/fetch/limiter.go", "pkg/fetch/stall.go"}, // timers, stopped by what they wait for
	"context.AfterFunc":     {},
}

// The sizes of files that a reader still takes in.
const (
	maxLines     = 450
	maxTestLines = 900
)

// a file of the module, outside of testdata and of modules of their own.
type file struct {
	path, pkg string
	test      bool
	lines     int
	ast       *ast.File
	fset      *token.FileSet
}

func load(t *testing.T) []file {
	t.Helper()
	var files []file
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			if base := e.Name(); base == "testdata" || base != ".." && base[0] == '.' || name != root && err == nil {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		f := file{path: rel, pkg: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), lines: bytes.Count(text, []byte("\n")), fset: fset}
		f.ast, err = parser.ParseFile(f.fset, rel, text, parser.SkipObjectResolution|parser.ParseComments)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files found", len(files))
	}
	return files
}

func (f file) imports() (list []string) {
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		list = append(list, p)
	}
	return list
}

func layer(pkg string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
}

func isApart(pkg string) bool {
	return slices.ContainsFunc(apart, func(a string) bool { return pkg == a || strings.HasPrefix(pkg, a+"/") })
}

func TestImportOrder(t *testing.T) {
	for _, f := range load(t) {
		if f.test || f.pkg == "." {
			continue
		}
		from := layer(f.pkg)
		if from < 0 && !isApart(f.pkg) {
			t.Errorf("%s: the package has no place in the order of layers", f.path)
		}
		for _, p := range f.imports() {
			ours, ok := strings.CutPrefix(p, module)
			switch {
			case !ok:
			case isApart(f.pkg):
				if !isApart(ours) && ours != "internal/par" && ours != "internal/bounds" {
					t.Errorf("%s imports %s, but stands apart", f.path, ours)
				}
			case layer(ours) < 0 || layer(ours) >= from:
				t.Errorf("%s imports %s: the arrow points back", f.path, ours)
			}
		}
	}
}

func TestHomes(t *testing.T) {
	for _, f := range load(t) {
		if f.test || isApart(f.pkg) || f.pkg == "." {
			continue
		}
		for _, p := range f.imports() {
			if strings.HasPrefix(p, module) {
				continue
			}
			home, listed := homeOf(p)
			std := !strings.Contains(strings.SplitN(p, "/", 2)[0], ".")
			if listed && !slices.Contains(home, f.pkg) && !slices.Contains(home, f.path) {
				t.Errorf("%s imports %s, whose home is %v", f.path, p, home)
			}
			if !listed && !std {
				t.Errorf("%s imports %s, which has no home", f.path, p)
			}
		}
	}
}

func homeOf(p string) (home []string, listed bool) {
	longest := -1
	for prefix, h := range homes {
		std := !strings.Contains(strings.SplitN(prefix, "/", 2)[0], ".")
		if (p == prefix || !std && strings.HasPrefix(p, prefix+"/")) && len(prefix) > longest {
			home, listed, longest = h, true, len(prefix)
		}
	}
	return home, listed
}

func TestGoroutines(t *testing.T) {
	for _, f := range load(t) {
		if f.test || isApart(f.pkg) || starters[f.path] != "" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", f.fset.Position(n.Pos()))
			case *ast.CallExpr: // sync.WaitGroup, errgroup and their like
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Go" || s.Sel.Name == "TryGo") {
					t.Errorf("%s starts a goroutine", f.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func TestNever(t *testing.T) {
	for _, f := range load(t) {
		if f.test || isApart(f.pkg) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok {
				if who, listed := never[x.Name+"."+s.Sel.Name]; listed && !slices.Contains(who, f.pkg) && !slices.Contains(who, f.path) {
					t.Errorf("%s uses %s.%s", f.fset.Position(n.Pos()), x.Name, s.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestFileSize(t *testing.T) {
	for _, f := range load(t) {
		limit := maxLines
		if f.test {
			limit = maxTestLines
		}
		if f.lines > limit {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, limit)
		}
	}
}

// TestDocs holds that every package says what it is for, and no test double is generated.
func TestDocs(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range load(t) {
		if f.test || f.pkg == "." {
			continue
		}
		documented[f.pkg] = documented[f.pkg] || f.ast.Doc != nil
		if slices.Contains([]string{"util", "utils", "common", "types", "helpers", "impl", "mocks"}, path.Base(f.pkg)) {
			t.Errorf("%s: a package is named for what it holds", f.pkg)
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}
