package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// plain is a value as encoding/json would give it, numbers as they are written.
func plain(v *value) any {
	switch v.kind {
	case kindNull:
		return nil
	case kindBool:
		return v.text == "true"
	case kindNumber:
		return json.Number(v.text)
	case kindString:
		return v.text
	case kindArray:
		list := []any{}
		for i := range v.items {
			list = append(list, plain(&v.items[i]))
		}
		return list
	}
	object := map[string]any{}
	for i, k := range v.keys {
		object[k] = plain(&v.items[i])
	}
	return object
}

// TestReadsWhatJSONIs changes a document at each of its bytes: what is JSON to the standard
// library is read, to the same values, and nothing else is.
func TestReadsWhatJSONIs(t *testing.T) {
	base := " {\"a\" : [1 , -2.5e+3,true,null,\"\\u00e9\\n\\\"x\" ] ,\r\n\t\"bb\":{ },\"c\":false, \"d\":[[],{\"e\":0}]}\n"
	tried, read := 0, 0
	one := func(text string) {
		tried++
		v, err := parseJSON([]byte(text))
		checked := CheckJSON([]byte(text))
		if (err == nil) != (checked == nil) {
			t.Fatalf("%q: %v, but looked through: %v", text, err, checked)
		}
		if err != nil && strings.Contains(err.Error(), "appears twice") {
			return // others see one of them
		}
		if valid := utf8.ValidString(text) && json.Valid([]byte(text)); valid != (err == nil) {
			t.Fatalf("%q: JSON: %v; %v", text, valid, err)
		}
		if err != nil {
			if v != nil {
				t.Fatalf("%q: a value beside an error", text)
			}
			return
		}
		read++
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(plain(v), want) {
			t.Fatalf("%q: %v, want %v %v", text, plain(v), want, err)
		}
	}
	one(base)
	for i := range len(base) + 1 {
		one(base[:i])
		for _, c := range []string{"{", "}", "[", "]", ",", ":", `"`, `\`, " ", "\t", "\n", "\r", "\x1f", "\x00", "\x7f", "/", "0", "1", "9", "e", "E", ".", "+", "-", "t", "n", "u", "é", "\xff", `"a"`, "null", "x"} {
			one(base[:i] + c + base[i:])
			if i < len(base) {
				one(base[:i] + c + base[i+1:])
			}
		}
		if i < len(base) {
			one(base[:i] + base[i+1:])
		}
	}
	if read < 100 || tried < 5000 {
		t.Errorf("%d documents, of which %d were read", tried, read)
	}
	for _, text := range []string{"", " ", "1", `"x"`, " true ", "null", "nul", "[", "{", `{"a"`, `{"a":`, `"`, `"\`, `"\"`, "-", "1.", "1e", `"\u12"`, `"\x"`, `"\ud800"`, "\"\x20\"", "\ufeff1"} {
		one(text)
	}
}

// TestKeysThatAreTheSame holds that no object has a key twice, in whatever case, be it small or large.
func TestKeysThatAreTheSame(t *testing.T) {
	object := func(n int, more string) []byte {
		var b bytes.Buffer
		b.WriteString(`{"x":{`)
		for i := range n {
			fmt.Fprintf(&b, `"kS%d":%d,`, i, i)
		}
		return append(b.Bytes(), more...)
	}
	for _, n := range []int{1, 2, 15, 16, 17, 18, 40} {
		if err := CheckJSON(object(n, `"last":0}}`)); err != nil {
			t.Errorf("%d keys: %v", n, err)
		}
		for i := range n {
			for _, key := range []string{"kS%d", "KS%d", "ks%d", "\u212as%d", "k\u017f%d", `\u006bS%d`} {
				again := fmt.Sprintf(key, i)
				for _, text := range [][]byte{object(n, `"`+again+`":0}}`), object(n, `"other":0,"`+again+`":0}}`)} {
					if err := CheckJSON(text); err == nil || !strings.Contains(err.Error(), "appears twice") {
						t.Errorf("%d keys, and %s: %v", n, again, err)
					}
				}
			}
		}
	}
	if err := CheckJSON([]byte(`{"a":{"a":[{"a":1},{"a":1}]},"b":{"a":2}}`)); err != nil {
		t.Errorf("one key in several objects: %v", err)
	}
}

// TestJSONIsBounded holds how deep and of how many values a document may be, to the last one.
func TestJSONIsBounded(t *testing.T) {
	deep := func(open, end string, n int) []byte {
		return []byte(strings.Repeat(open, n) + "0" + strings.Repeat(end, n))
	}
	for _, of := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
		if err := CheckJSON(deep(of[0], of[1], maxDepth)); err != nil {
			t.Errorf("%d deep: %v", maxDepth, err)
		}
		if err := CheckJSON(deep(of[0], of[1], maxDepth+1)); err == nil || !strings.Contains(err.Error(), "nested more than") {
			t.Errorf("%d deep: %v", maxDepth+1, err)
		}
	}
	list := func(n int) []byte { return []byte("[" + strings.TrimSuffix(strings.Repeat("0,", n-1), ",") + "]") }
	for name, read := range map[string]struct {
		most int
		read func([]byte) error
	}{
		"kept":           {maxValues, func(b []byte) error { _, err := parseJSON(b); return err }},
		"looked through": {maxChecked, CheckJSON},
	} {
		if err := read.read(list(read.most)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := read.read(list(read.most + 1)); err == nil || !strings.Contains(err.Error(), "too many values") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMembersAreFoundByTheirExactName(t *testing.T) {
	v, err := parseJSON([]byte(`{"a":1,"bc":2}`))
	must(t, err)
	for name, want := range map[string]string{"a": "1", "bc": "2"} {
		if got, ok := v.get(name); !ok || got.text != want {
			t.Errorf("%s: %v %v", name, got, ok)
		}
	}
	for _, name := range []string{"A", "b", "Bc", ""} {
		if got, ok := v.get(name); ok || got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}
