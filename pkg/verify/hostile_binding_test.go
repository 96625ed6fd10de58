package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// Rules 7 and 8: what is carried may hold a whole release, and then only what is
// signed counts.
func TestHostileCarriers(t *testing.T) {
	for name, tt := range map[string]struct {
		version string
		do      func(w *world.World)
		want    report.Verdict
	}{
		"the signed SBOM is enough":      {version, func(*world.World) {}, report.Verified},
		"before file signing nothing is": {"v1.24.0", func(*world.World) {}, unknown},
		"an SBOM without its signature": {version, func(w *world.World) {
			w.PutFile(world.SBOMURL(version)+".sig", nil)
			w.PutFile(world.SBOMURL(version)+".cert", nil)
		}, unknown},
		"an SBOM without its log entry": {version, func(w *world.World) { w.Tamper(world.RekorEntriesURL, func([]byte) []byte { return []byte("[]") }) }, unknown},
		"an SBOM signed by krel-trust":  {version, func(w *world.World) { w.SignFile(world.SBOMURL(version), world.Signing{Identity: world.KrelTrust}) }, unknown},
		"an SBOM signed under another CA": {version, func(w *world.World) {
			w.SignFile(world.SBOMURL(version), world.Signing{CA: world.NewSigstore("evil")})
		}, unknown},
		"the promotion manifest says what is wanted, and the SBOM is gone": {version, func(w *world.World) {
			w.ServeAs("v1.27.1", version, world.AllImages, world.Promotion)
			w.Status(world.SBOMURL(version)+"*", 404)
		}, unknown},
		"everything of v1.27.1 but the SBOM": {version, func(w *world.World) {
			w.ServeAs("v1.27.1", version, world.AllImages, world.Promotion, world.Changelog)
		}, unknown},
		"one image of v1.27.1, promoted": {version, func(w *world.World) {
			old := w.Digest(proxy)
			w.ServeAs("v1.27.1", version, "kube-proxy")
			promoteAs(w, old, w.Digest(proxy))
		}, refuted},
		"an older CHANGELOG": {version, func(w *world.World) {
			w.PutFile(world.ChangelogURL(version), bytes.ReplaceAll(w.File(world.ChangelogURL(version)), []byte(version), []byte("v1.27.0")))
		}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			versions := []string{tt.version}
			if tt.version == version {
				versions = nil
			}
			w := world.New(world.Options{Versions: versions})
			tt.do(w)
			v := verifier(t, w)
			v.Fetch.Transport = carried(w)
			rep, err := v.Images(t.Context(), request(t, tt.version))
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() != tt.want {
				t.Errorf("%s, want %s\n%s", rep.Verdict(), tt.want, failures(rep))
			}
		})
	}
}

// Rule 9: a genuine SBOM of another version, or one that was made by whoever
// signs for Kubernetes but not for this version.
func TestHostileSBOMs(t *testing.T) {
	built := world.New(world.Options{})
	for name, change := range map[string]func([]byte) []byte{
		"of another namespace":      replace("DocumentNamespace: https://sbom.k8s.io/v1.27.2/release", "DocumentNamespace: https://sbom.k8s.io/v1.27.1/release"),
		"of another name":           replace("DocumentName: Kubernetes Release v1.27.2", "DocumentName: Kubernetes Release v1.27.20"),
		"of a mock":                 replace("https://sbom.k8s.io/v1.27.2/release", "https://sbom.k8s.io/v1.27.2/release-mock"),
		"with an image of v1.27.1":  replace("kube-proxy-arm64-v1.27.2\n", "kube-proxy-arm64-v1.27.1\n"),
		"with an image of no arch":  replace("kube-proxy-arm64-v1.27.2\n", "kube-proxy-vax-v1.27.2\n"),
		"without an image's layers": func(b []byte) []byte { return dropLines(b, "kube-proxy-arm64-v1.27.2 CONTAINS") },
		"with a layer that is no sum": func(b []byte) []byte {
			return replaceIn(b, "kube-proxy-arm64-v1.27.2-sha256-", "PackageChecksum: SHA256: ", "PackageChecksum: SHA224: ")
		},
		"with another layer": func(b []byte) []byte {
			return replaceIn(b, "kube-proxy-arm64-v1.27.2-sha256-", "PackageChecksum: SHA256: ", "PackageChecksum: SHA256: "+strings.Repeat("0", 64)+"\nPackageComment: ")
		},
		"with its name in a comment": replace("DocumentName: Kubernetes Release v1.27.2", "DocumentName: x\nDocumentComment: <text>\nDocumentName: Kubernetes Release v1.27.2\n</text>"),
		"empty":                      func([]byte) []byte { return []byte{} },
		"JSON of that name": func([]byte) []byte {
			return []byte(`{"spdxVersion":"SPDX-2.3","name":"Kubernetes Release v1.27.2","documentNamespace":"https://sbom.k8s.io/v1.27.2/release"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			body := change(bytes.Clone(w.File(world.SBOMURL(version))))
			if bytes.Equal(body, w.File(world.SBOMURL(version))) {
				t.Fatal("nothing was changed")
			}
			w.PutDocument(world.FileURL(version, "kubernetes-release.spdx"), body)
			w.SignFile(world.SBOMURL(version), world.Signing{}) // krel-staging itself
			v := verifier(t, w)
			v.Fetch.Transport = carried(w) // so that nothing else binds
			rep, err := v.Images(t.Context(), request(t, version))
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}

func dropLines(b []byte, with string) []byte {
	var out []string
	for _, line := range strings.Split(string(b), "\n") {
		if !strings.Contains(line, with) {
			out = append(out, line)
		}
	}
	return []byte(strings.Join(out, "\n"))
}

// replaceIn replaces the first old behind a place.
func replaceIn(b []byte, behind, old, new string) []byte {
	i := bytes.Index(b, []byte(behind))
	if i < 0 {
		panic("there is no " + behind)
	}
	return append(bytes.Clone(b[:i]), bytes.Replace(b[i:], []byte(old), []byte(new), 1)...)
}
