package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const text = "goos: linux\ncpu: One\nBenchmarkOther-2 \t 1\t 9 ns/op\nBenchmarkOne-2   \t     300\t   2243289 ns/op\t  70.5 MB/s\t  169968 B/op\t    2101 allocs/op\nPASS\n"
	ns, allocations, err := parse("BenchmarkOne", text)
	if err != nil || ns != 2243289 || allocations != 2101 {
		t.Error(ns, allocations, err)
	}
	if cpu := valueOf(text, "cpu: "); cpu != "One" {
		t.Errorf("%q", cpu)
	}
	for _, bad := range []string{"", "PASS\n", "BenchmarkOne-2 1 x ns/op\n", "BenchmarkOne-2 1 5 B/op\n", "BenchmarkOneMore-2 1 5 ns/op\n"} {
		if _, _, err := parse("BenchmarkOne", bad); err == nil {
			t.Errorf("%q gives a result", bad)
		}
	}
}

func TestLose(t *testing.T) {
	for _, tt := range []struct {
		was, is float64
		lost    bool
	}{{2, 2.2, false}, {2, 2.4, true}, {2, 1, false}, {0, 5, false}} {
		if lose(tt.was, tt.is) != tt.lost {
			t.Error(tt)
		}
	}
}

// TestBaseline holds that the benchmarks of the baseline are there.
func TestBaseline(t *testing.T) {
	text, err := os.ReadFile("baseline.json")
	if err != nil {
		t.Fatal(err)
	}
	var figures []figure
	if err := json.Unmarshal(text, &figures); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range figures {
		if names[f.Name] || f.Ratio <= 0 || f.Machine == "" {
			t.Errorf("%q stands twice, or was never measured", f.Name)
		}
		names[f.Name] = true
		for _, b := range []*benchmark{&f.Of, f.Per} {
			if b != nil && !declared(t, b) {
				t.Errorf("%s has no %s", b.Package, b.Name)
			}
		}
	}
	if len(figures) == 0 {
		t.Error("nothing is held")
	}
}

func declared(t *testing.T, b *benchmark) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", b.Package, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(b.Name, "/")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(b *testing.B)") {
			return true
		}
	}
	return false
}
