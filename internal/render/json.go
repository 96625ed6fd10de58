package render

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/kverify/kverify/internal/render/encode"
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
	out := jsonReport{SchemaVersion: r.SchemaVersion, Verdict: r.Verdict(), Counts: r.Counts(), Report: r, Results: []jsonResult{}}
	for _, list := range []*[]string{&out.Scope.Subjects, &out.Scope.Checks} {
		if *list == nil {
			*list = []string{}
		}
	}
	text, err := encode.Indented(out, "")
	if err != nil {
		return err
	}
	if len(r.Results) == 0 {
		_, err := w.Write(text)
		return err
	}
	// The results are the last member, and are written one by one: a report may have
	// more of them than should be held twice.
	head, ok := bytes.CutSuffix(text, []byte("[]\n}\n"))
	if !ok {
		return errors.New("the form of a report in JSON is not what its writer takes it for")
	}
	to := bufio.NewWriterSize(w, 64<<10)
	_, _ = to.Write(head) // an error stays, and Flush says it
	for i, res := range each(r.Results) {
		one, err := encode.Indented(jsonResult{Verdict: res.Verdict(), Result: res, Checks: append([]report.Check{}, res.Checks...)}, "    ")
		if err != nil {
			return err
		}
		_, _ = to.WriteString(map[bool]string{true: "[\n    ", false: ",\n    "}[i == 0])
		_, _ = to.Write(bytes.TrimSuffix(one, []byte("\n")))
	}
	_, _ = to.WriteString("\n  ]\n}\n")
	return to.Flush()
}
