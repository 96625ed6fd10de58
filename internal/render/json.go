package render

import (
	"io"

	"github.com/kverify/kverify/pkg/report"
)

// jsonReport is a report with what a reader would otherwise have to compute.
// The fields beside the embedded report hide those of the same name in it.
type jsonReport struct {
	SchemaVersion int            `json:"schemaVersion"`
	Verdict       report.Verdict `json:"verdict"`
	Counts        report.Counts  `json:"counts"`
	report.Report
	Results []jsonResult `json:"results"`
}

type jsonResult struct {
	Verdict report.Verdict `json:"verdict"`
	*report.Result
	Checks []report.Check `json:"checks"`
}

// JSON writes the report as one indented JSON document that decodes into an
// equal [report.Report]. The verdicts of the report and of its results, and how many
// have which, stand in it for convenience; the reader of a saved report computes them anew.
// What a terminal or a job's runner might act on is written as \u escapes, which
// changes no value.
//
// docs/report.schema.json is its JSON Schema. The rule of compatibility is that of
// [report.SchemaVersion].
func JSON(w io.Writer, r report.Report) error {
	return listed(w, withoutResults(r), "results", len(r.Results), func(i int) any { return jsonResultOf(&r.Results[i]) })
}

func withoutResults(r report.Report) jsonReport {
	out := jsonReport{SchemaVersion: r.SchemaVersion, Verdict: r.Verdict(), Counts: r.Counts(), Report: r, Results: []jsonResult{}}
	for _, list := range []*[]string{&out.Scope.Subjects, &out.Scope.Checks} {
		if *list == nil {
			*list = []string{}
		}
	}
	return out
}

func jsonResultOf(res *report.Result) jsonResult {
	return jsonResult{Verdict: res.Verdict(), Result: res, Checks: append([]report.Check{}, res.Checks...)}
}
