package verify

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// signedAs makes one by a letter each for signature and reference, "V", "U" or "R", or "absent".
func signedAs(what, who string) signed {
	of := map[byte]report.Verdict{'V': report.Verified, 'U': report.Unknown, 'R': report.Refuted}
	if what == "absent" {
		return signed{signature: report.Check{Detail: who}, absent: true, where: who}
	}
	return signed{signature: report.Check{Verdict: of[what[0]], Detail: who}, reference: report.Check{Verdict: of[what[1]], Detail: who + "'s reference"}}
}

// A signature holds if it and its reference are verified, and is refuted if either is.
func TestWhenASignatureHolds(t *testing.T) {
	for what, want := range map[string]string{
		"VV": "holds", "VU": "", "VR": "refuted", "UV": "", "UU": "", "UR": "refuted", "RV": "refuted", "RU": "refuted", "RR": "refuted",
	} {
		s := signedAs(what, "it")
		if s.holds() != (want == "holds") || s.refuted() != (want == "refuted") {
			t.Errorf("%s: holds %v, refuted %v", what, s.holds(), s.refuted())
		}
		if says := map[bool]string{true: "it's reference", false: "it"}[what[0] == 'V']; s.missing() != says {
			t.Errorf("%s: %q is missing", what, s.missing())
		}
	}
}

// Rule 14: of two places one that holds is enough, a contradiction outweighs a lack, and only where both
// say that there is none, there is none.
func TestSignaturesOfTwoPlacesJoined(t *testing.T) {
	for _, tt := range []struct{ s, t, want string }{
		{"VV", "VV", "here"}, {"VV", "RU", "here"}, {"VV", "absent", "here"}, {"VV", "UU", "here"},
		{"UU", "VV", "there"}, {"RU", "VV", "there"}, {"VR", "VV", "there"}, {"absent", "VV", "there"},
		{"absent", "UU", "there"}, {"absent", "RU", "there"}, {"absent", "VR", "there"},
		{"absent", "absent", "here; nor has there"},
		{"UU", "absent", "here; there has none"}, {"RU", "absent", "here; there has none"},
		{"UU", "UU", "here"}, {"UU", "RU", "there"}, {"UU", "VR", "there"}, {"VU", "RU", "there"},
		{"RU", "UU", "here"}, {"VR", "UU", "here"}, {"RU", "RU", "here"}, {"RU", "VR", "here"}, {"VR", "RU", "here"},
	} {
		got := signedAs(tt.s, "here").or(signedAs(tt.t, "there"))
		if got.signature.Detail != tt.want || got.absent != (tt.s == "absent" && tt.t == "absent") {
			t.Errorf("%s or %s: %q, absent %v", tt.s, tt.t, got.signature.Detail, got.absent)
		}
	}
}

// What was not looked at is unknown, and demanded as ever.
func TestSignaturesThatWereNotLookedAt(t *testing.T) {
	s := runOf(t).notLookedAt()
	if !strings.HasPrefix(both(s), "unknown noClaim: there is no manifest") || !s.signature.Required || !s.reference.Required || s.absent || s.reference.Reason != report.NoClaim {
		t.Errorf("%+v", s)
	}
	if s := runOf(t, report.Digest, report.Signature).notLookedAt(); s.reference.Required {
		t.Error("nobody asked for the reference")
	}
}

// Rule 9: the anchor holds if the layers of each image that krel-trust signed are those of the SBOM. Others
// refute it only where some match, and one that could not be examined leaves it open.
func TestWhatAnchorsAnSBOM(t *testing.T) {
	v, err := release.ParseVersion("v1.27.2")
	if err != nil {
		t.Fatal(err)
	}
	arm := func(layer, signature string) *platform {
		return &platform{arch: "arm64", name: "linux/arm64", desc: registry.Descriptor{Digest: hashOf("2")}, diffIDs: []oci.Digest{hashOf(layer)}, layers: []oci.Digest{hashOf("d")}, signed: signedAs(signature, "it")}
	}
	of := func(platforms ...*platform) *image {
		return &image{name: "kube-proxy", tag: "v1.27.2", version: v, core: true, platforms: platforms, digestCheck: report.Check{Detail: "why"}}
	}
	windows := func() *platform {
		p := arm("b", "VV")
		p.name, p.desc.Platform = "windows/arm64", &registry.Platform{OS: "windows", Architecture: "arm64"}
		return p
	}
	unread := func() *platform { p := arm("a", "VV"); p.diffIDs = nil; return p }
	stranger := func(platforms ...*platform) *image { im := of(platforms...); im.core = false; return im }
	good, other := func() *image { return of(arm("a", "VV")) }, func() *image { return of(arm("b", "VV")) }
	const (
		all     = "verified: the SBOM's layers are those of all 1 images, which krel-trust signed"
		refuted = "refuted mismatch: the SBOM is not of these images: registry.k8s.io/kube-proxy:v1.27.2 linux/arm64: layer 1"
		one     = "unknown incomplete: 1 images match the SBOM, but not all could be examined: registry.k8s.io/kube-proxy:v1.27.2"
	)
	for _, tt := range []struct {
		name   string
		images []*image
		want   string
	}{
		{"one image", []*image{good()}, all},
		{"two", []*image{good(), good()}, "verified: the SBOM's layers are those of all 2 images"},
		{"two platforms", []*image{of(arm("a", "VV"), arm("a", "VV"))}, "verified: the SBOM's layers are those of all 2 images"},
		{"none", nil, "unknown incomplete: 0 images match the SBOM, but not all could be examined: it names none"},
		{"another beside it", []*image{good(), other()}, refuted},
		{"another before it", []*image{other(), good()}, refuted},
		{"another alone", []*image{other()}, "unknown noClaim: no image of v1.27.2 matches the SBOM: registry.k8s.io/kube-proxy:v1.27.2 linux/arm64: layer 1"},
		{"another alone, and one unread", []*image{of(unread()), other()}, "unknown noClaim: no image"},
		{"another, one unread, one that matches", []*image{of(unread()), other(), good()}, refuted},
		{"one unsigned", []*image{good(), of(arm("a", "UU"))}, one + " linux/arm64: it"},
		{"one that differs and is not signed", []*image{of(arm("b", "RU")), good()}, one + " linux/arm64: it"},
		{"one under another name", []*image{of(arm("b", "VR")), good()}, one + " linux/arm64: it's reference"},
		{"one unsigned alone", []*image{of(arm("a", "UU"))}, "unknown incomplete: 0 images match"},
		{"one whose config is not known", []*image{good(), of(unread())}, one + " linux/arm64: the image config could not be read"},
		{"one that was not examined", []*image{good(), of()}, one + ": no platform of it could be examined: why"},
		{"one of no release that was not examined", []*image{good(), stranger()}, all},
		{"one of no release that differs", []*image{good(), stranger(arm("b", "VV"))}, all},
		{"one of another system", []*image{good(), of(windows())}, all},
		{"one of another system, and another beside it", []*image{of(windows(), arm("b", "VV")), good()}, refuted},
	} {
		r := runOf(t)
		b := &imageSet{run: r, version: v, docs: sbomOf("kube-proxy-arm64", hashOf("a")), images: tt.images}
		c := b.anchorCheck(func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
			return r.check(report.Anchor, v, reason, format, args...)
		})
		if !strings.HasPrefix(said(c), tt.want) || c.Name != report.Anchor {
			t.Errorf("%s: %s, want %s", tt.name, said(c), tt.want)
		}
	}
}

