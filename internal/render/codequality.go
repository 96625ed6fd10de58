package render

import (
	"fmt"
	"io"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxQuality is how many findings are listed: no reviewer reads a merge request that shows more.
const maxQuality = 1000

// A qualityFinding is an entry of GitLab's code quality report
// (docs.gitlab.com/ci/testing/code_quality, "Code Quality report format").
type qualityFinding struct {
	Description string          `json:"description"`
	CheckName   string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"` // of each entry its own
	Severity    string          `json:"severity"`
	Location    qualityLocation `json:"location"`
}

type qualityLocation struct {
	Path  string       `json:"path"`
	Lines qualityLines `json:"lines"`
}

type qualityLines struct {
	Begin int `json:"begin"`
}

// CodeQuality writes the report for a merge request of GitLab: an array with an entry a
// required check that is not verified, refuted ones as blockers and first, unknown ones
// as major. A green run is [].
func CodeQuality(w io.Writer, r report.Report) error {
	list := problems(r)
	out := []qualityFinding{}
	for _, p := range list[:min(len(list), maxQuality)] {
		file, line := p.file()
		severity := map[report.Verdict]string{report.Refuted: "blocker", report.Unknown: "major"}[p.check.Verdict]
		if !p.check.Required {
			severity = "info"
		}
		out = append(out, qualityFinding{
			Description: terminal.Escape(p.headline()), CheckName: "kverify/" + terminal.Escape(p.check.Name), Fingerprint: p.fingerprint(),
			Severity: severity, Location: qualityLocation{qualityPath(file), qualityLines{line}},
		})
	}
	if n := len(list) - maxQuality; n > 0 {
		rest := problem{result: new(report.Result), check: report.Check{Name: ofRun, Detail: "rest"}}
		out = append(out, qualityFinding{
			Description: fmt.Sprintf("%d more findings are not listed; the JSON report has them all", n), CheckName: "kverify/" + ofRun,
			Fingerprint: rest.fingerprint()[:32], Severity: "major", Location: qualityLocation{"kverify", qualityLines{1}},
		})
	}
	return encode.JSON(w, out)
}

// qualityPath is a path as GitLab shows it: relative, and no longer than a name may be.
func qualityPath(file string) string {
	const longest = 1024
	return terminal.Escape(file[:terminal.Boundary(file+" ", min(len(file), longest))])
}
