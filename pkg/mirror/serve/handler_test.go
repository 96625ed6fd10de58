package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// bigFile is over what is checked in memory, and no whole number of blocks.
var bigFile = func() string {
	b := make([]byte, layout.MaxChecked+3*blockSize+17)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(b)
	return string(b)
}()

const bigPath = "release/v1.27.2/kubernetes-server-linux-amd64.tar.gz"

// listedSample is sample with a large file, and a MANIFEST.json.
func listedSample() (t tree, index, image, config, layer string) {
	t, index, image, config, layer = sample()
	t["files/dl.k8s.io/"+bigPath] = bigFile
	t["MANIFEST.json"] = t.manifest(index, image)
	return t, index, image, config, layer
}

func (t tree) manifest(index, image string) string {
	type entry map[string]any
	var files []entry
	for name, content := range t {
		if rest, ok := strings.CutPrefix(name, "files/"); ok {
			files = append(files, entry{"url": "https://" + rest, "sha256": sum(content), "size": len(content)})
		}
	}
	out, _ := json.Marshal(entry{"schemaVersion": 1, "files": files, "images": []entry{
		{"name": "registry.k8s.io/kube-proxy:v1.27.2", "digest": index, "size": len(t[layout.BlobPath(oci.Digest(index))]), "mediaType": listType},
		{"name": "registry.k8s.io/kube-proxy-amd64:v1.27.2", "digest": image, "size": len(t[layout.BlobPath(oci.Digest(image))]), "mediaType": imageType},
	}})
	return string(out)
}

