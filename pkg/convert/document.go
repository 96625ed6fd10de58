package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
)

// MaxSize caps what is read: 4 MiB, which registries hold manifests to (OCI
// distribution specification 1.1, "Pushing Manifests"). Genuine ones are under 10 KB.
const MaxSize = 4 << 20

// price is what the elements of a document cost at most in memory, in bytes: as
// members of maps, and as values of the structs in forms.go.
var price = bounds.Price{Item: 512, Object: 512, Value: 64}

var errNoObject = errors.New("it is not a JSON object")

// Error says that a document is not one that can be converted: it is not strict
// JSON, is larger than [MaxSize], or is not of Docker schema 2. It unwraps to the
// cause: a [*bounds.Error] for what costs too much, a [*strictjson.Error], or one
// of encoding/json.
type Error struct {
	What string // "the image's config"
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %v; what a converter makes of it is unknown", e.What, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// decodeDocument holds a document to its bounds, to strict JSON and to being an object, and
// decodes it into v unless that is nil.
func decodeDocument(document []byte, what string, v any) error {
	if len(document) > MaxSize {
		return &Error{what, &bounds.Error{What: "bytes", Max: MaxSize}}
	}
	if err := bounds.JSON(document, price, bounds.Memory); err != nil {
		return &Error{what, err}
	}
	if err := strictjson.Check(document); err != nil {
		return &Error{what, err}
	}
	if !bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"), []byte("{")) {
		return &Error{what, errNoObject}
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(document, v); err != nil {
		return &Error{what, err}
	}
	return nil
}

// decode reads an object as it stands, with its numbers as they are spelled.
func decode(document []byte) (map[string]any, error) {
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	err := d.Decode(&tree)
	return tree, err
}

// member is a value, with its name as it is spelled.
type member struct {
	name  string
	value any
}

// members are an object's, by their folded names.
type members map[string]member

func membersOf(object map[string]any) members {
	out := make(members, len(object))
	for name, value := range object {
		out[strictjson.Fold(name)] = member{name, value}
	}
	return out
}

// blank says that a value has no content.
func blank(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case json.Number:
		return v == "0"
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
