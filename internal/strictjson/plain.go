package strictjson

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// unknownField begins what encoding/json says of a member that no field has.
const unknownField = "json: unknown field "

// Plain returns an error of encoding/json in words of a document: encoding/json
// speaks of the program's own types. Any other error is returned as it is. The
// cause stays what [errors.As] finds.
func Plain(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var base base64.CorruptInputError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Why: "it is not a JSON document: it is empty, or ends too early", Err: err}
	case errors.As(err, &kind):
		why := "it is a JSON " + kind.Value + ", and should be an object"
		if name := kind.Field[strings.LastIndex(kind.Field, ".")+1:]; name != "" {
			why = fmt.Sprintf("its %.80q cannot be of the kind %s", name, kind.Value)
		}
		return &Error{Why: why, Offset: kind.Offset, Err: err}
	case errors.As(err, &base):
		return &Error{Why: "a value that should be base64 is not", Err: err}
	case errors.As(err, &syntax):
		return &Error{Why: fmt.Sprintf("it is not a JSON document: it is malformed at byte %d", syntax.Offset), Offset: syntax.Offset, Err: err}
	case strings.HasPrefix(err.Error(), unknownField): // DisallowUnknownFields has no type of its own
		return &Error{Why: fmt.Sprintf("its field %.80s is not known", strings.TrimPrefix(err.Error(), unknownField)), Err: err}
	}
	return err
}
