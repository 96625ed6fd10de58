package verify_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"slices"
	"strconv"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Each of these was once accepted, or wrongly refuted.

// Rules 8 and 10: the digest that a Verified result names must be one that a
// claim which counts has given. A checksum file beside a file can only refute.
func TestHostileDigestOfAFile(t *testing.T) {
	const tarball = "kubernetes-client-linux-amd64.tar.gz"
	for _, version := range []string{"v1.24.0", version} {
		t.Run(version, func(t *testing.T) {
			w := world.New(world.Options{Versions: []string{version}})
			w.Status(world.SBOMURL(version)+"*", 404) // whoever has dl.k8s.io has this too
			w.Status(world.FileURL(version, "provenance.json"), 404)
			sums := world.FileURL(version, "SHA256SUMS")
			evil := strings.Repeat("e", 64)
			var lines []string
			for _, line := range strings.Split(string(w.File(sums)), "\n") {
				if strings.HasSuffix(line, "/"+tarball) || strings.HasSuffix(line, " "+tarball) {
					line = evil + line[64:]
				}
				lines = append(lines, line)
			}
			w.PutFile(sums, []byte(strings.Join(lines, "\n")))
			rep, err := verifier(t, w).Release(t.Context(), request(t, version))
			if err != nil {
				t.Fatal(err)
			}
			for _, res := range rep.Results {
				if res.Kind == "file" && strings.HasSuffix(res.Subject, tarball) && res.Verdict() == report.Verified && res.Digest == "sha256:"+evil {
					t.Errorf("%s is verified as %s, which only SHA256SUMS says: %s", res.Subject, res.Digest, res.Checks[0].Detail)
				}
			}
		})
	}
}

// Rule 8: an SBOM that nobody signed and that was carried here proves nothing,
// whatever its version.
func TestHostileUnsignedSBOMIsNotVerified(t *testing.T) {
	for _, v := range []string{"v1.24.0", "v1.25.9"} {
		t.Run(v, func(t *testing.T) {
			w := world.New(world.Options{Versions: []string{v}})
			w.PutFile(world.SBOMURL(v)+".sig", nil)
			w.PutFile(world.SBOMURL(v)+".cert", nil)
			w.Tamper(world.SBOMURL(v), func(b []byte) []byte {
				return bytes.ReplaceAll(b, []byte("FileChecksum: SHA256: "), []byte("FileChecksum: SHA256: "+strings.Repeat("e", 64)+"\nFileComment: "))
			})
			verifier := verifier(t, w)
			verifier.Fetch.Transport = carried(w)
			parsed, _ := release.ParseVersion(v)
			s, err := verifier.SBOM(t.Context(), parsed)
			if err != nil {
				t.Fatal(err)
			}
			if s.Verdict() == report.Verified {
				t.Errorf("an unsigned SBOM from anywhere is verified: signature %s, binding %s", s.Signature.Verdict, s.Binding.Detail)
			}
		})
	}
}

// Rule 8: carried claims can refute, also in the years before file signing: an
// SBOM of another version is not passed over in silence.
func TestHostileUnsignedSBOMOfAnotherVersion(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.24.0", "v1.24.1"}})
	w.ServeAs("v1.24.0", "v1.24.1", world.SBOM)
	rep := verdictOf(t, w, "v1.24.1")
	if rep.Verdict() == report.Verified {
		t.Errorf("the SBOM served as v1.24.1 says v1.24.0, and nobody is told: %s", rep.Verdict())
	}
}

// Rule 13, the other way round: where one image's layers are recorded in another
// way than those of the others, and the published promotion manifest ties its
// digest, that is a warning.
func TestGenuineImageRecordedInAnotherWay(t *testing.T) {
	w := world.New(world.Options{})
	body := replaceIn(w.File(world.SBOMURL(version)), "conformance-arm64-v1.27.2-sha256-", "PackageChecksum: SHA256: ",
		"PackageChecksum: SHA256: "+strings.Repeat("0", 64)+"\nPackageComment: ")
	w.PutDocument(world.FileURL(version, "kubernetes-release.spdx"), body)
	w.SignFile(world.SBOMURL(version), world.Signing{})
	if rep := verdictOf(t, w, version); rep.Verdict() == report.Refuted {
		t.Errorf("refuted though the published promotion manifest ties every digest:\n%s", failures(rep))
	}
}

// Rule 20: an index over other systems has not the platforms of the release,
// whoever signed it: linux/amd64 is missing from it.
func TestHostileSystems(t *testing.T) {
	w := world.New(world.Options{})
	old, oldChild := w.Digest(proxy), w.Digest("kube-proxy-amd64:"+version)
	child, list := w.ChangeConfig(version, "kube-proxy", "amd64", world.Upward, replace(`"os":"linux"`, `"os":"windows"`))
	promoteAs(w, old, list)
	promoteAs(w, oldChild, child)
	plant(w, version, "kube-proxy", edited(func(_ object, m []any) []any {
		for _, e := range m {
			if platformOf(e)["architecture"] == "amd64" {
				platformOf(e)["os"] = "windows"
			}
		}
		return m
	}))
	rep := verdictOf(t, w, version)
	if rep.Verdict() == report.Verified {
		t.Error("verified, with windows/amd64 where linux/amd64 should be")
	}
}

