package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/report"
)

// reportOf is one image's report with this verdict.
func reportOf(v report.Verdict) report.Report {
	digest := "sha256:" + strings.Repeat("1", 64)
	var checks []report.Check
	for _, name := range []string{report.Digest, report.Signature} {
		checks = append(checks, report.Check{Name: name, Verdict: report.Verified, Required: true})
	}
	if v != report.Verified {
		checks[1].Verdict, checks[1].Reason = v, report.Absent
	}
	return report.Report{
		SchemaVersion: 1, Scope: report.Scope{Subjects: []string{"v1.27.2"}}, Policy: report.Source{Digest: digest, Embedded: true}, TrustedRoot: report.Source{Digest: digest, Embedded: true},
		Results: []report.Result{{Subject: "registry.k8s.io/pause:3.9", Kind: "image", Digest: digest, Checks: checks}},
	}
}

// TestFormatChangesNoExitCode holds that the exit code is the report's, whatever format
// it is written in, to stdout or to a file. What is refused, or cannot be written, is
// never a success and hides no other verdict.
func TestFormatChangesNoExitCode(t *testing.T) {
	reports := map[string]report.Report{"empty": {}}
	for _, v := range []report.Verdict{report.Verified, report.Refuted, report.Unknown} {
		reports[v.String()] = reportOf(v)
		cut, part, saved := reportOf(v), reportOf(v), reportOf(v)
		cut.Interrupted = true
		part.Scope.Partial, part.Scope.Omitted = true, []string{report.Binding}
		saved.Saved = true
		reports[v.String()+", interrupted"], reports[v.String()+", partial"], reports[v.String()+", saved"] = cut, part, saved
	}
	dir := t.TempDir()
	for name, r := range reports {
		earned := VerdictExit[r.Verdict()]
		for _, format := range render.Formats {
			statement := slices.Contains(render.Statements, format)
			for _, to := range []string{"", filepath.Join(dir, "report."+format), "/dev/full"} {
				var stdout, stderr bytes.Buffer
				a := &App{Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }}
				err := a.Write(r, &Settings{Shared: Shared{Quiet: true}, Outputs: []Output{{format, to}}})
				got, want := ExitCode(context.Background(), err, earned), earned
				if err != nil && want == ExitVerified {
					want = ExitUsage
				}
				if got != want || err != nil && !statement && to != "/dev/full" {
					t.Errorf("%s as %s to %q: %d, want %d (%v)", name, format, to, got, want, err)
				}
				if whole := name == "verified"; statement && whole && err != nil && to != "/dev/full" {
					t.Errorf("%s as %s: %v", name, format, err)
				} else if !whole && statement && err == nil && strings.Contains(name, ",") {
					t.Errorf("%s as %s is written", name, format)
				}
				if said := strings.HasPrefix(stderr.String(), strings.ToUpper(r.Verdict().String())+"  "); said == tells([]Output{{format, to}}) {
					t.Errorf("%s as %s to %q: stderr is %q", name, format, to, stderr.String())
				}
			}
		}
	}
}

// TestStaleList holds that a list of an earlier run does not stay where this one has none.
func TestStaleList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "refs")
	for _, change := range []func(*report.Report){
		func(r *report.Report) { r.Interrupted = true },
		func(r *report.Report) { *r = reportOf(report.Refuted) },
		func(r *report.Report) { r.Results = nil },
	} {
		a := &App{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}
		set := &Settings{Outputs: []Output{{"refs", file}}}
		if err := a.Write(reportOf(report.Verified), set); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(file)
		r := reportOf(report.Verified)
		change(&r)
		_ = a.Write(r, set)
		after, _ := os.ReadFile(file)
		if !bytes.Contains(before, []byte("@sha256:")) || bytes.Contains(after, []byte("@sha256:")) || !bytes.Contains(after, []byte("nothing is listed")) {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	}
}

// TestOnePlace holds that no two outputs go to one place, however it is written.
func TestOnePlace(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, values := range [][]string{
		{"json", "table"}, {"json=-", "table"}, {"sarif=/dev/stdout", "table"}, {"json=a", "sarif=a"}, {"json=a", "sarif=./a"},
		{"json=a", "sarif=" + filepath.Join(dir, "a")}, {"json=a", "sarif=link/a"},
	} {
		if list, err := (outputFlag{Values: values}).Read(); err == nil || !isUsage(err) {
			t.Errorf("%q: %v, %v", values, list, err)
		}
	}
	for _, values := range [][]string{{"table", "json=a", "sarif=b"}, {"json=/dev/null", "sarif=/dev/null"}} {
		if _, err := (outputFlag{Values: values}).Read(); err != nil {
			t.Errorf("%q: %v", values, err)
		}
	}
	for _, format := range render.Statements {
		if _, err := (outputFlag{Values: []string{"table", format + "=a"}}).ReadSaved(); err == nil || !isUsage(err) {
			t.Errorf("%s of a saved report: %v", format, err)
		}
	}
}
