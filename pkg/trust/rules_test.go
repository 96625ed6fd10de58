package trust_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/trust"
)

// A rule that names the repository of one architecture would be passed over wherever
// the image is known by its version: it is refused, so that nobody counts on it.
func TestRulesNameImages(t *testing.T) {
	parse := func(rule string) error {
		_, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "rules: []", "rules:\n  - "+rule, 1)))
		return err
	}
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		err := parse(`{images: [kube-scheduler, kube-proxy-` + arch + `], require: [vsa]}`)
		if err == nil || !strings.Contains(err.Error(), `"kube-proxy-`+arch+`" is one architecture of kube-proxy`) {
			t.Errorf("%s: %v", arch, err)
		}
	}
	for _, name := range []string{"kube-proxy", "pause-amd64", "kube-proxy-windows", "coredns/coredns"} {
		if err := parse(`{images: [` + name + `], require: [vsa]}`); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A rule may say from when to when, in this order.
func TestRulesWithTwoEnds(t *testing.T) {
	for rule, want := range map[string]bool{
		`{from: "1.30", to: "1.31", require: [vsa]}`: true, `{from: "1.30", to: "1.30", require: [vsa]}`: true, `{from: "1.31", to: "1.30", require: [vsa]}`: false,
		`{from: v1.30.2, to: v1.31.5, require: [vsa]}`: true, `{from: "1.x", require: [vsa]}`: false,
	} {
		_, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "rules: []", "rules:\n  - "+rule, 1)))
		if (err == nil) != want {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// A name that is a number in one reader is a text in another.
func TestPolicyKeysAreText(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	for _, key := range []string{"1", "true", "null", "1.5"} {
		changed := strings.Replace(text, "identities:\n", "identities:\n  "+key+":\n    issuer: https://example.com\n    subject: somebody\n", 1)
		if _, err := trust.ParsePolicy([]byte(changed)); err == nil || !strings.Contains(err.Error(), "not text") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
