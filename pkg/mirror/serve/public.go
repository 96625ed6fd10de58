package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/kverify/kverify/pkg/mirror"
)

// maxMessage caps the text of an answer that is not a success.
const maxMessage = 64 << 10

// public fits the text of an answer for a client on the network: where the
// mirror lies is nothing to them, and what they asked for is not repeated in a
// way that a terminal or a log would obey.
func public(d *mirror.Mirror, a *mirror.Answer) *mirror.Answer {
	if a.Status == http.StatusOK || a.Size > maxMessage {
		return a
	}
	body, err := io.ReadAll(io.LimitReader(a.Body, maxMessage))
	a.Close()
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
	plain := mirror.NewAnswer(a.Status, a.Header["Content-Type"], []byte(b.String()))
	for k, v := range a.Header {
		plain.Header[k] = v
	}
	plain.Err = a.Err
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
