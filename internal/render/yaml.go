package render

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/pkg/report"
)

// YAML writes the report's JSON form as YAML, to be read by a person. It is not read back.
func YAML(w io.Writer, r report.Report) error {
	var text bytes.Buffer
	if err := JSON(&text, r); err != nil {
		return err
	}
	return encode.YAML(w, json.RawMessage(text.Bytes()))
}
