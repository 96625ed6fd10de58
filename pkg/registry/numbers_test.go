package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/registry"
)

// What is no JSON to the standard library is none here, whatever a laxer reader would make of it,
// and the other way round.
func TestValuesAreThoseOfJSON(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "7", "-7", "10", "1.5", "0.5", "-0.0", "1e3", "1E3", "1e+3", "1e-3", "1.5e10", "true", "false", "null", `""`, "[]", "{}",
		"-", "01", "-01", "1.", ".5", "1.e3", "1e", "1e+", "1E-", "+1", "0x1", "1_0", "--1", "1-", "1..2", "1e1.5", "NaN", "Infinity", "-Infinity",
		"tru", "True", "truefalse", "nul", "nulls", "falsey", "", "'a'", "[1,]", "{,}", `{"a"}`, "1 2",
	} {
		doc := []byte(`{"a":` + text + `}`)
		if got, want := registry.CheckJSON(doc) == nil, json.Valid(doc); got != want {
			t.Errorf("%s: read: %v, and it is JSON: %v", doc, got, want)
		}
	}
}

// A member of another kind than it must have is refused, never taken for nothing or for zero.
func TestMembersOfAnotherKind(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	image := func(size, layers, subject string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%s},"layers":%s,"subject":%s}`,
			registry.OCIManifest, digest, size, layers, subject)
	}
	descriptor := fmt.Sprintf(`{"mediaType":"x/y","digest":%q,"size":1}`, digest)
	for _, tt := range []struct {
		size, layers, subject string
		want                  bool
	}{
		{"7", "[]", "null", true}, {"7", "[]", descriptor, true}, {"7", "[" + descriptor + "]", descriptor, true},
		{"true", "[]", "null", false}, {`"7"`, "[]", "null", false}, {"7.5", "[]", "null", false}, {"1e1", "[]", "null", false}, {"-1", "[]", "null", false}, {"null", "[]", "null", false},
		{"7", "true", "null", false}, {"7", "{}", "null", false}, {"7", "[true]", "null", false},
		{"7", "[]", "true", false}, {"7", "[]", "7", false}, {"7", "[]", `""`, false}, {"7", "[]", "{}", false},
	} {
		_, m, err := registry.ParseManifest(registry.OCIManifest, []byte(image(tt.size, tt.layers, tt.subject)))
		if (err == nil) != tt.want {
			t.Errorf("size %s, layers %s, subject %s: %v", tt.size, tt.layers, tt.subject, err)
			continue
		}
		if tt.want && (m.Subject == nil) != (tt.subject == "null") {
			t.Errorf("subject %s: %+v", tt.subject, m.Subject)
		}
	}
}
