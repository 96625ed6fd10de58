package registry

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/strictjson"
)

// maxDepth caps how deep JSON may nest. Manifests need 5; a document nested a
// million deep is an attack on a recursive reader.
const maxDepth = 64

// A value that is kept costs some forty times the two bytes that it may have, and
// manifests of 4 MiB are read many at once. What a manifest holds is therefore
// counted: an index of a hundred platforms has some 1,500 values, an image of a
// hundred layers 600, sixty signatures 900.
const (
	maxValues  = 20_000
	maxChecked = 250_000 // of a document that is only looked through, such as a statement about thousands of files
)

// kind is the kind of a JSON value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// value is one JSON value. Objects keep their keys in order beside their
// items.
type value struct {
	kind  kind
	text  string // of a string, decoded; of a number or literal, as written
	keys  []string
	items []value
}

// get returns the member of that exact name. encoding/json would also take
// another case, and so read a document differently from other languages: see
// memberReader.member, which refuses that.
func (v *value) get(key string) (*value, bool) {
	for i, k := range v.keys {
		if k == key {
			return &v.items[i], true
		}
	}
	return nil, false
}

// CheckJSON reports whether data is exactly one JSON value in valid UTF-8,
// nested at most 64 deep and of at most 250,000 values, in which no object holds a key twice, also not in
// another case (which encoding/json takes for the same key). Two readers of a
// document that passes cannot see different things in it. It returns a
// [*FormatError].
func CheckJSON(data []byte) error {
	_, err := readJSON(data, &parser{left: maxChecked, check: true})
	return err
}

func parseJSON(data []byte) (*value, error) { return readJSON(data, &parser{left: maxValues}) }

func readJSON(data []byte, p *parser) (*value, error) {
	if !utf8.Valid(data) {
		return nil, formatErrorf("not UTF-8")
	}
	p.s = string(data)
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.i < len(p.s) {
			err = formatErrorf("more data after the JSON value, at byte %d", p.i)
		}
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

type parser struct {
	s     string
	i     int
	left  int  // values that may still come
	check bool // values are not kept
}

func (p *parser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\n' || p.s[p.i] == '\t' || p.s[p.i] == '\r') {
		p.i++
	}
}

func (p *parser) bad() error {
	if p.i >= len(p.s) {
		return formatErrorf("JSON that ends too early, after %d bytes", len(p.s))
	}
	return formatErrorf("not JSON at byte %d", p.i)
}

func (p *parser) accept(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) value(depth int) (value, error) {
	if depth > maxDepth {
		return value{}, formatErrorf("JSON nested more than %d deep", maxDepth)
	}
	if p.left--; p.left < 0 {
		return value{}, formatErrorf("JSON of too many values: more than any genuine document has")
	}
	p.space()
	if p.i >= len(p.s) {
		return value{}, p.bad()
	}
	switch c := p.s[p.i]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.str()
		return value{kind: kindString, text: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, lit := range [...]value{{kind: kindBool, text: "true"}, {kind: kindBool, text: "false"}, {kind: kindNull, text: "null"}} {
		if strings.HasPrefix(p.s[p.i:], lit.text) {
			p.i += len(lit.text)
			return lit, nil
		}
	}
	return value{}, p.bad()
}

func (p *parser) object(depth int) (value, error) {
	v := value{kind: kindObject}
	var seen map[string]bool // made only for an object too large to look through
	p.i++
	for p.space(); !p.accept('}'); p.space() {
		if len(v.keys) > 0 && !p.accept(',') {
			return v, p.bad()
		}
		p.space()
		if p.i >= len(p.s) || p.s[p.i] != '"' {
			return v, p.bad()
		}
		key, err := p.str()
		if err != nil {
			return v, err
		}
		twice := false
		if len(v.keys) < 16 {
			for _, k := range v.keys {
				twice = twice || strings.EqualFold(k, key)
			}
		} else {
			if seen == nil {
				seen = map[string]bool{}
				for _, k := range v.keys {
					seen[strictjson.Fold(k)] = true
				}
			}
			folded := strictjson.Fold(key)
			twice = seen[folded]
			seen[folded] = true
		}
		if twice {
			return v, formatErrorf("the JSON key %s appears twice in one object", strconv.QuoteToASCII(clip(key)))
		}
		if p.space(); !p.accept(':') {
			return v, p.bad()
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.keys = append(v.keys, key)
		if !p.check {
			v.items = append(v.items, item)
		}
	}
	return v, nil
}

func (p *parser) array(depth int) (value, error) {
	v := value{kind: kindArray}
	p.i++
	first := true
	for p.space(); !p.accept(']'); p.space() {
		if !first && !p.accept(',') {
			return v, p.bad()
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		if first = false; !p.check {
			v.items = append(v.items, item)
		}
	}
	return v, nil
}

// str reads a string; the standard library decodes one that holds escapes.
func (p *parser) str() (string, error) {
	start := p.i
	escaped := false
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			if !escaped {
				return p.s[start+1 : p.i-1], nil
			}
			var out string
			if err := json.Unmarshal([]byte(p.s[start:p.i]), &out); err != nil {
				return "", formatErrorf("a bad JSON string at byte %d", start)
			}
			return out, nil
		case c == '\\':
			escaped = true
			p.i++
		case c < 0x20:
			return "", p.bad()
		}
	}
	return "", p.bad()
}

func (p *parser) number() (value, error) {
	start := p.i
	p.accept('-')
	if !p.accept('0') && !p.digits() {
		return value{}, p.bad()
	}
	if p.accept('.') && !p.digits() {
		return value{}, p.bad()
	}
	if p.accept('e') || p.accept('E') {
		if !p.accept('+') {
			p.accept('-')
		}
		if !p.digits() {
			return value{}, p.bad()
		}
	}
	return value{kind: kindNumber, text: p.s[start:p.i]}, nil
}

func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}