// serveTree serves a mirror on loopback.
func serveTree(tb testing.TB, t tree) (base, dir string, h *Handler, log *syncBuffer) {
	tb.Helper()
	dir = t.write(tb)
	d, err := mirror.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() })
	h, log = NewHandler(d), new(syncBuffer)
	h.Log = log
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	return server.URL, dir, h, log
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// ask sends a request whose path is as it is written, unescaped by nobody.
func ask(tb testing.TB, method, base, path string, header map[string]string) (*http.Response, string, error) {
	tb.Helper()
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatal(err)
	}
	path, u.RawQuery, _ = strings.Cut(path, "?")
	u.Opaque = "//" + u.Host + path
	req := &http.Request{Method: method, URL: u, Header: http.Header{}, Host: u.Host}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req.WithContext(context.Background()))
	if err != nil {
		return &http.Response{}, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// TestServe is the table of addresses under which a mirror is served.
func TestServe(t *testing.T) {
	files, index, image, config, layer := listedSample()
	base, _, _, _ := serveTree(t, files)
	const spdx = "SPDXVersion: SPDX-2.3\n"
	tests := []struct {
		name, method, path, host string
		status                   int
		want                     string // contained in the body, or the Content-Type after "type "
	}{
		{"ping", "GET", "/v2/", "", 200, "{}"},
		{"ping without a slash, by host", "GET", "/v2", "registry.k8s.io", 200, "{}"},
		{"index by tag", "GET", "/v2/kube-proxy/manifests/v1.27.2", "", 200, image},
		{"index by host", "GET", "/v2/kube-proxy/manifests/v1.27.2", "registry.k8s.io", 200, image},
		{"host in capitals, with a port and a dot", "GET", "/v2/kube-proxy/manifests/v1.27.2", "Registry.K8s.IO.:443", 200, image},
		{"by the registry's name", "GET", "/v2/registry.k8s.io/kube-proxy/manifests/v1.27.2", "", 200, image},
		{"as containerd asks", "GET", "/v2/kube-proxy/manifests/v1.27.2?ns=registry.k8s.io", "", 200, image},
		{"as containerd asks by the former name", "GET", "/v2/kube-proxy/manifests/v1.27.2?ns=k8s.gcr.io", "", 200, image},
		{"by the former name in the path", "GET", "/v2/k8s.gcr.io/kube-proxy/manifests/v1.27.2", "", 200, image},
		{"what the former name has not", "GET", "/v2/nothing/manifests/v1.27.2?ns=k8s.gcr.io", "", 404, "NAME_UNKNOWN"},
		{"as containerd asks for another", "GET", "/v2/kube-proxy/manifests/v1.27.2?ns=docker.io", "", 404, "NAME_UNKNOWN"},
		{"by digest", "GET", "/v2/kube-proxy/manifests/" + index, "", 200, image},
		{"child", "GET", "/v2/kube-proxy/manifests/" + image, "", 200, config},
		{"media type", "HEAD", "/v2/kube-proxy/manifests/v1.27.2", "", 200, "type " + listType},
		{"media type of a child", "HEAD", "/v2/kube-proxy/manifests/" + image, "", 200, "type " + imageType},
		{"blob", "GET", "/v2/kube-proxy/blobs/" + config, "", 200, "architecture"},
		{"layer", "GET", "/v2/kube-proxy/blobs/" + layer, "", 200, "layerlayer"},
		{"layer's head", "HEAD", "/v2/kube-proxy/blobs/" + layer, "", 200, "type application/octet-stream"},
		{"no such tag", "GET", "/v2/kube-proxy/manifests/v1.27.3", "", 404, "MANIFEST_UNKNOWN"},
		{"no such blob", "GET", "/v2/kube-proxy/blobs/sha256:" + sum("x"), "", 404, "not in the mirror"},
		{"a manifest is no blob", "GET", "/v2/kube-proxy/blobs/" + image, "", 404, "BLOB_UNKNOWN"},
		{"no such repository", "GET", "/v2/nginx/manifests/latest", "", 404, "NAME_UNKNOWN"},
		{"no digest", "GET", "/v2/kube-proxy/blobs/latest", "", 404, "BLOB_UNKNOWN"},
		{"tags", "GET", "/v2/kube-proxy/tags/list", "", 200, `{"name":"kube-proxy","tags":["v1.27.2"]}`},
		{"no tags asked for", "GET", "/v2/kube-proxy/tags/list?n=0", "", 200, `"tags":[]`},
		{"tags after the last", "GET", "/v2/kube-proxy/tags/list?last=v1.27.2", "", 200, `"tags":[]`},
		{"no number of tags", "GET", "/v2/kube-proxy/tags/list?n=many", "", 400, "PAGINATION_NUMBER_INVALID"},
		{"catalogue", "GET", "/v2/_catalog", "", 200, `["kube-proxy","kube-proxy-amd64"]`},
		{"part of the catalogue", "GET", "/v2/_catalog?n=1", "", 200, `["kube-proxy"]`},
		{"referrers", "GET", "/v2/kube-proxy/referrers/" + index, "", 200, `"manifests":[]`},
		{"referrers of no digest", "GET", "/v2/kube-proxy/referrers/v1.27.2", "", 400, "DIGEST_INVALID"},
		{"write", "PUT", "/v2/kube-proxy/manifests/v1", "", 405, "UNSUPPORTED"},
		{"upload", "POST", "/v2/kube-proxy/blobs/uploads/", "", 405, "UNSUPPORTED"},
		{"delete", "DELETE", "/v2/kube-proxy/manifests/" + index, "registry.k8s.io", 405, "UNSUPPORTED"},
		{"file by host", "GET", "/release/v1.27.2/kubernetes-release.spdx", "dl.k8s.io", 200, spdx},
		{"file by path", "GET", "/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx", "", 200, spdx},
		{"file of the usual host", "GET", "/release/v1.27.2/kubernetes-release.spdx", "", 200, spdx},
		{"alias", "GET", "/v1.27.2/kubernetes-release.spdx", "dl.k8s.io", 200, spdx},
		{"alias by path", "GET", "/v1.27.2/kubernetes-release.spdx", "", 200, spdx},
		{"content network", "GET", "/release/v1.27.2/kubernetes-release.spdx", "cdn.dl.k8s.io", 200, spdx},
		{"SBOM", "GET", "/v1.27.2/release", "sbom.k8s.io", 200, spdx},
		{"SBOM by path", "GET", "/sbom.k8s.io/v1.27.2/release", "", 200, spdx},
		{"SBOM, short", "GET", "/v1.27.2/release", "", 200, spdx},
		{"SBOM's papers that are not there", "GET", "/v1.27.2/release.sig", "", 404, "kubernetes-release.spdx.sig is not in the mirror"},
		{"marker", "GET", "/release/stable-1.27.txt", "", 200, "v1.27.2"},
		{"no such file", "GET", "/dl.k8s.io/release/v1.27.2/nothing", "", 404, "not in the mirror"},
		{"log look-up", "GET", "/api/v1/index/retrieve", "", 405, "only POST"},
		{"page of nobody", "GET", "/", "", 404, "no such address"},
		{"elsewhere", "GET", "/favicon.ico", "", 404, "no such address"},
		{"host of nobody", "GET", "/release/stable-1.27.txt", "evil.example", 200, "v1.27.2"},
		{"host that is no host", "GET", "/release/stable-1.27.txt", "[::1", 200, "v1.27.2"},
		{"host of many parts", "GET", "/release/stable-1.27.txt", "dl.k8s.io.evil.example:80", 200, "v1.27.2"},
		{"host of nothing but a port", "GET", "/release/stable-1.27.txt", ":80", 200, "v1.27.2"},
		{"write to a file", "PUT", "/dl.k8s.io/release/stable-1.27.txt", "", 405, "read only"},
		{"write to ourselves", "POST", "/healthz", "", 405, "read only"},
		{"health", "GET", "/healthz", "", 200, "ok"},
		{"parent", "GET", "/dl.k8s.io/../../MANIFEST.json", "", 404, "not in the mirror"},
		{"parent, encoded", "GET", "/dl.k8s.io/%2e%2e/%2e%2e/MANIFEST.json", "", 404, "not in the mirror"},
		{"parent, slash encoded", "GET", "/dl.k8s.io/..%2f..%2fMANIFEST.json", "", 404, "no such address"},
		{"parent, twice encoded", "GET", "/dl.k8s.io/%252e%252e/MANIFEST.json", "", 404, "not in the mirror"},
		{"parent, in another writing", "GET", "/dl.k8s.io/..\\..\\MANIFEST.json", "", 404, ""},
		{"empty elements", "GET", "/dl.k8s.io//release/stable-1.27.txt", "", 404, "not in the mirror"},
		{"the list", "GET", "/MANIFEST.json", "", 200, "type application/json"},
		{"the list by HEAD", "HEAD", "/MANIFEST.json", "", 200, "type application/json"},
		{"the list is read only", "PUT", "/MANIFEST.json", "", 405, "read only"},
		{"a list that is not there", "GET", "/MANIFEST.sha256", "", 404, "this mirror has no MANIFEST.sha256"},
		{"what lies beside the lists", "GET", "/oci/index.json", "", 404, "no such address"},
		{"the layout is no file", "GET", "/oci/index.json", "", 404, "no such address"},
		{"zero byte", "GET", "/dl.k8s.io/release/%00", "", 404, "not in the mirror"},
		{"repository that climbs", "GET", "/v2/../kube-proxy/manifests/v1.27.2", "", 404, "NAME_UNKNOWN"},
		{"repository with an encoded slash", "GET", "/v2/library%2fkube-proxy/manifests/v1", "", 404, "NAME_UNKNOWN"},
		{"digest with an encoded colon", "GET", "/v2/kube-proxy/manifests/" + strings.Replace(index, ":", "%3A", 1), "", 200, image},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := map[string]string{}
			if tt.host != "" {
				header["Host"] = tt.host
			}
			resp, body, err := ask(t, tt.method, base, tt.path, header)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %.200s", resp.StatusCode, tt.status, body)
			}
			if typ, ok := strings.CutPrefix(tt.want, "type "); ok {
				if got := resp.Header.Get("Content-Type"); got != typ {
					t.Errorf("Content-Type %q, want %q", got, typ)
				}
			} else if !strings.Contains(body, tt.want) {
				t.Errorf("the body is %.300q, and does not contain %q", body, tt.want)
			}
			if tt.method == "HEAD" && (body != "" || resp.ContentLength <= 0) {
				t.Errorf("HEAD: a body of %d, Content-Length %d", len(body), resp.ContentLength)
			}
			if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options is %q", got)
			}
			if strings.HasPrefix(tt.path, "/v2/") {
				if got := resp.Header.Get("Docker-Distribution-API-Version"); got != "registry/2.0" && !strings.Contains(tt.path, "%2f") {
					t.Errorf("Docker-Distribution-API-Version is %q", got)
				}
				if resp.StatusCode >= 400 && !json.Valid([]byte(body)) {
					t.Errorf("the error is not JSON: %s", body)
				}
			}
			if tt.status == 405 && resp.Header.Get("Allow") == "" && !strings.Contains(tt.path, "api/v1") {
				t.Error("405 without Allow")
			}
			if strings.Contains(tt.path, "/manifests/") && tt.status == 200 {
				if d := resp.Header.Get("Docker-Content-Digest"); d != index && d != image {
					t.Errorf("Docker-Content-Digest %q", d)
				}
			}
		})
	}
}

