package render

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/pkg/report"
)

// YAML writes the report's JSON form as YAML, to be read by a person. It is not read back.
func YAML(w io.Writer, r report.Report) error {
	if len(r.Results) == 0 {
		return encode.YAML(w, withoutResults(r))
	}
	var text bytes.Buffer
	if err := encode.YAML(&text, withoutResults(r)); err != nil {
		return err
	}
	// The results are written one by one, as those of the JSON form are.
	head, tail, ok := bytes.Cut(text.Bytes(), []byte("\nresults: []\n"))
	if !ok {
		return errors.New("the form of a report in YAML is not what its writer takes it for")
	}
	to := bufio.NewWriterSize(w, 64<<10)
	_, _ = to.Write(head) // an error stays, and Flush says it
	_, _ = to.WriteString("\nresults:\n")
	for _, res := range each(r.Results) {
		if err := encode.YAML(to, []jsonResult{jsonResultOf(res)}); err != nil {
			return err
		}
	}
	_, _ = to.Write(tail)
	return to.Flush()
}
