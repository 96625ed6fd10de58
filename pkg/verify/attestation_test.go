package verify_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	modern      = "v1.37.2" // of October 2026, when every class exists
	modernProxy = "kube-proxy:" + modern
)

// classes judges one image with checks on request.
func classes(t testing.TB, w *world.World, policy *trust.Policy, require ...string) report.Result {
	t.Helper()
	v := verifier(t, w)
	v.Require, v.Policy = require, policy
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

func TestEveryClassOfTheRightEra(t *testing.T) {
	all := []string{report.Staging, report.Promotion, report.VSA, report.Provenance}
	v := verifier(t, world.New(world.Options{Versions: []string{modern}}))
	v.Require = all
	rep, err := v.Images(t.Context(), request(t, modern))
	if err != nil || rep.Verdict() != report.Verified {
		t.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
	}
	for _, res := range rep.Results {
		for _, name := range all {
			if c, ok := res.Check(name); res.Kind == "image" && (!ok || c.Evidence.IsZero()) {
				t.Errorf("%s %s: no %s", res.Subject, res.Platform, name)
			}
		}
	}
	// An old release has no referrers, and its registry does not say so.
	old := world.New(world.Options{})
	v = verifier(t, old)
	v.Require = []string{report.VSA}
	if rep, _ := v.Images(t.Context(), request(t, version)); rep.Verdict() != report.Unknown {
		t.Errorf("no summary: %s", rep.Verdict())
	}
	if rep := images(t, old, version); rep.Verdict() != report.Verified {
		t.Errorf("not asked for: %s", rep.Verdict())
	}
}

// classAttack is an attack on one of the classes that are looked up on request.
type classAttack struct {
	name, class string
	do          func(w *world.World)
	want        report.Verdict
	reason      report.Reason
	says        string
}

func classAttacks(t testing.TB) []classAttack {
	type m = map[string]any
	at := world.Signing{Identity: world.Summaries, Time: world.Signed2023}
	summary := func(w *world.World, result string) any {
		return world.Summary(world.SummaryVerifier, result, "registry.k8s.io/kube-proxy@"+w.Digest(modernProxy), "SLSA_BUILD_LEVEL_3")
	}
	bundleOf := func(w *world.World, statement []byte, how world.Signing) []byte {
		return w.Sigstore().Attest(statement, how).Bundle("0.3")
	}
	only := func(w *world.World) { w.DropReferrers(modernProxy) }
	// A record in the log of the newer kind, whose bundle is changed.
	tiled := func(how world.Signing, change func(w *world.World, bundle []byte) []byte) func(*world.World) {
		return func(w *world.World) {
			only(w)
			how.Tiled = true
			b := bundleOf(w, world.Statement(world.PredicatePromotion, world.PromotionRecord("registry.k8s.io/"+modernProxy, w.Digest(modernProxy)),
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy)), how)
			if change != nil {
				b = change(w, b)
			}
			w.PutReferrer(modernProxy, world.PredicatePromotion, b)
		}
	}
	stamped := func(s world.Stamp) world.Signing { return world.Signing{Stamps: []world.Stamp{s}} }
	foreign := world.NewSigstore("foreign")
	return []classAttack{
		{"nothing", report.VSA, func(*world.World) {}, report.Verified, "", "PASSED"},
		{"by the fallback tag", report.VSA, func(w *world.World) { w.TagReferrers(modernProxy) }, report.Verified, "", "PASSED"},
		{"FAILED beside PASSED", report.VSA, func(w *world.World) {
			w.AttestImage(modernProxy, world.PredicateSummary, summary(w, "FAILED"), at)
		}, report.Refuted, report.Mismatch, "FAILED"},
		{"FAILED under another annotation", report.VSA, func(w *world.World) {
			w.PutReferrer(modernProxy, "https://spdx.dev/Document", bundleOf(w, world.Statement(world.PredicateSummary, summary(w, "FAILED"),
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy)), at))
		}, report.Refuted, report.Mismatch, "FAILED"},
		{"a foreign verifier", report.VSA, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicateSummary, world.Summary("https://example.com/verifier", "PASSED", "", "SLSA_BUILD_LEVEL_3"), at)
		}, report.Unknown, report.Untrusted, "example.com"},
		{"a summary by krel-trust", report.VSA, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicateSummary, summary(w, "PASSED"), world.Signing{})
		}, report.Unknown, report.Untrusted, "none by promoter-summaries"},
		{"a promotion record for a summary", report.VSA, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicatePromotion, m{}, world.Signing{})
		}, report.Unknown, report.Absent, "not available"},
		{"a promotion record under the summary's annotation", report.VSA, func(w *world.World) {
			only(w)
			w.PutReferrer(modernProxy, world.PredicateSummary, bundleOf(w, world.Statement(world.PredicatePromotion, m{}, "registry.k8s.io/kube-proxy", w.Digest(modernProxy)), at))
		}, report.Unknown, report.Absent, "not available"},
		{"none, and the registry says so", report.Promotion, only, report.Unknown, report.Absent, "not available"},
		{"404", report.Promotion, func(w *world.World) {
			w.Status("https://registry.k8s.io/v2/kube-proxy/referrers/*", 404)
		}, report.Unknown, report.Unreachable, "does not mean"},
		{"403", report.Promotion, func(w *world.World) {
			w.Status("https://registry.k8s.io/v2/kube-proxy/referrers/*", 403)
		}, report.Unknown, report.Unreachable, ""},
		{"a page", report.Promotion, func(w *world.World) {
			w.HTML("https://registry.k8s.io/v2/kube-proxy/referrers/*")
		}, report.Unknown, report.Malformed, ""},
		{"the record of another image", report.Promotion, func(w *world.World) {
			only(w)
			w.PutReferrer(modernProxy, world.PredicatePromotion, bundleOf(w, world.Statement(world.PredicatePromotion, m{},
				"registry.k8s.io/kube-scheduler", w.Digest("kube-scheduler:"+modern)), world.Signing{}))
		}, report.Refuted, report.Mismatch, "put here"},
		{"this digest under another name", report.Promotion, func(w *world.World) {
			only(w)
			w.PutReferrer(modernProxy, world.PredicatePromotion, bundleOf(w, world.Statement(world.PredicatePromotion, m{},
				"registry.k8s.io/kube-scheduler", w.Digest(modernProxy)), world.Signing{}))
		}, report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"promoted elsewhere", report.Promotion, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicatePromotion, world.PromotionRecord("registry.example.com/kube-proxy:"+modern, w.Digest(modernProxy)), world.Signing{})
		}, report.Refuted, report.Mismatch, "example.com"},
		{"a record by krel-staging", report.Promotion, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicatePromotion, m{}, world.Signing{Identity: world.KrelStage})
		}, report.Unknown, report.Untrusted, "krel-staging"},
		{"a record of a foreign CA", report.Promotion, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicatePromotion, m{}, world.Signing{CA: world.NewSigstore("foreign")})
		}, report.Unknown, report.Untrusted, "does not know"},
		{"a record logged after its certificate", report.Promotion, func(w *world.World) {
			only(w)
			w.AttestImage(modernProxy, world.PredicatePromotion, m{}, world.Signing{LogTime: world.Signed2023.AddDate(0, 0, 1)})
		}, report.Refuted, report.Forged, "does not verify"},
		{"a plain signature as an attestation", report.Promotion, func(w *world.World) {
			only(w)
			w.PutReferrer(modernProxy, world.PredicatePromotion, w.Sigstore().Sign([]byte(w.Digest(modernProxy)), world.Signing{}).Bundle("0.3"))
		}, report.Unknown, report.Absent, ""},
		{"poisoned: no bundle", report.Promotion, func(w *world.World) {
			only(w)
			w.PutReferrer(modernProxy, world.PredicatePromotion, []byte(`{"mediaType":"x"}`))
		}, report.Unknown, report.Malformed, ""},
		{"poisoned: a descriptor of nothing", report.Promotion, func(w *world.World) {
			only(w)
			w.AddReferrer(modernProxy, m{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": pauseDigest, "size": 10,
				"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"})
		}, report.Unknown, report.Unreachable, ""},
		{"poisoned beside the good one", report.Promotion, func(w *world.World) {
			w.PutReferrer(modernProxy, world.PredicatePromotion, []byte(`{"mediaType":"x"}`))
		}, report.Unknown, report.Malformed, "might say otherwise"},
		{"poisoned beside the good one, as of another class", report.Promotion, func(w *world.World) {
			w.PutReferrer(modernProxy, world.PredicateSummary, []byte(`{"mediaType":"x"}`))
		}, report.Verified, "", "promoted to"},
		{"a flood", report.Promotion, func(w *world.World) {
			for range 40 {
				w.AttestImage(modernProxy, "https://example.com/flood", m{"n": 1}, world.Signing{})
			}
		}, report.Unknown, report.Limit, ""},
		{"the referrer of another digest", report.Promotion, func(w *world.World) {
			only(w)
			other := w.PutReferrer("kube-scheduler:"+modern, world.PredicatePromotion, bundleOf(w, world.Statement(world.PredicatePromotion, m{},
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy)), world.Signing{}))
			b, _ := w.Manifest("kube-scheduler@" + other)
			w.PutManifest("kube-proxy", b)
			w.AddReferrer(modernProxy, m{"mediaType": b.MediaType, "digest": other, "size": len(b.Body),
				"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"})
		}, report.Unknown, report.Malformed, ""},
		{"in the newer log, with a timestamp", report.Promotion, tiled(world.Signing{}, nil), report.Verified, "", "timestamped 2023-05-17"},
		{"a proof, and nothing that says when", report.Promotion, tiled(world.Signing{Stamps: []world.Stamp{}}, nil), report.Unknown, report.Absent, "an inclusion proof alone does not"},
		{"a time of its own beside the proof", report.Promotion, tiled(world.Signing{Stamps: []world.Stamp{}}, func(_ *world.World, b []byte) []byte {
			return edit(t, b, func(_, _, e object) { e["integratedTime"] = "1684335601" })
		}), report.Unknown, report.Absent, "an inclusion proof alone does not"},
		{"a timestamp by a foreign authority", report.Promotion, tiled(stamped(world.Stamp{By: foreign}), nil), report.Unknown, report.Untrusted, "does not know"},
		{"a timestamp after the certificate", report.Promotion, tiled(stamped(world.Stamp{Time: world.Signed2023.Add(time.Hour)}), nil), report.Refuted, report.Forged, "not valid"},
		{"a second timestamp after the certificate", report.Promotion, tiled(world.Signing{Stamps: []world.Stamp{{}, {Time: world.Signed2023.Add(time.Hour)}}}, nil), report.Refuted, report.Forged, "not valid"},
		{"a timestamp of another signature", report.Promotion, tiled(stamped(world.Stamp{Of: []byte("x")}), nil), report.Refuted, report.Forged, "hashed messages"},
		{"a checkpoint by another key", report.Promotion, tiled(world.Signing{}, func(_ *world.World, b []byte) []byte {
			return checkpoint(t, b, func(c string) string {
				note, _, _ := strings.Cut(c, "\n\n")
				return note + "\n\n" + foreign.Tiles.Cosign(note+"\n")
			})
		}), report.Refuted, report.Forged, "checkpoint"},
		{"a checkpoint in the name of another log", report.Promotion, tiled(world.Signing{}, func(w *world.World, b []byte) []byte {
			return checkpoint(t, b, func(string) string { return reorigin(t, w.Sigstore(), b, "log2099.example.com") })
		}), report.Refuted, report.Forged, "log2099"},
		{"the proof of another leaf", report.Promotion, tiled(world.Signing{}, func(w *world.World, b []byte) []byte {
			other := w.Sigstore().Sign([]byte("another"), world.Signing{Tiled: true}).Bundle("0.3")
			return edit(t, b, func(_, _, e object) { e["inclusionProof"] = entryOf(t, other)["inclusionProof"] })
		}), report.Refuted, report.Forged, "inclusion"},
		{"an entry of the newer kind in the older log, of something else", report.Promotion, tiled(world.Signing{}, func(w *world.World, b []byte) []byte {
			return takenByOlderLog(t, w.Sigstore(), b, w.Sigstore().Sign([]byte("another"), world.Signing{Tiled: true}).Bundle("0.3"))
		}), report.Unknown, report.Malformed, ""},
		{"a log of that name that the root does not know", report.Promotion, tiled(world.Signing{Log: foreign}, nil), report.Unknown, report.Untrusted, "does not know"},
		{"no staging signature", report.Staging, func(w *world.World) { w.SignAs(modernProxy, world.Signing{}) }, report.Unknown, report.Absent, "no krel-staging"},
		{"an attestation where the signature is gone", report.Signature, func(w *world.World) { w.DropSignature(modernProxy) }, report.Unknown, report.Absent, ""},
	}
}

