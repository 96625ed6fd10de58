package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What became of a mutant.
const (
	killed    = "killed"    // a test failed
	clock     = "clock"     // a test did not end in time
	alive     = "alive"     // every test that runs its line passed
	uncovered = "uncovered" // no test runs its line
)

// result is a line of the file of results.
type result struct {
	mutant
	Result  string  `json:"result"`
	By      string  `json:"by,omitempty"` // the test, or what the process said last
	Seconds float64 `json:"seconds"`
	Tests   int     `json:"tests"` // that run its line
}

// declared is the tests, examples and fuzz targets of a package, each with the hash
// of the file that declares it.
func declared(s *suite) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.Name != "TestMain" && isTest.MatchString(fn.Name.Name) {
				names[fn.Name.Name] = sum(text)
			}
		}
	}
	return names, nil
}

var isTest = regexp.MustCompile(`^(Test|Example|Fuzz)([^a-z]|$)`)

// try runs the tests that reach a mutant until one fails: first those that killed the
// most and are the fastest, in batches that grow, since each batch is a process.
func try(ctx context.Context, m *mutant, suites []*suite, grace time.Duration, say io.Writer) result {
	start := time.Now()
	out := result{mutant: *m, Result: uncovered}
	for _, s := range suites {
		var tests []*test
		for _, t := range s.tests {
			if t.reaches(m) {
				tests = append(tests, t)
			}
		}
		out.Tests += len(tests)
		slices.SortStableFunc(tests, func(x, y *test) int { return cmp.Compare(x.worth(), y.worth()) })
		for budget := 2.0; len(tests) > 0; budget *= 4 {
			n, sum := 0, 0.0
			for n < len(tests) && (n == 0 || sum+tests[n].seconds <= budget) {
				sum += tests[n].seconds
				n++
			}
			var by *test
			out.Result, out.By, by = batch(ctx, m.Number, s, tests[:n], limit(grace, sum))
			if by != nil && !by.counts(ctx, grace, say) {
				tests = slices.DeleteFunc(tests, func(t *test) bool { return t == by })
				continue
			}
			if out.Result != alive {
				out.Seconds = time.Since(start).Seconds()
				return out
			}
			tests = tests[n:]
		}
	}
	out.Seconds = time.Since(start).Seconds()
	return out
}

// limit is how long tests may run that took so many seconds alone.
func limit(grace time.Duration, seconds float64) time.Duration {
	return grace + time.Duration(5*seconds*float64(time.Second))
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// counts says that a test that failed passes while no mutant is turned on. It is
// asked once: a test that fails by itself kills nobody.
func (t *test) counts(ctx context.Context, grace time.Duration, say io.Writer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.checked {
		t.checked = true
		if r, by, _ := batch(ctx, 0, t.suite, []*test{t}, limit(grace, t.seconds)); r != alive {
			t.broken = true
			fmt.Fprintf(say, "%s is left out: without a mutant it is %s by %s\n", t.name, r, by)
		}
	}
	t.kills++
	return !t.broken
}

// batch runs tests of one suite in one process with one mutant turned on.
func batch(ctx context.Context, number int, s *suite, tests []*test, limit time.Duration) (what, why string, by *test) {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = t.name
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, s.binary, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &said, &said
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, number))
	err := cmd.Run()
	switch {
	case err == nil:
		return alive, "", nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return clock, fmt.Sprintf("%s did not end in %s", s.path, limit.Round(time.Second)), nil
	}
	name := failed.FindSubmatch(said.Bytes())
	if name == nil {
		return killed, filepath.Base(s.path) + ": " + last(said.String()), nil
	}
	i := slices.IndexFunc(tests, func(t *test) bool { return t.name == string(name[1]) })
	if i >= 0 {
		by = tests[i]
	}
	return killed, filepath.Base(s.path) + "." + string(name[1]), by
}

// last is the last line that a process said before its stacks, cut to a line's length.
func last(said string) string {
	if i := strings.Index(said, "panic: "); i >= 0 {
		said = said[i:]
	}
	line, _, _ := strings.Cut(said, "\n")
	return fmt.Sprintf("%.120s", line)
}
