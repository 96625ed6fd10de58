package interop

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
)

// platformImage is an image for one platform in a layout: layers, of which two are the same.
type platformImage struct {
	arch, manifest, config string
	layers, ids            []string
}

// layered writes an image's blobs into a layout, in the form that Kubernetes publishes.
func layered(t *testing.T, dir, arch string) platformImage {
	t.Helper()
	blob := func(data string) string {
		write(t, filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(sumOf(data), "sha256:")), data)
		return sumOf(data)
	}
	i := platformImage{arch: arch}
	var descriptors []map[string]any
	for n, content := range []string{strings.Repeat("base", 50_000), "", "", strings.Repeat(arch, 70_000)} {
		var plain, packed bytes.Buffer
		w := tar.NewWriter(&plain)
		if content != "" {
			if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint("file", n), Mode: 0o755, Size: int64(len(content))}); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte(content))
		}
		z := gzip.NewWriter(&packed)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, _ = z.Write(plain.Bytes())
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		i.ids = append(i.ids, sumOf(plain.String()))
		i.layers = append(i.layers, blob(packed.String()))
		descriptors = append(descriptors, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": packed.Len(), "digest": sumOf(packed.String())})
	}
	config := asJSON(t, map[string]any{"architecture": arch, "os": "linux", "created": "2024-05-14T00:00:00Z", "config": map[string]any{"Entrypoint": []string{"/go-runner"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": i.ids}})
	i.config = blob(config)
	manifest := asJSON(t, map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": descriptors,
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config), "digest": i.config}})
	i.manifest = blob(manifest)
	return i
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// layoutOf is an OCI layout of two platforms.
func layoutOf(t *testing.T) (dir string, images []platformImage) {
	t.Helper()
	dir = t.TempDir()
	var list []map[string]any
	for _, arch := range []string{"amd64", "arm64"} {
		i := layered(t, dir, arch)
		images = append(images, i)
		list = append(list, map[string]any{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": i.manifest, "size": sizeOf(t, dir, i.manifest),
			"platform": map[string]string{"os": "linux", "architecture": arch}})
	}
	index := asJSON(t, map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": list})
	write(t, filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(sumOf(index), "sha256:")), index)
	write(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	write(t, filepath.Join(dir, "index.json"), asJSON(t, map[string]any{"schemaVersion": 2, "manifests": []any{map[string]any{
		"mediaType": "application/vnd.oci.image.index.v1+json", "digest": sumOf(index), "size": len(index),
		"annotations": map[string]string{"org.opencontainers.image.ref.name": "v1.30.1"}}}}))
	return dir, images
}

// TestArchivesOfSkopeo reads whatever skopeo writes: with the config as it was, or
// as it rewrites it, and with every layer hashing to what the config of the origin says.
func TestArchivesOfSkopeo(t *testing.T) {
	skopeo := tool(t, "skopeo")
	dir, images := layoutOf(t)
	from := "oci:" + dir + ":v1.30.1"
	const ref = "registry.k8s.io/kube-proxy:v1.30.1"
	for name, c := range map[string]struct {
		to, kind  string
		more      []string
		platforms int
		lists     []string // "LIST NAME", of each copy
	}{
		"docker-archive": {to: "docker-archive:OUT:" + ref, kind: "an archive of docker's form", platforms: 1, lists: []string{"manifest.json " + ref, "repositories " + ref}},
		"oci":            {to: "oci:OUT:v1.30.1", kind: "an OCI layout", platforms: 1, lists: []string{"index.json v1.30.1"}},
		"oci, all":       {to: "oci:OUT:v1.30.1", more: []string{"--all"}, kind: "an OCI layout", platforms: 2, lists: []string{"index.json v1.30.1"}},
		"oci-archive":    {to: "oci-archive:OUT:v1.30.1", kind: "an archive of OCI's form", platforms: 1, lists: []string{"index.json v1.30.1"}},
		"dir":            {to: "dir:OUT", kind: "a directory of skopeo's", platforms: 1, lists: []string{"manifest.json "}},
		"dir, all":       {to: "dir:OUT", more: []string{"--all"}, kind: "a directory of skopeo's", platforms: 2, lists: []string{"manifest.json "}},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := append([]string{"--override-arch", "amd64", "--insecure-policy", "copy"}, c.more...)
			must(t, skopeo, append(args, from, strings.Replace(c.to, "OUT", out, 1))...)
			box, err := container.Open(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close()
			var lists []string
			for _, copied := range box.Copies() {
				lists = append(lists, copied.List+" "+strings.Join(copied.Names, " "))
				nodes := copied.Root.Children
				if copied.Root.Role != sight.Index {
					nodes = []sight.Node{copied.Root}
				}
				if len(nodes) != c.platforms {
					t.Errorf("%s: %d platforms, want %d", copied.List, len(nodes), c.platforms)
				}
				for n, node := range nodes {
					sameLayers(t, node, images[n])
				}
			}
			if box.Kind != c.kind || !slices.Equal(lists, c.lists) {
				t.Errorf("%s with %q, want %s with %q", box.Kind, lists, c.kind, c.lists)
			}
		})
	}
}

// sameLayers holds a node that was read to the image that was written.
func sameLayers(t *testing.T, n sight.Node, want platformImage) {
	t.Helper()
	if n.Err != nil || !strings.Contains(string(n.ConfigBytes), `"`+want.arch+`"`) {
		t.Errorf("%s: %v, config %.80s", want.arch, n.Err, n.ConfigBytes)
	}
	var ids []string
	for _, l := range n.Layers {
		got, err := l.Read(t.Context())
		if err != nil || got.Err != nil || l.Digest != "" && got.Digest != l.Digest {
			t.Errorf("%s: %+v, %v", l.Entry, got, err)
		}
		ids = append(ids, string(got.Unpacked))
	}
	if !slices.Equal(ids, want.ids) {
		t.Errorf("%s: layers %v, want %v", want.arch, ids, want.ids)
	}
	if !n.Blob.Absent() {
		if got, err := n.Blob.Read(t.Context()); err != nil || got.Digest != n.Blob.Digest {
			t.Errorf("%s: %+v, %v", n.Blob.Digest, got, err)
		}
	}
}

func sizeOf(t *testing.T, dir, digest string) int {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}
