package report_test

import (
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// Only what an accepted incident explains is excused, and only if nothing else is wrong.
func TestExcused(t *testing.T) {
	check := func(name string, v report.Verdict) report.Check {
		return report.Check{Name: name, Verdict: v, Required: true}
	}
	known := []report.Incident{{ID: "late", Checks: []string{report.Signature}}}
	good := report.Result{Checks: []report.Check{check(report.Signature, report.Verified)}}
	unsigned := report.Result{Incidents: known, Checks: []report.Check{check(report.Digest, report.Verified), check(report.Signature, report.Unknown)}}
	unbound := report.Result{Incidents: known, Checks: []report.Check{check(report.Signature, report.Unknown), check(report.Binding, report.Unknown)}}
	other := report.Result{Checks: unsigned.Checks}
	for name, tt := range map[string]struct {
		r    report.Report
		want bool
	}{
		"accepted":             {report.Report{Accepted: []string{"late"}, Results: []report.Result{good, unsigned}}, true},
		"not accepted":         {report.Report{Results: []report.Result{good, unsigned}}, false},
		"another accepted":     {report.Report{Accepted: []string{"x"}, Results: []report.Result{unsigned}}, false},
		"nothing to excuse":    {report.Report{Accepted: []string{"late"}, Results: []report.Result{good}}, false},
		"another check fails":  {report.Report{Accepted: []string{"late"}, Results: []report.Result{unbound}}, false},
		"other bytes":          {report.Report{Accepted: []string{"late"}, Results: []report.Result{unsigned, other}}, false},
		"interrupted":          {report.Report{Accepted: []string{"late"}, Interrupted: true, Results: []report.Result{unsigned}}, false},
		"empty":                {report.Report{Accepted: []string{"late"}}, false},
		"a result unlooked at": {report.Report{Accepted: []string{"late"}, Results: []report.Result{unsigned, {Incidents: known}}}, false},
	} {
		if got := tt.r.Excused(); got != tt.want || got && tt.r.Verdict() == report.Verified {
			t.Errorf("%s: %v", name, got)
		}
	}
}
