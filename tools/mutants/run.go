package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A trier tries mutants, one after another.
type trier struct {
	suites  []*suite
	workers map[*suite]*worker
	grace   time.Duration
	quick   bool // believe the workers
	say     io.Writer
}

// ask has a worker of the suite run a test with a mutant.
func (tr *trier) ask(ctx context.Context, number int, t *test) (answer, error) {
	w := tr.workers[t.suite]
	if w == nil {
		var err error
		if w, err = t.suite.start(ctx); err != nil {
			return answer{}, err
		}
		tr.workers[t.suite] = w
	}
	a := w.run(number, t, limit(tr.grace, t.seconds))
	if a.gone {
		tr.workers[t.suite] = nil
	}
	return a, ctx.Err()
}

// restart ends the worker of a suite, so that the next test has one that no mutant touched.
func (tr *trier) restart(s *suite) {
	tr.workers[s].end()
	tr.workers[s] = nil
}

func (tr *trier) end() {
	for s := range tr.workers {
		tr.restart(s)
	}
}

// learn runs every test of a suite without mutants, and notes which it reaches. One
// that fails is left out, and told.
func (tr *trier) learn(ctx context.Context, s *suite, skip func(string) bool) error {
	names, err := declared(s)
	if err != nil {
		return err
	}
	for _, name := range names {
		if skip(name) {
			continue
		}
		t := &test{suite: s, name: name, seconds: 120, reaches: map[int]bool{}, kills: map[string]int{}}
		start := time.Now()
		a, err := tr.ask(ctx, -1, t)
		if err != nil {
			return err
		}
		if a.result != alive {
			fmt.Fprintf(tr.say, "%s %s is left out: without a mutant it is %s: %s\n", s.path, name, a.result, a.why)
			continue
		}
		t.seconds = time.Since(start).Seconds()
		for _, n := range a.seen {
			t.reaches[n] = true
		}
		s.tests = append(s.tests, t)
	}
	return nil
}

// try runs the tests that reach a mutant until one fails. Nobody believes a worker
// that all is well: what tests made once may be from before the mutant.
func (tr *trier) try(ctx context.Context, m *mutant) (result, error) {
	start := time.Now()
	out := result{mutant: *m, Result: uncovered}
	var each [][]*test
	for _, s := range tr.suites {
		var tests []*test
		for _, t := range s.tests {
			if m.init || t.reaches[m.Number] {
				tests = append(tests, t)
			}
		}
		out.Tests += len(tests)
		slices.SortStableFunc(tests, func(x, y *test) int { return cmp.Compare(x.worth(m), y.worth(m)) })
		each = append(each, tests)
	}
	ways := []func(context.Context, *mutant, []*test) (answer, *test, error){tr.warm, tr.cold}
	if tr.quick {
		ways = ways[:1]
	}
	for _, how := range ways {
		for _, tests := range each {
			if len(tests) == 0 {
				continue
			}
			a, by, err := how(ctx, m, tests)
			if err != nil {
				return out, err
			}
			out.Result, out.By = a.result, a.why
			if a.result != alive {
				if by != nil {
					by.kills[m.function]++
				}
				out.Seconds = time.Since(start).Seconds()
				return out, nil
			}
		}
	}
	out.Seconds = time.Since(start).Seconds()
	return out, nil
}

// worth is what a test costs for what may be hoped of it: it killed others of the function.
func (t *test) worth(m *mutant) float64 {
	return (t.seconds + 0.02) / (0.05 + float64(t.kills[m.function])) * float64(len(t.reaches)+200)
}

// warmth is how many seconds of tests are tried in a worker: who outlives them goes on
// in processes of its own, where they are tried again.
const warmth = 15

// warm tries tests in a worker.
func (tr *trier) warm(ctx context.Context, m *mutant, tests []*test) (answer, *test, error) {
	sum := 0.0
	for _, t := range tests {
		if sum += t.seconds; m.init || sum > warmth && sum > t.seconds {
			break
		}
		a, err := tr.ask(ctx, m.Number, t)
		if err != nil {
			return answer{result: alive}, nil, err
		}
		if a.result == alive {
			continue
		}
		if a.gone { // was it the mutant's doing, or something that an earlier one left behind?
			a, err = tr.ask(ctx, m.Number, t)
		}
		if err == nil && a.result != alive {
			var without answer
			without, err = tr.ask(ctx, 0, t)
			if err == nil && without.result == alive {
				return a, t, nil
			}
			tr.restart(t.suite)
		}
		if err != nil {
			return answer{result: alive}, nil, err
		}
	}
	return answer{result: alive}, nil, nil
}

// cold tries tests in batches that grow, since each batch is a process.
func (tr *trier) cold(ctx context.Context, m *mutant, tests []*test) (answer, *test, error) {
	for budget := 4.0; len(tests) > 0; budget *= 4 {
		n, sum := 0, 0.0
		for n < len(tests) && (n == 0 || sum+tests[n].seconds <= budget) {
			sum += tests[n].seconds
			n++
		}
		a := tr.batch(ctx, m.Number, tests[:n], limit(tr.grace, sum))
		if a.result != alive && tr.batch(ctx, 0, tests[:n], limit(tr.grace, sum)).result == alive {
			return a, nil, ctx.Err()
		}
		tests = tests[n:]
	}
	return answer{result: alive}, nil, ctx.Err()
}

// limit is how long tests may run that took so many seconds.
func limit(grace time.Duration, seconds float64) time.Duration {
	return grace + time.Duration(5*seconds*float64(time.Second))
}

// batch runs tests of one suite in one process with one mutant turned on.
func (tr *trier) batch(ctx context.Context, number int, tests []*test, limit time.Duration) answer {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = t.name
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	said := &lastWords{}
	cmd := exec.CommandContext(ctx, tests[0].suite.binary, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Dir, cmd.Stdout, cmd.Stderr = tests[0].suite.dir, said, said
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, number))
	err := cmd.Run()
	switch {
	case err == nil:
		return answer{result: alive}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return answer{result: clock, why: fmt.Sprintf("%s did not end in %s", names[0], limit.Round(time.Second))}
	}
	if _, rest, ok := bytes.Cut(said.said.Bytes(), []byte("--- FAIL: ")); ok {
		name, _, _ := bytes.Cut(rest, []byte(" "))
		return answer{result: killed, why: string(name)}
	}
	return answer{result: killed, why: names[0] + ": " + said.last()}
}