// Rule 1: a document made to be slow to read ends with the time that the run has.
func TestHostileSlowSBOM(t *testing.T) {
	w := world.New(world.Options{})
	id := "SPDXRef-Package-registry.k8s.io-kube-proxy-amd64-" + version
	var b bytes.Buffer
	b.Write(w.File(world.SBOMURL(version)))
	const many = 40_000
	for range many {
		b.WriteString("PackageName: x\nSPDXID: SPDXRef-Package-a\n")
	}
	b.WriteString("PackageName: x\nSPDXID: " + id + "-sha256-0\nPackageChecksum: SHA256: " + strings.Repeat("0", 64) + "\n")
	for range many {
		b.WriteString("Relationship: " + id + " CONTAINS " + id + "-sha256-0\n")
	}
	w.PutFile(world.SBOMURL(version), b.Bytes())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	start := time.Now()
	rep, err := verifier(t, w).Images(ctx, request(t, version))
	if err != nil || rep.Verdict() == report.Verified {
		t.Fatalf("%v %s", err, rep.Verdict())
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("%d KB of SBOM took %s of a run that had 2s", b.Len()>>10, took.Round(time.Second))
	}
}

// Rules 1 and 15: an entry without a promise lacks something, and contradicts
// nothing; a mirror may hold bundles with an inclusion proof alone.
func TestHostileLackOfAPromise(t *testing.T) {
	w := world.New(world.Options{})
	w.Tamper(world.RekorEntriesURL, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(`"signedEntryTimestamp"`), []byte(`"other"`))
	})
	rep := verdictOf(t, w, version)
	if rep.Verdict() != unknown {
		t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
	}
}

// Rule 19: genuine signatures under other names neither hide the right one behind
// them nor make a release look false where there is more than is looked at.
func TestHostileSignaturesUnderOtherNames(t *testing.T) {
	built := world.New(world.Options{})
	other := func(w *world.World, n int) (layers []*world.Signed) {
		how := make([]world.Signing, n)
		for i := range how {
			how[i] = world.Signing{Reference: "registry.k8s.io/other-" + strconv.Itoa(i)}
		}
		return w.SignAs(proxy, how...)
	}
	for _, tt := range []struct {
		name          string
		before, after int
		right         bool
		want          report.Verdict
		reason        report.Reason
	}{
		{"16 before the right one", 16, 0, true, report.Verified, ""},
		{"17 before the right one", 17, 0, true, report.Verified, ""},
		{"50 before the right one", 50, 0, true, report.Verified, ""},
		{"50 after the right one", 0, 50, true, report.Verified, ""},
		{"more names than payloads are read, before the right one", 80, 0, true, report.Verified, ""},
		{"more names than payloads are read, and no right one", 80, 0, false, unknown, report.Limit},
		{"17 and no right one", 17, 0, false, refuted, report.Mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			right := w.SignAs(proxy, world.Signing{})
			if !tt.right {
				right = nil
			}
			w.PutSignature("kube-proxy", w.Digest(proxy), slices.Concat(other(w, tt.before), right, other(w, tt.after))...)
			signature, reference := verify.SignatureOf(t.Context(), verifier(t, w), "kube-proxy", w.Digest(proxy))
			c := signature
			if tt.want == refuted {
				c = reference
			}
			if c.Verdict != tt.want || c.Reason != tt.reason || tt.want == report.Verified && reference.Verdict != report.Verified {
				t.Errorf("%s %s %s, %s", c.Verdict, c.Reason, c.Detail, reference.Detail)
			}
		})
	}
}

// Rule 19: genuine signatures of other digests are sorted out before they are
// counted, and an overflow is Unknown: they must not hide the one that holds,
// nor make a release look false.
func TestHostileSignaturesBeforeTheGenuineOne(t *testing.T) {
	w := world.New(world.Options{})
	genuine := w.SignAs(proxy, world.Signing{})[0]
	other := w.SignAs(proxy, world.Signing{Digest: w.Digest(scheduler)})[0]
	layers := make([]*world.Signed, 16, 17)
	for i := range layers {
		layers[i] = other
	}
	w.PutSignature("kube-proxy", w.Digest(proxy), append(layers, genuine)...)
	if rep := verdictOf(t, w, version); rep.Verdict() == refuted {
		t.Errorf("16 copied signatures hide the genuine one behind them:\n%s", failures(rep))
	}
}
