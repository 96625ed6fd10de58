package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
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
	text, err := indented(out, "")
	if err != nil {
		return err
	}
	if len(r.Results) == 0 {
		return writeAll(w, text)
	}
	// The results are the last member, and are written one by one: a report may have
	// more of them than should be held twice.
	head, ok := bytes.CutSuffix(text, []byte("[]\n}\n"))
	if !ok {
		return errors.New("the form of a report in JSON is not what its writer takes it for")
	}
	to := bufio.NewWriterSize(w, 64<<10)
	_, _ = to.Write(head) // an error stays, and Flush says it
	for i, res := range r.Results {
		one, err := indented(jsonResult{Verdict: res.Verdict(), Result: res, Checks: append([]report.Check{}, res.Checks...)}, "    ")
		if err != nil {
			return err
		}
		_, _ = to.WriteString(map[bool]string{true: "[\n    ", false: ",\n    "}[i == 0])
		_, _ = to.Write(bytes.TrimSuffix(one, []byte("\n")))
	}
	_, _ = to.WriteString("\n  ]\n}\n")
	return to.Flush()
}

// Data writes what is not a report as indented JSON, with nothing in it that is not printable.
func Data(w io.Writer, v any) error { return writeJSON(w, v) }

// writeJSON writes a value as every format does that is JSON: indented, and with
// nothing in it that is not printable.
func writeJSON(w io.Writer, v any) error {
	text, err := indented(v, "")
	if err == nil {
		err = writeAll(w, text)
	}
	return err
}

func writeAll(w io.Writer, text []byte) error {
	_, err := w.Write(text)
	return err
}

// indented is the text that writeJSON writes, its lines but the first behind a prefix.
func indented(v any, prefix string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	err := enc.Encode(v)
	return visible(buf.Bytes()), err
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

// JSONLine is a value as JSON in one line, of which a terminal obeys nothing.
func JSONLine(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return visible(buf.Bytes()), err
}
