package expect

import (
	"flag"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/expected.md anew")

const page = "../../../docs/expected.md"

const head = `# What must be said of a release that nobody attacks

The table that the simulation (` + "`make simulate`" + `) holds every honest world against, read from above: the first row that fits says the
verdict of the whole report, and the reasons that required checks may give for not being verified. It was written from
[the rules of proof](trust.md), whose numbers stand at the end of each row, and lives in ` + "`internal/world/expect`" + `, which imports nothing that it
judges. What passes (a request that fails twice, another order of answers, a registry that asks for a token) changes no row.

`

// The page is the table.
func TestPage(t *testing.T) {
	want := head + Markdown()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != want {
		t.Errorf("docs/expected.md is not the table (%v); run go test ./internal/world/expect -update", err)
	}
}

// No row hides behind another, and each is one that a report can satisfy.
func TestRows(t *testing.T) {
	for i, r := range Table {
		k := r.Key
		for _, e := range []Era{Unsigned, Signed} {
			for _, s := range []Source{Live, Mirror, Vouched} {
				if (k.Era == AnyEra || k.Era == e) && (k.Source == AnySource || k.Source == s) {
					if at := Number(Key{e, k.Subject, s, k.Fault}); at != i {
						t.Errorf("row %d is hidden by row %d", i+1, at+1)
					}
				}
			}
		}
		if r.Rules == "" || (r.Verdict == "verified") != (len(r.Reasons) == 0) {
			t.Errorf("row %d: %+v", i+1, r)
		}
		if !r.Allows(r.Verdict, r.Reasons) || r.Allows("refuted", r.Reasons) || r.Allows(r.Verdict, append(slices.Clone(r.Reasons), "refuted mismatch")) {
			t.Errorf("row %d allows what it does not say", i+1)
		}
	}
}

// The table is a second opinion: it imports nothing of this module.
func TestImports(t *testing.T) {
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "kverify") {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}
