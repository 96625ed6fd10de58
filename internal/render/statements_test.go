package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// single is a whole report of one image, kube-proxy.
func single() report.Report {
	r := good()
	r.Results = r.Results[:5]
	return r
}

// TestStatements pins the three of them.
func TestStatements(t *testing.T) {
	foreign := single()
	foreign.TrustedRoot = report.Source{Digest: digest("d"), Path: "dir/root.json"}
	failed := single()
	failed.Results[3].Checks = []report.Check{{Name: report.Digest, Verdict: report.Refuted, Required: true, Reason: report.Mismatch}}
	for name, c := range map[string]struct {
		format string
		r      report.Report
	}{
		"passed": {"vsa", single()}, "failed": {"vsa", failed}, "images": {"svr", good()}, "foreign": {"svr", foreign},
		"good": {"refs", good()}, "foreign-root": {"refs", foreign}, "refuted": {"refs", failed},
	} {
		golden(t, "formats/"+name+"."+c.format, write(t, c.r, c.format))
	}
}

// TestStatementsRefused holds rule 34: none is written but by the run that examined, whole.
func TestStatementsRefused(t *testing.T) {
	for name, change := range map[string]func(*report.Report){
		"saved":       func(r *report.Report) { r.Saved = true },
		"merged":      func(r *report.Report) { r.Merged = []string{digest("1")} },
		"interrupted": func(r *report.Report) { r.Interrupted = true },
		"partial":     func(r *report.Report) { r.Scope.Partial, r.Scope.Omitted = true, []string{report.Binding} },
		"shard":       func(r *report.Report) { r.Scope.Shard = &report.Shard{Index: 0, Count: 2} },
		"empty":       func(r *report.Report) { r.Results = nil },
	} {
		for _, format := range Statements {
			r := single()
			change(&r)
			var buf bytes.Buffer
			err := Report(&buf, r, format, Options{})
			if refused := new(RefusedError); !errors.As(err, &refused) {
				t.Errorf("%s as %s is not refused: %v", name, format, err)
			}
			if format != "refs" && buf.Len() > 0 || strings.Contains(buf.String(), "@sha256:") {
				t.Errorf("%s as %s: %s", name, format, buf.String())
			}
		}
	}
	for name, c := range map[string]struct {
		format string
		change func(*report.Report)
	}{
		"two images": {"vsa", func(r *report.Report) { *r = good() }},
		"a file": {"vsa", func(r *report.Report) {
			r.Results = append(r.Results, report.Result{Kind: "file", Checks: ok(report.Digest)})
		}},
		"unknown":         {"vsa", func(r *report.Report) { r.Results[3].Checks = nil }},
		"one platform":    {"vsa", func(r *report.Report) { r.Scope.Platforms = []string{"amd64"} }},
		"absent platform": {"vsa", func(r *report.Report) { r.Scope.Absent = []string{proxy + " linux/arm64"} }},
		"only reported":   {"vsa", func(r *report.Report) { r.Results[2].Places = []report.Place{{Source: "-"}} }},
		"nothing holds":   {"svr", func(r *report.Report) { r.Results = r.Results[:2] }},
	} {
		r := single()
		c.change(&r)
		if err := Report(&bytes.Buffer{}, r, c.format, Options{}); err == nil {
			t.Errorf("%s as %s is written", name, c.format)
		}
	}
}

// TestProven attacks what a list and a statement speak of.
func TestProven(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report.Report)
		gone   string // digest that must not stand in them
		stays  string
	}{
		"an index with an unknown platform":  {func(r *report.Report) { r.Results[3].Checks[1].Verdict = report.Unknown }, digest("1"), digest("3")},
		"an index with an absent platform":   {func(r *report.Report) { r.Scope.Absent = []string{proxy + " linux/s390x"} }, digest("1"), digest("2")},
		"an index of some architectures":     {func(r *report.Report) { r.Scope.Platforms = []string{"amd64"} }, digest("1"), digest("2")},
		"what was only seen":                 {func(r *report.Report) { r.Results[5].Places = []report.Place{{Source: "nodes.json"}} }, digest("3"), digest("1")},
		"an optional signature":              {func(r *report.Report) { r.Results[6].Checks[1].Required = false }, digest("4"), digest("1")},
		"no signature":                       {func(r *report.Report) { r.Results[6].Checks = ok(report.Digest, report.Binding) }, digest("4"), digest("1")},
		"a document":                         {func(*report.Report) {}, digest("9"), digest("1")},
		"a digest that is none":              {func(r *report.Report) { r.Results[6].Digest = digest("4") + "\nevil" }, digest("4"), digest("1")},
		"a repository that is none":          {func(r *report.Report) { r.Results[5].Subject = "Evil\n/x:1" }, "Evil\n", digest("1")},
		"a manifest that was read elsewhere": {func(*report.Report) {}, "elsewhere", digest("1")},
	} {
		r := good()
		for i := range r.Results {
			r.Results[i].Checks = slices.Clone(r.Results[i].Checks)
		}
		c.change(&r)
		for _, format := range []string{"refs", "svr"} {
			var buf bytes.Buffer
			if err := Report(&buf, r, format, Options{}); err != nil {
				t.Fatal(err)
			}
			gone, stays := c.gone, c.stays
			if format == "svr" {
				gone, stays = strings.TrimPrefix(gone, "sha256:"), strings.TrimPrefix(stays, "sha256:")
			}
			if strings.Contains(buf.String(), gone) || !strings.Contains(buf.String(), stays) {
				t.Errorf("%s: %s in\n%s", name, gone, buf.String())
			}
			if format == "refs" {
				for l := range strings.Lines(buf.String()) {
					if !strings.HasPrefix(l, "# ") && !refForm().MatchString(strings.TrimSpace(l)) {
						t.Errorf("%s: the line %q", name, l)
					}
				}
			}
		}
	}
	elsewhere := good()
	elsewhere.Results[2].Checks = slices.Clone(elsewhere.Results[2].Checks)
	elsewhere.Results[2].Checks[0].Evidence = report.EvidenceOf(report.Evidence{What: "manifest", Digest: digest("1"), Source: "harbor.corp:5000/k8s/kube-proxy:v1.27.2"})
	if got := string(write(t, elsewhere, "refs")); !strings.Contains(got, "\nharbor.corp:5000/k8s/kube-proxy@"+digest("1")+"\n") {
		t.Errorf("not where the bytes were read:\n%s", got)
	}
}

// TestStatementProperties holds that a property is one that all subjects have.
func TestStatementProperties(t *testing.T) {
	r := good()
	r.Results[6].Checks = ok(report.Digest, report.Signature)
	var s struct{ Predicate struct{ Properties []string } }
	if err := json.Unmarshal(write(t, r, "svr"), &s); err != nil {
		t.Fatal(err)
	}
	if got := s.Predicate.Properties; !slices.Equal(got, []string{"KVERIFY_IMAGE_DIGEST", "KVERIFY_IMAGE_SIGNATURE"}) {
		t.Error(got)
	}
}
