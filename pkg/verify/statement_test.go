package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

const longS = "\u017f" // folds to s, as U+212A, the Kelvin sign, to k

// statementAttacks are what a statement itself can say: rows of the table of
// attestations.
func statementAttacks() []classAttack {
	type m = map[string]any
	summaries := world.Signing{Identity: world.Summaries}
	staging := world.Signing{Identity: world.KrelStage}
	// Only a statement of these bytes, by promoter-summaries.
	stated := func(change func(statement string) string) func(*world.World) {
		return func(w *world.World) {
			w.DropReferrers(modernProxy)
			s := world.Statement(world.PredicateSummary, world.Summary(world.SummaryVerifier, "PASSED", "registry.k8s.io/kube-proxy@"+w.Digest(modernProxy), "SLSA_BUILD_LEVEL_3"),
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy))
			changed := []byte(change(string(s)))
			if bytes.Equal(changed, s) {
				panic("nothing was changed")
			}
			w.PutReferrer(modernProxy, world.PredicateSummary, w.Sigstore().Attest(changed, summaries).Bundle("0.3"))
		}
	}
	replaced := func(old, new string) func(*world.World) {
		return stated(func(s string) string { return strings.Replace(s, old, new, 1) })
	}
	levels := func(result string, levels ...string) func(*world.World) {
		return func(w *world.World) {
			p := world.Summary(world.SummaryVerifier, "PASSED", "", levels...).(m)
			p["verificationResult"] = result
			if result == "" {
				delete(p, "verificationResult")
			}
			w.AttestImage(modernProxy, world.PredicateSummary, p, summaries)
		}
	}
	built := func(name, builder, kind string) func(*world.World) {
		return func(w *world.World) {
			w.DropReferrers(modernProxy)
			w.AttestImageAs(name, modernProxy, world.PredicateProvenance, world.KrelProvenance(builder, kind), staging)
		}
	}
	const builder, kind, at = world.KrelBuilder, world.KrelBuildType, world.StagingProject
	// A referrer that is listed and cannot be fetched.
	gone := func(annotation string, status int) func(*world.World) {
		return func(w *world.World) {
			failed := w.PutReferrer(modernProxy, annotation, w.Sigstore().Attest(world.Statement(world.PredicateSummary,
				world.Summary(world.SummaryVerifier, "FAILED", ""), "registry.k8s.io/kube-proxy", w.Digest(modernProxy)), summaries).Bundle("0.3"))
			w.Status("https://registry.k8s.io/v2/kube-proxy/manifests/"+failed, status)
		}
	}
	// The genuine summary, and another of these bytes.
	beside := func(old, new string, how world.Signing) func(*world.World) {
		return func(w *world.World) {
			s := world.Statement(world.PredicateSummary, world.Summary(world.SummaryVerifier, "PASSED", "registry.k8s.io/kube-proxy@"+w.Digest(modernProxy), "SLSA_BUILD_LEVEL_3"),
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy))
			w.PutReferrer(modernProxy, world.PredicateSummary, w.Sigstore().Attest(bytes.ReplaceAll(s, []byte(old), []byte(new)), how).Bundle("0.3"))
		}
	}
	foreign := world.NewSigstore("foreign")
	by := func(how world.Signing) world.Signing {
		how.Identity = world.Summaries
		return how
	}
	return []classAttack{
		// One that passed, and one that cannot be read or judged.
		{"PASSED, beside one with FAILED and PASSED under keys that fold", report.VSA, beside(`"verificationResult":"PASSED"`,
			`"verificationResult":"FAILED","verificationRe`+longS+`ult":"PASSED"`, summaries), report.Unknown, report.Malformed, "might say otherwise"},
		{"PASSED, beside one of another result", report.VSA, beside(`"PASSED"`, `"WARNED"`, summaries), report.Unknown, report.Malformed, "might say otherwise"},
		{"PASSED, beside one with a list as its result", report.VSA, beside(`"PASSED"`, `["FAILED"]`, summaries), report.Unknown, report.Malformed, "might say otherwise"},
		{"PASSED, beside one that FAILED by an authority that the root does not know", report.VSA, beside(`PASSED`, `FAILED`, by(world.Signing{CA: foreign, CT: foreign})),
			report.Unknown, report.Untrusted, "might say otherwise"},
		{"PASSED, beside one that FAILED in a log that the root does not know", report.VSA, beside(`PASSED`, `FAILED`, by(world.Signing{Log: foreign})),
			report.Unknown, report.Untrusted, "might say otherwise"},
		{"PASSED, beside one that FAILED by its level, by such an authority", report.VSA, beside(`SLSA_BUILD_LEVEL_3`, `FAILED`, by(world.Signing{CA: foreign, CT: foreign})),
			report.Unknown, report.Untrusted, "might say otherwise"},
		{"PASSED, beside one that FAILED and was never logged", report.VSA, beside(`PASSED`, `FAILED`, by(world.Signing{NoLog: true})),
			report.Unknown, report.Absent, "might say otherwise"},
		{"PASSED, beside one that passed by an authority that the root does not know", report.VSA, beside("LEVEL_3", "LEVEL_2", by(world.Signing{CA: foreign, CT: foreign})),
			report.Verified, "", "PASSED"},
		{"PASSED, beside one that FAILED by somebody else", report.VSA, beside(`PASSED`, `FAILED`, world.Signing{Identity: "somebody@example.com"}), report.Verified, "", "PASSED"},
		{"PASSED, beside another that passed", report.VSA, beside("LEVEL_3", "LEVEL_2", summaries), report.Verified, "", "PASSED"},

		// Keys that fold to one, and keys that are only nearly the right one.
		{"FAILED under the key, PASSED under one with a long s", report.VSA, replaced(`"verificationResult":"PASSED"`,
			`"verificationResult":"FAILED","verificationRe`+longS+`ult":"PASSED"`), report.Unknown, report.Malformed, ""},
		{"the same, escaped", report.VSA, replaced(`"verificationResult":"PASSED"`,
			`"verificationResult":"FAILED","verificationRe\u017fult":"PASSED"`), report.Unknown, report.Malformed, ""},
		{"PASSED under a key with a long s alone", report.VSA, replaced(`verificationResult`, `verificationRe`+longS+`ult`), report.Unknown, report.Malformed, "neither PASSED nor FAILED"},
		{"PASSED under a key in other case alone", report.VSA, replaced(`verificationResult`, `VerificationResult`), report.Unknown, report.Malformed, "neither PASSED nor FAILED"},
		{"a verifier under a key in other case", report.VSA, replaced(`"verifier":`, `"Verifier":`), report.Unknown, report.Untrusted, "verified by"},
		{"subjects under a key with a long s", report.VSA, replaced(`"subject":`, `"`+longS+`ubject":`), report.Unknown, report.Malformed, ""},
		{"a subject's digest under a key in other case", report.VSA, replaced(`"digest":`, `"Digest":`), report.Unknown, report.Malformed, ""},
		{"two predicate types, one with capitals", report.VSA, replaced(`"predicateType":`, `"PredicateType":"https://example.com/x","predicateType":`), report.Unknown, report.Malformed, ""},
		{"a result that is a list", report.VSA, replaced(`"verificationResult":"PASSED"`, `"verificationResult":["PASSED"]`), report.Unknown, report.Malformed, "another type"},

		// Summaries that FAILED.
		{"FAILED, by its level alone", report.VSA, levels("", "FAILED"), report.Refuted, report.Mismatch, "FAILED"},
		{"PASSED, with the level FAILED", report.VSA, levels("PASSED", "FAILED"), report.Refuted, report.Mismatch, "FAILED"},
		{"PASSED, with a level and FAILED", report.VSA, levels("PASSED", "SLSA_BUILD_LEVEL_3", "FAILED"), report.Refuted, report.Mismatch, "FAILED"},
		{"FAILED, with no level", report.VSA, levels("FAILED"), report.Refuted, report.Mismatch, "FAILED"},

		// A listed statement that could not be read.
		{"a FAILED summary that answers 500", report.VSA, gone(world.PredicateSummary, 500), report.Unknown, report.Unreachable, "might say otherwise"},
		{"one that answers 403", report.VSA, gone(world.PredicateSummary, 403), report.Unknown, report.Unreachable, "might say otherwise"},
		{"one that answers 404", report.VSA, gone(world.PredicateSummary, 404), report.Unknown, report.Unreachable, "might say otherwise"},
		{"one that is listed as something else", report.VSA, gone("https://spdx.dev/Document", 500), report.Unknown, report.Unreachable, "might say otherwise"},
		{"one that is listed as nothing", report.VSA, gone("", 500), report.Unknown, report.Unreachable, "might say otherwise"},
		{"one whose bundle is missing", report.VSA, func(w *world.World) {
			bundle := w.Sigstore().Attest(world.Statement(world.PredicateSummary, world.Summary(world.SummaryVerifier, "FAILED", ""),
				"registry.k8s.io/kube-proxy", w.Digest(modernProxy)), summaries).Bundle("0.3")
			w.PutReferrer(modernProxy, world.PredicateSummary, bundle)
			w.PutBlobAt(w.PutBlob(bundle), nil)
		}, report.Refuted, report.Mismatch, ""},

		// Provenance: who built it, how, and under which name.
		{"by krel", report.Provenance, func(*world.World) {}, report.Verified, "", "built by https://git.k8s.io/release/docs/krel"},
		{"by another builder", report.Provenance, built(at+"kube-proxy", "https://example.com/builder", kind), report.Unknown, report.Untrusted, "built by"},
		{"by a builder with a suffix", report.Provenance, built(at+"kube-proxy", builder+"/x", kind), report.Unknown, report.Untrusted, "built by"},
		{"by nobody", report.Provenance, built(at+"kube-proxy", "", kind), report.Unknown, report.Untrusted, "built by"},
		{"a build of another type", report.Provenance, built(at+"kube-proxy", builder, kind+"0"), report.Unknown, report.Untrusted, "type"},
		{"a build of no type", report.Provenance, built(at+"kube-proxy", builder, ""), report.Unknown, report.Untrusted, "type"},
		{"an index under the name of an architecture", report.Provenance, built(at+"kube-proxy-amd64", builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"of another image", report.Provenance, built(at+"kube-scheduler", builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"of a name in another project", report.Provenance, built("gcr.io/k8s-staging-kubernetes-x/kube-proxy", builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"of a path below", report.Provenance, built(at+"x/kube-proxy", builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"of the promoted name", report.Provenance, built("registry.k8s.io/kube-proxy", builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"of the name with another tag", report.Provenance, built(at+"kube-proxy:v1.36.0", builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"of the name with another digest", report.Provenance, built(at+"kube-proxy@"+pauseDigest, builder, kind), report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"a summary under the name of where it was built", report.VSA, func(w *world.World) {
			w.DropReferrers(modernProxy)
			w.AttestImageAs(at+"kube-proxy", modernProxy, world.PredicateSummary, world.Summary(world.SummaryVerifier, "PASSED", "", "SLSA_BUILD_LEVEL_3"), summaries)
		}, report.Refuted, report.Mismatch, "not a name of kube-proxy"},
		{"a record by sigcheck alone", report.Promotion, func(w *world.World) {
			w.DropReferrers(modernProxy)
			w.AttestImage(modernProxy, world.PredicatePromotion, world.SigcheckRecord("registry.k8s.io/"+modernProxy, w.Digest(modernProxy)), world.Signing{})
		}, report.Verified, "", "binds no version"},
	}
}

// A child is called by its own name where it was built, or by that of its index.
func TestProvenanceOfAChild(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	for _, repository := range []string{"kube-proxy", "kube-proxy-arm64"} {
		child := w.Digest("kube-proxy-arm64:" + modern)
		if repository != "kube-proxy" {
			w.AttestImageAs(world.StagingProject+"kube-proxy", repository+"@"+child, world.PredicateProvenance,
				world.KrelProvenance(world.KrelBuilder, world.KrelBuildType), world.Signing{Identity: world.KrelStage})
		}
		v := verifier(t, w)
		v.Require = []string{report.Provenance}
		rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: repository, Digest: oci.Digest(child)}})
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := rep.Results[len(rep.Results)-1].Check(report.Provenance); c.Verdict != report.Verified {
			t.Errorf("%s: %s %s", repository, c.Verdict, c.Detail)
		}
	}
	w.AttestImageAs(world.StagingProject+"kube-scheduler-arm64", "kube-proxy@"+w.Digest("kube-proxy-arm64:"+modern), world.PredicateProvenance,
		world.KrelProvenance(world.KrelBuilder, world.KrelBuildType), world.Signing{Identity: world.KrelStage})
	v := verifier(t, w)
	v.Require = []string{report.Provenance}
	rep, _ := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(w.Digest("kube-proxy-arm64:" + modern))}})
	if c, _ := rep.Results[len(rep.Results)-1].Check(report.Provenance); c.Verdict != refuted {
		t.Errorf("of another image's child: %s %s", c.Verdict, c.Detail)
	}
}

// A summary of the platform that was asked for, which failed, is not covered by
// that of its index, which passed.
func TestSummaryOfAPlatformItself(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	child := w.Digest("kube-proxy-arm64:" + modern)
	w.AttestImage("kube-proxy@"+child, world.PredicateSummary, world.Summary(world.SummaryVerifier, "FAILED", "registry.k8s.io/kube-proxy"),
		world.Signing{Identity: world.Summaries})
	for _, tag := range []string{"", modern} {
		v := verifier(t, w)
		v.Require = []string{report.VSA}
		rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: tag, Digest: oci.Digest(child)}})
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range rep.Results {
			want := report.Verified
			if res.Digest == child {
				want = report.Refuted
			}
			if c, ok := res.Check(report.VSA); res.Kind == "image" && (!ok || c.Verdict != want) {
				t.Errorf("tag %q: %s %s: %s %s", tag, res.Subject, res.Platform, c.Verdict, c.Detail)
			}
		}
		if rep.Verdict() != report.Refuted {
			t.Errorf("tag %q: %s", tag, rep.Verdict())
		}
	}
}
