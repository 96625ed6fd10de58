package trust_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/trust"
)

// What is wrong with a policy is said with its line.
func TestPolicyErrorsNameTheLine(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	if _, err := trust.ParsePolicy([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ old, new, says string }{
		"unknown field":        {"name: kubernetes\n", "name: kubernetes\nsurprise: true\n", `unknown field "surprise"`},
		"unknown field within": {"  registry: registry.k8s.io\n", "  registry: registry.k8s.io\n  Identity: krel-trust\n", `images: unknown field "Identity"`},
		"a key twice":          {"name: kubernetes\n", "name: kubernetes\nname: other\n", `the key "name" appears twice, first in line `},
		"a number for text":    {`from: "1.28"`, "from: 1.28", "inventory[3].from: want text, not a number"},
		"text for a number":    {"schemaVersion: 1", `schemaVersion: "1"`, "schemaVersion: want a whole number, not text"},
		"text for a list":      {"alsoSeen: [krel-staging]", "alsoSeen: krel-staging", "images.alsoSeen: want a list, not text"},
		"a list for fields":    {"files:\n", "files: []\nfiles2:\n", "files: want fields with values, not a list"},
		"nothing for a list":   {"rules: []", "rules:", "rules: want a list, not nothing"},
		"true for text":        {"name: kubernetes\n", "name: true\n", "name: want text, not true or false"},
		"a date for text":      {`from: "2022-10-28"`, "from: 2022-10-28", "images.formerly.from: want text, not a date"},
		"an anchor":            {"alsoSeen: [krel-staging]", "alsoSeen: &a [krel-staging]", "anchors and aliases"},
		"a second document":    {"name: kubernetes\n", "name: kubernetes\n---\nname: other\n", "document"},
		"no YAML":              {"name: kubernetes\n", "name: [kubernetes\n", "line "},
	} {
		changed := strings.Replace(text, tt.old, tt.new, 1)
		if changed == text {
			t.Fatalf("%s: the policy has no %q", name, tt.old)
		}
		_, err := trust.ParsePolicy([]byte(changed))
		if err == nil || !strings.Contains(err.Error(), tt.says) || tt.says != "document" && !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
