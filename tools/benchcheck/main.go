// Benchcheck compares ratios of benchmarks with those of a baseline, and fails where one has
// grown by more than a margin that two repetitions confirm.
//
// A time says as much of the machine as of the program. So a time is divided by that of other
// work, measured in turns with it: a signature's by the bare arithmetic of a signature, a
// parser's by reading the same bytes. Allocations are counted, and divided by nothing.
//
//	go run ./tools/benchcheck                  # compare
//	go run ./tools/benchcheck -update          # write the baseline anew
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A benchmark is one of a package, as `go test -bench` names it.
type benchmark struct {
	Package string `json:"package"` // such as "./pkg/verify"
	Name    string `json:"name"`    // such as "BenchmarkSignature"
}

// A figure is held to the baseline.
type figure struct {
	Name    string     `json:"name"`
	Of      benchmark  `json:"of"`
	Per     *benchmark `json:"per,omitempty"` // nil counts allocations
	Ratio   float64    `json:"ratio"`         // of the times, or allocations an operation
	Machine string     `json:"machine"`       // where it was measured
}

const (
	margin  = 1.15 // more than this times the baseline is a loss
	repeats = 2    // times that a loss is measured again
)

func main() {
	baseline := flag.String("baseline", "tools/benchcheck/baseline.json", "the figures to hold to")
	update := flag.Bool("update", false, "write the baseline anew")
	rounds := flag.Int("rounds", 5, "times that both of a pair are measured, in turns; the median counts")
	only := flag.String("only", "", "figures whose name holds this")
	benchtime := flag.String("benchtime", "200ms", "as go test has it, of one measurement")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *baseline, *only, *benchtime, *rounds, *update)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchcheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, baseline, only, benchtime string, rounds int, update bool) error {
	text, err := os.ReadFile(baseline)
	if err != nil {
		return err
	}
	var figures []figure
	if err := json.Unmarshal(text, &figures); err != nil {
		return fmt.Errorf("%s: %w", baseline, err)
	}
	dir, err := os.MkdirTemp("", "benchcheck")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{dir: dir, time: benchtime, rounds: rounds, programs: map[string]string{}}
	var lost []string
	fmt.Fprintf(out, "%-44s %10s %10s %8s\n", "figure", "baseline", "now", "change")
	for i := range figures {
		f := &figures[i]
		if !strings.Contains(f.Name, only) {
			continue
		}
		now, err := b.held(ctx, *f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		fmt.Fprintf(out, "%-44s %10.2f %10.2f %+7.0f%%\n", f.Name, f.Ratio, now, 100*(now/f.Ratio-1))
		if lose(f.Ratio, now) {
			lost = append(lost, f.Name)
		}
		f.Ratio, f.Machine = now, b.machine
	}
	if update {
		text, err := json.MarshalIndent(figures, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(baseline, append(text, '\n'), 0o644)
	}
	if len(lost) > 0 {
		return fmt.Errorf("slower than the baseline by more than %.0f %%, in %d measurements: %s; mend it, or write the baseline anew with -update and say why", 100*(margin-1), repeats+1, strings.Join(lost, ", "))
	}
	return nil
}

func lose(was, is float64) bool { return was > 0 && is > margin*was }

// bench builds the programs of packages, and runs their benchmarks.
type bench struct {
	dir, time, machine string
	rounds             int
	programs           map[string]string // by package
}

// held measures a figure, and again where it seems lost: the least counts.
func (b *bench) held(ctx context.Context, f figure) (least float64, err error) {
	for i := 0; i <= repeats; i++ {
		now, err := b.measure(ctx, f)
		if err != nil {
			return 0, err
		}
		if i == 0 || now < least {
			least = now
		}
		if !lose(f.Ratio, least) {
			break
		}
	}
	return least, nil
}

// measure runs both of a pair in turns, and gives the median of their ratios.
func (b *bench) measure(ctx context.Context, f figure) (float64, error) {
	if f.Per == nil {
		_, allocations, err := b.once(ctx, f.Of, allocationsOver)
		return allocations, err
	}
	var ratios []float64
	for range b.rounds {
		of, _, err := b.once(ctx, f.Of, b.time)
		if err != nil {
			return 0, err
		}
		per, _, err := b.once(ctx, *f.Per, b.time)
		if err != nil {
			return 0, err
		}
		ratios = append(ratios, of/per)
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2], nil
}

// allocationsOver is how often what is counted runs: what the first run alone allocates weighs
// the same on every machine.
const allocationsOver = "5x"

// once runs a benchmark for so long or so often, and gives its nanoseconds and allocations an operation.
func (b *bench) once(ctx context.Context, of benchmark, benchtime string) (nanoseconds, allocations float64, err error) {
	program, ok := b.programs[of.Package]
	if !ok {
		program = filepath.Join(b.dir, strconv.Itoa(len(b.programs))+".test")
		if said, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, of.Package).CombinedOutput(); err != nil {
			return 0, 0, fmt.Errorf("go test -c %s: %w\n%s", of.Package, err, said)
		}
		b.programs[of.Package] = program
	}
	cmd := exec.CommandContext(ctx, program, "-test.run=^$", "-test.bench=^"+of.Name+"$", "-test.benchtime="+benchtime, "-test.benchmem")
	cmd.Dir = of.Package
	said, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w\n%s", of.Name, err, said)
	}
	if cpu := valueOf(string(said), "cpu: "); cpu != "" {
		b.machine = cpu
	}
	return parse(of.Name, string(said))
}

func valueOf(text, key string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// parse reads a benchmark's line (golang.org/design/14313-benchmark-format).
func parse(name, text string) (nanoseconds, allocations float64, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != name && !strings.HasPrefix(fields[0], name+"-") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %q is not a number", name, fields[i])
			}
			switch fields[i+1] {
			case "ns/op":
				nanoseconds = v
			case "allocs/op":
				allocations = v
			}
		}
		if nanoseconds > 0 {
			return nanoseconds, allocations, nil
		}
	}
	return 0, 0, fmt.Errorf("%s printed no result:\n%s", name, text)
}
