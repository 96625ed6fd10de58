package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

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
	report.Result
	Checks []report.Check `json:"checks"`
}

// JSON writes the report as one indented JSON document that decodes into an
// equal [report.Report]. The verdicts of the report and of its results, and how many
// have which, stand in it for convenience; whoever reads it back computes them anew.
// What a terminal or a job's runner might act on is written as \u escapes, which
// changes no value.
//
// docs/report.schema.json is its JSON Schema. The rule of compatibility is that of
// [report.SchemaVersion].
func JSON(w io.Writer, r report.Report) error {
	out := jsonReport{SchemaVersion: r.SchemaVersion, Verdict: r.Verdict(), Counts: r.Counts(), Report: r, Results: []jsonResult{}}
	for _, res := range r.Results {
		out.Results = append(out.Results, jsonResult{
			Verdict: res.Verdict(), Result: res, Checks: append([]report.Check{}, res.Checks...),
		})
	}
	for _, list := range []*[]string{&out.Scope.Subjects, &out.Scope.Checks} {
		if *list == nil {
			*list = []string{}
		}
	}
	return writeJSON(w, out)
}

// writeJSON writes a value as every format does that is JSON: indented, and with
// nothing in it that is not printable.
func writeJSON(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(visible(buf.Bytes()))
	return err
}

// commandAhead is hashCommand at the beginning of a text.
var commandAhead = regexp.MustCompile(`^##[A-Za-z]*\[`)

// visible writes the characters of a JSON text that are not printable, and the first
// of "##[", all of them inside strings, as \u escapes.
func visible(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '#' && commandAhead.Match(text):
			out = append(out, `\u0023`...)
		case r == '\n' || unicode.IsPrint(r):
			out = append(out, text[:size]...)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		}
		text = text[size:]
	}
	return out
}
