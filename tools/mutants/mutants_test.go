package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const tinyPackage = "./testdata/tiny"

// tiny runs the tool over the package of testdata.
func tiny(t *testing.T, dir string, more ...string) ([]result, string) {
	t.Helper()
	var said bytes.Buffer
	none := filepath.Join(t.TempDir(), "equivalent.txt")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-o", dir, "-equivalent", none, "-grace", "3s"}, more...)
	o, err := parse(append(args, tinyPackage), &said)
	if err != nil {
		t.Fatal(err)
	}
	results, err := execute(t.Context(), o, &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	return results, said.String()
}

func names(results []result, of string) (list []string) {
	for _, r := range results {
		if r.Result == of {
			_, name, _ := strings.Cut(r.Name, " ")
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// What the tests of a package watch is killed, and what they do not is told.
func TestTiny(t *testing.T) {
	dir := t.TempDir()
	results, said := tiny(t, dir)
	wantAlive := []string{
		`Judge: size > 10 is >=`,
		`Last: without continue`,          // another name follows
		`Last: without last = -1`,         // the first name is a good one
		`Until: n == len(names) is false`, // the empty name comes first
	}
	if got := names(results, alive); !slices.Equal(got, wantAlive) {
		t.Errorf("alive are %q, want %q", got, wantAlive)
	}
	wantUncovered := []string{`Unwatched: a is true`, `Unwatched: b is true`, `Unwatched: not a && b`}
	if got := names(results, uncovered); !slices.Equal(got, wantUncovered) {
		t.Errorf("uncovered are %q, want %q", got, wantUncovered)
	}
	dead := append(names(results, killed), names(results, clock)...)
	for _, name := range []string{
		`: Verified is Unknown in table = map[string]Verdict{"good": Verified}`,
		`: Verified is Refuted in table = map[string]Verdict{"good": Verified}`,
		`Judge: not size > 10`,
		`Judge: err != nil is false`,
		`Judge: Refuted is Unknown in return Refuted, err.Error()`,
		`Judge: without return Unknown, fmt.Sprintf("%d bytes, more than %d", size, 10)`,
		`check: name == "bad" is !=`,
		`check: nil for errBad`,
		`Last: break for continue after case "skip"`,
		`Last: without last = i`,
		`Until: continue for break after if n == len(names) || names[n] == ""`,
		`Until: without n++`,
		`Limit: without limit = 10`, // which a process that stays does not see
	} {
		if !slices.Contains(dead, name) {
			t.Errorf("%q was not killed", name)
		}
	}
	for _, r := range results {
		if strings.Contains(r.Name, " word: ") || strings.Contains(r.Name, "quite") || strings.Contains(r.Name, " Shown: ") {
			t.Errorf("%s: a mutant of a text or of evidence", r.Name)
		}
	}
	for _, want := range []string{"TestFails is left out", "alive, line 27: tools/mutants/testdata/tiny/tiny.go Judge: size > 10 is >=", "4 alive, 3 on lines that no test runs, 0 equivalent"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	again, said := tiny(t, dir)
	if len(again) != len(results) || strings.Contains(said, " s, ") || !strings.Contains(said, "4 alive") {
		t.Errorf("a second run does not go on from the results of the first:\n%s", said)
	}
	some, said := tiny(t, dir, "-again", "-files", "tiny.go")
	if len(some) != len(results) || strings.Count(said, " s, ") != 7 {
		t.Errorf("-again does not try the seven survivors alone:\n%s", said)
	}
}

// Mutants are those of the code and the seed, and leave the tree and what the
// compiler asks of it alone.
func TestMutate(t *testing.T) {
	src, err := load(t.Context(), tinyPackage)
	if err != nil {
		t.Fatal(err)
	}
	all, texts := mutate(src)
	if _, err := parser.ParseFile(token.NewFileSet(), "tiny.go", texts[0], 0); err != nil {
		t.Errorf("%v\n%s", err, texts[0])
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.Name] {
			t.Errorf("%s is the name of two", m.Name)
		}
		seen[m.Name] = true
	}
	o := &options{n: 5, seed: 7}
	o.files, o.skip = isTest, isTest
	if got := choose(all, o); len(got) != 0 {
		t.Errorf("%d mutants of files that were not asked for", len(got))
	}
	anyFile, err := parse([]string{"-n", "5", "-seed", "7", tinyPackage}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	one, two := choose(all, anyFile), choose(all, anyFile)
	if len(one) != 5 || !slices.Equal(one, two) {
		t.Errorf("one seed draws %v and %v", one, two)
	}
	anyFile.seed = 8
	if slices.Equal(one, choose(all, anyFile)) {
		t.Error("another seed draws the same")
	}
}

func TestEquivalents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "equivalent.txt")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# a comment\n\npkg/a/a.go F: x is true # because\n")
	reasons, err := equivalents(file)
	if err != nil || len(reasons) != 1 || reasons["pkg/a/a.go F: x is true"] != "because" {
		t.Errorf("%v, %v", reasons, err)
	}
	m := func(name, file string) *mutant { return &mutant{Name: name, File: file} }
	of := func(name, what string) result { return result{mutant: mutant{Name: name}, Result: what} }
	if old := stale(reasons, []*mutant{m("pkg/a/a.go F: y is true", "pkg/a/a.go")}); len(old) != 1 {
		t.Error("an equivalent that is no mutant is not told")
	}
	if old := stale(reasons, []*mutant{m("pkg/b/b.go F: y is true", "pkg/b/b.go")}); len(old) != 0 {
		t.Error("an equivalent of another package is taken as one of this")
	}
	var said bytes.Buffer
	got := summary(&said, []result{
		of("pkg/a/a.go F: x is true", alive), of("b", killed), of("c", alive), of("d", uncovered), of("e", clock),
	}, reasons)
	if got != (tally{all: 5, killed: 1, clock: 1, alive: 1, uncovered: 1, equivalent: 1}) || got.score() != 50 {
		t.Errorf("%+v: %v\n%s", got, got.score(), &said)
	}
	write("pkg/a/a.go F: x is true\n")
	if _, err := equivalents(file); err == nil {
		t.Error("an equivalent without a reason is taken")
	}
}

// The equivalents of this project are mutants of it.
func TestCommittedEquivalents(t *testing.T) {
	reasons, err := equivalents("equivalent.txt")
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]bool{}
	for name := range reasons {
		file, _, _ := strings.Cut(name, " ")
		packages["../../"+filepath.Dir(file)] = true
	}
	for pkg := range packages {
		src, err := load(t.Context(), pkg)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := mutate(src)
		for _, name := range stale(reasons, all) {
			t.Errorf("equivalent.txt: %s is no mutant", name)
		}
	}
}
