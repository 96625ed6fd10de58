package verify_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// The SBOM that a file is held against must be of the images that were signed: of all of
// them. Refuted needs an image that matches beside one that does not, since otherwise it may be the images that are not the release's.
func TestAnchor(t *testing.T) {
	const path = "bin/linux/amd64/kubectl"
	sbom := world.FileURL(version, "kubernetes-release.spdx")
	for _, c := range []struct {
		name   string
		change func(*world.World)
		want   report.Verdict
		reason report.Reason
		says   string
	}{
		{"genuine", func(*world.World) {}, report.Verified, "", "those of all 20 images"},
		{"one image is of another release", func(w *world.World) { w.ServeAs("v1.27.1", version, "kube-proxy") }, refuted, report.Mismatch, "kube-proxy"},
		{"all images are of another release", func(w *world.World) { w.ServeAs("v1.27.1", version, world.AllImages) }, unknown, report.NoClaim, "no image of"},
		{"no signature on one image", func(w *world.World) {
			w.DropSignature("registry.k8s.io/kube-proxy:" + version)
			w.DropSignature("registry.k8s.io/kube-proxy-arm64:" + version)
		}, unknown, report.Incomplete, "19 images match the SBOM, but not all could be examined: registry.k8s.io/kube-proxy:v1.27.2 linux/arm64: "},
		{"another image's signature on one image", func(w *world.World) {
			for _, arch := range w.Arches(version) {
				w.CopySignature("kube-scheduler-"+arch+":"+version, "kube-proxy-"+arch+":"+version)
			}
			w.CopySignature("kube-scheduler:"+version, "kube-proxy:"+version)
		}, unknown, report.Incomplete, "16 images match"},
		{"one image is not there", func(w *world.World) { w.NoSuchHost("https://registry.k8s.io/v2/kube-proxy/*") }, unknown, report.Incomplete, "no platform of it could be examined"},
		{"one image has no index", func(w *world.World) { w.Tag("kube-proxy:"+version, w.Digest("kube-proxy-amd64:"+version)) }, unknown, report.Incomplete, ""},
		{"the registry is out of reach", func(w *world.World) { w.NoSuchHost("https://registry.k8s.io/*") }, unknown, report.Incomplete, "0 images match"},
		{"nobody signed the SBOM", func(w *world.World) {
			w.Status(sbom+".sig", 404)
			w.Status(sbom+".cert", 404)
		}, unknown, report.NoClaim, "there is no signed SBOM of " + version},
		{"there is no SBOM", func(w *world.World) { w.Status(sbom, 404) }, unknown, report.NoClaim, "there is no signed SBOM of " + version},
		{"the SBOM is another at the second reading", func(w *world.World) {
			var n atomic.Int32
			w.Tamper(sbom, func(b []byte) []byte {
				if n.Add(1) == 1 {
					return b
				}
				return append(slices.Clip(b), '\n')
			})
		}, unknown, report.Mismatch, "the SBOM changed while it was read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(world.Options{})
			c.change(w)
			v := verifier(t, w)
			v.Require = []string{report.Anchor}
			root, dir := openDir(t)
			res := filesOf(t, v, version).Download(t.Context(), root, target(path))
			last := res.Checks[len(res.Checks)-1]
			if res.Verdict() != c.want || last.Name != report.Anchor || last.Verdict != c.want {
				t.Fatalf("%s, want %s: %+v", res.Verdict(), c.want, res.Checks)
			}
			if last.Reason != c.reason || !strings.Contains(last.Detail, c.says) || last.Evidence.IsZero() == (c.want == report.Verified) {
				t.Errorf("%s: %s %v", last.Reason, last.Detail, last.Evidence)
			}
			if _, err := os.Stat(filepath.Join(dir, path)); (err == nil) != (c.want == report.Verified) {
				t.Errorf("under the final name: %v", err)
			}
		})
	}
}