// TestServePages follows the links of a list that comes in parts.
func TestServePages(t *testing.T) {
	files, index, image, _, _ := sample()
	var list []string
	var want []string
	for i := range 7 {
		tag := fmt.Sprintf("v1.%d.0", i)
		want = append(want, tag)
		list = append(list, desc(listType, index, len(files[layout.BlobPath(oci.Digest(index))]), fmt.Sprintf(`,"annotations":{"org.opencontainers.image.ref.name":"registry.k8s.io/kube-proxy:%s"}`, tag)))
	}
	_ = image
	files["oci/index.json"] = `{"schemaVersion":2,"manifests":[` + strings.Join(list, ",") + `]}`
	base, _, _, _ := serveTree(t, files)
	var got []string
	next := "/v2/registry.k8s.io/kube-proxy/tags/list?n=3"
	for calls := 0; next != ""; calls++ {
		if calls > 3 {
			t.Fatal("the list does not end")
		}
		resp, body, err := ask(t, "GET", base, next, nil)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Tags []string }
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		got = append(got, doc.Tags...)
		next, _, _ = strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestServeReferrers holds the descriptors and the filter of the referrers' list.
func TestServeReferrers(t *testing.T) {
	files, index, _, config, _ := sample()
	subject := desc(listType, index, len(files[layout.BlobPath(oci.Digest(index))]), "")
	const ociType = "application/vnd.oci.image.manifest.v1+json"
	conf := desc("application/vnd.oci.empty.v1+json", config, len(files[layout.BlobPath(oci.Digest(config))]), "")
	a, aSize := files.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","config":%s,"layers":[],"subject":%s,"annotations":{"a":"b"}}`, ociType, conf, subject))
	b, bSize := files.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[],"subject":%s,"annotations":{"long":%q}}`, ociType, conf, subject, strings.Repeat("x", layout.MaxAnnotations)))
	named := func(tag string) string {
		return fmt.Sprintf(`,"annotations":{"org.opencontainers.image.ref.name":"registry.k8s.io/kube-proxy:%s"}`, tag)
	}
	files["oci/index.json"] = fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s,%s,%s]}`,
		desc(listType, index, len(files[layout.BlobPath(oci.Digest(index))]), named("v1.27.2")), desc(ociType, a, aSize, named("a")), desc(ociType, b, bSize, named("b")))
	base, _, _, _ := serveTree(t, files)
	for filter, want := range map[string][]string{
		"":                                  {a, b},
		"application/vnd.oci.empty.v1+json": {b}, // no artifactType: the config's
		"application/vnd.dev.sigstore.bundle.v0.3+json": {a},
		"application/spdx+json":                         {},
	} {
		resp, body, err := ask(t, "GET", base, "/v2/kube-proxy/referrers/"+index+"?artifactType="+url.QueryEscape(filter), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Content-Type"); got != "application/vnd.oci.image.index.v1+json" {
			t.Errorf("Content-Type %q", got)
		}
		if got := resp.Header.Get("OCI-Filters-Applied"); (got == "artifactType") != (filter != "") {
			t.Errorf("%q: OCI-Filters-Applied %q", filter, got)
		}
		var doc struct {
			Manifests []struct {
				Digest, ArtifactType string
				Annotations          map[string]string
			}
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range doc.Manifests {
			got = append(got, m.Digest)
			if m.Digest == a && m.Annotations["a"] != "b" || m.Digest == b && m.Annotations != nil || m.ArtifactType == "" {
				t.Errorf("%+v", m)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", filter, got, want)
		}
	}
}

// TestServeRanges compares ranges of a large file with its bytes.
func TestServeRanges(t *testing.T) {
	files, _, _, _, layer := listedSample()
	base, _, _, _ := serveTree(t, files)
	size := len(bigFile)
	tag := `"sha256:` + sum(bigFile) + `"`
	for _, tt := range []struct {
		header   string
		from, to int // to is exclusive; from -1: 416
	}{
		{"bytes=0-0", 0, 1},
		{"bytes=-5", size - 5, size},
		{fmt.Sprintf("bytes=%d-", size-1), size - 1, size},
		{fmt.Sprintf("bytes=%d-%d", blockSize-1, blockSize), blockSize - 1, blockSize + 1},
		{fmt.Sprintf("bytes=%d-%d", blockSize, 3*blockSize-1), blockSize, 3 * blockSize},
		{"bytes=100-99999999999", 100, size},
		{fmt.Sprintf("bytes=%d-", size), -1, 0},
		{"bytes=5-3", -1, 0},
		{"", 0, size},
	} {
		h := map[string]string{}
		if tt.header != "" {
			h["Range"], h["If-Range"] = tt.header, tag
		}
		resp, body, err := ask(t, "GET", base, "/dl.k8s.io/"+bigPath, h)
		if err != nil {
			t.Fatal(err)
		}
		if tt.from < 0 {
			if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
				t.Errorf("%s: status %d", tt.header, resp.StatusCode)
			}
			continue
		}
		if body != bigFile[tt.from:tt.to] {
			t.Errorf("%s: %d other bytes, status %d", tt.header, len(body), resp.StatusCode)
		}
	}
	// What has another tag is given whole, and what has this one not at all.
	if resp, body, _ := ask(t, "GET", base, "/dl.k8s.io/"+bigPath, map[string]string{"Range": "bytes=5-6", "If-Range": `"sha256:other"`}); resp.StatusCode != 200 || len(body) != size {
		t.Errorf("If-Range of other bytes: %d, %d bytes", resp.StatusCode, len(body))
	}
	if resp, body, _ := ask(t, "GET", base, "/dl.k8s.io/"+bigPath, map[string]string{"If-None-Match": tag}); resp.StatusCode != 304 || body != "" {
		t.Errorf("If-None-Match: %d, %d bytes", resp.StatusCode, len(body))
	}
	if resp, body, _ := ask(t, "GET", base, "/dl.k8s.io/"+bigPath, map[string]string{"Range": "bytes=5-6,9-12"}); resp.StatusCode != 200 || body != bigFile {
		t.Errorf("several ranges: %d, %d bytes", resp.StatusCode, len(body))
	}
	resp, body, _ := ask(t, "GET", base, "/v2/kube-proxy/blobs/"+layer, map[string]string{"Range": "bytes=5-9"})
	if resp.StatusCode != 206 || body != "layer" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("range of a layer: %d %q %v", resp.StatusCode, body, resp.Header)
	}
}

