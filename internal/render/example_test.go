package render_test

import (
	"os"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/report"
)

func ExampleTable() {
	proved := report.Check{Name: report.Digest, Verdict: report.Verified, Required: true}
	_ = render.Table(os.Stdout, report.Report{
		Scope:       report.Scope{Subjects: []string{"registry.k8s.io/pause:3.9"}},
		Policy:      report.Source{Embedded: true},
		TrustedRoot: report.Source{Embedded: true},
		Results: []report.Result{{
			Subject: "registry.k8s.io/pause:3.9", Kind: "image", Checks: []report.Check{proved},
			Digest: "sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097",
		}},
	}, render.Options{})
	// Output:
	// ok   pause:3.9  index
	// index: the list that names the image of each platform
	// VERIFIED  registry.k8s.io/pause:3.9: 1 subject
}