// requires are the checks that an attack's run asks for.
func (a classAttack) requires() []string {
	if a.class == report.Signature {
		return []string{report.Promotion, report.VSA}
	}
	return []string{a.class}
}

func TestAttestationAttacks(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	for _, tt := range slices.Concat(classAttacks(t), statementAttacks()) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			res := classes(t, w, nil, tt.requires()...)
			c, _ := res.Check(tt.class)
			if c.Verdict != tt.want || c.Reason != tt.reason || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
			}
			if (res.Verdict() == report.Verified) != (tt.want == report.Verified) {
				t.Errorf("%s", res.Verdict())
			}
		})
	}
}

func TestMinimumLevel(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	text := string(trust.EmbeddedPolicyYAML())
	for level, want := range map[string]report.Verdict{"SLSA_BUILD_LEVEL_2": report.Verified, "SLSA_BUILD_LEVEL_3": report.Verified,
		"SLSA_BUILD_LEVEL_4": report.Unknown, "SLSA_SOURCE_LEVEL_1": report.Unknown} {
		p, err := trust.ParsePolicy([]byte(strings.Replace(text, "    # To demand a SLSA level: minimumLevel: SLSA_BUILD_LEVEL_3", "    minimumLevel: "+level, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := classes(t, w, p, report.VSA).Check(report.VSA); c.Verdict != want {
			t.Errorf("%s: %s %s", level, c.Verdict, c.Detail)
		}
	}
}

// The real summary, as a referrer of the image that it is about: a summary by
// promoter-summaries, and nothing else.
func TestRealSummaryIsASummaryOnly(t *testing.T) {
	bundle := realFile(t, realVSA)
	s := shelf{}
	manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` + sum([]byte("{}")) + `","size":2},` +
		`"layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","digest":"` + sum(bundle) + `","size":` + strconv.Itoa(len(bundle)) + `}],` +
		`"subject":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` + vsaDigest + `","size":1}}`)
	const at = "/v2/security-profiles-operator/spoc/"
	s[at+"manifests/"+sum(manifest)], s[at+"blobs/"+sum(bundle)] = manifest, bundle
	rule := trust.EmbeddedPolicy().Attestations[report.VSA]
	res := verify.Attestations(t.Context(), s, "security-profiles-operator/spoc", vsaDigest, []registry.Descriptor{{
		MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: oci.Digest(sum(manifest)), Size: int64(len(manifest)),
		ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		Annotations:  map[string]string{"dev.sigstore.bundle.predicateType": rule.PredicateTypes[0]},
	}})
	if c := res[report.VSA]; c.Verdict != report.Verified || !strings.Contains(c.Detail, "SLSA_BUILD_LEVEL_3") {
		t.Errorf("vsa: %s %s", c.Verdict, c.Detail)
	}
	for _, class := range []string{report.Promotion, report.Provenance} {
		if c := res[class]; c.Verdict != report.Unknown || c.Reason != report.Absent {
			t.Errorf("%s: %s %s %s", class, c.Verdict, c.Reason, c.Detail)
		}
	}
}
