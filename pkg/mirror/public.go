package mirror

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
)

// maxMessage caps the text of an answer that is no success.
const maxMessage = 64 << 10

// public fits the text of an answer for whoever asks over a network: where the
// mirror lies is nothing to them, and what they asked for is not repeated in a
// way that a terminal or a log would obey.
func (d *Dir) public(a *answer) *answer {
	if a.status == http.StatusOK || a.size > maxMessage {
		return a
	}
	body, err := io.ReadAll(io.LimitReader(a.body, maxMessage))
	a.close()
	if err != nil {
		body = nil
	}
	text := strings.TrimSuffix(string(body), "\n")
	for _, path := range []string{d.Path(), inJSON(d.Path())} {
		if path != "" {
			text = strings.ReplaceAll(text, "the mirror "+path, "the mirror")
			text = strings.ReplaceAll(text, "mirror "+path+" holds", "the mirror holds")
		}
	}
	var b strings.Builder
	for _, r := range text {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			fmt.Fprintf(&b, `\u%04x`, min(r, 0xffff)) // in JSON too
			continue
		}
		b.WriteRune(r)
	}
	if strings.HasSuffix(string(body), "\n") {
		b.WriteByte('\n')
	}
	plain := fromBytes(a.status, a.header["Content-Type"], []byte(b.String()))
	for k, v := range a.header {
		plain.header[k] = v
	}
	plain.err = a.err
	return plain
}

// inJSON is a text as it stands inside of a JSON string.
func inJSON(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return strings.Trim(string(text), `"`)
}
