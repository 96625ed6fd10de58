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

// The staging signature is held to the same as the promoted one: this digest, a log
// and a CA that are known, and nothing else than what was signed.
func TestStagingAttacks(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	stage := func(how world.Signing) world.Signing {
		how.Identity, how.Reference = world.KrelStage, "gcr.io/k8s-staging-kubernetes/kube-proxy"
		return how
	}
	foreign := world.NewSigstore("foreign")
	signed := func(how world.Signing) func(*world.World) {
		return func(w *world.World) { w.SignAs(modernProxy, world.Signing{}, stage(how)) }
	}
	// payload is where the bytes of the staging signature lie.
	payload := func(w *world.World) string {
		layers := w.SignAs(modernProxy, world.Signing{}, stage(world.Signing{}))
		return world.BlobURL("kube-proxy", w.PutBlob(layers[1].Payload))
	}
	tampered := func(old, new string) func(*world.World) {
		return func(w *world.World) {
			w.SignAs(modernProxy, stage(world.Signing{}))
			w.Tamper(world.SignatureURL("kube-proxy", w.Digest(modernProxy)), func(b []byte) []byte {
				return bytes.ReplaceAll(b, []byte(old), []byte(new))
			})
		}
	}
	many := func(n int, last world.Signing) func(*world.World) {
		return func(w *world.World) {
			bad := w.SignAs(modernProxy, stage(world.Signing{NoSCT: true}))[0]
			good := w.SignAs(modernProxy, stage(last))[0]
			layers := make([]*world.Signed, n, n+1)
			for i := range layers {
				layers[i] = bad
			}
			w.PutSignature("kube-proxy", w.Digest(modernProxy), append(layers, good)...)
		}
	}
	for _, tt := range []struct {
		name   string
		do     func(*world.World)
		want   report.Verdict
		reason report.Reason
		says   string
	}{
		{"as it is", signed(world.Signing{}), report.Verified, "", "k8s-staging-kubernetes"},
		{"by somebody else", func(w *world.World) { w.SignAs(modernProxy, world.Signing{Identity: "mallory@example.com"}) },
			unknown, report.Absent, "no krel-staging signature among the 1"},
		{"of another digest", signed(world.Signing{Digest: "sha256:" + strings.Repeat("1", 64)}), refuted, report.Mismatch, "another digest"},
		{"of another type", signed(world.Signing{Type: "atomic container signature"}), unknown, report.Malformed, "payload"},
		{"without a log entry", signed(world.Signing{NoLog: true}), unknown, report.Malformed, "a signature by krel-staging"},
		{"without an SCT", signed(world.Signing{NoSCT: true}), refuted, report.Forged, "does not verify"},
		{"under another CA", signed(world.Signing{CA: foreign}), unknown, report.Untrusted, "does not know"},
		{"in another log", signed(world.Signing{Log: foreign}), unknown, report.Untrusted, "does not know"},
		{"with a CT log that is not known", signed(world.Signing{CT: foreign}), unknown, report.Untrusted, "does not know"},
		{"of an entry whose body is no string", tampered(`\"body\":\"`, `\"body\":1,\"x\":\"`), unknown, report.Malformed, ""},
		{"of a payload that cannot be fetched", func(w *world.World) { w.Reset(payload(w), 10) }, unknown, report.Unreachable, ""},
		{"of a payload whose bytes are others", func(w *world.World) { w.FlipBit(payload(w)) }, refuted, report.Mismatch, "the bytes that came"},
		{"a manifest beyond its cap", tampered(`"schemaVersion"`, strings.Repeat(" ", 2<<20)+`"schemaVersion"`), unknown, report.Limit, "more than the 1048576"},
		{"a manifest that is none", func(w *world.World) { w.HTML(world.SignatureURL("kube-proxy", w.Digest(modernProxy))) }, unknown, report.Malformed, ""},
		{"an index in its place", func(w *world.World) {
			m, _ := w.Manifest(modernProxy)
			w.PutManifest("kube-proxy", m, strings.Replace(w.Digest(modernProxy), ":", "-", 1)+".sig")
		}, unknown, report.Malformed, "an index where one image was expected"},
		{"behind what is no signature", func(w *world.World) {
			w.SignAs(modernProxy, stage(world.Signing{}), stage(world.Signing{}))
			w.Tamper(world.SignatureURL("kube-proxy", w.Digest(modernProxy)), func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"dev.cosignproject.cosign/signature"`), []byte(`"x"`), 1)
			})
		}, report.Verified, "", "k8s-staging-kubernetes"},
		{"behind fifteen that do not hold", many(15, world.Signing{}), report.Verified, "", ""},
		{"behind sixteen that do not hold", many(16, world.Signing{}), unknown, report.Limit, "more than 16"},
		{"one that holds before one that does not", func(w *world.World) {
			w.SignAs(modernProxy, stage(world.Signing{}), stage(world.Signing{NoSCT: true}))
		}, report.Verified, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			res := classes(t, w, nil, report.Staging)
			c, _ := res.Check(report.Staging)
			if c.Verdict != tt.want || c.Reason != tt.reason || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
			}
			if tt.want != report.Verified && res.Verdict() == report.Verified {
				t.Error("verified")
			}
			if e := c.Evidence.All(); tt.want == report.Verified && (len(e) != 1 || !strings.Contains(e[0].Source, "registry.k8s.io/kube-proxy:sha256-")) {
				t.Errorf("the evidence is %+v", e)
			}
		})
	}
}

// A platform that is asked for by its digest was staged with its index: what lies at
// its own digest is neither here nor there.
func TestStagingOfAPlatformIsItsIndexs(t *testing.T) {
	const arm64 = "kube-proxy-arm64:" + modern
	w := world.New(world.Options{Versions: []string{modern}})
	forged := world.Signing{Identity: world.KrelStage, Reference: "gcr.io/k8s-staging-kubernetes/kube-proxy-arm64", NoSCT: true}
	layers := w.SignAs(arm64, world.Signing{}, forged)
	w.PutSignature("kube-proxy", w.Digest(arm64), layers...)
	v := verifier(t, w)
	v.Require = []string{report.Staging}
	rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern, Digest: oci.Digest(w.Digest(arm64))}})
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range rep.Results {
		if c, ok := res.Check(report.Staging); ok && (c.Verdict != report.Verified || !strings.Contains(c.Detail, "kubernetes/kube-proxy")) {
			t.Errorf("%s %s: %s %s", res.Subject, res.Platform, c.Verdict, c.Detail)
		}
	}
}
