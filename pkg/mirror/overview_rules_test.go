package mirror

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// What a mirror says of itself stands in its overview as it says it, and what lies there by
// where it lies.
func TestOverviewOfWhatIsSaid(t *testing.T) {
	const lost, link = "https://dl.k8s.io/release/v1.27.2/bin/linux/s390x/kubectl", "https://dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubelet"
	f := listedMirror(t, func(_ tree, m *layout.Manifest, p made) {
		m.Created, m.Tool.Name, m.Tool.Version = "2023-05-17T15:00:00Z", "kverify", "v1"
		m.Unknown = []layout.UnknownEntry{{Name: "a"}, {Name: "b"}}
		attached := m.Images[0]
		attached.Name = "registry.k8s.io/kube-proxy:sha256-" + p.index.Hex() + ".sig"
		m.Images = append(m.Images, attached)
		for _, url := range []string{lost, link} {
			m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum("lost"), Size: 4})
		}
	}, func(f tree, _ made) {
		f[layout.SignatureFile] = "{}"
		f[layout.FilePath(binary)] = "longer"
		f["files/dl.k8s.io/"+sum("x")], f["oci/blobs/sha256/x"], f["unknown/y"] = "a file", "no blob", "another"
	})
	d := f.open(t)
	if err := os.Symlink(filepath.Join(t.TempDir(), "x"), filepath.Join(d.Path(), filepath.FromSlash(layout.FilePath(link)))); err != nil {
		t.Fatal(err)
	}
	o := d.Overview()
	if o.SchemaVersion != 1 || o.Path != d.Path() || o.Archive || o.Base != "" || o.Created != "2023-05-17T15:00:00Z" || o.Tool != "kverify v1" ||
		o.Signed != (Signature{Present: true}) || !slices.Equal(o.Unknown, []string{"a", "b"}) || o.Partial != "" || len(o.Damage) != 0 || len(o.Others) != 0 {
		t.Errorf("%+v", o)
	}
	if o.Blobs.Count != 4 || o.Files.Count != 3 || o.Other.Count != 7 || o.Missing != (Amount{1, 4}) {
		t.Errorf("%d blobs, %d files, %d others, missing %+v", o.Blobs.Count, o.Files.Count, o.Other.Count, o.Missing)
	}
	if len(o.Releases) != 1 || len(o.Releases[0].Images) != 1 || o.Releases[0].Files.Amount != (Amount{4, 6 + 3 + 4 + 4}) {
		t.Errorf("%+v", o.Releases)
	}
	none := survey{dir: &Mirror{fsys: &tarFS{}}} // not even its folder
	if none.amounts(); none.out.Partial == "" {
		t.Error("nothing was counted, and it is not said")
	}
}

// Files are sorted by what they are, what lies beside them apart; a release of files alone
// was not to have images.
func TestOverviewOfFiles(t *testing.T) {
	f := tree{}
	for _, path := range []string{"bin/linux/amd64/kubectl", "bin/linux/amd64/kubectl.sha256", "bin/linux/amd64/kubectl" + layout.BundleSuffix, "bin/linux/s390x/kubeadm.sha256", "bin/windows/arm64/kubelet.exe", "bin/linux/amd64/kube-proxy.tar", "bin/linux/amd64/kube-proxy.docker_tag",
		"kubernetes-client-linux-arm.tar.gz", "kubernetes-node-plan9-.tar.gz", "kubernetes-test--vax.tar.gz", "kubernetes.tar.gz", "SHA256SUMS", "x"} {
		f["files/dl.k8s.io/release/v1.27.2/"+path] = "xy"
	}
	o := f.open(t).Overview()
	want := FilesOverview{Amount: Amount{13, 26}, Programs: []string{"kubectl", "kubelet"}, Kinds: []string{"archive", "client", "document", "node", "other", "source", "test"}, Systems: []string{"linux/amd64", "linux/arm", "windows/arm64"}}
	if len(o.Releases) != 1 || !reflect.DeepEqual(o.Releases[0].Files, want) || len(o.Releases[0].Without) != 0 {
		t.Errorf("%+v\nwant %+v", o.Releases, want)
	}
}

