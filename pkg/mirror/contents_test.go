package mirror

import (
	"reflect"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
)

// What a mirror holds are its lists, in order: files by the release that their address
// names, and names of images; without a list it is what lies there. A version of CoreDNS or
// of a driver is no release.
func TestContents(t *testing.T) {
	const host = "https://dl.k8s.io/release/"
	urls := []string{host + "next/kubectl", host + "stable.txt", host + "v1.26.0/bin/linux/amd64/kubectl", "https://example.com/release/v1.25.0/kubectl"}
	strange := []string{"http://dl.k8s.io/plain", "dl.k8s.io/none", "https://dl.k8s.io/../x", "https://dl.k8s.io//x"}
	a, p := audited(t, func(f tree, m *layout.Manifest, p made) {
		of := m.Images[0]
		for _, name := range []string{"pause:3.9", "kube-proxy:v1.28.1", "coredns/coredns:v1.10.1", "sig-storage/csi-attacher:v4.3.0", "kube-proxy:1.29.0", "etcd@" + string(p.index)} {
			of.Name = "registry.k8s.io/" + name
			m.Images = append(m.Images, of)
		}
		for _, url := range urls {
			f[layout.FilePath(url)] = "x"
			m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum("x"), Size: 1})
		}
		for _, url := range strange {
			m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum("x"), Size: 1})
		}
	})
	version := func(minor, patch int) release.Version {
		return release.Version{Major: 1, Minor: minor, Patch: patch}
	}
	file := func(name, text string, v release.Version, path string) HeldFile {
		return HeldFile{URL: "https://" + name, Name: "files/" + name, Version: v, Path: path, SHA256: sum(text), Size: int64(len(text))}
	}
	image := func(repo, tag string) HeldImage {
		return HeldImage{"registry.k8s.io", repo, tag, p.index, listType}
	}
	want := Contents{HasManifest: true, Versions: []release.Version{version(28, 1), version(27, 2), version(26, 0)},
		Images: []HeldImage{image("coredns/coredns", "v1.10.1"), image("kube-proxy", "1.29.0"), image("kube-proxy", "v1.27.2"), image("kube-proxy", "v1.28.1"), image("pause", "3.9"),
			image("sig-storage/csi-attacher", "v4.3.0")},
		Files: []HeldFile{
			file("dl.k8s.io/release/next/kubectl", "x", release.Version{}, ""), file("dl.k8s.io/release/stable.txt", "x", release.Version{}, ""),
			file("dl.k8s.io/release/v1.26.0/bin/linux/amd64/kubectl", "x", version(26, 0), "bin/linux/amd64/kubectl"),
			file("dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl", "one", version(27, 2), "bin/linux/amd64/kubectl"),
			file("dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl", "two", version(27, 2), "bin/linux/arm64/kubectl"),
			file("example.com/release/v1.25.0/kubectl", "x", release.Version{}, ""),
		}}
	same := func(what string, got Contents) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", what, got, want)
		}
	}
	for range 64 { // lists are met in any order
		same("by its lists", a.dir.Contents())
	}
	a.dir.manifest, want.HasManifest = nil, false
	for i := range want.Files {
		want.Files[i].SHA256, want.Files[i].Size = "", -1
	}
	same("without one", a.dir.Contents())
}

// Each list that is refused, and each tag of one, is told of once, in order.
func TestDamageOfContents(t *testing.T) {
	f := listedMirror(t, func(f tree, m *layout.Manifest, p made) {
		of := m.Images[0]
		for _, name := range []string{"pause:3.9", "pause:3.8", "etcd:3.5.7-0"} {
			of.Name = "registry.k8s.io/" + name
			m.Images = append(m.Images, of)
		}
	}, func(f tree, p made) {
		m := layout.Manifest{SchemaVersion: 1, Images: []layout.ImageEntry{{Name: "registry.k8s.io/pause:3.8", Digest: oci.Digest("sha256:" + sum("another")), MediaType: listType, Size: 1}}}
		list, err := m.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		f[layout.ManifestFile] = string(list)
	})
	d := f.open(t)
	for range 64 { // repositories are met in any order
		c := d.Contents()
		var got []string
		for _, text := range c.Damage {
			got = append(got, text[:len("registry.k8s.io/pause:3.8")])
		}
		if want := []string{"registry.k8s.io/etcd:3.5.", "registry.k8s.io/kube-prox", "registry.k8s.io/pause:3.8", "registry.k8s.io/pause:3.9"}; !reflect.DeepEqual(got, want) || len(c.Images) != 0 || !c.HasManifest {
			t.Fatalf("%q, %v", c.Damage, c.Images)
		}
	}
}
