package text_test

import (
	"fmt"
	"os"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/report/text"
)

func Example() {
	r := report.Report{Scope: report.Scope{Subjects: []string{"kube-proxy:v1.27.2"}}, Policy: report.Source{Embedded: true}, TrustedRoot: report.Source{Embedded: true}, Results: []report.Result{{
		Subject: "registry.k8s.io/kube-proxy:v1.27.2", Kind: "image",
		Checks: []report.Check{
			{Name: report.Digest, Verdict: report.Verified, Required: true},
			{Name: report.Signature, Required: true, Reason: report.Absent, Detail: "there is no signature"},
		},
	}}}
	fmt.Println(r.Count(report.Verified), r.Count(report.Refuted), r.Count(report.Unknown))
	_ = text.Verdict(os.Stdout, r, text.Options{})
	// Output:
	// 0 0 1
	// UNKNOWN  kube-proxy:v1.27.2: index: there is no signature
}
