package report_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

func result(vs ...report.Verdict) report.Result {
	var r report.Result
	for i, v := range vs {
		r.Checks = append(r.Checks, report.Check{Name: report.CheckNames[i], Verdict: v, Required: true})
	}
	return r
}

func TestVerdictsCombineUpward(t *testing.T) {
	const u, v, r = report.Unknown, report.Verified, report.Refuted
	for _, tt := range []struct {
		name string
		in   report.Result
		want report.Verdict
	}{
		{"nothing was checked", result(), u},
		{"all verified", result(v, v), v},
		{"one unknown", result(v, u, v), u},
		{"refuted beats unknown", result(u, r, v), r},
		{"a value outside the three is unknown", result(v, report.Verdict(7)), u},
		{"an optional refutation lowers nothing", report.Result{Checks: []report.Check{
			{Verdict: v, Required: true}, {Verdict: r}}}, v},
		{"optional checks alone prove nothing", report.Result{Checks: []report.Check{{Verdict: v}}}, u},
	} {
		if got := tt.in.Verdict(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestReportVerdict(t *testing.T) {
	if got := (report.Report{}).Verdict(); got != report.Unknown {
		t.Errorf("empty report is %v", got)
	}
	rep := report.Report{Results: []report.Result{result(report.Verified), result(report.Verified)}}
	if got := rep.Verdict(); got != report.Verified {
		t.Errorf("all verified: %v", got)
	}
	rep.Interrupted = true
	if got := rep.Verdict(); got != report.Unknown {
		t.Errorf("interrupted run is %v", got)
	}
	rep.Results = append(rep.Results, result(report.Refuted))
	if got := rep.Verdict(); got != report.Refuted {
		t.Errorf("interrupted run that saw a refutation is %v", got)
	}
}

func TestTextForms(t *testing.T) {
	for _, v := range []report.Verdict{report.Unknown, report.Verified, report.Refuted} {
		b, _ := json.Marshal(v)
		var got report.Verdict
		if err := json.Unmarshal(b, &got); err != nil || got != v {
			t.Errorf("%s read back as %v, %v", b, got, err)
		}
	}
	for _, s := range []report.Strength{report.Carried, report.Published, report.Embedded, report.Signed} {
		b, _ := json.Marshal(s)
		var got report.Strength
		if err := json.Unmarshal(b, &got); err != nil || got != s {
			t.Errorf("%s read back as %v, %v", b, got, err)
		}
	}
	var v report.Verdict
	if err := json.Unmarshal([]byte(`"Verified"`), &v); err == nil {
		t.Error("a verdict in another case was read")
	}
	var s report.Strength
	if err := json.Unmarshal([]byte(`"strong"`), &s); err == nil {
		t.Error("an unknown strength was read")
	}
}

func ExampleResult_Verdict() {
	r := report.Result{
		Subject: "registry.k8s.io/kube-proxy:v1.27.2",
		Checks: []report.Check{
			{Name: report.Digest, Verdict: report.Verified, Required: true},
			{Name: report.Signature, Required: true, Reason: report.Absent},
		},
	}
	fmt.Println(r.Verdict())
	// Output: unknown
}
