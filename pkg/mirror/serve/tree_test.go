package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A tree is a mirror being built, path to content.
type tree map[string]string

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func (t tree) blob(content string) (digest string, size int) {
	t["oci/blobs/sha256/"+sum(content)] = content
	return "sha256:" + sum(content), len(content)
}

func desc(mediaType, digest string, size int, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, digest, size, more)
}

const (
	listType  = "application/vnd.docker.distribution.manifest.list.v2+json"
	imageType = "application/vnd.docker.distribution.manifest.v2+json"
)

// sample is a small mirror: one image of one platform, and a few files.
func sample() (t tree, index, image, config, layer string) {
	t = tree{"oci/oci-layout": `{"imageLayoutVersion":"1.0.0"}`}
	config, configSize := t.blob(`{"os":"linux","architecture":"amd64"}`)
	layer, layerSize := t.blob(strings.Repeat("layer", 1_000_000)) // over 4 MiB
	image, imageSize := t.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, imageType,
		desc("application/vnd.docker.container.image.v1+json", config, configSize, ""),
		desc("application/vnd.docker.image.rootfs.diff.tar.gzip", layer, layerSize, "")))
	index, indexSize := t.blob(fmt.Sprintf("{\n   \"schemaVersion\": 2,\n   \"mediaType\": %q,\n   \"manifests\": [%s]\n}", listType,
		desc(imageType, image, imageSize, `,"platform":{"os":"linux","architecture":"amd64"}`)))
	named := func(name string) string {
		return fmt.Sprintf(`,"annotations":{"org.opencontainers.image.ref.name":%q}`, name)
	}
	t["oci/index.json"] = fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s,%s]}`,
		desc(listType, index, indexSize, named("registry.k8s.io/kube-proxy:v1.27.2")),
		desc(imageType, image, imageSize, named("registry.k8s.io/kube-proxy-amd64:v1.27.2")))
	t["files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"] = "SPDXVersion: SPDX-2.3\n"
	t["files/dl.k8s.io/release/stable-1.27.txt"] = "v1.27.2"
	return t, index, image, config, layer
}

func (t tree) write(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, content := range t {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}
