// Package strictjson guards JSON that more than one reader will read.
//
// encoding/json takes the last of two members of one name, and takes a name for
// a field's in any case of letters: "verificationReſult" (with a long s) fills
// the field of "verificationResult". A reader in another language sees two
// members, or takes the first. What passes [Check] has no such second meaning.
//
// The guard says nothing about a single member whose name is only nearly a
// field's: who must not take that reads members by their exact names, see [Object],
// and refuses a [Twin] of one where another reader would take it.
package strictjson

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDepth caps how deep a document may be nested. None that Kubernetes or
// Sigstore writes is deeper than a dozen.
const MaxDepth = 64

// Check reports whether data is exactly one JSON value (RFC 8259) in valid
// UTF-8, nested at most [MaxDepth] deep, in which no object has two members
// whose names encoding/json takes for one: equal once unescaped and folded, see
// [Fold]. The error is an [*Error]. The work is linear in the size of data.
func Check(data []byte) error {
	if !utf8.Valid(data) {
		return &Error{Why: "not UTF-8"}
	}
	if !json.Valid(data) {
		err := json.Unmarshal(data, new(json.RawMessage))
		return &Error{Why: fmt.Sprintf("not one JSON value: %v", Plain(err)), Err: err}
	}
	return (&walk{data: data}).keys()
}

// walk goes through text that is valid JSON, and looks at the names alone.
type walk struct {
	data  []byte
	open  []object
	depth int
}

// object is one that is open, or an array, which has no names.
type object struct {
	names map[string]bool // folded; nil for an array
	name  bool            // a string that comes now is a name
}

func (w *walk) keys() error {
	for i := 0; i < len(w.data); i++ {
		switch w.data[i] {
		case '{', '[':
			if w.depth == MaxDepth {
				return &Error{Why: fmt.Sprintf("nested deeper than %d", MaxDepth), Offset: int64(i)}
			}
			w.push(w.data[i] == '{')
		case '}', ']':
			w.depth--
		case ',':
			if top := &w.open[w.depth-1]; top.names != nil {
				top.name = true
			}
		case '"':
			end := w.stringEnd(i)
			if w.depth > 0 && w.open[w.depth-1].name {
				if err := w.member(w.data[i:end], i); err != nil {
					return err
				}
			}
			i = end - 1
		}
	}
	return nil
}

// push opens an object or array. The set of a closed one is used again, unless
// it has grown: emptying a large one for each small one would be quadratic.
func (w *walk) push(isObject bool) {
	const small = 64
	if w.depth == len(w.open) {
		w.open = append(w.open, object{})
	}
	top := &w.open[w.depth]
	w.depth++
	switch {
	case !isObject:
		*top = object{}
	case top.names == nil || len(top.names) > small:
		*top = object{names: map[string]bool{}, name: true}
	default:
		clear(top.names)
		top.name = true
	}
}

// stringEnd is the index after the string that begins at i.
func (w *walk) stringEnd(i int) int {
	for i++; w.data[i] != '"'; i++ {
		if w.data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func (w *walk) member(quoted []byte, at int) error {
	top := &w.open[w.depth-1]
	top.name = false
	name := string(quoted[1 : len(quoted)-1])
	if strings.IndexByte(name, '\\') >= 0 {
		if err := json.Unmarshal(quoted, &name); err != nil {
			return &Error{Why: err.Error(), Offset: int64(at), Err: err}
		}
	}
	key := Fold(name)
	if top.names[key] {
		return &Error{Why: fmt.Sprintf("the key %.60q appears twice in one object", name), Offset: int64(at)}
	}
	top.names[key] = true
	return nil
}

// Fold maps all names that encoding/json takes for one to the same text: letters
// in any case, and the two letters outside of ASCII that fold into it, U+017F (long
// s) and U+212A (the Kelvin sign).
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (r < 'A' || r > 'Z' && r < 'a' || r > 'z') {
			return r // neither folds, nor is folded to
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

// Twin says whether encoding/json takes a name for another that is spelt differently:
// a single member of such a name is one thing to it, and nothing to a reader of exact
// names. The exact name is of ASCII alone, and not empty.
func Twin(name, exact string) bool {
	// No spelling is shorter: the two letters outside of ASCII have more bytes.
	if len(name) < len(exact) || name == "" {
		return false
	}
	if c := name[0]; c < utf8.RuneSelf && (c^exact[0])|0x20 != 0x20 {
		return false // most names begin otherwise
	}
	return name != exact && strings.EqualFold(name, exact)
}

// Object reads the members of one object by their exact names, for readers for
// whom "Result" is not "result". It does not check what [Check] checks.
func Object(data []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	return m, nil
}
