package sbom

import (
	"bytes"
	"encoding/json"

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
	var head struct {
		SPDXVersion string `json:"spdxVersion"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, &FormatError{Why: "it is no JSON document", Err: err}
	}
	if err := checkVersion(head.SPDXVersion); err != nil {
		return nil, err
	}
	var doc v2_3.Document
	if err := json.Unmarshal(dropUnreadable(data), &doc); err != nil {
		return nil, &FormatError{Err: err}
	}
	return &doc, nil
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