// TestServeDamage holds that no wrong byte is completed as good: not of what is
// damaged from the start, and not of what is damaged later.
func TestServeDamage(t *testing.T) {
	files, _, image, config, layer := listedSample()
	targets := map[string]string{ // address to file
		"/dl.k8s.io/" + bigPath:                  "files/dl.k8s.io/" + bigPath,
		"/v2/kube-proxy/blobs/" + layer:          layout.BlobPath(oci.Digest(layer)),
		"/v2/kube-proxy/blobs/" + config:         layout.BlobPath(oci.Digest(config)),
		"/v2/kube-proxy/manifests/" + image:      layout.BlobPath(oci.Digest(image)),
		"/dl.k8s.io/release/stable-1.27.txt":     "files/dl.k8s.io/release/stable-1.27.txt",
		"/v1.27.2/release":                       "files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx",
		"/v2/kube-proxy-amd64/manifests/v1.27.2": layout.BlobPath(oci.Digest(image)),
	}
	for address, name := range targets {
		for _, warm := range []bool{false, true} {
			for _, ranged := range []string{"", "bytes=0-3"} {
				t.Run(fmt.Sprintf("%s/warm=%v/%s", name, warm, ranged), func(t *testing.T) {
					base, dir, h, log := serveTree(t, files)
					header := map[string]string{}
					if ranged != "" {
						header["Range"] = ranged
					}
					if warm {
						if resp, body, err := ask(t, "GET", base, address, nil); err != nil || resp.StatusCode != 200 || body != files[name] {
							t.Fatalf("before: %d %v", resp.StatusCode, err)
						}
					}
					good := files[name]
					bad := []byte(good)
					bad[1] ^= 1
					path := filepath.Join(dir, filepath.FromSlash(name))
					info, err := os.Stat(path)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, bad, 0o644); err != nil {
						t.Fatal(err)
					}
					// As an attacker does who knows what is looked at.
					if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
						t.Fatal(err)
					}
					resp, body, err := ask(t, "GET", base, address, header)
					if err == nil && resp.StatusCode < 300 {
						t.Fatalf("status %d, %d bytes and no error", resp.StatusCode, len(body))
					}
					if resp.StatusCode < 300 && len(body) > 0 && body[0] != good[0] || strings.Contains(body, string(bad[:min(8, len(bad))])) {
						t.Errorf("wrong bytes were sent: %.20q", body)
					}
					if text := waitFor(t, log, "is damaged"); !strings.Contains(text, "error=") {
						t.Errorf("the log does not say why:\n%s", text)
					}
					h.metrics.mu.Lock()
					defer h.metrics.mu.Unlock()
					if h.metrics.refused[refusedCorrupt]+h.metrics.refused[refusedAborted] == 0 {
						t.Error("not counted")
					}
				})
			}
		}
	}
}

