package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
)

// maxValues caps the values of a policy or trusted root; the built-in ones have some
// hundred.
const maxValues = 100_000

// checkStrict holds YAML (or JSON) against the Go type that it is to be read into,
// and says in which line it differs: a field that is not known, a key that
// appears twice, a value of another type, an anchor or alias, which a reader can
// overlook, or a second document.
func checkStrict(text []byte, into reflect.Type) error {
	if err := bounds.YAML(text, maxValues); err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		return err // names its line
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	if len(doc.Content) != 1 {
		return errors.New("it is empty")
	}
	return checkNode(doc.Content[0], into, "")
}

// plainYAML words what a YAML reader says: where it is wrong, and without the names
// of the reader and of its types.
func plainYAML(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return strictjson.Plain(err)
	}
	if _, after, ok := strings.Cut(err.Error(), "yaml: "); ok {
		return errors.New(after)
	}
	return err
}

func checkNode(n *yaml.Node, t reflect.Type, where string) error {
	bad := func(n *yaml.Node, format string, args ...any) error {
		at := ""
		if where != "" {
			at = where + ": "
		}
		return fmt.Errorf("line %d: %s%s", n.Line, at, fmt.Sprintf(format, args...))
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Anchor != "" { // before any alias of it
		return bad(n, "anchors and aliases are not read; write it out")
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		if n.Kind != yaml.MappingNode {
			return bad(n, "want fields with values, not %s", kindOf(n))
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "" {
				return bad(key, "a key that is not text: %.60q", key.Value)
			}
			if first, twice := seen[key.Value]; twice {
				return bad(key, "the key %.60q appears twice, first in line %d", key.Value, first)
			}
			seen[key.Value] = key.Line
			var of reflect.Type
			if t.Kind() == reflect.Map {
				of = t.Elem()
			} else if of = fieldOf(t, key.Value); of == nil {
				return bad(key, "unknown field %.60q", key.Value)
			}
			if err := checkNode(value, of, strings.TrimPrefix(where+"."+key.Value, ".")); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return bad(n, "want a list, not %s", kindOf(n))
		}
		for i, item := range n.Content {
			if err := checkNode(item, t.Elem(), fmt.Sprintf("%s[%d]", where, i+1)); err != nil {
				return err
			}
		}
	case reflect.String:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
			return bad(n, "want text, not %s; if it is text, put it in quotes", kindOf(n))
		}
	case reflect.Int:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
			return bad(n, "want a whole number, not %s", kindOf(n))
		}
	default:
		return bad(n, "nothing reads a %s", t)
	}
	return nil
}

// fieldOf finds a field by its exact JSON name.
func fieldOf(t reflect.Type, name string) reflect.Type {
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && tag == name {
			return f.Type
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}
