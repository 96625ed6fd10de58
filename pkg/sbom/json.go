package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/kverify/kverify/internal/bounds"
)

// readJSON decodes straight into the model: the library's own entry point
// decodes all of it once more, only to learn the version.
func readJSON(data []byte, most int) (*spdx.Document, error) {
	if err := bounds.JSON(data, bounds.Price{Item: pricePackage, Object: priceFile, Value: 16}, int64(most)); err != nil {
		return nil, &LimitError{What: "bytes of memory for its elements", Max: maxMemory}
	}
	var h opening
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, jsonError(data, err)
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	if err := noNulls(data); err != nil {
		return nil, err
	}
	var doc v2_3.Document
	plain := dropUnreadable(data)
	if err := json.Unmarshal(plain, &doc); err != nil {
		return nil, jsonError(plain, err)
	}
	return &doc, nil
}

// jsonError says in words of a document what the JSON reader says in words of
// a program, and in which line.
func jsonError(data []byte, err error) error {
	line := func(offset int64) int {
		return 1 + bytes.Count(data[:max(0, min(offset, int64(len(data))))], []byte("\n"))
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return &FormatError{Line: line(syntax.Offset), Why: fmt.Sprintf("it is not a JSON document: it is malformed at byte %d", syntax.Offset)}
	case errors.As(err, &kind) && kind.Field != "":
		return &FormatError{Why: fmt.Sprintf("%q cannot be of the kind %s", clip(kind.Field), kind.Value)}
	case errors.As(err, &kind):
		return &FormatError{Why: "a value of the kind " + kind.Value + " stands where it cannot stand"}
	}
	return &FormatError{Err: err}
}

// noNulls refuses a list that holds null: the format knows no such element, and
// the library reads through it, or drops it in silence. data is valid JSON.
func noNulls(data []byte) error {
	var open []byte // the brackets that are open
	var name []byte // the last text in the document's own object
	index := 0      // of the element in a list of that object
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			start := i + 1
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if len(open) == 1 && i < len(data) {
				name = data[start:i]
			}
		case '{', '[':
			if open = append(open, c); len(open) == 2 {
				index = 0
			}
		case '}', ']':
			open = open[:max(len(open)-1, 0)]
		case ',':
			if len(open) == 2 {
				index++
			}
		case 'n':
			if len(open) == 0 || open[len(open)-1] != '[' {
				continue
			}
			e := &FormatError{Line: 1 + bytes.Count(data[:i], []byte("\n"))}
			if e.Why = fmt.Sprintf("%s[%d] is null: an element is missing there", clip(string(name)), index); len(open) != 2 {
				e.Why = fmt.Sprintf("a list in %s holds null: an element is missing there", clip(string(name)))
			}
			return e
		}
	}
	return nil
}

// originators are the two members of a package that the library reads more
// strictly than some real tools write them.
var originators = [][]byte{[]byte(`"originator"`), []byte(`"supplier"`)}

// dropUnreadable returns data with null for every "originator" and "supplier"
// that is a string of a form which the library refuses a whole document for:
// empty, or a bare name. Neither is read by us. data itself is not changed.
func dropUnreadable(data []byte) []byte {
	for _, key := range originators {
		data = dropMember(data, key)
	}
	return data
}

// dropMember does so for one key, in one pass.
func dropMember(data, key []byte) []byte {
	var out []byte
	done := 0 // data[:done] is in out already
	for at := 0; ; {
		i := bytes.Index(data[at:], key)
		if i < 0 {
			break
		}
		start := at + i
		at = start + len(key)
		if start > 0 && data[start-1] == '\\' {
			continue // the quote belongs to a longer string
		}
		value, end := stringMember(data, at)
		if end == 0 {
			continue
		}
		if at = end; !readable(data[value:end]) {
			out = append(append(out, data[done:value]...), "null"...)
			done = end
		}
	}
	if done == 0 {
		return data
	}
	return append(out, data[done:]...)
}

// stringMember finds the string that is the value of the key that ends at at.
// end is 0 where there is no key, no string or no end of it.
func stringMember(data []byte, at int) (value, end int) {
	at = skipSpace(data, at)
	if at == len(data) || data[at] != ':' {
		return 0, 0
	}
	value = skipSpace(data, at+1)
	if value == len(data) || data[value] != '"' {
		return 0, 0
	}
	for end = value + 1; end < len(data); end++ {
		switch data[end] {
		case '\\':
			end++
		case '"':
			return value, end + 1
		}
	}
	return 0, 0
}

func skipSpace(data []byte, at int) int {
	for at < len(data) && (data[at] == ' ' || data[at] == '\t' || data[at] == '\r' || data[at] == '\n') {
		at++
	}
	return at
}

// readable reports whether the library accepts the quoted string.
func readable(quoted []byte) bool {
	s := quoted[1 : len(quoted)-1]
	return string(s) == "NOASSERTION" || bytes.HasPrefix(s, []byte("Person:")) || bytes.HasPrefix(s, []byte("Organization:"))
}