func waitFor(t *testing.T, log *syncBuffer, what string) string {
	t.Helper()
	for range 200 {
		if text := log.String(); strings.Contains(text, what) {
			return text
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("the log never says %q:\n%s", what, log)
	return ""
}

// TestServeChangedWhileSent changes a file between two blocks of an answer.
func TestServeChangedWhileSent(t *testing.T) {
	files, _, _, _, _ := listedSample()
	base, dir, h, log := serveTree(t, files)
	req, err := http.NewRequestWithContext(context.Background(), "GET", base+"/dl.k8s.io/"+bigPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	// A client that reads slowly: its buffers, and ours, hold less than the file.
	dialer := &net.Dialer{Control: smallBuffers}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1000)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != bigFile[:1000] {
		t.Fatal("the beginning is not right")
	}
	f, err := os.OpenFile(filepath.Join(dir, "files", "dl.k8s.io", filepath.FromSlash(bigPath)), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{^bigFile[len(bigFile)-1]}, int64(len(bigFile)-1)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body)
	if got := 1000 + len(rest); !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(fmt.Sprint(err), "reset") || got >= len(bigFile) {
		t.Fatalf("%d of %d bytes, %v", got, len(bigFile), err)
	}
	if !strings.HasPrefix(bigFile[1000:], string(rest)) {
		t.Error("wrong bytes were sent")
	}
	waitFor(t, log, "aborted=true error=")
	if h.metrics.refused[refusedAborted] != 1 {
		t.Errorf("aborted: %d", h.metrics.refused[refusedAborted])
	}
}

// TestServeRefuted withholds what a verification refuted, under every name.
func TestServeRefuted(t *testing.T) {
	files, index, image, _, layer := listedSample()
	base, _, h, _ := serveTree(t, files)
	wrong := []report.Check{{Name: report.Binding, Required: true, Verdict: report.Refuted, Detail: "it is another's"}}
	right := []report.Check{{Name: report.Binding, Required: true, Verdict: report.Verified}}
	h.Judge(report.Report{Results: []report.Result{
		{Subject: "registry.k8s.io/kube-proxy:v1.27.2", Kind: "image", Digest: index, Checks: right},
		{Subject: "registry.k8s.io/kube-proxy:v1.27.2", Kind: "image", Platform: "linux/amd64", Digest: image, SeenAs: []string{"registry.k8s.io/kube-proxy-amd64:v1.27.2"}, Checks: wrong},
		{Subject: "https://dl.k8s.io/" + bigPath, Kind: "file", Checks: wrong},
		{Subject: "https://sbom.k8s.io/v1.27.2/release", Kind: "document", Checks: wrong},
		{Subject: "https://dl.k8s.io/release/stable-1.27.txt", Kind: "file"}, // unknown
	}})
	for path, want := range map[string]int{
		"/v2/kube-proxy/manifests/v1.27.2":                              403, // the index names what is refuted
		"/v2/kube-proxy/manifests/" + index:                             403,
		"/v2/kube-proxy/manifests/" + image:                             403,
		"/v2/kube-proxy-amd64/manifests/v1.27.2":                        403,
		"/v2/kube-proxy/manifests/v1.27.2?ns=Registry.k8s.io:443":       403,
		"/v2/kube-proxy/manifests/" + index + "?ns=registry.k8s.io:443": 403,
		"/v2/kube-proxy/blobs/" + layer:                                 200, // other images may share it
		"/dl.k8s.io/" + bigPath:                                         403,
		"/v1.27.2/kubernetes-server-linux-amd64.tar.gz":                 403,
		"/v1.27.2/release":                                              403,
		"/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx":            403,
		"/dl.k8s.io/release/stable-1.27.txt":                            200,
	} {
		resp, body, err := ask(t, "GET", base, path, nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %d (%v), want %d", path, resp.StatusCode, err, want)
		}
		if want == 403 && !strings.Contains(body, "binding: it is another's") {
			t.Errorf("%s: %s", path, body)
		}
	}
	h.Judge(report.Report{})
	if resp, _, _ := ask(t, "GET", base, "/dl.k8s.io/"+bigPath, nil); resp.StatusCode != 200 {
		t.Errorf("after a better verdict: %d", resp.StatusCode)
	}
}

// TestServeLog holds that a line of the log stays one, whatever was asked, and
// that the counters are what Prometheus reads.
func TestServeLog(t *testing.T) {
	files, _, _, _, _ := listedSample()
	base, _, h, log := serveTree(t, files)
	h.Judge(report.Report{Time: time.Unix(1700000000, 0)})
	h.Tool = report.Tool{Version: `v1"\`}
	_, _, _ = ask(t, "GET", base, "/a%0ab%1b[2J?q=%0d%0ax", map[string]string{"User-Agent": "x\" status=200 \u202e", "Range": "bytes=0-1"})
	_, _, _ = ask(t, "BREW", base, "/dl.k8s.io/"+bigPath, nil)
	_, _, _ = ask(t, "GET", base, "/dl.k8s.io/release/stable-1.27.txt", nil)
	text := waitFor(t, log, "stable-1.27.txt")
	if n := strings.Count(text, "\n"); n != 3 {
		t.Errorf("%d lines for 3 requests:\n%s", n, text)
	}
	if strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("the log is not plain: %q", text)
	}
	_, body, _ := ask(t, "GET", base, "/metrics", nil)
	for _, want := range []string{
		`kverify_build_info{version="v1\"\\"} 1`,
		`kverify_http_requests_total{host="dl.k8s.io",method="GET",code="200"} 1`,
		`kverify_http_requests_total{host="dl.k8s.io",method="other",code="405"} 1`,
		`kverify_http_requests_total{host="none",method="GET",code="404"} 1`,
		`kverify_http_request_duration_seconds_bucket{le="+Inf"} 3`,
		`kverify_http_request_duration_seconds_count 3`,
		`kverify_mirror_refused_total{reason="corrupt"} 0`,
		`kverify_mirror_subjects{verdict="verified"} 0`,
		`kverify_mirror_verified_timestamp_seconds 1700000000`,
		"kverify_http_requests_in_flight 1\n", // this one
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	seen := map[string]bool{}
	for l := range strings.Lines(body) {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(l, "# HELP "), "# TYPE "), " ")
		if strings.HasPrefix(l, "#") {
			continue
		}
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
}

// TestServeParallel has many clients on few files, cold.
func TestServeParallel(t *testing.T) {
	files, index, _, _, layer := listedSample()
	base, _, _, _ := serveTree(t, files)
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for path, want := range map[string]string{
				"/dl.k8s.io/" + bigPath:            bigFile,
				"/v2/kube-proxy/blobs/" + layer:    files[layout.BlobPath(oci.Digest(layer))],
				"/v2/kube-proxy/manifests/v1.27.2": files[layout.BlobPath(oci.Digest(index))],
			} {
				from := i * 1000 % len(want)
				resp, body, err := ask(t, "GET", base, path, map[string]string{"Range": fmt.Sprintf("bytes=%d-", from)})
				if err != nil || body != want[from:] {
					t.Errorf("%s: %d, %d bytes, %v", path, resp.StatusCode, len(body), err)
				}
			}
		})
	}
	wg.Wait()
}

// TestServeDamageOfRemembered damages small files that the server remembers, as an attacker does
// who sets their times back: each is read again, and refused.
func TestServeDamageOfRemembered(t *testing.T) {
	files, _, image, config, _ := listedSample()
	base, dir, _, log := serveTree(t, files)
	time.Sleep(2100 * time.Millisecond) // what has changed this moment is not remembered
	targets := map[string]string{
		"/v2/kube-proxy/blobs/" + config:         layout.BlobPath(oci.Digest(config)),
		"/v2/kube-proxy-amd64/manifests/v1.27.2": layout.BlobPath(oci.Digest(image)),
		"/dl.k8s.io/release/stable-1.27.txt":     "files/dl.k8s.io/release/stable-1.27.txt",
	}
	for range 2 {
		for address, name := range targets {
			if resp, body, err := ask(t, "GET", base, address, nil); err != nil || resp.StatusCode != 200 || body != files[name] {
				t.Fatalf("before: %d %v", resp.StatusCode, err)
			}
		}
	}
	for address, name := range targets {
		path := filepath.Join(dir, filepath.FromSlash(name))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := []byte(files[name])
		bad[1] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if resp, body, _ := ask(t, "GET", base, address, nil); resp.StatusCode != 500 || strings.Contains(body, string(bad)) {
			t.Errorf("%s: %d %.40q", address, resp.StatusCode, body)
		}
	}
	waitFor(t, log, "is damaged")
}
