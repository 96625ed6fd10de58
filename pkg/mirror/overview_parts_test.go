package mirror

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// An overview sorts by release what belongs to one, counts what several share once a
// release, and tells of everything else apart.
func TestOverviewSortsByRelease(t *testing.T) {
	a, p := audited(t, func(f tree, m *layout.Manifest, p made) {
		of := m.Images[0]
		for _, name := range []string{"kube-scheduler:v1.27.2", "kube-proxy:v1.27.3", "pause:3.9", "coredns/coredns:v1.27.2", "sig-storage/csi-attacher:v4.3.0"} {
			of.Name = "registry.k8s.io/" + name
			m.Images = append(m.Images, of)
		}
		for _, url := range []string{binary + ".sha256", "https://dl.k8s.io/release/v1.27.2/kubernetes-client-linux-amd64.tar.gz", "https://dl.k8s.io/release/v1.27.2/kubernetes.tar.gz"} {
			f[layout.FilePath(url)] = "x"
			m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum("x"), Size: 1})
		}
	})
	o := a.dir.Overview()
	var all int64 // of the blobs, which every image here has
	for _, digest := range []string{layout.BlobPath(p.index), layout.BlobPath(p.image), layout.BlobPath(p.config), layout.BlobPath(p.layer)} {
		info, err := os.Stat(filepath.Join(a.dir.path, filepath.FromSlash(digest)))
		if err != nil {
			t.Fatal(err)
		}
		all += info.Size()
	}
	if len(o.Releases) != 2 || o.Releases[0].Version != "v1.27.3" || o.Releases[1].Version != "v1.27.2" {
		t.Fatalf("%+v", o.Releases)
	}
	for i, images := range []int{1, 2} {
		r := o.Releases[i]
		if len(r.Images) != images || r.Bytes != all || !slices.Equal(r.Platforms, []string{"linux/amd64"}) || !slices.Equal(r.Absent, []string{"linux/arm64"}) {
			t.Errorf("%+v, want %d bytes", r, all)
		}
		for _, im := range r.Images {
			if im.Bytes != all || im.Digest != p.index {
				t.Errorf("%+v, want %d bytes", im, all)
			}
		}
	}
	var others []string
	for _, im := range o.Others {
		others = append(others, im.Name)
	}
	slices.Sort(others)
	if want := []string{"registry.k8s.io/coredns/coredns:v1.27.2", "registry.k8s.io/pause:3.9", "registry.k8s.io/sig-storage/csi-attacher:v4.3.0"}; !slices.Equal(others, want) {
		t.Errorf("others: %q", others)
	}
	files := o.Releases[1].Files
	if files.Count != 5 || !slices.Equal(files.Programs, []string{"kubectl"}) || len(files.Kinds) == 0 || !slices.Equal(files.Systems, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("files: %+v", files)
	}
	if o.Missing.Count != 0 || o.Partial != "" || o.Blobs != (Amount{4, all}) || o.Files.Count != 5 {
		t.Errorf("%+v", o)
	}
	// The platform that is not there is absent, and not a blob that is missing.
	f := listedMirror(t, nil, func(f tree, p made) { delete(f, layout.BlobPath(p.index)) })
	if o := f.open(t).Overview(); o.Missing.Count != 1 {
		t.Errorf("without an index: %+v", o.Missing)
	}
}

// The parts of an archive are of one size, but for the last, and none is missing.
func TestPartsOfOneArchive(t *testing.T) {
	for name, tt := range map[string]struct {
		sizes map[string]int
		want  int64 // bytes of all; -1 if they are refused
	}{
		"one":                     {map[string]int{".001": 4}, 4},
		"three":                   {map[string]int{".001": 4, ".002": 4, ".003": 1}, 9},
		"the last as large":       {map[string]int{".001": 4, ".002": 4}, 8},
		"the last larger":         {map[string]int{".001": 4, ".002": 5}, -1},
		"one between, cut short":  {map[string]int{".001": 4, ".002": 3, ".003": 4}, -1},
		"one between is missing":  {map[string]int{".001": 4, ".003": 4}, -1},
		"an empty one":            {map[string]int{".001": 4, ".002": 0}, -1},
		"an empty first":          {map[string]int{".001": 0}, -1},
		"what is no part":         {map[string]int{".001": 4, ".002x": 4, ".02": 1, ".000": 9}, 4},
		"of another archive, too": {map[string]int{".001": 4, "x.002": 9}, 4},
	} {
		dir := t.TempDir()
		var want []byte
		for _, suffix := range []string{".001", ".002", ".003", ".002x", ".02", ".000", "x.002"} {
			size, there := tt.sizes[suffix]
			if !there {
				continue
			}
			text := bytes.Repeat([]byte(suffix[len(suffix)-1:]), size)
			if len(suffix) == 4 && suffix != ".000" {
				want = append(want, text...)
			}
			if err := os.WriteFile(filepath.Join(dir, "m.tar"+suffix), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := openParts(filepath.Join(dir, "m.tar.001"))
		if (err == nil) != (tt.want >= 0) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		got := make([]byte, tt.want)
		if n, err := p.ReadAt(got, 0); p.size != tt.want || int64(n) != tt.want || err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %q, %v", name, p.size, got, err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.Close(); err == nil {
			t.Errorf("%s: it was not closed", name)
		}
	}
	if _, err := openParts(filepath.Join(t.TempDir(), "none", "m.tar.001")); err == nil {
		t.Error("parts in no folder")
	}
}

// What is refused is told with its reason, as an answer and as damage of the contents; a
// body that nobody reads is closed.
func TestRefusalsSayWhy(t *testing.T) {
	f := listedMirror(t, nil, func(f tree, _ made) { f[layout.ManifestFile] = `{"schemaVersion":2}`; f.sums() })
	d := f.open(t)
	c := d.Contents()
	if c.HasManifest || len(c.Files) != 0 || !slices.ContainsFunc(c.Damage, func(s string) bool { return strings.HasPrefix(s, "MANIFEST.json: ") }) {
		t.Errorf("%+v", c)
	}
	bare, _, _, _, _ := sample()
	for name := range bare {
		if strings.HasPrefix(name, "files/") {
			delete(bare, name)
		}
	}
	if c := bare.open(t).Contents(); len(c.Damage) != 0 || len(c.Files) != 0 || len(c.Images) != 2 {
		t.Errorf("without files: %+v", c)
	}
	why := fmt.Errorf("why")
	asked, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://dl.k8s.io/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*Answer{"a file": d.refuse(why), "an image": d.ociRefuse(why), "what is asked": d.Refuse(asked, why)} {
		if a.Err == nil || a.Status != http.StatusInternalServerError || !strings.Contains(a.Err.Error(), "why") {
			t.Errorf("%s: %+v", name, a)
		}
	}
	body := &closing{}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "https://dl.k8s.io/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp := (&Answer{Status: http.StatusOK, Body: body}).response(req)
	_ = resp.Body.Close()
	if !body.closed {
		t.Error("the body of an answer to HEAD is left open")
	}
}

// closing is a body that says whether it was closed.
type closing struct {
	bytes.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }
