package container_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
)

const proxyRef, apiRef = "registry.k8s.io/kube-proxy:v1.30.1", "registry.k8s.io/kube-apiserver:v1.30.1"

func open(t *testing.T, path string) *container.Container {
	t.Helper()
	c, err := container.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// told is a copy in one line: its list, its names, the digests of its manifests that
// hash to what names them, and for each platform whether config and layers are whole.
func told(t *testing.T, c sight.Copy) string {
	t.Helper()
	out := []string{c.List, strings.Join(c.Names, " ")}
	var walk func(n sight.Node)
	walk = func(n sight.Node) {
		if n.Err != nil {
			t.Errorf("%v", n.Err)
		}
		if n.Role != sight.Config {
			word := n.Role.String()
			switch {
			case n.Blob.Absent():
				word += " absent"
			default:
				got, err := n.Blob.Read(t.Context())
				if err != nil || got.Digest != n.Blob.Digest || got.Digest != oci.Digest(sum(n.Bytes)) {
					t.Errorf("%s: %+v, %v", n.Blob.Entry, got, err)
				}
			}
			out = append(out, strings.TrimSpace(n.Platform+" "+word))
		}
		if n.Role != sight.Index && !n.Blob.Absent() || n.Role == sight.Config {
			out = append(out, filesystem(t, n))
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(c.Root)
	return strings.Join(out, "; ")
}

// filesystem holds layers to the diff_ids of the config.
func filesystem(t *testing.T, n sight.Node) string {
	t.Helper()
	var config struct {
		Architecture string
		Rootfs       struct {
			IDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(n.ConfigBytes, &config); err != nil {
		t.Errorf("config %s: %v", n.Config.Entry, err)
	}
	content, err := n.Config.Read(t.Context())
	if err != nil || content.Digest != oci.Digest(sum(n.ConfigBytes)) {
		t.Errorf("config %s: %+v, %v", n.Config.Entry, content, err)
	}
	var ids []string
	for _, l := range n.Layers {
		content, err := l.Read(t.Context())
		if err != nil || content.Err != nil {
			t.Errorf("layer %s: %+v, %v", l.Entry, content, err)
		}
		if l.Digest != "" && content.Digest != l.Digest {
			t.Errorf("layer %s: %s", l.Digest, content.Digest)
		}
		ids = append(ids, string(content.Unpacked))
	}
	if !slices.Equal(ids, config.Rootfs.IDs) {
		t.Errorf("layers %v, the config has %v", ids, config.Rootfs.IDs)
	}
	return "a whole " + config.Architecture
}

// TestWhatToolsWrite reads every form, and finds the same images in it.
func TestWhatToolsWrite(t *testing.T) {
	proxy, arm := newImage("kube-proxy", "amd64"), newImage("kube-proxy", "arm64")
	api := newImage("kube-apiserver", "amd64")
	one, two := called{proxy, proxyRef}, called{api, apiRef}
	both := "; index; linux/amd64 manifest; a whole amd64; linux/arm64 manifest; a whole arm64"
	oldWords := []string{"manifest.json; " + proxyRef + "; a whole amd64", "manifest.json; " + apiRef + "; a whole amd64",
		"repositories; " + apiRef + "; a whole amd64", "repositories; " + proxyRef + "; a whole amd64"}
	newWords := append([]string{"index.json; " + proxyRef + "; manifest; a whole amd64", "index.json; " + apiRef + "; manifest; a whole amd64"}, oldWords...)
	hard := oldDocker(one)
	for i, f := range hard {
		if f.symlink != "" {
			hard[i].symlink, hard[i].hardlink = "", strings.TrimPrefix(f.symlink, "../")
		}
	}
	for name, c := range map[string]struct {
		path string
		kind string
		want []string
	}{
		"docker before 25":          {oldDocker(one, two).write(t), "an archive of docker's form", oldWords},
		"docker before 25, hard":    {hard.write(t), "an archive of docker's form", []string{oldWords[0], oldWords[3]}},
		"docker since 25":           {newDocker(one, two).write(t), "an archive of both OCI's and docker's form", newWords},
		"docker since 25, gzip":     {writeFile(t, gzipped(newDocker(one, two).tar())), "an archive of both OCI's and docker's form", newWords},
		"docker before 25, zstd":    {writeFile(t, zstandard(oldDocker(one, two).tar())), "an archive of docker's form", oldWords},
		"containerd":                {containerd(one, arm).write(t), "an archive of both OCI's and docker's form", []string{"index.json; " + proxyRef + "; index; linux/amd64 manifest; a whole amd64; linux/arm64 manifest absent", oldWords[0]}},
		"containerd, gzip":          {writeFile(t, gzipped(containerd(one, arm).tar())), "an archive of both OCI's and docker's form", []string{"index.json; " + proxyRef + "; index; linux/amd64 manifest; a whole amd64; linux/arm64 manifest absent", oldWords[0]}},
		"crane":                     {crane(one).write(t), "an archive of docker's form", oldWords[:1]},
		"skopeo docker-archive":     {dockerArchive(one).write(t), "an archive of docker's form", []string{oldWords[0], oldWords[3]}},
		"OCI layout":                {whole("v1.30.1", proxy, arm).folder(t), "an OCI layout", []string{"index.json; v1.30.1" + both}},
		"OCI archive":               {whole("v1.30.1", proxy, arm).write(t), "an archive of OCI's form", []string{"index.json; v1.30.1" + both}},
		"OCI archive, zstd":         {writeFile(t, zstandard(whole("v1.30.1", proxy, arm).tar())), "an archive of OCI's form", []string{"index.json; v1.30.1" + both}},
		"docker since 25, unpacked": {newDocker(one, two).folder(t), "an OCI layout", newWords},
		"dir":                       {skopeoDir(proxy).folder(t), "a directory of skopeo's", []string{"manifest.json; ; manifest; a whole amd64"}},
		"dir --all":                 {skopeoDirAll(proxy, arm).folder(t), "a directory of skopeo's", []string{"manifest.json; " + both}},
		"content store":             {contentStore(proxy, arm).folder(t), "a content store of containerd's", []string{"blobs/sha256; " + both}},
		"layout without oci-layout": {whole("v1.30.1", proxy, arm).without("oci-layout").write(t), "an archive of OCI's form", []string{"index.json; v1.30.1" + both}},
		"layout that is dir: as well": {append(whole("v1.30.1", proxy), skopeoDir(arm)...).folder(t), "an OCI layout",
			[]string{"index.json; v1.30.1; index; linux/amd64 manifest; a whole amd64", "manifest.json; ; manifest; a whole arm64"}},
	} {
		t.Run(name, func(t *testing.T) {
			box := open(t, c.path)
			if box.Kind != c.kind {
				t.Errorf("%s, want %s", box.Kind, c.kind)
			}
			box.Hash(t.Context(), 2)
			var got []string
			for _, copied := range box.Copies() {
				got = append(got, told(t, copied))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestWhatIsNoContainer(t *testing.T) {
	for name, path := range map[string]string{
		"a program":              writeFile(t, []byte("\x7fELF\x02\x01\x01"+strings.Repeat("x", 4000))),
		"an empty file":          writeFile(t, nil),
		"a short file":           writeFile(t, []byte("x")),
		"a package":              writeFile(t, []byte("!<arch>\ndebian-binary   "+strings.Repeat("x", 4000))),
		"gzip of a text":         writeFile(t, gzipped([]byte(strings.Repeat("text", 4000)))),
		"zeros":                  writeFile(t, make([]byte, 4096)),
		"an archive of programs": fileset{{name: "kubernetes/client/bin/kubectl", data: []byte("x")}}.write(t),
		"the same, packed":       writeFile(t, gzipped(fileset{{name: "kubernetes/client/bin/kubectl", data: []byte("x")}}.tar())),
		"a manifest of another":  fileset{{name: "manifest.json", data: []byte(`{"name":"a page"}`)}}.write(t),
		"a directory":            fileset{{name: "bin/kubectl", data: []byte("x")}, {name: "manifest.json", data: []byte(`[]`)}, {name: "version", data: []byte("1.2")}}.folder(t),
		"an archive of archives": fileset{{name: "images.tar", data: crane(called{newImage("kube-proxy", "amd64"), proxyRef}).tar()}}.write(t),
	} {
		if c, err := container.Open(t.Context(), path); !errors.Is(err, container.ErrNoContainer) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}
