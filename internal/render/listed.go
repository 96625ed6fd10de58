package render

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/kverify/kverify/internal/render/encode"
)

// listed writes an indented JSON document that has an empty list under a name, with n values in
// that list: one after the other, since a report may have more of them than should be held twice.
func listed(w io.Writer, doc any, name string, n int, value func(i int) any) error {
	text, err := encode.Indented(doc, "")
	if err != nil {
		return err
	}
	member := `"` + name + `": [` // no text of a document has such quotes
	head, tail, ok := bytes.Cut(text, []byte(member+"]"))
	if !ok {
		return fmt.Errorf("the document that is to be written has no empty list %q", name)
	}
	to := bufio.NewWriterSize(w, 64<<10)
	_, _ = to.Write(head) // an error stays, and Flush says it
	_, _ = to.WriteString(member)
	for i := range n {
		one, err := encode.Indented(value(i), "    ")
		if err != nil {
			return err
		}
		_, _ = to.WriteString(map[bool]string{true: "\n    ", false: ",\n    "}[i == 0])
		_, _ = to.Write(bytes.TrimSuffix(one, []byte("\n")))
	}
	if n > 0 {
		_, _ = to.WriteString("\n  ")
	}
	_, _ = to.WriteString("]")
	_, _ = to.Write(tail)
	return to.Flush()
}
