// Package encode writes values as JSON and YAML with nothing in them that a terminal or a
// job's runner would act on.
package encode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/lazyregexp"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/internal/render/terminal"
)

// Formats are those of a small answer, the default first: what its command writes in words, and
// those of [As].
var Formats = []string{"text", "json", "yaml"}

// As writes a value in a format, "yaml" or, in every other case, JSON.
func As(w io.Writer, value any, format string) error {
	if format == "yaml" {
		return YAML(w, value)
	}
	return JSON(w, value)
}

// JSON writes a value as indented JSON in which every character is printable.
func JSON(w io.Writer, value any) error {
	text, err := Indented(value, "")
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// Indented is the text that [JSON] writes, its lines but the first behind a prefix.
func Indented(v any, prefix string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	err := enc.Encode(v)
	return visible(buf.Bytes()), err
}

// Line is a value as JSON in one line, every character of it printable.
func Line(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return visible(buf.Bytes()), err
}

// commandAhead is a command of Azure or GitHub at the beginning of a text; see [terminal.Escape].
var commandAhead = lazyregexp.New(`^##[A-Za-z]*\[`)

// visible writes the characters of a JSON text that are not printable, and the first
// of "##[", all of them inside strings, as \u escapes.
func visible(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '#' && commandAhead().Match(text):
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

// YAML writes the value's JSON form as YAML. YAML has characters that
// stand for themselves and that a terminal acts on, so its strings are escaped.
func YAML(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	out, err := yaml.Marshal(plainTree(tree))
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// maxYAMLKey is how long a key may be: beyond 1024 characters one line cannot hold it (YAML
// 1.2, 7.4.2).
const maxYAMLKey = 512

// plainText is a text that YAML's readers take for that text. "<<" merges and "=" is the value of
// a map (YAML 1.1, merge and value types); the library leaves both without quotes, and some readers
// do not look at quotes.
func plainText(s string) string {
	switch s {
	case "<<":
		return `\u003c<`
	case "=":
		return `\u003d`
	}
	return strings.ReplaceAll(terminal.Escape(s), "\uFFFD", `\ufffd`) // what was not UTF-8
}

func plainTree(v any) any {
	switch v := v.(type) {
	case string:
		return plainText(v)
	case []any:
		for i := range v {
			v[i] = plainTree(v[i])
		}
	case map[string]any:
		plain := make(map[string]any, len(v))
		for k := range v {
			key := strings.ToValidUTF8(plainText(k)[:min(maxYAMLKey, len(plainText(k)))], "")
			plain[key] = plainTree(v[k])
		}
		return plain
	}
	return v
}
