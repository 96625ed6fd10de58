package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
)

// variable is the environment's name of the number of the mutant that is turned on from the start.
const variable = "KVERIFY_MUTANT"

// switchFile is added to the package: what its mutants ask. While the number is
// negative none is turned on, and those that are asked for are noted.
const switchFile = `package %s

import (
	"os"
	"strconv"
)

var (
	MutantNumber, _ = strconv.Atoi(os.Getenv("%s"))
	MutantSeen      [%d]bool
)

func mutantOn(n int) bool {
	if MutantNumber < 0 {
		MutantSeen[n] = true
	}
	return MutantNumber == n
}

func mutantPick[T any](n int, original, mutated T) T {
	if mutantOn(n) {
		return mutated
	}
	return original
}

func mutantNil(n int, err error) error {
	if mutantOn(n) {
		return nil
	}
	return err
}

var _, _, _ = mutantOn, mutantPick[int], mutantNil
`

// workerFile is added to the tests of a suite: a test binary that runs one test after
// another, each with the mutant that it is told, and so builds what tests share once.
// It reads lines "NUMBER TEST" and answers each with "PASSED GOROUTINES SEEN,...".
const workerFile = `package %s_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	_ "unsafe"

	mutated %q
)

//go:linkname numFailed testing.numFailed
var numFailed atomic.Uint32

func TestMain(m *testing.M) {
	if os.Getenv("KVERIFY_MUTANT_WORKER") == "" {
		os.Exit(m.Run())
	}
	flag.Parse()
	answers := os.NewFile(3, "answers")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var test string
		if _, err := fmt.Sscan(in.Text(), &mutated.MutantNumber, &test); err != nil {
			panic(err)
		}
		mutated.MutantSeen = [len(mutated.MutantSeen)]bool{}
		numFailed.Store(0)
		flag.Set("test.run", "^"+test+"$")
		code := m.Run()
		mutated.MutantNumber = 0
		var seen strings.Builder
		for i, yes := range mutated.MutantSeen {
			if yes {
				fmt.Fprintf(&seen, ",%%d", i)
			}
		}
		fmt.Fprintf(answers, "%%t %%d %%s\n", code == 0, runtime.NumGoroutine(), seen.String())
	}
}
`

// overlay has the go command take a package with all its mutants for the one in the
// tree, which stays as it is, and adds a worker to each suite.
func overlay(s *source, texts [][]byte, mutants int, suites []*suite, dir string) (string, error) {
	replace := map[string]string{}
	put := func(name, text string) error {
		to := filepath.Join(dir, fmt.Sprintf("%d_%s", len(replace), filepath.Base(name)))
		replace[name] = to
		return os.WriteFile(to, []byte(text), 0o644)
	}
	for i, name := range s.names {
		if err := put(name, string(texts[i])); err != nil {
			return "", err
		}
	}
	if err := put(filepath.Join(s.dir, "mutant_switch.go"), fmt.Sprintf(switchFile, s.types.Name(), variable, mutants+1)); err != nil {
		return "", err
	}
	for _, one := range suites {
		if err := put(filepath.Join(one.dir, "mutant_worker_test.go"), fmt.Sprintf(workerFile, one.name, s.path)); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, b, 0o644)
}

// suite is a package whose tests are tried.
type suite struct {
	path, dir, name string
	binary          string // with all mutants
	tests           []*test
}

// test is one top-level test, example or fuzz target with its seeds.
type test struct {
	suite   *suite
	name    string
	seconds float64 // without mutants, in a worker that has run others
	reaches map[int]bool
	kills   map[string]int // function to the mutants of it that it killed
}

// compile builds a suite's test binary. Its worker forgets failures, which package
// testing keeps for itself: hence -checklinkname.
func compile(ctx context.Context, s *suite, overlay string) error {
	_, err := output(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-checklinkname=0", "-overlay="+overlay, "-o", s.binary, s.path)
	return err
}

// declared is the tests, examples and fuzz targets of a package.
func declared(s *suite) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			if fn.Name.Name == "TestMain" {
				return nil, fmt.Errorf("%s has a TestMain: its tests cannot be run by a worker", s.path)
			}
			if isTest.MatchString(fn.Name.Name) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names, nil
}

var isTest = regexp.MustCompile(`^(Test|Example|Fuzz)([^a-z]|$)`)
