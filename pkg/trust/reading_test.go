package trust

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// What is no policy at all is refused for what it is, before anything is made of it.
func TestWhatIsNoPolicy(t *testing.T) {
	for text, says := range map[string]string{
		"": "it is empty", "# nothing\n": "it is empty", "\n\n": "it is empty", "---\n": "want fields with values, not nothing", "[]": "want fields with values, not a list", "name": "want fields with values, not text", "1.5": "want fields with values, not a number",
		"name: [" + strings.Repeat("x,", maxValues) + "x]": "100000 values", "name: !!str [x]": "name: want text, not a list", "schemaVersion: !!int [1]": "schemaVersion: want a whole number, not a list",
		"schemaVersion: !!int {a: 1}": "schemaVersion: want a whole number, not fields", "schemaVersion: 1.5": "schemaVersion: want a whole number, not a number", "schemaVersion: true": "schemaVersion: want a whole number, not true or false",
		"&a name: x": "a key that is not text", "? !!str [name]\n: x": "a key that is not text", "name: &a x\nrequired: [*a]": "anchors and aliases are not read", "? &a name\n: x\n": "a key that is not text",
		"required: &r [x]\nidentities: *r": "anchors and aliases are not read", "name: x\n---\nname: y": "more than one document", "name: x\n--- [": "more than one document",
		"\"\": {}": `line 1: unknown field ""`, "required: {}": "required: want a list, not fields", "contents: {a: {\"\": 1}}": "contents.a.: want text, not a number",
		"schemaVersion: 18446744073709551615": `its "schemaVersion" cannot be of the kind`, "name: \"\\": "found",
	} {
		if _, err := ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "yaml:") {
			t.Errorf("%.60q: %v; want %q", text, err, says)
		}
	}
	type other struct {
		A bool `json:"a"`
	}
	if err := checkStrict([]byte("a: true"), reflect.TypeFor[other]()); err == nil || !strings.Contains(err.Error(), "nothing reads a bool") {
		t.Errorf("a kind that nothing reads: %v", err)
	}
}

// What a file seems to be does not hang on marks and blanks before it.
func TestShapes(t *testing.T) {
	for text, want := range map[string]string{
		"\xef\xbb\xbf{\"critical\":{}}": "the payload of an image's signature", " \n\t{\"critical\":{}}": "the payload of an image's signature", "\xef\xbb\xbf \n": "empty", "": "empty",
		" [1]": "a JSON list", "\n{\"a\"": "JSON that breaks off or is malformed", " <html>": "a web page", "\xef\xbb\xbf\n-----BEGIN X-----\nAAAA\n-----END X-----\n": "PEM (X)",
		"x": "not JSON", "1": "not JSON", `{"a":1}`: "", `{"mediaType":1,"spdxVersion":""}`: "an SBOM",
	} {
		if got := Shape([]byte(text)); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	for n, want := range map[int]bool{1: true, 2: true, MaxTogether: true, MaxTogether + 1: false} {
		if docs, err := Documents([]byte(strings.Repeat("{}\n", n))); (err == nil) != want || err == nil && len(docs) != n {
			t.Errorf("%d documents: %d, %v", n, len(docs), err)
		}
	}
}

// An error of a JSON reader is worded for people: what is wrong and where, and a hint where a later Sigstore wrote the file.
func TestPlainErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		err  error
		want string
	}{
		{`{"a":1}`, &json.UnmarshalTypeError{Field: "a.b", Value: "number", Type: reflect.TypeFor[int]()}, `its "a.b" has a form that it cannot have (number)`},
		{`{"a":1}`, &json.SyntaxError{Offset: 7}, "malformed JSON at byte 7"},
		{`{"a":1}`, errors.New("proto:\u00a0(line 1:2): unknown field \"a\""), `line 1: unknown field "a": made by a later Sigstore than this kverify knows, or altered; update kverify`},
		{`{"a":1}`, errors.New("unsupported media type x"), "unsupported media type x: made by a later Sigstore than this kverify knows, or altered; update kverify"},
		{`{"a":1}`, errors.New("proto: (line 3:9): invalid value for enum field kind: \"x\""), `line 3: invalid value for enum field kind: "x": made by a later Sigstore than this kverify knows, or altered; update kverify`},
		{`{"a":1}`, errors.New("proto: syntax error (line 1:1): invalid character x"), "line 1: unexpected character x"},
		{`{"a":1}`, errors.New("missing key"), "missing key"},
		{`{"tlogs":1}`, errors.New("missing key"), "missing key"},
		{`{"spdxVersion":1}`, errors.New("missing key"), "it is an SBOM"},
	} {
		if got := PlainError([]byte(tt.text), "a Sigstore trusted root", tt.err); got.Error() != tt.want {
			t.Errorf("%v: %v; want %s", tt.err, got, tt.want)
		}
	}
}
