package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// besides judges one image: its bytes at one place, what is signed about them there
// and at a second one.
func besides(t *testing.T, there, also *world.World, require ...string) report.Result {
	t.Helper()
	v := verifier(t, there)
	v.Require = require
	v.Also = &verify.Also{Registry: &registry.Client{Fetch: &fetch.Client{Transport: also}}, Name: "the mirror ./m"}
	rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern}})
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range rep.Results {
		if res.Kind == "image" && res.Platform == "" {
			return res
		}
	}
	t.Fatal("no result")
	return report.Result{}
}

// What is signed about an image counts from both places: one signature that holds
// in either, one statement that FAILED in either. None answers for the other that there
// is none.
func TestUnionOfTwoPlaces(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	sig := func(w *world.World) string { return world.SignatureURL("kube-proxy", w.Digest(modernProxy)) }
	none := func(*world.World) {}
	unsigned := func(w *world.World) { w.DropSignature(modernProxy) }
	status := func(code int) func(*world.World) { return func(w *world.World) { w.Status(sig(w), code) } }
	garbage := func(w *world.World) { w.Tamper(sig(w), func([]byte) []byte { return []byte("{}") }) }
	page := func(w *world.World) { w.HTML(sig(w)) }
	copied := func(w *world.World) { w.CopySignature("kube-scheduler:"+modern, modernProxy) }
	other := func(w *world.World) {
		w.SignAs(modernProxy, world.Signing{Reference: "registry.k8s.io/kube-scheduler"})
	}
	mallory := func(w *world.World) { w.SignAs(modernProxy, world.Signing{Identity: "mallory@example.com"}) }
	large := func(w *world.World) {
		w.Tamper(sig(w), func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"schemaVersion"`), []byte(strings.Repeat(" ", 2<<20)+`"schemaVersion"`), 1)
		})
	}
	const list = "https://registry.k8s.io/v2/kube-proxy/referrers/*"
	unlisted := func(code int) func(*world.World) { return func(w *world.World) { w.Status(list, code) } }
	empty := func(w *world.World) { w.DropReferrers(modernProxy) }
	summary := func(result string) func(*world.World) {
		return func(w *world.World) {
			w.DropReferrers(modernProxy)
			w.AttestImage(modernProxy, world.PredicateSummary, world.Summary(world.SummaryVerifier, result, "", "SLSA_BUILD_LEVEL_3"), world.Signing{Identity: world.Summaries})
		}
	}
	for _, tt := range []struct {
		name        string
		there, also func(*world.World)
		check       string
		want        report.Verdict
		reason      report.Reason
		says        string
	}{
		{"signed there", none, unsigned, report.Signature, report.Verified, "", "signed by krel-trust"},
		{"signed besides", unsigned, none, report.Signature, report.Verified, "", "in the mirror ./m"},
		{"signed besides, unreachable there", status(503), none, report.Signature, report.Verified, "", "in the mirror ./m"},
		{"signed besides, garbage there", garbage, none, report.Signature, report.Verified, "", "in the mirror ./m"},
		{"signed besides, a page there", page, none, report.Signature, report.Verified, "", "in the mirror ./m"},
		{"signed besides, oversized there", large, none, report.Signature, report.Verified, "", "in the mirror ./m"},
		{"signed besides, a copied one there", copied, none, report.Signature, report.Verified, "", "in the mirror ./m"},
		{"signed besides, another name there", other, none, report.Reference, report.Verified, "", "signed as"},
		{"signed there, garbage besides", none, garbage, report.Signature, report.Verified, "", "signed by krel-trust"},
		{"signed there, a copied one besides", none, copied, report.Signature, report.Verified, "", "signed by krel-trust"},
		{"nowhere", unsigned, unsigned, report.Signature, unknown, report.Absent, "nor has the mirror ./m"},
		{"unreachable there, none besides", status(503), unsigned, report.Signature, unknown, report.Unreachable, "the mirror ./m (registry.k8s.io/kube-proxy) has none"},
		{"refused there, none besides", status(403), unsigned, report.Signature, unknown, report.Unreachable, ""},
		{"none there, unreadable besides", unsigned, status(500), report.Signature, unknown, report.Unreachable, ""},
		{"none there, oversized besides", unsigned, large, report.Signature, unknown, report.Limit, ""},
		{"none there, a copied one besides", unsigned, copied, report.Signature, refuted, report.Mismatch, "another digest"},
		{"a copied one there, none besides", copied, unsigned, report.Signature, refuted, report.Mismatch, "another digest"},
		{"a copied one there, unreadable besides", copied, status(500), report.Signature, refuted, report.Mismatch, "another digest"},
		{"unreachable there, another name besides", status(503), other, report.Reference, refuted, report.Mismatch, "another image"},
		{"mallory's there, none besides", mallory, unsigned, report.Signature, unknown, report.Untrusted, "no krel-trust"},
		{"none there, mallory's besides", unsigned, mallory, report.Signature, unknown, report.Untrusted, "no krel-trust"},

		{"staged besides", func(w *world.World) { w.SignAs(modernProxy, world.Signing{}) }, none, report.Staging, report.Verified, "", "in the mirror ./m"},
		{"staged nowhere", unsigned, func(w *world.World) { w.SignAs(modernProxy, world.Signing{}) }, report.Staging, unknown, report.Absent, "has no signature"},
		{"staged besides, unreachable there", status(503), none, report.Staging, report.Verified, "", ""},
		{"unreachable there, not staged besides", status(503), unsigned, report.Staging, unknown, report.Unreachable, ""},

		{"a summary there", none, empty, report.VSA, report.Verified, "", "PASSED"},
		{"a summary besides", empty, none, report.VSA, report.Verified, "", "in the mirror ./m"},
		{"a summary besides, no such list there", unlisted(404), none, report.VSA, report.Verified, "", "PASSED"},
		{"a summary besides, unreachable there", unlisted(503), none, report.VSA, unknown, report.Unreachable, ""},
		{"a summary there, damaged besides", none, unlisted(500), report.VSA, unknown, report.Unreachable, ""},
		{"a summary there, no such name besides", none, unlisted(404), report.VSA, report.Verified, "", "PASSED"},
		{"FAILED there alone", summary("FAILED"), none, report.VSA, refuted, report.Mismatch, "FAILED"},
		{"FAILED besides alone", none, summary("FAILED"), report.VSA, refuted, report.Mismatch, "FAILED"},
		{"FAILED besides, unreachable there", unlisted(503), summary("FAILED"), report.VSA, refuted, report.Mismatch, "FAILED"},
		{"none there, none besides", empty, empty, report.VSA, unknown, report.Absent, "not available"},
		{"no such list there, none besides", unlisted(404), empty, report.VSA, unknown, report.Unreachable, "does not mean"},
		{"unreachable there, none besides, of summaries", unlisted(503), empty, report.VSA, unknown, report.Unreachable, ""},
		{"no such list there, unreachable besides", unlisted(404), unlisted(503), report.VSA, unknown, report.Unreachable, "does not mean"},
		{"unreachable there, no such list besides", unlisted(503), unlisted(404), report.VSA, unknown, report.Unreachable, "503"},
		{"none there, damaged besides", empty, unlisted(500), report.VSA, unknown, report.Unreachable, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			there, also := built.Clone(), built.Clone()
			tt.there(there)
			tt.also(also)
			var require []string
			if tt.check == report.VSA || tt.check == report.Staging {
				require = []string{tt.check}
			}
			res := besides(t, there, also, require...)
			c, _ := res.Check(tt.check)
			if c.Verdict != tt.want || c.Reason != tt.reason || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
			}
			if tt.want != report.Verified && res.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}

// A statement that one place lists and does not hold is read where it lies.
func TestUnionReadsAStatementWhereItLies(t *testing.T) {
	there := world.New(world.Options{Versions: []string{modern}})
	also := there.Clone()
	there.DropReferrers(modernProxy)
	failed := there.AttestImage(modernProxy, world.PredicateSummary, world.Summary(world.SummaryVerifier, "FAILED", ""), world.Signing{Identity: world.Summaries})
	digest := there.PutReferrer(modernProxy, world.PredicateSummary, failed)
	also.PutReferrer(modernProxy, world.PredicateSummary, failed)
	also.DropReferrers(modernProxy)
	there.Status("https://registry.k8s.io/v2/kube-proxy/manifests/"+digest, 404)
	if c, _ := besides(t, there, also, report.VSA).Check(report.VSA); c.Verdict != refuted || !strings.Contains(c.Detail, "in the mirror ./m") {
		t.Errorf("%s %s %s", c.Verdict, c.Reason, c.Detail)
	}
	// One that lies in both is told of the registry, and one that lies nowhere is not passed over.
	there.Calm()
	if c, _ := besides(t, there, also, report.VSA).Check(report.VSA); c.Verdict != refuted || strings.Contains(c.Detail, "in the mirror") {
		t.Errorf("in both: %s %s %s", c.Verdict, c.Reason, c.Detail)
	}
	for _, w := range []*world.World{there, also} {
		w.Status("https://registry.k8s.io/v2/kube-proxy/manifests/"+digest, 404)
	}
	asked := there.Count("https://registry.k8s.io/v2/kube-proxy/manifests/" + digest)
	if c, _ := besides(t, there, also, report.VSA).Check(report.VSA); c.Verdict != unknown || c.Reason != report.Unreachable {
		t.Errorf("nowhere: %s %s %s", c.Verdict, c.Reason, c.Detail)
	}
	if n := there.Count("https://registry.k8s.io/v2/kube-proxy/manifests/"+digest) - asked; n != 1 {
		t.Errorf("it was asked for %d times where it is not", n)
	}
}

// What one place lists and the other has in a form that is no statement stays unread.
func TestUnionOfAFormThatIsNoStatement(t *testing.T) {
	there := world.New(world.Options{Versions: []string{modern}})
	also := there.Clone()
	const typ = "application/vnd.dev.sigstore.bundle.v0.3+json"
	m, _ := also.Manifest("kube-scheduler:" + modern)
	also.PutManifest("kube-proxy", m)
	there.DropReferrers(modernProxy)
	also.DropReferrers(modernProxy)
	there.AddReferrer(modernProxy, map[string]any{"mediaType": m.MediaType, "digest": m.Digest(), "size": len(m.Body), "artifactType": typ})
	there.Status("https://registry.k8s.io/v2/kube-proxy/manifests/"+m.Digest(), 404)
	if c, _ := besides(t, there, also, report.VSA).Check(report.VSA); c.Verdict != unknown || c.Reason != report.Unreachable {
		t.Errorf("%s %s %s", c.Verdict, c.Reason, c.Detail)
	}
}

// What one place lists as something else is a statement all the same where the other
// lists it as one.
func TestUnionOfListsThatDisagree(t *testing.T) {
	there := world.New(world.Options{Versions: []string{modern}})
	also := there.Clone()
	failed := also.AttestImage(modernProxy, world.PredicateSummary, world.Summary(world.SummaryVerifier, "FAILED", ""), world.Signing{Identity: world.Summaries})
	digest := also.PutReferrer(modernProxy, world.PredicateSummary, failed)
	m, _ := also.Manifest("kube-proxy@" + digest)
	there.PutManifest("kube-proxy", m)
	there.AddReferrer(modernProxy, map[string]any{"mediaType": m.MediaType, "digest": digest, "size": len(m.Body), "artifactType": "application/spdx+json"})
	if c, _ := besides(t, there, also, report.VSA).Check(report.VSA); c.Verdict != refuted {
		t.Errorf("%s %s %s", c.Verdict, c.Reason, c.Detail)
	}
}

// Images are never read from the second place.
func TestUnionIsNotOfImages(t *testing.T) {
	there := world.New(world.Options{Versions: []string{modern}})
	also := there.Clone()
	there.Status("https://registry.k8s.io/v2/kube-proxy/manifests/"+modern, 404)
	if c, _ := besides(t, there, also).Check(report.Digest); c.Verdict != unknown || c.Reason != report.Absent {
		t.Errorf("%s %s %s", c.Verdict, c.Reason, c.Detail)
	}
}
