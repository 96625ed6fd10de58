package render

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/kverify/kverify/pkg/report"
)

// ValueFormats are those of a small answer, the default first.
var ValueFormats = []string{"text", "json", "yaml"}

// Value writes a small answer for a program, as "json" or "yaml".
func Value(w io.Writer, value any, format string) error {
	if format == "yaml" {
		return writeYAML(w, value)
	}
	text, err := indented(value, "")
	if err != nil {
		return err
	}
	return writeAll(w, append(bytes.TrimSpace(text), '\n'))
}

// YAML writes the report's JSON form as YAML, to be read by a person. It is not read back.
func YAML(w io.Writer, r report.Report) error {
	var text bytes.Buffer
	if err := JSON(&text, r); err != nil {
		return err
	}
	return writeYAML(w, json.RawMessage(text.Bytes()))
}
