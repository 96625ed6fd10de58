package encode

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// FuzzEncode holds that what is written is printable, that no job's runner obeys it, that JSON
// gives back the value, and that YAML can be read, whatever is a key or a value.
func FuzzEncode(f *testing.F) {
	f.Add("##[add-path]/evil", "\x1b[2J\u202e\u009b31m\r\U000e0041")
	f.Add(strings.Repeat("k", 2000), "::set-output name=x::y")
	for _, special := range []string{"<<", "=", "~", "y", "null", "1:30", "0x1", "---", "? a", "!!binary", "*a"} {
		f.Add(special, special)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			t.Skip("JSON is text")
		}
		in := map[string]any{key: []any{value}}
		var text, tree bytes.Buffer
		if err := As(&text, in, "json"); err != nil {
			t.Fatal(err)
		}
		if err := As(&tree, in, "yaml"); err != nil {
			t.Fatal(err)
		}
		for _, r := range text.String() + tree.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%U was written", r)
			}
		}
		if s := text.String() + tree.String(); strings.Contains(s, "##[") || strings.Contains(s, "##vso[") {
			t.Errorf("a runner obeys %q", s)
		}
		var back, read map[string][]string
		if err := json.Unmarshal(text.Bytes(), &back); err != nil || len(back[key]) != 1 || back[key][0] != value {
			t.Errorf("%q: %q came back, %v", in, back, err)
		}
		if err := yaml.Unmarshal(tree.Bytes(), &read); err != nil || len(read) != 1 {
			t.Errorf("%q: %q was read, %v", in, read, err)
		}
	})
}
