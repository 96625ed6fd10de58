package verify

import (
	"fmt"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Rule 18: the former signer counts for digests of the catalogue alone, as the index or the platform
// that a row names, and for the children of a catalogued index.
func TestWhatTheFormerSignerCountsFor(t *testing.T) {
	r := runOf(t)
	rows := rowsOf(t, "kube-proxy v1.25.4 "+trust.IndexRow+" 1", "kube-proxy v1.25.4 linux/arm64 2", "pause 3.9 linux/arm64 1")
	l, err := newLegacySigner(r.session.Policy, r.session.Root, rows)
	if err != nil || l == nil || l.cosign == nil {
		t.Fatalf("%v %v", l, err)
	}
	l.inherit("kube-proxy", hashOf("1"), []oci.Digest{hashOf("3"), hashOf("4")})
	l.inherit("kube-proxy", hashOf("9"), []oci.Digest{hashOf("5")})
	l.inherit("pause", hashOf("1"), []oci.Digest{hashOf("6")}) // a platform's row is no index's
	former := r.session.Policy.Identities["k8s-infra-gcr-promoter"]
	other := r.session.Policy.Identities["krel-trust"]
	for _, tt := range []struct {
		id                trust.Identity
		name, arch, digit string
		want              bool
	}{
		{former, "kube-proxy", "", "1", true},
		{other, "kube-proxy", "", "1", false},
		{trust.Identity{Issuer: former.Issuer, Subject: other.Subject}, "kube-proxy", "", "1", false},
		{former, "kube-proxy", "", "2", false},
		{former, "kube-proxy", "", "3", false},
		{former, "kube-proxy", "", "9", false},
		{former, "kube-scheduler", "", "1", false},
		{former, "kube-proxy", "arm64", "2", true},
		{former, "kube-proxy", "amd64", "2", false},
		{former, "kube-proxy", "arm64", "1", false},
		{former, "kube-proxy", "arm64", "3", true},
		{former, "kube-proxy", "s390x", "4", true},
		{former, "kube-proxy", "arm64", "5", false},
		{former, "kube-scheduler", "arm64", "3", false},
		{former, "pause", "arm64", "6", false},
		{other, "kube-proxy", "arm64", "3", false},
	} {
		if got := l.counts(tt.id, tt.name, tt.arch, hashOf(tt.digit)); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	none := *r.session.Policy
	none.Images.Formerly = nil
	for name, l := range map[string]func() (*legacySigner, error){
		"no rule":      func() (*legacySigner, error) { return newLegacySigner(&none, r.session.Root, rows) },
		"no catalogue": func() (*legacySigner, error) { return newLegacySigner(r.session.Policy, r.session.Root, nil) },
	} {
		got, err := l()
		if err != nil || got != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
		if got.inherit("kube-proxy", hashOf("1"), []oci.Digest{hashOf("2")}); got.counts(former, "kube-proxy", "", hashOf("1")) {
			t.Errorf("%s: it counts", name)
		}
	}
}

// Which witness speaks: the first that contradicts, of whatever strength, and of those that affirm
// the first that counts.
func TestWhichWitnessSpeaks(t *testing.T) {
	w := func(s stance, strength report.Strength, source string, tags ...string) witness {
		return witness{stance: s, strength: strength, source: source, tags: tags}
	}
	all := []witness{w(silent, report.Signed, "a"), w(affirms, report.Carried, "b"), w(affirms, report.Published, "c"), w(affirms, report.Signed, "d"), w(contradicts, report.Carried, "e"), w(contradicts, report.Signed, "f")}
	for says, want := range map[stance]string{silent: "a", affirms: "c", contradicts: "e"} {
		if got, ok := pick(says, all...); !ok || got.source != want {
			t.Errorf("%v: %s %v", says, got.source, ok)
		}
	}
	if _, ok := pick(affirms, all[:2]...); ok {
		t.Error("what was carried in affirms")
	}
	if _, ok := pick(contradicts, all[:4]...); ok {
		t.Error("nothing contradicts")
	}
	got := boundVersions([]witness{w(affirms, report.Carried, "", "v1.20.0"), w(silent, report.Signed, "", "v1.21.0"), w(contradicts, report.Signed, "", "v1.22.0"),
		w(affirms, report.Published, "", "latest", "v1.27.2", "v1.27.3"), w(affirms, report.Signed, "", "v1.28.0")})
	if fmt.Sprint(got) != "[v1.27.2 v1.27.3 v1.28.0]" {
		t.Errorf("bound to %v", got)
	}
}

// What names had before is a hint where it is a digest.
func TestWhatIsAHint(t *testing.T) {
	h := newHints([]report.Locked{{Subject: "a", Digest: string(hashOf("1"))}, {Subject: "a", Platform: "linux/arm64", Digest: string(hashOf("2"))}, {Subject: "b", Digest: "sha256:1"}, {Subject: "c"}})
	if len(h) != 2 || h[[2]string{"a", ""}] != hashOf("1") || h[[2]string{"a", "linux/arm64"}] != hashOf("2") {
		t.Errorf("%v", h)
	}
}

// A digest alone is a name without a tag, and a name without either is none.
func TestWhatIsNamedByDigest(t *testing.T) {
	for ref, want := range map[registry.Ref]bool{{}: false, {Tag: "x"}: false, {Tag: "x", Digest: hashOf("1")}: false, {Digest: hashOf("1")}: true} {
		if byDigest(ref) != want {
			t.Errorf("%s: %v", ref, !want)
		}
	}
}
