package terminal

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func noControls(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r != '\n' && (!unicode.IsPrint(r) || r == '\uFFFD') {
			t.Errorf("%U in the output", r)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("\x1b[0m\u202e\xff plain ✓")
	f.Fuzz(func(t *testing.T, s string) {
		noControls(t, strings.ReplaceAll(Escape(s), "\n", "\x00"))
		if got := Escape(s); isPlain(s) && got != s {
			t.Errorf("%q changed to %q", s, got)
		}
	})
}

// TestCommands holds that nothing in a log is a command of the job that runs it.
func TestCommands(t *testing.T) {
	for in, want := range map[string]string{
		"##[error]x":                  `#\x23[error]x`,
		"a ###[set-env name=PATH]/x":  `a ##\x23[set-env name=PATH]/x`,
		"##vso[task.setvariable v=1]": `#\x23vso[task.setvariable v=1]`,
		"##teamcity[message]":         `#\x23teamcity[message]`,
		"::add-mask::x":               `\x3a:add-mask::x`,
		"see ::error::x":              `see \x3a:error::x`,
		"## a heading":                "## a heading",
		"std::string, 127.0.0.1":      "std::string, 127.0.0.1",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
		if got := EscapeLines("first\n" + in); got != "first\n"+want {
			t.Errorf("EscapeLines: %q", got)
		}
	}
}

// A long text is whole, whatever stands where it is taken apart.
func TestEscapeWhole(t *testing.T) {
	for n := MaxText - 5; n < MaxText+5; n++ {
		s := strings.Repeat("x", n) + "é→𝕏" + strings.Repeat("y", MaxText)
		if got := EscapeWhole(s); got != s {
			t.Errorf("%d: %.30q differs", n, got[n:])
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]bool{"SPDXVersion: SPDX-2.3\n\té\n": true, "": true, "\x1b": false, "\u202e": false, "\xff": false, "\r": false} {
		if Printable([]byte(s)) != want {
			t.Errorf("%q: want %v", s, want)
		}
	}
}

// A grid fits into a terminal: its last column is broken at words, or each row is stacked.
// Nothing of it is lost, and a pipe gets a line a row.
func TestGridFits(t *testing.T) {
	head := []string{"NAME", "PLATFORM", "DIGEST", "CLAIMED BY"}
	row := []string{"registry.k8s.io/kube-proxy:v1.27.2", "linux/amd64", "sha256:6da581ae75fd", "signed sbom; carried SHA256SUMS, SHA512SUMS, provenance.json"}
	for width, want := range map[int]string{
		0:   "NAME ",
		200: "NAME ",
		110: "NAME ", // the last column on several lines
		80:  "registry.k8s.io/kube-proxy:v1.27.2\n    platform: linux/amd64  digest: sha256:6da581ae75fd\n    claimed by: signed",
		40:  "registry.k8s.io/kube-proxy:v1.27.2\n    platform: linux/amd64\n    digest: sha256:6da581ae75fd\n    claimed by: signed sbom; carried\n",
	} {
		p := &Page{Options: Options{Width: width}}
		p.Grid(head, []Row{{Cells: slices.Clone(row)}})
		got := string(p.Bytes())
		if !strings.HasPrefix(got, want) {
			t.Errorf("%d columns:\n%s", width, got)
		}
		for _, word := range strings.Fields(strings.Join(row, " ")) {
			if !strings.Contains(got, word) {
				t.Errorf("%d columns: no %s in\n%s", width, word, got)
			}
		}
		for l := range strings.Lines(got) {
			if width > 0 && len(strings.TrimRight(l, "\n")) > width {
				t.Errorf("%d columns: a line of %d: %s", width, len(l)-1, l)
			}
		}
		if n := strings.Count(got, "\n"); (width == 0 || width == 200) && n != 2 {
			t.Errorf("%d columns: %d lines", width, n)
		}
	}
}