// By what a run judges: what it was given, and else what is built in; the built-in catalogue speaks
// of the instance of the built-in root alone.
func TestWhatARunJudgesBy(t *testing.T) {
	other, err := trust.ParseRoot(world.NewSigstore("judges").TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, "kube-proxy v1.25.4 "+trust.IndexRow+" 1")
	for _, tt := range []struct {
		name      string
		v         Verifier
		root      *trust.Root
		catalogue *trust.Catalogue
		jobs      int
	}{
		{"nothing given", Verifier{}, trust.EmbeddedRoot(), trust.EmbeddedCatalogue(), 64},
		{"another root", Verifier{Root: other}, other, nil, 64},
		{"another root, and a catalogue", Verifier{Root: other, Catalogue: rows}, other, rows, 64},
		{"a catalogue", Verifier{Catalogue: rows}, trust.EmbeddedRoot(), rows, 64},
		{"one at once", Verifier{Jobs: 1}, trust.EmbeddedRoot(), trust.EmbeddedCatalogue(), 1},
		{"many at once", Verifier{Jobs: 100}, trust.EmbeddedRoot(), trust.EmbeddedCatalogue(), 100},
		{"none at once", Verifier{Jobs: -1}, trust.EmbeddedRoot(), trust.EmbeddedCatalogue(), 64},
	} {
		r, err := tt.v.newRun()
		if err != nil {
			t.Fatal(err)
		}
		if r.session.Root != tt.root || r.catalogue != tt.catalogue || r.jobs != tt.jobs || r.session.Policy != trust.EmbeddedPolicy() || r.session.Now == nil {
			t.Errorf("%s: catalogue %v, %d at once", tt.name, r.catalogue, r.jobs)
		}
		if (r.legacy != nil) != (tt.catalogue != nil) {
			t.Errorf("%s: former signers %v", tt.name, r.legacy)
		}
	}
	var usage *UsageError
	for name, v := range map[string]*Verifier{
		"no such check":     {Checks: []string{report.Digest, report.Signature, "colour"}},
		"the anchor":        {Require: []string{report.Anchor}},
		"the anchor, alone": {Checks: []string{report.Digest, report.Signature, report.Anchor}},
	} {
		if r, err := v.newRun(); !errors.As(err, &usage) || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An identity without a name would accept any signer.
	for _, key := range []string{trust.EmbeddedPolicy().Images.Identity, trust.EmbeddedPolicy().Images.Formerly.Identity} {
		p := *trust.EmbeddedPolicy()
		p.Identities = maps.Clone(p.Identities)
		p.Identities[key] = trust.Identity{}
		if _, err := (&Verifier{Policy: &p}).newRun(); err == nil {
			t.Errorf("%s is nobody", key)
		}
	}
}

// Which runs need what the release says of itself.
func TestWhichRunsReadDocuments(t *testing.T) {
	for check, want := range map[string]bool{report.Reference: false, report.VSA: false, report.Inventory: true, report.Binding: true, report.Contents: true} {
		if got := runOf(t, report.Digest, report.Signature, check).documents(); got != want {
			t.Errorf("%s: %v", check, got)
		}
	}
	if !ruledBy(t, []string{report.Digest, report.Signature, report.Binding}, nil, `{report: [contents]}`).documents() {
		t.Error("what binds reads documents")
	}
}

// A progress bar counts what is begun and what is done, and nobody need watch.
func TestProgressCounts(t *testing.T) {
	p := &Progress{}
	p.Begin(3)
	p.End(2)
	if done, total := p.Counts(); done != 2 || total != 3 {
		t.Errorf("%d of %d", done, total)
	}
	var nobody *Progress
	nobody.Begin(1)
	nobody.End(1)
}
