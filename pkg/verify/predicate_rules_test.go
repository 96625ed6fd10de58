package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// concluded is what a predicate was taken for, in one line.
func concluded(c conclusion, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return said(report.Check{Verdict: c.verdict, Reason: c.reason, Detail: c.detail})
}

// predicateOf reads a predicate about kube-proxy, v1.27.2, whose digest is 1111...
func predicateOf(t testing.TB, class, predicate string, change func(a *attestations)) (conclusion, error) {
	t.Helper()
	a := &attestations{run: runOf(t), im: &image{name: "kube-proxy", tag: "v1.27.2", digest: hashOf("1")}}
	rule := a.run.session.Policy.Attestations[class]
	rule.MinimumLevel = "SLSA_BUILD_LEVEL_2"
	if change != nil {
		change(a)
	}
	return a.predicate(class, rule, &sigstore.Statement{Predicate: json.RawMessage(predicate), Subject: []sigstore.Subject{{Name: "the subject"}}})
}

// Rule 14: a summary passes only by the verifier of the policy, about this digest, with no level
// that is FAILED, the result PASSED and a level that reaches the least; and says so in that order.
func TestWhatASummarySays(t *testing.T) {
	one, nine := string(hashOf("1")), string(hashOf("9"))
	summary := func(verifier, resource, result string, levels ...string) string {
		b, _ := json.Marshal(map[string]any{"verifier": map[string]any{"id": verifier}, "resourceUri": resource, "verificationResult": result, "verifiedLevels": levels})
		return string(b)
	}
	const ours, image, two, three = "https://k8s.io/promo-tools/verifier/v1", "registry.k8s.io/kube-proxy@", "SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_3"
	for _, tt := range []struct{ name, predicate, want string }{
		{"passed", summary(ours, image+one, "PASSED", three), "verified: : PASSED, " + three},
		{"passed, two levels", summary(ours, image+one, "PASSED", "SLSA_SOURCE_LEVEL_1", two), "verified: : PASSED, SLSA_SOURCE_LEVEL_1, " + two},
		{"passed, a resource without a digest", summary(ours, image[:len(image)-1], "PASSED", two), "verified: : PASSED"},
		{"passed, no resource", summary(ours, "", "PASSED", two), "verified: : PASSED"},
		{"by another", summary("https://example.com/v", image+one, "PASSED", three), "unknown untrusted: , but verified by"},
		{"by nobody", summary("", image+one, "PASSED", three), "unknown untrusted: , but verified by"},
		{"failed, by another", summary("https://example.com/v", image+one, "FAILED"), "unknown untrusted: , but verified by"},
		{"of another digest", summary(ours, image+nine, "PASSED", three), "refuted mismatch: , but about"},
		{"of another digest after this one", summary(ours, image+one+"@"+nine, "PASSED", three), "refuted mismatch: , but about"},
		{"of a longer digest", summary(ours, image+one+"1", "PASSED", three), "refuted mismatch: , but about"},
		{"failed", summary(ours, image+one, "FAILED"), "refuted mismatch: : verification of this image FAILED"},
		{"failed, with a level", summary(ours, image+one, "FAILED", three), "refuted mismatch: : verification of this image FAILED"},
		{"passed, with the level FAILED", summary(ours, image+one, "PASSED", "FAILED"), "refuted mismatch: : verification of this image FAILED"},
		{"neither", summary(ours, image+one, "MAYBE", three), "unknown malformed: : its result is"},
		{"no result", summary(ours, image+one, "", three), "unknown malformed: : its result is"},
		{"a level too low", summary(ours, image+one, "PASSED", "SLSA_BUILD_LEVEL_1"), "unknown noClaim: : levels"},
		{"no level", summary(ours, image+one, "PASSED"), "unknown noClaim: : levels"},
		{"no predicate", "", "unknown untrusted: , but verified by"},
		{"null", "null", "unknown untrusted: , but verified by"},
		{"not JSON", "{", "error: unexpected end"},
		{"a list", `[{"verificationResult":"PASSED"}]`, "error: not an object"},
		{"a text", `"PASSED"`, "error: not an object"},
		{"a verifier that is a text", `{"verifier":"x","verificationResult":1}`, "error: verifier is not an object"},
		{"a verifier whose id is a list", `{"verifier":{"id":["x"]},"verificationResult":1}`, "error: verifier.id is of another type"},
		{"a result that is a number", strings.Replace(summary(ours, image+one, "PASSED", three), `"PASSED"`, "1", 1), "error: verificationResult is of another type"},
		{"levels that are a text", strings.Replace(summary(ours, image+one, "PASSED", three), `["`+three+`"]`, `"`+three+`"`, 1), "error: verifiedLevels is of another type"},
		{"a level that is a number", strings.Replace(summary(ours, image+one, "PASSED", three), `["`+three+`"]`, `["`+three+`",1,{}]`, 1), "error: verifiedLevels has a member that is not text"},
		{"a resource and a level of other types", `{"resourceUri":1,"verifiedLevels":[1]}`, "error: resourceUri is of another type"},
	} {
		if got := concluded(predicateOf(t, report.VSA, tt.predicate, nil)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Rule 11: a promotion record is of this digest, and to names of this image, by each of its members
// that says so.
func TestWhatAPromotionRecordSays(t *testing.T) {
	const ours, other = "registry.k8s.io/kube-proxy", "registry.k8s.io/kube-scheduler"
	one, nine := string(hashOf("1")), string(hashOf("9"))
	const manifest = `"manifest":{"name":"m","uri":"u","digest":{"gitCommit":"c"}}`
	bound, unbound := func(to string) string { return "verified: : promoted to " + to + " binds" }, func(to string) string {
		return "verified: : promoted to " + to + "; it names no promotion manifest, and binds no version"
	}
	for _, tt := range []struct{ name, predicate, want, destination string }{
		{"one of promotion", `{"dstRef":"` + ours + `:v1.27.2",` + manifest + `}`, bound(ours + ":v1.27.2"), ours + ":v1.27.2"},
		{"one by sigcheck", `{"digest":"` + one + `","destination":{"name":"` + ours + `"}}`, unbound(ours), ours},
		{"a build definition's", `{"buildDefinition":{"externalParameters":{"destination":"` + ours + `@` + one + `"}}}`, unbound(ours + "@" + one), ours + "@" + one},
		{"with a manifest's name alone", `{"manifest":{"name":"m"}}`, bound("the subject"), ""},
		{"with a repository alone", `{"manifest":{"uri":"u"}}`, bound("the subject"), ""},
		{"with a commit alone", `{"manifest":{"digest":{"gitCommit":"c"}}}`, bound("the subject"), ""},
		{"with nothing", `{}`, unbound("the subject"), ""},
		{"of another digest", `{"digest":"` + nine + `","dstRef":"` + ours + `"}`, "refuted mismatch: , but it records the promotion of", ""},
		{"to another image", `{"dstRef":"` + other + `"}`, "refuted mismatch: , but to", ""},
		{"to another image, by its destination", `{"destination":{"name":"` + other + `"}}`, "refuted mismatch: , but to", ""},
		{"to this image and another", `{"dstRef":"` + ours + `","destination":{"name":"` + other + `"}}`, "refuted mismatch: , but to", ""},
		{"to another image and this", `{"dstRef":"` + other + `","destination":{"name":"` + ours + `"}}`, "refuted mismatch: , but to", ""},
		{"to another image, by its build definition", `{"buildDefinition":{"externalParameters":{"destination":"` + other + `"}}}`, "refuted mismatch: , but to", ""},
		{"to another registry", `{"dstRef":"registry.example.com/kube-proxy"}`, "refuted mismatch: , but to", ""},
		{"tags that are a text", `{"tags":"v1.27.2"}`, "error: tags is of another type", ""},
		{"a digest and a destination of other types", `{"digest":1,"destination":"x"}`, "error: digest is of another type", ""},
		{"a digest that is a number", `{"digest":1,"dstRef":"` + other + `"}`, "error: digest is of another type", ""},
	} {
		c, err := predicateOf(t, report.Promotion, tt.predicate, nil)
		got := concluded(c, err)
		if !strings.Contains(got, "binds no version") {
			got += " binds"
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if verified := c.verdict == report.Verified && err == nil; verified != (c.record != nil && err == nil) || verified && c.record.destination != tt.destination {
			t.Errorf("%s: the record is %+v", tt.name, c.record)
		}
	}
	c, err := predicateOf(t, report.Promotion, `{"dstRef":"`+ours+`","tags":["v1.27.2","v1.27"],`+manifest+`}`, nil)
	if r := c.record; err != nil || r == nil || fmt.Sprintf("%v %s %s %s", r.tags, r.manifest, r.repository, r.commit) != "[v1.27.2 v1.27] m u c" {
		t.Errorf("%v %+v", err, c.record)
	}
}

// Rule 14: provenance counts by a builder and a kind of build that the policy names, both.
func TestWhatProvenanceSays(t *testing.T) {
	const krel, kind = "https://git.k8s.io/release/docs/krel", "https://git.k8s.io/release/docs/krel/buildtypes/v1"
	old := func(builder, kind string) string {
		return fmt.Sprintf(`{"builder":{"id":%q},"buildType":%q}`, builder, kind)
	}
	now := func(builder, kind string) string {
		return fmt.Sprintf(`{"runDetails":{"builder":{"id":%q}},"buildDefinition":{"buildType":%q}}`, builder, kind)
	}
	for _, tt := range []struct{ name, predicate, want string }{
		{"v0.2", old(krel, kind), "verified: : built by " + krel},
		{"v1", now(krel, kind), "verified: : built by " + krel},
		{"another builder", now("https://example.com/b", kind), "unknown untrusted: , but built by"},
		{"another builder, v0.2", old("https://example.com/b", kind), "unknown untrusted: , but built by"},
		{"another kind", now(krel, "https://example.com/k"), "unknown untrusted: , but a build of type"},
		{"another kind, v0.2", old(krel, "https://example.com/k"), "unknown untrusted: , but a build of type"},
		{"no builder", now("", kind), "unknown untrusted: , but built by"},
		{"no kind", now(krel, ""), "unknown untrusted: , but a build of type"},
		{"another builder in the newer place", strings.TrimSuffix(old(krel, kind), "}") + `,"runDetails":{"builder":{"id":"x"}}}`, "unknown untrusted: , but built by"},
		{"a builder that is a text", `{"builder":"` + krel + `","buildType":"` + kind + `"}`, "error: builder is not an object"},
	} {
		if got := concluded(predicateOf(t, report.Provenance, tt.predicate, nil)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Which names are an image's, where it was promoted to: with a tag or a digest, which say nothing
// here, and a port is no tag.
func TestWhichNamesAreAnImages(t *testing.T) {
	a := &attestations{run: runOf(t), im: &image{name: "kube-proxy", tag: "v1.27.2", digest: hashOf("1")}}
	for name, want := range map[string]bool{
		"registry.k8s.io/kube-proxy":                                   true,
		"registry.k8s.io/kube-proxy:v1.27.2":                           true,
		"registry.k8s.io/kube-proxy@" + string(hashOf("1")):            true,
		"registry.k8s.io/kube-proxy:v1.27.2@" + string(hashOf("9")):    true,
		"us-west1-docker.pkg.dev/k8s-artifacts-prod/images/kube-proxy": true,
		"registry.k8s.io/kube-proxy-arm64":                             false,
		"registry.k8s.io/kube-scheduler":                               false,
		"registry.k8s.io:443/kube-proxy":                               false,
		"registry.k8s.io:kube-proxy/kube-proxy":                        false,
		"kube-proxy":                                                   false,
		"":                                                             false,
	} {
		if a.names(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// Rule 14: what a statement may call the image by. Where the policy has a list that list is all,
// and a tag or a digest in the name must be the image's own.
func TestWhichSubjectsAreAllowed(t *testing.T) {
	const staged = "gcr.io/k8s-staging-kubernetes/kube-proxy"
	one, nine := "@"+string(hashOf("1")), "@"+string(hashOf("9"))
	for _, tt := range []struct {
		class, image, tag, subject string
		single, want               bool
	}{
		{report.VSA, "kube-proxy", "v1.27.2", "registry.k8s.io/kube-proxy", false, true},
		{report.VSA, "kube-proxy", "v1.27.2", staged, false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", "registry.k8s.io/kube-proxy", false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", staged, false, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + ":v1.27.2", false, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + ":v1.27.1", false, false},
		{report.Provenance, "kube-proxy", "", staged + ":v1.27.1", false, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + one, false, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + ":v1.27.2" + one, false, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + nine, false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + "@", false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + ":v1.27.2" + nine, false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + "-arm64", false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + "-arm64", true, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + "-s390x:v1.27.2", true, true},
		{report.Provenance, "kube-proxy", "v1.27.2", staged + "-mips", true, false},
		{report.Provenance, "kube-proxy", "v1.27.2", staged, true, true},
		{report.Provenance, "kube-proxy-arm64", "v1.27.2", staged, true, true},
		{report.Provenance, "kube-proxy-arm64", "v1.27.2", staged + "-arm64", true, true},
		{report.Provenance, "kube-proxy-arm64", "v1.27.2", staged + "-amd64", true, false},
		{report.Provenance, "kube-proxy-arm64", "v1.27.2", staged, false, false},
		{report.Provenance, "kube-proxy-arm64", "v1.27.2", staged + "-arm64-arm64", true, false},
		{report.Provenance, "kube-proxy", "v1.27.2", "gcr.io:v1.27.2/k8s-staging-kubernetes/kube-proxy", false, false},
		{report.Provenance, "kube-proxy", "v1.27.2", "", false, false},
		{report.Provenance, "kube-proxy", "", "", false, false},
		{report.Provenance, "kube-proxy", "", "kube-proxy", false, false},
	} {
		a := &attestations{run: runOf(t), im: &image{name: tt.image, tag: tt.tag, digest: hashOf("1"), single: tt.single}}
		if got := a.subjectAllowed(a.run.session.Policy.Attestations[tt.class], tt.subject); got != tt.want {
			t.Errorf("%s of %s:%s, %q, single %v: %v", tt.class, tt.image, tt.tag, tt.subject, tt.single, got)
		}
	}
	a := &attestations{run: runOf(t), im: &image{name: "kube-proxy", single: true}}
	if got := a.ownNames(); !slices.Contains(got, "kube-proxy") || !slices.Contains(got, "kube-proxy-amd64") {
		t.Errorf("%v", got)
	}
}
