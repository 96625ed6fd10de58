package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
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

func (t tree) open(tb testing.TB) *Mirror {
	tb.Helper()
	d, err := Open(t.write(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() })
	return d
}

func do(tb testing.TB, d *Mirror, method, url, body string) (*http.Response, string, error) {
	tb.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, r)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := d.RoundTrip(req)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return &http.Response{StatusCode: http.StatusInternalServerError}, err.Error(), nil
	}
	if err != nil {
		tb.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if resp.TLS != nil {
		tb.Errorf("%s %s: the response has a TLS state", method, url)
	}
	if err == nil && method != http.MethodHead && int64(len(got)) != resp.ContentLength {
		tb.Errorf("%s %s: ContentLength %d, body of %d", method, url, resp.ContentLength, len(got))
	}
	return resp, string(got), err
}

func TestAnswers(t *testing.T) {
	files, index, image, config, layer := sample()
	d := files.open(t)
	const repo = "https://registry.k8s.io/v2/kube-proxy"
	other := "sha256:" + sum("other")
	for _, c := range []struct {
		method, url string
		status      int
		want        string // header value or part of the body
	}{
		{"GET", "https://registry.k8s.io/v2/", 200, "{}"},
		{"GET", repo + "/manifests/v1.27.2", 200, "\n   \"schemaVersion\": 2"},
		{"GET", repo + "/manifests/v1.27.2", 200, index},
		{"HEAD", repo + "/manifests/v1.27.2", 200, listType},
		{"GET", repo + "/manifests/" + index, 200, listType},
		{"GET", repo + "/manifests/" + image, 200, imageType},
		{"GET", repo + "/blobs/" + config, 200, `"architecture":"amd64"`},
		{"GET", repo + "/blobs/" + layer, 200, "layerlayer"},
		{"HEAD", repo + "/blobs/" + layer, 200, layer},
		{"GET", repo + "/tags/list", 200, `"tags":["v1.27.2"]`},
		{"GET", repo + "/referrers/" + index, 200, `"manifests":[]`},
		{"GET", "https://registry.k8s.io/v2/kube-proxy-amd64/manifests/v1.27.2", 200, image},

		{"GET", repo + "/manifests/v1.27.3", 404, "MANIFEST_UNKNOWN"},
		{"GET", repo + "/manifests/" + other, 404, "no name of that repository reaches it"},
		{"GET", repo + "/manifests/" + config, 404, "is not a manifest"},
		{"GET", repo + "/blobs/" + image, 404, "is not a blob"},
		{"GET", "https://registry.k8s.io/v2/kube-proxy-amd64/manifests/" + index, 404, "no name of that repository reaches it"},
		{"GET", "https://registry.k8s.io/v2/kube-scheduler/manifests/v1.27.2", 404, "NAME_UNKNOWN"},
		{"GET", "https://registry.k8s.io/v2/kube-proxy/manifests/../../oci-layout", 404, "NAME_UNKNOWN"},
		{"GET", repo + "/nothing/here", 404, "NAME_UNKNOWN"},
		{"GET", repo, 404, "no such address"},
		{"PUT", repo + "/manifests/v1.27.2", 405, `{"errors":[{"code":"UNSUPPORTED","message":"a mirror is read only`},

		{"GET", "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx", 200, "SPDX-2.3"},
		{"HEAD", "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx", 200, "22"},
		{"PUT", "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx", 405, "text/plain"},
		{"GET", "https://dl.k8s.io:443/release/stable-1.27.txt", 200, "v1.27.2"},
		{"GET", "https://dl.k8s.io/v1.27.2/kubernetes-release.spdx", 302, "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"},
		{"GET", "https://cdn.dl.k8s.io/release/v1.27.2/bin/x", 302, "https://dl.k8s.io/release/v1.27.2/bin/x"},
		{"GET", "https://sbom.k8s.io/v1.27.2/release", 302, "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"},
		{"GET", "https://sbom.k8s.io/v1.27.2/source.sha256", 302, "https://dl.k8s.io/release/v1.27.2/kubernetes-source.spdx.sha256"},
		{"GET", "https://dl.k8s.io/release/v1.27.3/kubernetes-release.spdx", 404, "is not in the mirror"},
		{"GET", "https://dl.k8s.io/release/v1.27.2", 404, "is not in the mirror"}, // a directory
		{"GET", "https://dl.k8s.io/release/stable-1.27.txt/x", 404, "is not in the mirror"},
		{"GET", "https://dl.k8s.io/release/%2e%2e/%2e%2e/%2e%2e/oci/oci-layout", 404, "is not in the mirror"},
		{"GET", "https://dl.k8s.io/release//stable-1.27.txt", 404, "is not in the mirror"},
		{"GET", "https://dl.k8s.io/release/" + strings.Repeat("x", 5000), 404, "is not in the mirror"},
		{"GET", "https://dl.k8s.io/release/a%00b", 404, "is not in the mirror"},
		{"GET", "https://rekor.sigstore.dev/api/v1/log", 404, "is not in the mirror"},
	} {
		resp, body, err := do(t, d, c.method, c.url, "")
		all := fmt.Sprint(resp.Header) + body
		if err != nil || resp.StatusCode != c.status || !strings.Contains(all, c.want) {
			t.Errorf("%s %s: status %d, want %d with %q: %.300s (%v)", c.method, c.url, resp.StatusCode, c.status, c.want, all, err)
		}
	}
	if _, body, _ := do(t, d, "GET", repo+"/manifests/v1.27.2", ""); "sha256:"+sum(body) != index {
		t.Error("the bytes of the index are not the original ones")
	}
}

