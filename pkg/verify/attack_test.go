package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// attack is what an attacker does to a world, and what must be said of it.
type attack struct {
	name    string
	do      func(w *world.World)
	verdict report.Verdict // of the whole run: never Verified
	subject string         // of the result looked at: its end, with the platform after a space
	check   string
	reason  report.Reason
	says    string // part of the check's detail
}

const (
	proxy     = "kube-proxy:" + version
	scheduler = "kube-scheduler:" + version
	refuted   = report.Refuted
	unknown   = report.Unknown
)

var attacks = []attack{
	// Signatures.
	{"drop the signature of an index", func(w *world.World) { w.DropSignature(proxy) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Absent, "no signature"},
	{"sign as another identity", func(w *world.World) { w.SignAs(proxy, world.Signing{Identity: "mallory@example.com"}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "no krel-trust signature"},
	{"sign as an identity with a suffix", func(w *world.World) { w.SignAs(proxy, world.Signing{Identity: world.KrelTrust + ".evil.com"}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "no krel-trust signature"},
	{"sign as an identity with a prefix", func(w *world.World) { w.SignAs(proxy, world.Signing{Identity: "x" + world.KrelTrust}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "no krel-trust signature"},
	{"sign as an identity in another case", func(w *world.World) {
		w.SignAs(proxy, world.Signing{Identity: strings.Replace(world.KrelTrust, "krel", "Krel", 1)})
	}, unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "no krel-trust signature"},
	{"sign by way of a look-alike issuer", func(w *world.World) { w.SignAs(proxy, world.Signing{Issuer: "https://accounts.google.com.evil.com"}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "no krel-trust signature"},
	{"only the staging signature", func(w *world.World) {
		w.SignAs(proxy, world.Signing{Identity: world.KrelStage, Reference: "gcr.io/k8s-staging-kubernetes/kube-proxy"})
	}, unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "krel-staging"},
	{"copy a signature from another digest", func(w *world.World) { w.CopySignature(scheduler, proxy) },
		refuted, "kube-proxy:v1.27.2", report.Signature, report.Mismatch, "another digest"},
	{"copy a signature to a per-architecture image", func(w *world.World) { w.CopySignature(scheduler, "kube-proxy-arm64:"+version) },
		refuted, "kube-proxy:v1.27.2 linux/arm64", report.Signature, report.Mismatch, "another digest"},
	{"sign under another CA", func(w *world.World) { w.SignAs(proxy, world.Signing{CA: world.NewSigstore("evil")}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "trusted root does not know"},
	{"log in another log", func(w *world.World) { w.SignAs(proxy, world.Signing{Log: world.NewSigstore("evil")}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "trusted root does not know"},
	{"SCT of another CT log", func(w *world.World) { w.SignAs(proxy, world.Signing{CT: world.NewSigstore("evil")}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Untrusted, "certificate transparency log"},
	{"no SCT", func(w *world.World) { w.SignAs(proxy, world.Signing{NoSCT: true}) },
		refuted, "kube-proxy:v1.27.2", report.Signature, report.Forged, "does not verify"},
	{"no log entry", func(w *world.World) { w.SignAs(proxy, world.Signing{NoLog: true}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Absent, "no log entry"},
	{"certificate expired when it was logged", func(w *world.World) {
		w.SignAs(proxy, world.Signing{LogTime: world.Signed2023.Add(time.Hour)})
	}, refuted, "kube-proxy:v1.27.2", report.Signature, report.Forged, "does not verify"},
	{"logged before the certificate was valid", func(w *world.World) {
		w.SignAs(proxy, world.Signing{LogTime: world.Signed2023.Add(-time.Hour)})
	}, refuted, "kube-proxy:v1.27.2", report.Signature, report.Forged, "does not verify"},
	{"log entry of another signature", func(w *world.World) {
		w.Tamper(world.SignatureURL("kube-proxy", w.Digest(proxy)), func(b []byte) []byte { return swapAnnotation(b, "dev.sigstore.cosign/bundle") })
	}, refuted, "kube-proxy:v1.27.2", report.Signature, report.Forged, "log entry"},
	{"payload of another type", func(w *world.World) { w.SignAs(proxy, world.Signing{Type: "atomic container signature"}) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Malformed, "not a container image signature"},
	{"a log entry whose body is no string", func(w *world.World) {
		w.Tamper(world.SignatureURL("kube-proxy", w.Digest(proxy)), func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`\"body\":\"`), []byte(`\"body\":1,\"x\":\"`))
		})
	}, unknown, "kube-proxy:v1.27.2", report.Signature, report.Malformed, "log entry"},
	{"hundreds of signatures of the right name", func(w *world.World) {
		bad := w.SignAs(proxy, world.Signing{Digest: w.Digest(scheduler)})[0]
		layers := make([]*world.Signed, 60)
		for i := range layers {
			layers[i] = bad
		}
		w.PutSignature("kube-proxy", w.Digest(proxy), layers...)
	}, refuted, "kube-proxy:v1.27.2", report.Signature, report.Mismatch, "another digest"},
	{"a signature manifest beyond its cap", func(w *world.World) {
		w.Tamper(world.SignatureURL("kube-proxy", w.Digest(proxy)), func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"schemaVersion"`), []byte(strings.Repeat(" ", 2<<20)+`"schemaVersion"`), 1)
		})
	}, unknown, "kube-proxy:v1.27.2", report.Signature, report.Limit, "more than"},

	// Names.
	{"signed under the name of another image", func(w *world.World) { w.SignAs(proxy, world.Signing{Reference: "registry.k8s.io/kube-scheduler"}) },
		refuted, "kube-proxy:v1.27.2", report.Reference, report.Mismatch, "another image"},
	{"signed under a look-alike mirror", func(w *world.World) {
		w.SignAs(proxy, world.Signing{Reference: "us-west1-docker.pkg.dev/k8s-artifacts-prod-x/images/kube-proxy"})
	}, refuted, "kube-proxy:v1.27.2", report.Reference, report.Mismatch, "not a name of kube-proxy"},
	{"kube-proxy as kube-scheduler", func(w *world.World) { w.SwapImage(version, "kube-scheduler", "kube-proxy") },
		refuted, "kube-scheduler:v1.27.2", report.Reference, report.Mismatch, "another image"},

	// Versions.
	{"the whole of v1.27.1 as v1.27.2", func(w *world.World) { w.ServeAs("v1.27.1", version) },
		refuted, "/v1.27.2/release", report.Binding, report.Mismatch, "v1.27.1"},
	{"the images of v1.27.1 as v1.27.2", func(w *world.World) { w.ServeAs("v1.27.1", version, world.AllImages) },
		refuted, "kube-proxy:v1.27.2", report.Binding, report.Mismatch, "not v1.27.2"},
	{"one image of v1.27.1", func(w *world.World) { w.ServeAs("v1.27.1", version, "kube-proxy") },
		refuted, "kube-proxy:v1.27.2 linux/s390x", report.Binding, report.Mismatch, "not v1.27.2"},
	{"images and promotion manifest of v1.27.1", func(w *world.World) { w.ServeAs("v1.27.1", version, world.AllImages, world.Promotion) },
		unknown, "kube-proxy:v1.27.2 linux/amd64", report.Binding, report.NoClaim, "SBOM"},
	{"the SBOM of v1.27.1", func(w *world.World) { w.ServeAs("v1.27.1", version, world.SBOM) },
		refuted, "/v1.27.2/release", report.Binding, report.Mismatch, "v1.27.1"},
	{"one image of v1.27.1, and the promotion manifest gone", func(w *world.World) {
		w.ServeAs("v1.27.1", version, "kube-proxy")
		w.Status(world.PromotionURL("k8s-staging-kubernetes"), 404)
	}, refuted, "kube-proxy:v1.27.2 linux/amd64", report.Binding, report.Mismatch, "SBOM"},

	// Platforms.
	{"arm64 as amd64 in its own repository", func(w *world.World) { w.SwapArch(version, "kube-proxy", "amd64", "arm64") },
		refuted, "kube-proxy:v1.27.2 linux/amd64", report.Digest, report.Mismatch, "the index of"},
	{"arm64 as amd64 in the index", func(w *world.World) { w.SwapArchInList(version, "kube-proxy", "amd64", "arm64") },
		refuted, "kube-proxy:v1.27.2", report.Signature, report.Mismatch, "another digest"},
	{"one platform as the whole image", func(w *world.World) {
		m, _ := w.Manifest("kube-proxy-arm64:" + version)
		w.PutManifest("kube-proxy", m, version)
	},
		refuted, "kube-proxy:v1.27.2", report.Digest, report.Mismatch, "one manifest"},

	// Lists.
	{"drop an image from every list", func(w *world.World) {
		w.DropImage(version, "kube-scheduler")
		w.SignFile(world.SBOMURL(version), world.Signing{}) // krel-staging signs the shorter SBOM
	},
		unknown, "v1.27.2", report.Inventory, report.Incomplete, "kube-scheduler"},
	{"drop a platform from every list", func(w *world.World) {
		w.DropPlatform(version, "kube-proxy", "s390x")
		w.SignFile(world.SBOMURL(version), world.Signing{})
	},
		unknown, "v1.27.2", report.Inventory, report.Incomplete, "kube-proxy linux/s390x"},

	// Content.
	{"change a config in place", func(w *world.World) { w.ChangeConfig(version, "kube-proxy", "amd64", world.InPlace, entrypoint) },
		refuted, "kube-proxy:v1.27.2 linux/amd64", report.Digest, report.Mismatch, "config"},
	{"change a config and every digest above it", func(w *world.World) { w.ChangeConfig(version, "kube-proxy", "amd64", world.Upward, entrypoint) },
		refuted, "kube-proxy:v1.27.2", report.Binding, report.Mismatch, "not v1.27.2"},
	{"change a config, every digest, and copy the signatures", func(w *world.World) {
		w.ChangeConfig(version, "kube-proxy", "amd64", world.UpwardSigned, entrypoint)
	}, refuted, "kube-proxy:v1.27.2", report.Signature, report.Mismatch, "another digest"},
	{"change a config, every digest, signatures and the promotion manifest", func(w *world.World) {
		w.ChangeConfig(version, "kube-proxy", "amd64", world.UpwardPromoted, entrypoint)
	}, refuted, "kube-proxy:v1.27.2", report.Signature, report.Mismatch, "another digest"},
	{"tamper with an index", func(w *world.World) { w.FlipBit(proxy) }, unknown, "", "", "", ""},
	{"tamper with the SBOM", func(w *world.World) {
		w.Tamper(world.SBOMURL(version), func(b []byte) []byte { return bytes.Replace(b, []byte("Apache-2.0"), []byte("Apache-2.1"), 1) })
	}, refuted, "/v1.27.2/release", report.Signature, report.Mismatch, "other bytes"},
	{"an SBOM signed by nobody in particular", func(w *world.World) {
		w.Status(world.SBOMURL(version)+".sig", 404)
	}, unknown, "/v1.27.2/release", report.Signature, report.Absent, "signature"},

	// The way.
	{"429", func(w *world.World) { w.Status(proxy, 429) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, "429"},
	{"500", func(w *world.World) { w.Status(proxy, 500) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, "500"},
	{"403", func(w *world.World) { w.Status(proxy, 403) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, "403"},
	{"404", func(w *world.World) { w.Status(proxy, 404) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Absent, "404"},
	{"a web page for a manifest", func(w *world.World) { w.HTML(proxy) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Malformed, ""},
	{"a storage error with status 200 for a manifest", func(w *world.World) { w.StorageError(proxy) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Malformed, "InternalError"},
	{"a storage error with status 200 for the SBOM", func(w *world.World) { w.StorageError(world.SBOMURL(version)) },
		unknown, "", report.Signature, report.Malformed, "InternalError"},
	{"a web page for the SBOM", func(w *world.World) { w.HTML(world.SBOMURL(version)) },
		unknown, "/v1.27.2/release", report.Signature, report.Malformed, ""},
	{"a web page for the CHANGELOG", func(w *world.World) { w.HTML(world.ChangelogURL(version)) },
		unknown, "v1.27.2", report.Inventory, report.Malformed, ""},
	{"an image's row that cannot be read", func(w *world.World) {
		url := world.ChangelogURL(version)
		w.PutFile(url, []byte(strings.Replace(string(w.File(url)), "[registry.k8s.io/conformance:", "[registry.evil/conformance:", 1)))
	}, unknown, "v1.27.2", report.Inventory, report.Malformed, "is not an image of a release"},
	{"cut in half", func(w *world.World) { w.Truncate(proxy, 600) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, "truncated"},
	{"cut in half, and the length with it", func(w *world.World) { w.Shorten(proxy, 600) }, unknown, "", "", "", ""},
	{"reset in mid-body", func(w *world.World) { w.Reset(proxy, 100) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, ""},
	{"connection refused", func(w *world.World) { w.Refuse("https://registry.k8s.io/*") },
		unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, "cannot reach"},
	{"no such host", func(w *world.World) { w.NoSuchHost("https://sbom.k8s.io/*") },
		unknown, "/v1.27.2/release", report.Signature, report.Unreachable, "cannot reach"},
	{"an endless manifest", func(w *world.World) { w.EndlessBody(proxy) }, unknown, "kube-proxy:v1.27.2", report.Digest, report.Limit, ""},
	{"an endless SBOM", func(w *world.World) { w.EndlessBody(world.SBOMURL(version)) },
		unknown, "/v1.27.2/release", report.Signature, report.Limit, ""},
	{"the signature cannot be had", func(w *world.World) { w.Status(world.SignatureURL("kube-proxy", w.Digest(proxy)), 500) },
		unknown, "kube-proxy:v1.27.2", report.Signature, report.Unreachable, "500"},
	{"redirect to file:", func(w *world.World) { w.Redirect(proxy, "file:///etc/passwd") },
		unknown, "kube-proxy:v1.27.2", report.Digest, report.Unreachable, "redirect"},
	{"the log cannot be reached", func(w *world.World) { w.Status(world.RekorEntriesURL, 500) },
		unknown, "/v1.27.2/release", report.Signature, report.Unreachable, "500"},
}

// entrypoint changes what an image runs.
func entrypoint(config []byte) []byte {
	return bytes.Replace(config, []byte(`"Entrypoint":["`), []byte(`"Entrypoint":["/bin/evil","`), 1)
}

// swapAnnotation exchanges an annotation between the two layers of a ".sig" manifest.
func swapAnnotation(manifest []byte, name string) []byte {
	var m map[string]any
	if err := json.Unmarshal(manifest, &m); err != nil {
		panic(err)
	}
	layers := m["layers"].([]any)
	a := layers[0].(map[string]any)["annotations"].(map[string]any)
	b := layers[1].(map[string]any)["annotations"].(map[string]any)
	a[name], b[name] = b[name], a[name]
	out, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return out
}

func TestAttacks(t *testing.T) {
	built := world.New(world.Options{})
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			a.do(w)
			rep := images(t, w, version)
			if rep.Verdict() != a.verdict {
				t.Fatalf("%s, want %s\n%s", rep.Verdict(), a.verdict, failures(rep))
			}
			if a.check == "" {
				return
			}
			subject, platform, _ := strings.Cut(a.subject, " ")
			for _, res := range rep.Results {
				if !strings.HasSuffix(res.Subject, subject) || res.Platform != platform || res.Kind == "image" && !strings.Contains(subject, ":") {
					continue
				}
				if c, ok := res.Check(a.check); ok {
					if c.Verdict == report.Verified && a.reason != "" || c.Reason != a.reason || !strings.Contains(c.Detail, a.says) {
						t.Errorf("%s says %s, %s: %q; want %s with %q\nall:\n%s", a.check, c.Verdict, c.Reason, c.Detail, a.reason, a.says, failures(rep))
					}
					return
				}
			}
			t.Errorf("no %s of %s in the report:\n%s", a.check, a.subject, failures(rep))
		})
	}
}

// Where a document came from decides what it counts for: a promotion manifest
// that was carried here binds nothing.
func TestCarriedClaimsBindNothing(t *testing.T) {
	for name, do := range map[string]func(w *world.World){
		"redirected to a foreign host": func(w *world.World) {
			w.RedirectAbroad(world.PromotionURL("k8s-staging-kubernetes"))
		},
		"a certificate that does not verify": func(w *world.World) { w.Distrust(world.HostRaw) },
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(world.Options{})
			w.Status(world.SBOMURL(version)+"*", 404)
			if rep := images(t, w, version); rep.Results[2].Checks[3].Verdict != report.Verified {
				t.Fatalf("without the SBOM the published promotion manifest binds:\n%s", failures(rep))
			}
			do(w)
			rep := images(t, w, version)
			if rep.Verdict() == report.Verified {
				t.Fatal("verified")
			}
			for _, res := range rep.Results {
				if c, ok := res.Check(report.Binding); ok && res.Kind == "image" && c.Verdict != report.Unknown {
					t.Errorf("%s %s: %s %s", res.Subject, res.Platform, c.Verdict, c.Detail)
				}
			}
		})
	}
}

func TestADelayEndsInUnknown(t *testing.T) {
	w := world.New(world.Options{})
	w.Delay(proxy, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	rep, err := verifier(t, w).Images(ctx, request(t, version))
	if err != nil || rep.Verdict() != report.Unknown {
		t.Errorf("%v %s", err, rep.Verdict())
	}
}
