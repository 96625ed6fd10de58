package trust_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/release"
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

// A whole minor has all of its patches and what was published before its first one; a version is exact.
func TestBoundsOfRules(t *testing.T) {
	for _, tt := range []struct {
		rule    trust.Rule
		version string
		want    bool
	}{
		{trust.Rule{To: "1.31"}, "v1.32.0", false}, {trust.Rule{To: "1.31"}, "v1.31.5", true}, {trust.Rule{To: "1.31"}, "v1.0.0", true},
		{trust.Rule{From: "1.30"}, "v1.30.0-alpha.1", true}, {trust.Rule{From: "v1.30.0"}, "v1.30.0-alpha.1", false}, {trust.Rule{From: "1.30"}, "v1.29.9", false}, {trust.Rule{From: "1.30"}, "v1.99.0", true},
		{trust.Rule{From: "1.30"}, "v2.30.0", false}, {trust.Rule{To: "1.30"}, "v0.30.0", false}, // no policy speaks of them
		{trust.Rule{From: "1"}, "v1.30.0", false}, {trust.Rule{To: "1"}, "v0.0.0", false}, {trust.Rule{To: "x"}, "v1.0.0", false},
	} {
		v, err := release.ParseVersion(tt.version)
		if err != nil {
			v = release.Version{Major: int(tt.version[1] - '0'), Minor: 30}
		}
		if got := tt.rule.Applies("kube-proxy", v); got != tt.want {
			t.Errorf("%+v of %s: %v", tt.rule, v, got)
		}
	}
	for name, want := range map[string]bool{"kube-proxy": true, "kube-scheduler": false, "": false} {
		if got := (trust.Rule{Images: []string{"kube-proxy"}, From: "1.30"}).Of(name); got != want {
			t.Errorf("of %q: %v", name, got)
		}
		if !(trust.Rule{}).Of(name) {
			t.Errorf("a rule for all is none of %q", name)
		}
	}
}

// What a rule or the contents of an image name is a name, and nothing that leads elsewhere.
func TestFormsOfRulesAndContents(t *testing.T) {
	const rules, contents = "rules: []", "{/usr/local/bin/kube-proxy: kube-proxy}"
	readChanged(t, []policyRow{
		{"a last minor that is no version", rules, `rules: [{to: "1.x", require: [vsa]}]`, "rules: rule 1: "},
		{"a version without its v", rules, `rules: [{from: "1.37.2", require: [vsa]}]`, `"1.37.2" is neither a version such as v1.37.2 nor a minor`},
		{"a first version alone", rules, `rules: [{from: v1.37.2, require: [vsa]}]`, ""},
		{"a rule that only shows", rules, `rules: [{report: [vsa]}]`, ""},
		{"contents of an image that is a pattern", "  kube-proxy: " + contents, "  \"kube-*\": " + contents, `contents: "kube-*": want an image`},
		{"contents that lie elsewhere in the release", contents, "{/usr/local/bin/kube-proxy: ../kubectl}", `"../kubectl": want the path of a program`},
		{"contents that are the whole image", contents, "{/: kube-proxy}", `"/": "kube-proxy": want the path of a program`},
	})
	if got := trust.EmbeddedPolicy().Architectures(); !slices.Equal(got, []string{"amd64", "arm", "arm64", "ppc64le", "s390x"}) {
		t.Errorf("%v", got)
	}
}