func TestForeignHost(t *testing.T) {
	files, _, _, _, _ := sample()
	d := files.open(t)
	for _, url := range []string{"https://example.com/", "https://docker.io/v2/library/x/manifests/y", "https://tuf-repo-cdn.sigstore.dev/1.json"} {
		req, _ := http.NewRequest("GET", url, nil)
		_, err := d.RoundTrip(req)
		var host *HostError
		if !errors.As(err, &host) || host.Host != req.URL.Host {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNotMirror(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{t.TempDir(), file, filepath.Join(t.TempDir(), "none")} {
		_, err := Open(dir)
		if !errors.Is(err, ErrNotMirror) || !strings.HasPrefix(err.Error(), dir) || !strings.Contains(err.Error(), "; give") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestDamage changes one thing at a time and asks for what depends on it.
func TestDamage(t *testing.T) {
	const spdx = "files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"
	_, index, image, config, layer := sample()
	path := func(digest string) string { return "oci/blobs/sha256/" + strings.TrimPrefix(digest, "sha256:") }
	flip := func(s string) string {
		b := []byte(s)
		b[len(b)/2] ^= 1
		return string(b)
	}
	manifest := func(files tree, images string) string {
		return fmt.Sprintf(`{"schemaVersion":1,"images":[%s],"files":[{"url":"https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx","sha256":%q,"size":%d}]}`,
			images, sum(files[spdx]), len(files[spdx]))
	}
	const tag = "https://registry.k8s.io/v2/kube-proxy/manifests/v1.27.2"
	child := "https://registry.k8s.io/v2/kube-proxy/manifests/" + image
	for _, c := range []struct {
		name   string
		change func(tree)
		url    string
		want   string
	}{
		{"index flipped", func(f tree) { f[path(index)] = flip(f[path(index)]) }, tag, "is damaged"},
		{"index shortened", func(f tree) { f[path(index)] = f[path(index)][1:] }, tag, "bytes"},
		{"index gone", func(f tree) { delete(f, path(index)) }, tag, "MANIFEST_UNKNOWN"},
		{"child flipped", func(f tree) { f[path(image)] = flip(f[path(image)]) }, child, "is damaged"},
		{"config flipped", func(f tree) { f[path(config)] = flip(f[path(config)]) }, "https://registry.k8s.io/v2/kube-proxy/blobs/" + config, "is damaged"},
		{"parent flipped, child asked", func(f tree) { f[path(index)] = flip(f[path(index)]) }, child, "is damaged"},
		{"large layer flipped", func(f tree) { f[path(layer)] = flip(f[path(layer)]) }, "https://registry.k8s.io/v2/kube-proxy/blobs/" + layer, "read error"},
		{"large layer shortened", func(f tree) { f[path(layer)] = f[path(layer)][1:] }, "https://registry.k8s.io/v2/kube-proxy/blobs/" + layer, "bytes"},
		{"layout says nothing", func(f tree) { f["oci/oci-layout"] = "{}" }, tag, "imageLayoutVersion"},
		{"a layout that is too long", func(f tree) { f["oci/oci-layout"] += strings.Repeat(" ", 4096) }, tag, "limit of 4096"},
		{"no index.json", func(f tree) { delete(f, "oci/index.json") }, tag, "index.json"},
		{"half an index.json", func(f tree) { f["oci/index.json"] = f["oci/index.json"][:100] }, tag, "index.json"},
		{"a name twice", func(f tree) {
			f["oci/index.json"] = strings.ReplaceAll(f["oci/index.json"], "kube-proxy-amd64", "kube-proxy")
		}, tag, "two descriptors are named"},
		{"a descriptor with no name", func(f tree) { f["oci/index.json"] = strings.ReplaceAll(f["oci/index.json"], "ref.name", "ref") }, tag, "no full image name"},
		{"described in two ways", func(f tree) {
			f["oci/index.json"] = strings.Replace(strings.Replace(f["oci/index.json"], "kube-proxy-amd64:v1.27.2", "kube-proxy:x", 1), imageType, ociType, 1)
		}, child, "described in two ways"},
		{"two names that differ", func(f tree) {
			f["oci/index.json"] = strings.Replace(f["oci/index.json"], `"annotations":{`, `"annotations":{"io.containerd.image.name":"registry.k8s.io/pause:3.9",`, 1)
		}, tag, "has two names"},
		{"duplicate key", func(f tree) {
			f["oci/index.json"] = strings.Replace(f["oci/index.json"], `"size":`, `"Size":1,"size":`, 1)
		}, tag, "twice in one object"},
		{"urls", func(f tree) {
			f["oci/index.json"] = strings.Replace(f["oci/index.json"], `"size":`, `"urls":["https://example.com/x"],"size":`, 1)
		}, tag, "urls"},
		{"not in the manifest", func(f tree) { f["MANIFEST.json"] = manifest(f, "") }, tag, "MANIFEST.json does not list it"},
		{"another digest in the manifest", func(f tree) {
			f["MANIFEST.json"] = manifest(f, fmt.Sprintf(`{"name":"registry.k8s.io/kube-proxy:v1.27.2","digest":%q}`, image))
		}, tag, "but MANIFEST.json sha256:"},
		{"file flipped", func(f tree) { f["MANIFEST.json"] = manifest(f, ""); f[spdx] = flip(f[spdx]) }, "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx", "is damaged"},
		{"file not listed", func(f tree) { f["MANIFEST.json"] = manifest(f, "") }, "https://dl.k8s.io/release/stable-1.27.txt", "does not list it"},
		{"manifest of the future", func(f tree) { f["MANIFEST.json"] = `{"schemaVersion":2}` }, "https://dl.k8s.io/release/stable-1.27.txt", "schemaVersion is 2"},
		{"manifest of the future, image", func(f tree) { f["MANIFEST.json"] = `{"schemaVersion":2}` }, tag, "schemaVersion is 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, _, _, _, _ := sample()
			c.change(files)
			resp, body, err := do(t, files.open(t), "GET", c.url, "")
			if c.want == "read error" {
				var corrupt *layout.CorruptError
				if !errors.As(err, &corrupt) || int64(len(body)) >= resp.ContentLength {
					t.Errorf("err %v after %d of %d bytes", err, len(body), resp.ContentLength)
				}
				return
			}
			if resp.StatusCode < 400 || err != nil || !strings.Contains(body, c.want) {
				t.Errorf("status %d %v: %s", resp.StatusCode, err, body)
			}
		})
	}
}

// TestConfinement links out of the directory and puts things that are not files in it.
func TestConfinement(t *testing.T) {
	files, index, _, _, _ := sample()
	delete(files, "oci/blobs/sha256/"+strings.TrimPrefix(index, "sha256:"))
	dir := files.write(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(dir, "files/dl.k8s.io/release")
	for _, err := range []error{
		os.Symlink(secret, filepath.Join(release, "absolute")),
		os.Symlink("../../../../../../../../../../../../etc/hostname", filepath.Join(release, "relative")),
		os.Symlink(filepath.Dir(secret), filepath.Join(release, "directory")),
		os.Symlink("stable-1.27.txt", filepath.Join(release, "inside")),
		os.Symlink("loop", filepath.Join(release, "loop")),
		pipe(filepath.Join(release, "pipe")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"absolute": false, "relative": false, "directory/secret": false, "loop": false, "pipe": false, "inside": true} {
		resp, body, err := do(t, d, "GET", "https://dl.k8s.io/release/"+name, "")
		if (resp.StatusCode == 200) != ok || err != nil || body == "secret" {
			t.Errorf("%s: status %d, %v: %s", name, resp.StatusCode, err, body)
		}
	}
}

func TestCancelled(t *testing.T) {
	files, _, _, _, layer := sample()
	d := files.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://registry.k8s.io/v2/kube-proxy/blobs/"+layer, nil)
	resp, err := d.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on after the cancel: %v", err)
	}
	if _, err := d.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("asking after the cancel: %v", err)
	}
}

const rekor = "https://rekor.sigstore.dev/api/v1"

// TestParallel asks for everything from many sides, for the race detector.
func TestParallel(t *testing.T) {
	files, index, image, config, _ := sample()
	d := files.open(t)
	done := make(chan bool)
	for range 8 {
		go func() {
			for _, p := range []string{"manifests/v1.27.2", "manifests/" + index, "manifests/" + image, "blobs/" + config} {
				req, _ := http.NewRequest("GET", "https://registry.k8s.io/v2/kube-proxy/"+p, nil)
				if resp, err := d.RoundTrip(req); err != nil || resp.StatusCode != 200 {
					t.Error(p, err)
				}
			}
			done <- true
		}()
	}
	for range 8 {
		<-done
	}
}

// FuzzLists reads MANIFEST.json and index.json: what is accepted keeps the
// rules that the rest of the package relies on.
func FuzzLists(f *testing.F) {
	files, index, _, _, _ := sample()
	f.Add([]byte(files["oci/index.json"]))
	f.Add([]byte(`{"schemaVersion":1,"images":[{"name":"a/b:c","digest":"` + index + `"}],"files":[{"url":"https://x/y","sha256":"` + sum("") + `"}]}`))
	f.Add([]byte(`{"a":{"A":1,"a":[{}]}}x`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if names, err := layout.ParseIndex(body); err == nil {
			seen := map[string]bool{}
			for _, n := range names {
				again, ok := layout.SplitName(n.String())
				again.Target = n.Target
				if !ok || again.String() != n.String() || !n.Target.Digest.IsSHA256() || n.Target.Size < 0 || seen[n.String()] {
					t.Errorf("accepted %+v", n)
				}
				seen[n.String()] = true
			}
		}
		if m, err := layout.ParseManifest(body); err == nil {
			for url, w := range m.Files {
				if !layout.IsHex(w.Sha256) || w.Size < 0 {
					t.Errorf("accepted %s %+v", url, w)
				}
			}
		}
		if layout.NoDuplicateKeys(body) == nil && !json.Valid(body) && len(bytes.TrimSpace(body)) > 0 {
			t.Errorf("taken for JSON: %q", body)
		}
		_, _ = layout.ParseManifestBlob(body)
	})
}

// FuzzBundle reads kept bundles.
func FuzzBundle(f *testing.F) {
	f.Add([]byte(`{"verificationMaterial":{"tlogEntries":[{"logIndex":"7","integratedTime":3,"canonicalizedBody":"eyJhIjoxfQ==","inclusionProof":{"hashes":["AA=="]}}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, hashes, err := parseBundle(body)
		if err == nil && len(entries) != len(hashes) {
			t.Errorf("%d entries, %d hashes", len(entries), len(hashes))
		}
	})
}
