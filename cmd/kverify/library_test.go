package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLibraryPage compiles every program of docs/library.md, each of which has at
// most ten lines.
func TestLibraryPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{"errors": "errors", "fmt": "fmt", "os": "os", "text": "github.com/kverify/kverify/pkg/report/text"}
	for _, name := range []string{"fetch", "mirror", "registry", "release", "report", "trust", "verify"} {
		packages[name] = "github.com/kverify/kverify/pkg/" + name
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(programs) < 6 {
		t.Fatalf("%d programs", len(programs))
	}
	var source strings.Builder
	var imports []string
	for i, p := range programs {
		body := strings.TrimSpace(p[1])
		if n := strings.Count(body, "\n") + 1; n > 10 {
			t.Errorf("program %d has %d lines", i, n)
		}
		for _, m := range regexp.MustCompile(`\b([a-z]+)\.[A-Z]`).FindAllStringSubmatch(body, -1) {
			if path := packages[m[1]]; path != "" && !slices.Contains(imports, path) {
				imports = append(imports, path)
			}
		}
		if !strings.Contains(body[strings.LastIndexByte(body, '\n')+1:], "return ") {
			body += "\nreturn nil"
		}
		fmt.Fprintf(&source, "func program%d(ctx context.Context) error {\n_ = ctx\n%s\n}\n\nvar _ = program%d\n\n", i, body, i)
	}
	text := "package main\n\nimport \"context\"\n"
	for _, path := range imports {
		text += fmt.Sprintf("import %q\n", path)
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text+"\nfunc main() {}\n\n"+source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	vet := exec.CommandContext(t.Context(), "go", "vet", file)
	vet.Dir = "../.."
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("docs/library.md: %v\n%s", err, out)
	}
}
