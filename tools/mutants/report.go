package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// What became of a mutant.
const (
	killed    = "killed"    // a test failed
	clock     = "clock"     // a test did not end in time
	alive     = "alive"     // every test that reaches it passed
	uncovered = "uncovered" // no test reaches it
)

// result is a line of the file of results.
type result struct {
	mutant
	Result  string  `json:"result"`
	By      string  `json:"by,omitempty"` // the test, or what the process said last
	Seconds float64 `json:"seconds"`
	Tests   int     `json:"tests"` // that reach it
}

// readResults reads what an earlier run found, by the name of the mutant; of two
// lines about one, the later. A file of other code is another's.
func readResults(name string) (map[string]result, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	found := map[string]result{}
	for line := range strings.Lines(string(b)) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Name == "" {
			continue // the end of one that was cut off
		}
		found[r.Name] = r
	}
	return found, err
}

// equivalents are mutants that change nothing that anybody could see, each with the
// reason. A line of the file is a mutant's name, " # ", and the reason; a line that
// begins with # is a comment.
func equivalents(name string) (map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	reasons := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		mutant, reason, ok := strings.Cut(line, " # ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: want a mutant, \" # \" and the reason", name, n)
		}
		reasons[strings.TrimSpace(mutant)] = reason
	}
	return reasons, lines.Err()
}

// stale are the equivalents of a package's files that name no mutant of it.
func stale(reasons map[string]string, all []*mutant) (names []string) {
	known, files := map[string]bool{}, map[string]bool{}
	for _, m := range all {
		known[m.Name], files[m.File] = true, true
	}
	for name := range reasons {
		file, _, _ := strings.Cut(name, " ")
		if files[file] && !known[name] {
			names = append(names, name)
		}
	}
	return names
}

// tally counts what became of mutants.
type tally struct {
	all, killed, clock, alive, uncovered, equivalent int
}

// score is the share of those killed, in percent, of all that are not equivalent.
func (t tally) score() float64 {
	if t.all == t.equivalent {
		return 100
	}
	return 100 * float64(t.killed+t.clock) / float64(t.all-t.equivalent)
}

// summary prints the survivors and the score.
func summary(out io.Writer, results []result, reasons map[string]string) tally {
	var t tally
	for _, r := range results {
		t.all++
		switch {
		case reasons[r.Name] != "":
			t.equivalent++
			if r.Result == killed {
				fmt.Fprintf(out, "NOT EQUIVALENT %s: killed by %s\n", r.Name, r.By)
			}
		case r.Result == killed:
			t.killed++
		case r.Result == clock:
			t.clock++
		default:
			if r.Result == alive {
				t.alive++
			} else {
				t.uncovered++
			}
			fmt.Fprintf(out, "%s, line %d: %s\n", r.Result, r.Line, r.Name)
		}
	}
	fmt.Fprintf(out, "%d mutants: %d killed by a test, %d by the clock, %d alive, %d on lines that no test runs, %d equivalent (%.1f %%): %.1f %% killed\n",
		t.all, t.killed, t.clock, t.alive, t.uncovered, t.equivalent, 100*float64(t.equivalent)/float64(max(t.all, 1)), t.score())
	return t
}
