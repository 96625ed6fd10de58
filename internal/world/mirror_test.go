package world_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

type mirrorManifest struct {
	Note   string
	Images []struct{ Name, Digest string }
	Files  []struct {
		URL    string
		SHA256 string
		Size   int
	}
}

// A mirror has the bytes that the world serves, no more and no fewer.
func TestMirrorHoldsWhatIsServed(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	if err := w.WriteMirror(dir, w.Versions(), world.MirrorOptions{
		Names: []string{"kube-proxy", "pause", "coredns/coredns"}, Arches: []string{"amd64", "arm64"}, Files: []string{"bin/linux/amd64/kubectl"},
	}); err != nil {
		t.Fatal(err)
	}
	var m mirrorManifest
	readJSON(t, filepath.Join(dir, "MANIFEST.json"), &m)
	listed := map[string]bool{}
	bundles := 0
	for _, f := range m.Files {
		path := filepath.Join(dir, "files", strings.TrimPrefix(f.URL, "https://"))
		listed[path] = true
		b, err := os.ReadFile(path)
		if err != nil || (world.Manifest{Body: b}).Digest() != "sha256:"+f.SHA256 || len(b) != f.Size {
			t.Fatalf("%s: %v", f.URL, err)
		}
		if url, ok := strings.CutSuffix(f.URL, ".sigstore.json"); ok {
			bundles++
			if err := verifyBundle(trusted(t, w), b, body(t, w, url)); err != nil {
				t.Errorf("%s: %v", f.URL, err)
			}
			continue
		}
		if !bytes.Equal(b, body(t, w, f.URL)) {
			t.Errorf("%s is not what is served", f.URL)
		}
	}
	if bundles != 4 {
		t.Errorf("%d kept bundles", bundles)
	}
	for _, im := range m.Images {
		repo, tag, _ := strings.Cut(strings.TrimPrefix(im.Name, "registry.k8s.io/"), ":")
		b, err := os.ReadFile(filepath.Join(dir, "oci", "blobs", "sha256", strings.TrimPrefix(im.Digest, "sha256:")))
		if err != nil || !bytes.Equal(b, body(t, w, world.ManifestURL(repo+":"+tag))) {
			t.Errorf("%s: %v", im.Name, err)
		}
	}
	for root, check := range map[string]func(string, []byte) bool{
		"files": func(path string, _ []byte) bool { return listed[path] },
		"oci/blobs": func(path string, b []byte) bool {
			return (world.Manifest{Body: b}).Digest() == "sha256:"+filepath.Base(path)
		},
	} {
		err := filepath.WalkDir(filepath.Join(dir, root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err == nil && !check(path, b) {
				t.Errorf("%s should not be there", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// The committed sample is the one that `make sample` writes. Compression may
// differ from one Go release to the next, so its bytes are not compared.
func TestSampleIsWhatItSays(t *testing.T) {
	const sample = "../../testdata/sample"
	w := world.New(world.Options{Versions: []string{v}})
	root, err := os.ReadFile(sample + "/trusted_root.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(root, w.TrustedRootJSON()) {
		t.Error("another trusted root: run make sample")
	}
	var m mirrorManifest
	readJSON(t, sample+"/mirror/MANIFEST.json", &m)
	if m.Note != world.MirrorNote || len(m.Images) != 50 {
		t.Errorf("note %q, %d images", m.Note, len(m.Images))
	}
	var size int64
	err = filepath.WalkDir(sample, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil || size > 3<<20 {
		t.Errorf("%d bytes, %v", size, err)
	}
}
