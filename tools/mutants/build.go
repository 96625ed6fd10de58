package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// variable is the environment's name of the number of the mutant that is turned on.
const variable = "KVERIFY_MUTANT"

// switchFile is added to the package: what its mutants ask.
const switchFile = `package %s

import (
	"os"
	"strconv"
)

var mutantNumber, _ = strconv.Atoi(os.Getenv("%s"))

func mutantOn(n int) bool { return mutantNumber == n }

func mutantPick[T any](n int, original, mutated T) T {
	if mutantNumber == n {
		return mutated
	}
	return original
}

func mutantNil(n int, err error) error {
	if mutantNumber == n {
		return nil
	}
	return err
}

var _, _, _ = mutantOn, mutantPick[int], mutantNil
`

// overlay writes a package with all its mutants to dir, and returns the file that
// has the go command take it for the one in the tree, which stays as it is.
func overlay(s *source, texts [][]byte, dir string) (string, error) {
	replace := map[string]string{}
	put := func(name, text string) error {
		to := filepath.Join(dir, filepath.Base(name))
		replace[name] = to
		return os.WriteFile(to, []byte(text), 0o644)
	}
	for i, name := range s.names {
		if err := put(name, string(texts[i])); err != nil {
			return "", err
		}
	}
	if err := put(filepath.Join(s.dir, "mutant_switch.go"), fmt.Sprintf(switchFile, s.types.Name(), variable)); err != nil {
		return "", err
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
	path, dir string
	binary    string // with all mutants
	tests     []*test
}

// test is one top-level test, example or fuzz target with its seeds.
type test struct {
	suite   *suite
	name    string
	seconds float64          // alone, without mutants
	covers  map[string][]run // file within the module to lines

	mu      sync.Mutex
	kills   int
	checked bool // it passes in the binary with all mutants while none is turned on
	broken  bool // it does not, and kills nobody
}

// worth is what a test costs for each mutant that it killed.
func (t *test) worth() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seconds / float64(1+t.kills)
}

// run is lines from one to another.
type run struct{ From, To int }

// reaches says that a test runs a line of the mutant, or might.
func (t *test) reaches(m *mutant) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.init || t.broken {
		return !t.broken
	}
	for _, r := range t.covers[m.File] {
		if r.From <= m.end && m.Line <= r.To {
			return true
		}
	}
	return false
}

// compile builds a package's test binary.
func compile(ctx context.Context, pkg, out string, flags ...string) error {
	_, err := output(ctx, "go", append(append([]string{"test", "-c", "-vet=off", "-o", out}, flags...), pkg)...)
	return err
}
