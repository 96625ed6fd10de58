package command

import (
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// Cause is the first thing that kept a report from being verified, refutations first.
func Cause(r report.Report) string {
	for _, verdict := range []report.Verdict{report.Refuted, report.Unknown} {
		for _, res := range r.Results {
			for _, check := range res.Checks {
				if check.Required && check.Verdict == verdict {
					return strings.TrimSpace(res.Subject+" "+res.Platform) + ": " + check.Name + ": " + check.Detail
				}
			}
		}
	}
	return "nothing of it could be examined"
}
