package trust_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/trust"
)

// policyRow is one change of the embedded policy, and what its reader says of it; nothing, where it is read.
type policyRow struct{ name, old, new, says string }

// readChanged reads the embedded policy with each change. Each row is wrong in one thing alone, and
// must be refused for it: what another check would refuse too tells nothing of this one.
func readChanged(t *testing.T, rows []policyRow) {
	t.Helper()
	text := string(trust.EmbeddedPolicyYAML())
	for _, r := range rows {
		changed := strings.Replace(text, r.old, r.new, 1)
		if changed == text {
			t.Fatalf("%s: the policy has no %q", r.name, r.old)
		}
		_, err := trust.ParsePolicy([]byte(changed))
		if r.says == "" && err != nil || r.says != "" && (err == nil || !strings.Contains(err.Error(), r.says)) {
			t.Errorf("%s: %v; want %q", r.name, err, r.says)
		}
		if err != nil && (strings.Contains(err.Error(), "yaml:") || strings.Contains(err.Error(), "JSON") || strings.Contains(err.Error(), "Go ")) {
			t.Errorf("%s: it speaks of its reader: %v", r.name, err)
		}
	}
}

// Rules of attestations are exact and whole: what would match more than was meant, or nothing, is refused.
func TestAttestationRules(t *testing.T) {
	const (
		promotion = "  promotion:\n    identity: krel-trust\n    predicateTypes: [https://k8s.io/promo-tools/promotion/v1]\n"
		verifier  = "    verifier: https://k8s.io/promo-tools/verifier/v1\n"
		builds    = "    builders: [https://git.k8s.io/release/docs/krel]\n    buildTypes: [https://git.k8s.io/release/docs/krel/buildtypes/v1]\n"
		builders  = "    builders: [https://git.k8s.io/release/docs/krel]\n    buildTypes: [https://git.k8s.io/"
		subjects  = `["gcr.io/k8s-staging-kubernetes/{name}"]`
	)
	readChanged(t, []policyRow{
		{"a class that no check has", promotion, promotion + "  sbom:\n    identity: krel-trust\n    predicateTypes: [https://k8s.io/x]\n", `"sbom" is not promotion, vsa or provenance`},
		{"an identity that is not named", promotion, strings.Replace(promotion, "krel-trust", "krel-turst", 1), `attestations: promotion: identities has no "krel-turst"`},
		{"no predicate type", promotion, strings.Replace(promotion, "[https://k8s.io/promo-tools/promotion/v1]", "[]", 1), "promotion: no predicate type"},
		{"a predicate type by http", promotion, strings.Replace(promotion, "https:", "http:", 1), `predicate type "http://k8s.io/promo-tools/promotion/v1" is not one exact URI`},
		{"a pattern of predicate types", promotion, strings.Replace(promotion, "[https://k8s.io/promo-tools/promotion/v1]", `["https://k8s.io/promo-tools/*"]`, 1), `predicate type "https://k8s.io/promo-tools/*" is not one exact URI`},
		{"a second predicate type that is a pattern", promotion, strings.Replace(promotion, "v1]", `v1, "https://k8s.io/(x|y)"]`, 1), `predicate type "https://k8s.io/(x|y)" is not one exact URI`},
		{"a verifier of a promotion", promotion, promotion + verifier, "promotion: verifier belongs to vsa"},
		{"a summary of any verifier", verifier, "", "vsa: verifier belongs to vsa, and vsa needs one"},
		{"builders of a promotion", promotion, promotion + "    builders: [https://git.k8s.io/x]\n", "promotion: builders and buildTypes belong to provenance"},
		{"build types of a promotion", promotion, promotion + "    buildTypes: [https://git.k8s.io/x]\n", "promotion: builders and buildTypes belong to provenance"},
		{"a provenance of any builder", builds, strings.Split(builds, "\n")[1] + "\n", "provenance: builders and buildTypes belong to provenance, and provenance needs both"},
		{"a provenance of any build", builds, strings.Split(builds, "\n")[0] + "\n", "provenance: builders and buildTypes belong to provenance, and provenance needs both"},
		{"a builder by http", builders, strings.Replace(builders, "https:", "http:", 1), `"http://git.k8s.io/release/docs/krel" is not one exact URI`},
		{"a pattern of builders", builders, strings.Replace(builders, "[https://git.k8s.io/release/docs/krel]", `["https://git.k8s.io/.*"]`, 1), `"https://git.k8s.io/.*" is not one exact URI`},
		{"a pattern of builds", builds, strings.Replace(builds, "[https://git.k8s.io/release/docs/krel/buildtypes/v1]", `["https://git.k8s.io/?"]`, 1), `"https://git.k8s.io/?" is not one exact URI`},
		{"a name that is the same for all images", subjects, "[gcr.io/k8s-staging-kubernetes/x]", `subjectNames: "gcr.io/k8s-staging-kubernetes/x": want one exact form`},
		{"a name with a region, of which none is tried", subjects, `["{region}.gcr.io/{name}"]`, `subjectNames: "{region}.gcr.io/{name}": want one exact form`},
		{"a level of a summary", verifier, verifier + "    minimumLevel: SLSA_BUILD_LEVEL_3\n", ""},
		{"a level that is a number alone", verifier, verifier + "    minimumLevel: \"3\"\n", `minimumLevel "3": want one such as SLSA_BUILD_LEVEL_3`},
		{"a level of a promotion", promotion, promotion + "    minimumLevel: SLSA_BUILD_LEVEL_3\n", `promotion: minimumLevel "SLSA_BUILD_LEVEL_3": want one such as SLSA_BUILD_LEVEL_3, for vsa only`},
	})
}

// A level implies those below it, of its own track (slsa.dev/spec/v1.0/verification_summary).
func TestLevelReached(t *testing.T) {
	for _, tt := range []struct {
		levels, minimum string
		want            bool
	}{
		{"", "", true}, {"SLSA_BUILD_LEVEL_1", "", true}, // none is demanded
		{"SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_3", true}, {"SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_2", true}, {"SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_3", false},
		{"", "SLSA_BUILD_LEVEL_1", false}, {"SLSA_SOURCE_LEVEL_3", "SLSA_BUILD_LEVEL_2", false},
		{"SLSA_SOURCE_LEVEL_1 FEDRAMP SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_3", true}, {"SLSA_BUILD_LEVEL_1 SLSA_SOURCE_LEVEL_3", "SLSA_BUILD_LEVEL_3", false},
		{"FEDRAMP", "SLSA_BUILD_LEVEL_1", false}, {"SLSA_BUILD_LEVEL_30", "SLSA_BUILD_LEVEL_3", false},
		{"3", "3", false}, {"SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_x", false}, // a minimum that says nothing is reached by none
	} {
		if got := trust.LevelReached(strings.Fields(tt.levels), tt.minimum); got != tt.want {
			t.Errorf("%q reaches %q: %v", tt.levels, tt.minimum, got)
		}
	}
}

func TestSubjectsOfARule(t *testing.T) {
	r := trust.AttestationRule{SubjectNames: []string{"gcr.io/a/{name}", "gcr.io/b/{name}"}}
	if got, want := r.Subjects("kube-proxy", "kube-proxy-arm64"), []string{"gcr.io/a/kube-proxy", "gcr.io/a/kube-proxy-arm64", "gcr.io/b/kube-proxy", "gcr.io/b/kube-proxy-arm64"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := (trust.AttestationRule{}).Subjects("kube-proxy"); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