// What is missing is counted once, what is damaged is told with its reason and not followed, and
// a manifest is read up to its limit.
func TestOverviewOfWhatIsWrong(t *testing.T) {
	var p made
	platform := `,"platform":{"os":"linux","architecture":"amd64"}`
	of := func(change func(f tree, m *layout.Manifest, add func(kind, text string))) Overview {
		f := listedMirror(t, func(f tree, m *layout.Manifest, of made) {
			p, m.Images = of, nil
			change(f, m, func(kind, text string) {
				digest, size := f.blob(text)
				m.Images = append(m.Images, layout.ImageEntry{Name: fmt.Sprintf("registry.k8s.io/pause:%d", len(m.Images)), Digest: oci.Digest(digest), MediaType: kind, Size: int64(size)})
			})
		}, nil)
		return f.open(t).Overview()
	}
	child := func(f tree) string {
		return desc(imageType, string(p.image), len(f[layout.BlobPath(p.image)]), platform)
	}
	list := func(children, more string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]%s}`, listType, children, more)
	}
	o := of(func(f tree, m *layout.Manifest, add func(kind, text string)) {
		delete(f, layout.BlobPath(p.layer))
		add(listType, list(child(f), ""))
		add(listType, list(child(f), " "))
	})
	if o.Missing.Count != 1 || len(o.Damage) != 0 {
		t.Errorf("a layer that two images have: %+v, %q", o.Missing, o.Damage)
	}
	o = of(func(f tree, m *layout.Manifest, add func(kind, text string)) {
		add(listType, list(child(f), ""))
		delete(f, layout.BlobPath(m.Images[0].Digest))
	})
	if o.Missing.Count != 1 || len(o.Damage) != 0 || len(o.Others) != 1 || o.Others[0].Bytes != 0 {
		t.Errorf("an index that is missing: %+v, %q", o.Missing, o.Damage)
	}
	o = of(func(f tree, m *layout.Manifest, add func(kind, text string)) {
		add(listType, list(child(f), ""))
		name := layout.BlobPath(m.Images[0].Digest)
		f[name] = strings.Replace(f[name], "linux", "Linux", 1)
	})
	if len(o.Damage) != 1 || !strings.Contains(o.Damage[0], "is damaged") || len(o.Others[0].Platforms) != 0 {
		t.Errorf("an index that differs: %q, %+v", o.Damage, o.Others)
	}
	o = of(func(f tree, m *layout.Manifest, add func(kind, text string)) {
		add(listType, list(child(f), `,"layers":[`+desc("x", string(p.layer), 1, "")+"]"))
	})
	if len(o.Damage) != 1 || len(o.Others[0].Platforms) != 0 {
		t.Errorf("an index that is an image too: %q, %+v", o.Damage, o.Others)
	}
	var bytes int64
	o = of(func(f tree, m *layout.Manifest, add func(kind, text string)) {
		defer func() { bytes = m.Images[0].Size + int64(len(f[layout.BlobPath(p.layer)])) }()
		add(imageType, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"x","digest":"sha256:x","size":1},"layers":[%s]}`, imageType, desc("x", string(p.layer), 1, "")))
	})
	if o.Missing.Count != 0 || len(o.Damage) != 0 || o.Others[0].Bytes != bytes {
		t.Errorf("a config that no digest names: %+v, %q, %+v", o.Missing, o.Damage, o.Others)
	}
	for more, partial := range map[int]bool{0: false, 1: true} {
		o = of(func(f tree, m *layout.Manifest, add func(kind, text string)) {
			text := list(child(f), "")
			add(listType, text+strings.Repeat(" ", maxManifest-len(text)+more))
		})
		if (o.Partial != "") != partial || len(o.Damage) != 0 || slices.Equal(o.Others[0].Platforms, []string{"linux/amd64"}) == partial {
			t.Errorf("a manifest of its limit and %d: %q, %q, %+v", more, o.Partial, o.Damage, o.Others)
		}
	}
	s := survey{}
	for range maxDamage + 2 {
		s.damage("x")
	}
	if len(s.out.Damage) != maxDamage {
		t.Errorf("%d are told", len(s.out.Damage))
	}
}

// An archive has as many parts as its limit, and none more.
func TestPartsAreBounded(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= layout.MaxParts+1; n++ {
		if err := os.WriteFile(filepath.Join(dir, "m"+layout.PartSuffix(n)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if n < layout.MaxParts {
			continue
		}
		p, err := openParts(filepath.Join(dir, "m"+layout.PartSuffix(1)))
		if (err == nil) != (n == layout.MaxParts) {
			t.Errorf("%d: %v", n, err)
		}
		if err == nil {
			_ = p.Close()
		}
	}
}
