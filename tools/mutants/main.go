// Command mutants asks whether the tests watch the code: it changes the code in many
// small ways, one at a time, and runs the tests that reach the change. A mutant that
// no test kills is a decision that nobody watches.
//
//	go run ./tools/mutants [-n N -seed S] [-tests PKG,...] [-again] PKG
//
// # How
//
// All mutants of a package are compiled into one test binary, each behind a switch;
// the tree is not touched (go test -overlay). Each test is run once with all switches
// off, to learn which of them it asks. A mutant is tried against those tests only,
// until one fails or its time is up. They are run one after another by a process that
// stays, so that what they share is made once; a failure counts if the same test passes
// there without the mutant, and a mutant that outlives them all is tried again
// in processes of its own. Results go to a file as they come, and a run that was ended
// goes on from there, but for mutants of functions that have changed since.
//
// # What is changed
//
//   - a condition is negated; a side of && or || is left out; == and != are swapped,
//     and so are < and <=, > and >=; true and false
//   - a member of an enumeration of this module (verdict, strength, origin, kind of
//     failure) is replaced by its neighbour, one of three members by both others
//   - the error of a call is ignored where it is compared with nil, and where a
//     function that returns nothing else passes it on
//   - a return, continue or break is left out, unless the function ends there anyway;
//     continue becomes break, and break of a loop continue
//   - an assignment, a counter or a call that stands alone is left out
//
// # What is not
//
// Texts: what goes to a parameter after a format string (or to errors.New), String and
// Error methods, functions whose one string is words and that nothing in the package
// compares, strings stored under a name that stands for words (detail, what, hint, ...:
// textNames), tables of strings, evidence (which is shown beside a verdict and changes
// none), and conditions under which nothing but such is stored.
// Nor constants' declarations, reasons (which are strings), numbers, deferred calls,
// and := (what it declares would be missing).
//
// # The score
//
// Killed of all but those listed in equivalent.txt, each with its reason. A mutant
// that no test reaches counts as alive, and one that hangs as killed.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	pkg, tests, dir, equivalent string
	files, skip                 *regexp.Regexp
	n                           int
	seed                        uint64
	again, list, quick          bool
	grace                       time.Duration
}

func parse(args []string, say io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(say)
	flags.StringVar(&o.tests, "tests", "", "try survivors on the tests of these packages too, by `PKG,...`")
	flags.StringVar(&o.dir, "o", "", "keep binaries, coverage and results in `DIR` (default: .cache/mutants)")
	flags.StringVar(&o.equivalent, "equivalent", "tools/mutants/equivalent.txt", "read equivalent mutants from `FILE`")
	files := flags.String("files", "", "only mutants of files whose name matches `REGEXP`")
	skip := flags.String("skip", "^$", "leave out tests whose name matches `REGEXP`")
	flags.IntVar(&o.n, "n", 0, "try `N` mutants, drawn at random; 0 for all")
	flags.Uint64Var(&o.seed, "seed", 1, "draw them from this `SEED`")
	flags.DurationVar(&o.grace, "grace", 30*time.Second, "give tests this `TIME` on top of five times what they took")
	flags.BoolVar(&o.again, "again", false, "try those again that an earlier run left alive")
	flags.BoolVar(&o.quick, "quick", false, "do not try survivors again in processes of their own: a first look")
	flags.BoolVar(&o.list, "list", false, "list the mutants, and try none")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() != 1 {
		return nil, errors.New("name one package, such as ./pkg/verify")
	}
	o.pkg = flags.Arg(0)
	var err, errSkip error
	o.files, err = regexp.Compile(*files)
	o.skip, errSkip = regexp.Compile(*skip)
	return o, errors.Join(err, errSkip)
}

func start(ctx context.Context, args []string, say io.Writer) error {
	o, err := parse(args, say)
	if err != nil {
		return err
	}
	_, err = execute(ctx, o, say)
	return err
}

// execute makes the mutants of a package, tries them, and prints what came of it.
func execute(ctx context.Context, o *options, say io.Writer) ([]result, error) {
	src, err := load(ctx, o.pkg)
	if err != nil {
		return nil, err
	}
	all, texts := mutate(src)
	reasons, err := equivalents(o.equivalent)
	if err != nil {
		return nil, err
	}
	if old := stale(reasons, all); len(old) > 0 {
		return nil, fmt.Errorf("%s names what is no mutant:\n%s", o.equivalent, strings.Join(old, "\n"))
	}
	chosen := choose(all, o)
	if o.list {
		for _, m := range chosen {
			fmt.Fprintf(say, "%d %s:%d: %s\n", m.Number, m.File, m.Line, m.Name)
		}
		return nil, nil
	}
	dir := filepath.Join(src.root, ".cache", "mutants")
	if o.dir != "" {
		dir = o.dir
	}
	dir = filepath.Join(dir, strings.ReplaceAll(src.rel(src.dir), "/", "_"))
	suites, err := build(ctx, o, src, all, texts, dir)
	if err != nil {
		return nil, err
	}
	results, err := tryAll(ctx, o, chosen, suites, filepath.Join(dir, "results.jsonl"), say)
	summary(say, results, reasons)
	return results, err
}

// choose draws the mutants that are tried, in the order of the code. The draw is by
// their names, so that a change of the code changes little of it.
func choose(all []*mutant, o *options) []*mutant {
	chosen := slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return !o.files.MatchString(filepath.Base(m.File)) })
	if o.n == 0 || o.n >= len(chosen) {
		return chosen
	}
	drawn := map[*mutant]string{}
	for _, m := range chosen {
		drawn[m] = sum(fmt.Appendf(nil, "%d %s", o.seed, m.Name))
	}
	slices.SortFunc(chosen, func(x, y *mutant) int { return cmp.Compare(drawn[x], drawn[y]) })
	chosen = chosen[:o.n]
	slices.SortFunc(chosen, func(x, y *mutant) int { return x.Number - y.Number })
	return chosen
}

// build compiles the test binaries with all mutants in them.
func build(ctx context.Context, o *options, src *source, all []*mutant, texts [][]byte, dir string) ([]*suite, error) {
	if err := os.MkdirAll(filepath.Join(dir, "overlay"), 0o755); err != nil {
		return nil, err
	}
	patterns := []string{src.path}
	if o.tests != "" {
		patterns = append(patterns, strings.Split(o.tests, ",")...)
	}
	found, err := list(ctx, patterns...)
	if err != nil {
		return nil, err
	}
	var suites []*suite
	for _, one := range found {
		s := &suite{path: one.ImportPath, dir: one.Dir, name: one.Name}
		s.binary = filepath.Join(dir, strings.ReplaceAll(src.rel(s.dir), "/", "_")+".test")
		suites = append(suites, s)
	}
	over, err := overlay(src, texts, len(all), suites, filepath.Join(dir, "overlay"))
	if err != nil {
		return nil, err
	}
	for _, s := range suites {
		if err := compile(ctx, s, over); err != nil {
			return nil, err
		}
	}
	return suites, nil
}

// tryAll tries mutants and writes what becomes of each to a file, from which what an
// earlier run found is taken.
func tryAll(ctx context.Context, o *options, chosen []*mutant, suites []*suite, file string, say io.Writer) ([]result, error) {
	earlier, err := readResults(file)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	tr := &trier{suites: suites, workers: map[*suite]*worker{}, grace: o.grace, quick: o.quick, say: say}
	defer tr.end()
	var results []result
	learnt := false
	for i, m := range chosen {
		if r, ok := earlier[m.Name]; ok && r.Of == m.Of && (!o.again || r.Result == killed || r.Result == clock) {
			r.mutant = *m
			results = append(results, r)
			continue
		}
		for _, s := range suites {
			if !learnt {
				if err := tr.learn(ctx, s, o.skip.MatchString); err != nil {
					return results, err
				}
			}
		}
		learnt = true
		r, err := tr.try(ctx, m)
		if err != nil {
			return results, err
		}
		results = append(results, r)
		line, err := json.Marshal(r)
		if err != nil {
			return results, err
		}
		if _, err := log.Write(append(line, '\n')); err != nil {
			return results, err
		}
		fmt.Fprintf(say, "%d/%d %s: %s %s (%.1f s, %d tests)\n", i+1, len(chosen), r.Name, r.Result, r.By, r.Seconds, r.Tests)
	}
	return results, nil
}
