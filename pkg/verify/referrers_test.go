package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// relisted stores a referrer of kube-proxy once more with another manifest, and lists it alone.
func relisted(t testing.TB, w *world.World, digest string, change func(m object)) {
	t.Helper()
	old, _ := w.Manifest("kube-proxy@" + digest)
	var m object
	if err := json.Unmarshal(old.Body, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	w.DropReferrers(modernProxy)
	again := w.PutManifest("kube-proxy", world.Manifest{MediaType: old.MediaType, Body: body})
	w.AddReferrer(modernProxy, object{"mediaType": old.MediaType, "digest": again, "size": len(body), "artifactType": bundleType})
}

// What refers to an image is a manifest of one layer that names the image; what has another
// form is not read as a statement, whatever is in it, and never passed over.
func TestFormsOfReferrers(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	at := world.Signing{Identity: world.Summaries}
	summary := func(w *world.World, result string) []byte {
		return w.Sigstore().Attest(world.Statement(world.PredicateSummary, world.Summary(world.SummaryVerifier, result, "", "SLSA_BUILD_LEVEL_3"),
			"registry.k8s.io/kube-proxy", w.Digest(modernProxy)), at).Bundle("0.3")
	}
	put := func(w *world.World, result string) string {
		return w.PutReferrer(modernProxy, world.PredicateSummary, summary(w, result))
	}
	as := func(change func(m object)) func(*world.World) {
		return func(w *world.World) { relisted(t, w, put(w, "PASSED"), change) }
	}
	layer := func(m object) object { return m["layers"].([]any)[0].(object) }
	flood := func(w *world.World, n int) {
		for i := range n {
			w.PutReferrer(modernProxy, "https://example.com/flood", bytes.Repeat([]byte("x"), i+1))
		}
	}
	padded := func(more int) func(*world.World) {
		return func(w *world.World) {
			b := summary(w, "PASSED")
			b = append(b, bytes.Repeat([]byte(" "), 4<<20-len(b)+more)...)
			w.DropReferrers(modernProxy)
			w.PutReferrer(modernProxy, world.PredicateSummary, b)
		}
	}
	const broken = "unknown malformed: 1 of the 1 referrers of this image cannot be read as bundles"
	for _, tt := range []struct {
		name string
		do   func(*world.World)
		want string
	}{
		{"as it is", as(func(object) {}), "verified: by promoter-summaries"},
		{"an older bundle", as(func(m object) { layer(m)["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.3" }), "verified: by promoter-summaries"},
		{"two layers", as(func(m object) { m["layers"] = []any{layer(m), layer(m)} }), broken},
		{"no layer", as(func(m object) { m["layers"] = []any{} }), broken},
		{"a layer of another type", as(func(m object) { layer(m)["mediaType"] = "application/json" }), broken},
		{"no subject", as(func(m object) { delete(m, "subject") }), broken},
		{"another subject", as(func(m object) { m["subject"].(object)["digest"] = pauseDigest }), broken},
		{"the largest", padded(0), "verified: by promoter-summaries"},
		{"too large", padded(1), broken},
		{"a layer that says that it is too large", as(func(m object) { layer(m)["size"] = 4<<20 + 1 }), broken},
		{"an index", func(w *world.World) {
			w.DropReferrers(modernProxy)
			m, _ := w.Manifest(modernProxy)
			w.AddReferrer(modernProxy, object{"mediaType": m.MediaType, "digest": m.Digest(), "size": len(m.Body), "artifactType": bundleType})
		}, broken},
		{"a layer that is not there", as(func(m object) { layer(m)["digest"] = "sha256:" + strings.Repeat("3", 64) }), "unknown unreachable: "},
		{"FAILED, listed without a type", func(w *world.World) {
			relisted(t, w, put(w, "FAILED"), func(object) {})
			w.DropReferrers(modernProxy)
			d := put(w, "FAILED")
			m, _ := w.Manifest("kube-proxy@" + d)
			w.DropReferrers(modernProxy)
			put(w, "PASSED")
			w.AddReferrer(modernProxy, object{"mediaType": m.MediaType, "digest": d, "size": len(m.Body)})
		}, "refuted mismatch: by promoter-summaries"},
		{"of another type", func(w *world.World) {
			w.DropReferrers(modernProxy)
			m, _ := w.Manifest(modernProxy)
			w.AddReferrer(modernProxy, object{"mediaType": m.MediaType, "digest": m.Digest(), "size": len(m.Body), "artifactType": "application/spdx+json"})
		}, "unknown absent: not available"},
		{"as many as are read", func(w *world.World) { w.DropReferrers(modernProxy); flood(w, 31); put(w, "PASSED") }, "verified: by promoter-summaries"},
		{"one more than are read", func(w *world.World) { w.DropReferrers(modernProxy); flood(w, 32); put(w, "PASSED") }, "unknown limit: more than 32"},
		{"FAILED behind a flood", func(w *world.World) { w.DropReferrers(modernProxy); flood(w, 40); put(w, "FAILED") }, "refuted mismatch: by promoter-summaries"},
		{"FAILED behind a flood, under another annotation", func(w *world.World) {
			w.DropReferrers(modernProxy)
			flood(w, 40)
			w.PutReferrer(modernProxy, "https://example.com/other", summary(w, "FAILED"))
		}, "unknown limit: more than 32"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			c, _ := classes(t, w, nil, report.VSA).Check(report.VSA)
			if got := strings.TrimSpace(c.Verdict.String()+" "+string(c.Reason)) + ": " + c.Detail; !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	t.Run("nobody asks for statements", func(t *testing.T) {
		w := built.Clone()
		if c, _ := classes(t, w, nil, report.Staging).Check(report.Staging); c.Verdict != report.Verified || w.Count("https://registry.k8s.io/v2/kube-proxy/referrers/*") != 0 {
			t.Errorf("%s %s, %d lists", c.Verdict, c.Detail, w.Count("https://registry.k8s.io/v2/kube-proxy/referrers/*"))
		}
	})
}

// A run that ends, or a crash in what reads a statement, leaves its classes unknown.
func TestReferrersThatWereNotRead(t *testing.T) {
	listed := []registry.Descriptor{{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: pauseDigest, Size: 10, ArtifactType: bundleType}}
	over, end := context.WithCancel(t.Context())
	end()
	for name, tt := range map[string]struct {
		ctx  context.Context
		rt   http.RoundTripper
		want report.Reason
	}{
		"the run is over": {over, shelf{}, report.Interrupted},
		"a crash":         {t.Context(), crash{}, report.Internal},
		"not there":       {t.Context(), shelf{}, report.Unreachable},
	} {
		for class, c := range verify.Attestations(tt.ctx, tt.rt, "kube-proxy", pauseDigest, listed) {
			if c.Verdict != unknown || c.Reason != tt.want {
				t.Errorf("%s: %s: %s %s: %s", name, class, c.Verdict, c.Reason, c.Detail)
			}
		}
	}
}

type crash struct{}

func (crash) RoundTrip(*http.Request) (*http.Response, error) { panic("crash") }

// What refers to the index stands for a platform where nothing refers to the platform
// itself. What is not known of the platform is not covered up (rule 20).
func TestStatementsOfAPlatform(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	child := built.Digest("kube-proxy-arm64:" + modern)
	list := "https://registry.k8s.io/v2/kube-proxy/referrers/" + child + "*"
	for _, tt := range []struct {
		name  string
		do    func(*world.World)
		check string
		want  string // of the platform
	}{
		{"none of its own", func(w *world.World) { w.DropReferrers("kube-proxy@" + child) }, report.VSA, "verified"},
		{"its own list cannot be read", func(w *world.World) { w.Status(list, 503) }, report.VSA, "unknown unreachable"},
		{"there is no such list", func(w *world.World) { w.Status(list, 404) }, report.VSA, "unknown unreachable"},
		{"one that counts for nothing", func(w *world.World) {
			w.DropReferrers("kube-proxy@" + child)
			w.AttestImage("kube-proxy@"+child, world.PredicateSummary, world.Summary(world.SummaryVerifier, "PASSED", ""), world.Signing{Identity: world.KrelTrust})
		}, report.VSA, "unknown untrusted"},
		{"the signature of its build", func(*world.World) {}, report.Staging, "verified"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			v := verifier(t, w)
			v.Require = []string{tt.check}
			rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern, Digest: oci.Digest(child)}})
			if err != nil {
				t.Fatal(err)
			}
			for _, res := range rep.Results {
				c, ok := res.Check(tt.check)
				want := "verified"
				if res.Platform != "" {
					want = tt.want
				}
				if got := strings.TrimSpace(c.Verdict.String() + " " + string(c.Reason)); res.Kind == report.KindImage && (!ok || got != want) {
					t.Errorf("%s %s: %s: %s", res.Subject, res.Platform, got, c.Detail)
				}
			}
		})
	}
	t.Run("a digest of no platform", func(t *testing.T) {
		t.Parallel()
		w := built.Clone()
		stray := w.Digest("kube-scheduler-arm64:" + modern)
		v := verifier(t, w)
		v.Require = []string{report.VSA}
		if _, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern, Digest: oci.Digest(stray)}}); err != nil {
			t.Fatal(err)
		}
		if n := w.Count("https://registry.k8s.io/v2/kube-proxy/referrers/" + stray + "*"); n != 0 {
			t.Errorf("%d lists are asked for of what no index names", n)
		}
	})
}
