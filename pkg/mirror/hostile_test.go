package mirror_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// judged is what is said of a release that comes out of a directory alone.
func judged(t *testing.T, w *world.World, dir, version string, arches ...string) report.Report {
	t.Helper()
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	v, err := release.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	client := &fetch.Client{Transport: d}
	verifier := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root}
	rep, err := verifier.Images(t.Context(), verify.Request{Versions: []release.Version{v}, Arches: arches})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func rewrite(t *testing.T, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body := change(bytes.Clone(old))
	if bytes.Equal(old, body) {
		t.Fatalf("%s was not changed", name)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

func all(old, new string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
}

// Rules 7, 8, 23 and 26: a directory made by an attacker, with MANIFEST.json and
// without: everything in it is carried, and only what is signed counts.
func TestHostileDirectories(t *testing.T) {
	const v, older = "v1.27.2", "v1.27.1"
	const promotion = "files/raw.githubusercontent.com/kubernetes/k8s.io/main/registry.k8s.io/images/k8s-staging-kubernetes/images.yaml"
	const spdx = "files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"
	built := world.New(world.Options{})
	for name, tt := range map[string]struct {
		world  func(w *world.World)
		dir    func(t *testing.T, dir string)
		arches []string // in the mirror
		asked  []string
		want   report.Verdict
		older  bool // v1.27.1 is in the mirror too
	}{
		"genuine":                      {want: report.Verified},
		"sparse, and all is asked for": {arches: []string{"amd64"}},
		"sparse, and that is asked":    {arches: []string{"amd64"}, asked: []string{"amd64"}, want: report.Verified},
		"sparse, and another is asked": {arches: []string{"amd64"}, asked: []string{"arm64"}},
		"no promotion manifest, which a signed SBOM can do without": {
			dir: func(t *testing.T, dir string) { remove(t, dir, promotion) }, want: report.Verified},
		"no SBOM":            {dir: func(t *testing.T, dir string) { remove(t, dir, spdx) }},
		"no signature of it": {dir: func(t *testing.T, dir string) { remove(t, dir, spdx+".sig") }},
		"no log entry of it": {dir: func(t *testing.T, dir string) { remove(t, dir, spdx+".sigstore.json") }},
		"no CHANGELOG": {dir: func(t *testing.T, dir string) {
			remove(t, dir, "files/raw.githubusercontent.com/kubernetes/kubernetes/master/CHANGELOG/CHANGELOG-1.27.md")
		}},
		"images of v1.27.1":     {world: func(w *world.World) { w.ServeAs(older, v, world.AllImages, world.Promotion) }},
		"one image of v1.27.1":  {world: func(w *world.World) { w.ServeAs(older, v, "kube-proxy", world.Promotion) }},
		"everything of v1.27.1": {world: func(w *world.World) { w.ServeAs(older, v) }},
		"one name changed in the lists": {older: true, dir: func(t *testing.T, dir string) {
			rewrite(t, dir, "oci/index.json", swapNames)
			rewrite(t, dir, "MANIFEST.json", swapNames)
		}},
		"a config": {world: func(w *world.World) {
			w.ChangeConfig(v, "kube-proxy", "amd64", world.UpwardPromoted, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"Entrypoint":["`), []byte(`"Entrypoint":["/bin/evil","`), 1)
			})
		}},
		"a layer":             {world: func(w *world.World) { w.ChangeLayer(v, "kube-proxy", "amd64", world.UpwardPromoted, []byte("evil")) }},
		"an image dropped":    {world: func(w *world.World) { w.DropImage(v, "kube-proxy") }},
		"a signature dropped": {world: func(w *world.World) { w.DropSignature("kube-proxy:" + v) }},
		"a log entry that says another time": {dir: func(t *testing.T, dir string) {
			rewrite(t, dir, spdx+".sigstore.json", all(`"integratedTime":"`, `"integratedTime":"1`))
		}},
		"a log entry without its promise": {dir: func(t *testing.T, dir string) {
			rewrite(t, dir, spdx+".sigstore.json", all(`"inclusionPromise"`, `"inclusionPromize"`))
		}},
	} {
		for _, hand := range []bool{false, true} {
			title := name
			if hand {
				title += ", without MANIFEST.json"
			}
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				w := built.Clone()
				if tt.world != nil {
					tt.world(w)
				}
				versions := []string{v}
				if tt.older {
					versions = []string{older, v}
				}
				dir := t.TempDir()
				if err := w.WriteMirror(dir, versions, world.MirrorOptions{Arches: tt.arches}); err != nil {
					t.Fatal(err)
				}
				if tt.dir != nil {
					tt.dir(t, dir)
				}
				if hand {
					remove(t, dir, "MANIFEST.json")
				}
				rep := judged(t, w, dir, v, tt.asked...)
				if (rep.Verdict() == report.Verified) != (tt.want == report.Verified) {
					t.Errorf("%s", rep.Verdict())
				}
			})
		}
	}
}

// swapNames serves kube-proxy v1.27.1 as v1.27.2 and the other way round.
func swapNames(b []byte) []byte {
	return []byte(strings.NewReplacer("kube-proxy:v1.27.1", "kube-proxy:v1.27.2", "kube-proxy:v1.27.2", "kube-proxy:v1.27.1",
		"kube-proxy-amd64:v1.27.1", "kube-proxy-amd64:v1.27.2", "kube-proxy-amd64:v1.27.2", "kube-proxy-amd64:v1.27.1").Replace(string(b)))
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

// Rule 8: before file signing nothing that a directory holds can bind.
func TestHostileDirectoryOfAnOldRelease(t *testing.T) {
	for _, v := range []string{"v1.24.0", "v1.25.9"} {
		w := world.New(world.Options{Versions: []string{v}})
		dir := t.TempDir()
		if err := w.WriteMirror(dir, []string{v}, world.MirrorOptions{}); err != nil {
			t.Fatal(err)
		}
		if rep := judged(t, w, dir, v); rep.Verdict() == report.Verified {
			t.Errorf("%s is verified by what a directory says of itself", v)
		}
	}
}

// Nothing leaves the directory: not by a link of a document, a blob or a host.
func TestHostileLinks(t *testing.T) {
	w := world.New(world.Options{})
	outside := t.TempDir()
	if err := w.WriteMirror(outside, []string{"v1.27.2"}, world.MirrorOptions{NoManifest: true}); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"files/dl.k8s.io", "files/raw.githubusercontent.com", "oci/blobs", "oci/index.json", "files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"} {
		t.Run(link, func(t *testing.T) {
			dir := t.TempDir()
			if err := w.WriteMirror(dir, []string{"v1.27.2"}, world.MirrorOptions{NoManifest: true}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.FromSlash(link))
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(outside, filepath.FromSlash(link)), path); err != nil {
				t.Fatal(err)
			}
			if rep := judged(t, w, dir, "v1.27.2"); rep.Verdict() == report.Verified {
				t.Error("verified with what lies outside")
			}
		})
	}
}
