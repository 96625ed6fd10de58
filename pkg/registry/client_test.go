package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// hosts is a RoundTripper that answers for several hosts in memory, as servers
// would, and counts.
type hosts struct {
	handlers map[string]http.Handler // by scheme://host
	mu       sync.Mutex
	asked    []string // METHOD URL, in order
	auth     map[string]string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.asked = append(h.asked, r.Method+" "+r.URL.String())
	if h.auth == nil {
		h.auth = map[string]string{}
	}
	h.auth[r.URL.Host] += r.Header.Get("Authorization") + ";"
	handler := h.handlers[r.URL.Scheme+"://"+r.URL.Host]
	h.mu.Unlock()
	if handler == nil {
		return nil, fmt.Errorf("no host %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, in)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (h *hosts) count(part string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, a := range h.asked {
		if strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func client(h *hosts) *Client { return &Client{Fetch: &fetch.Client{Transport: h}} }

// inMemory is go-containerregistry's registry with a few images put in.
func inMemory(t *testing.T, put ...string) http.Handler {
	t.Helper()
	reg := memory.New(memory.Logger(log.New(io.Discard, "", 0)), memory.WithReferrersSupport(true))
	for i := 0; i+2 < len(put); i += 3 {
		r := httptest.NewRequest("PUT", "/v2/"+put[i], strings.NewReader(put[i+2]))
		r.Header.Set("Content-Type", put[i+1])
		if strings.Contains(put[i], "/blobs/") {
			r = httptest.NewRequest("POST", "/v2/"+strings.Replace(put[i], "/blobs/", "/blobs/uploads/?digest=", 1), strings.NewReader(put[i+2]))
		}
		w := httptest.NewRecorder()
		reg.ServeHTTP(w, r)
		if w.Code >= 300 {
			t.Fatalf("%s: %d %s", put[i], w.Code, w.Body)
		}
	}
	return reg
}

var (
	config    = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`
	oneImage  = `{"schemaVersion":2,"mediaType":"` + DockerManifest + `","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":` + fmt.Sprint(len(config)) + `,"digest":"` + string(oci.DigestOf([]byte(config))) + `"},"layers":[]}`
	oneIndex  = `{"schemaVersion":2,"mediaType":"` + DockerIndex + `","manifests":[{"mediaType":"` + DockerManifest + `","size":` + fmt.Sprint(len(oneImage)) + `,"digest":"` + string(oci.DigestOf([]byte(oneImage))) + `","platform":{"architecture":"amd64","os":"linux"}}]}`
	oneDigest = oci.DigestOf([]byte(oneIndex))
	proxy     = Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"}
)

func stocked(t *testing.T) http.Handler {
	return inMemory(t,
		"kube-proxy/blobs/"+string(oci.DigestOf([]byte(config))), "", config,
		"kube-proxy/manifests/"+string(oci.DigestOf([]byte(oneImage))), DockerManifest, oneImage,
		"kube-proxy/manifests/v1.27.2", DockerIndex, oneIndex)
}

func TestReadAnImage(t *testing.T) {
	h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": stocked(t)}}
	c := client(h)
	m, err := c.Manifest(t.Context(), proxy)
	if err != nil || m.Digest != oneDigest || string(m.Body) != oneIndex || !m.IsIndex() || m.Ref != proxy || m.Origin != fetch.Carried {
		t.Fatalf("%+v %v", m, err)
	}
	x, err := m.Index()
	if err != nil || len(x.Manifests) != 1 || x.Manifests[0].Platform.String() != "linux/amd64" {
		t.Fatalf("%+v %v", x, err)
	}
	child, err := c.Manifest(t.Context(), Ref{Host: proxy.Host, Repository: proxy.Repository, Digest: x.Manifests[0].Digest})
	if err != nil {
		t.Fatal(err)
	}
	im, err := child.Image()
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.Blob(t.Context(), proxy.At(im.Config.Digest), im.Config.Size)
	if err != nil {
		t.Fatal(err)
	}
	if conf, err := ParseConfig(body); err != nil || conf.Platform().String() != "linux/amd64" {
		t.Errorf("%+v %v", conf, err)
	}
	// All of it once more, by tag, by digest, and by both: no request more.
	before := len(h.asked)
	both := proxy
	both.Digest = oneDigest
	for _, ref := range []Ref{proxy, both, {Host: proxy.Host, Repository: proxy.Repository, Digest: oneDigest}} {
		if m, err := c.Manifest(t.Context(), ref); err != nil || m.Ref != ref || m.Digest != oneDigest {
			t.Errorf("%s: %+v %v", ref, m, err)
		}
	}
	if _, err := c.Blob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "another/repository", Digest: im.Config.Digest}, 1<<20); err != nil {
		t.Error(err)
	}
	if len(h.asked) != before || before != 3 {
		t.Errorf("requests: %q", h.asked)
	}
	for _, a := range h.asked {
		if !strings.HasPrefix(a, "GET https://registry.k8s.io/v2/kube-proxy/") {
			t.Errorf("a request that buys nothing: %s", a)
		}
	}
	if _, err := c.Blob(t.Context(), proxy.At(im.Config.Digest), 10); !fetch.Is(err, fetch.TooLarge) {
		t.Errorf("a limit holds for what is remembered too: %v", err)
	}
	absent := proxy
	absent.Tag = "v9.9.9"
	if _, err := c.Manifest(t.Context(), absent); !fetch.Is(err, fetch.NotFound) || !strings.Contains(err.Error(), "registry.k8s.io/kube-proxy:v9.9.9: GET https://") {
		t.Error(err)
	}
}

func TestAcceptNamesAllManifests(t *testing.T) {
	var accept string
	h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accept = r.Header.Get("Accept")
		w.Header().Set("Content-Type", DockerIndex)
		io.WriteString(w, oneIndex)
	})}}
	if _, err := client(h).Manifest(t.Context(), proxy); err != nil {
		t.Fatal(err)
	}
	for _, mt := range []types.MediaType{types.OCIImageIndex, types.OCIManifestSchema1, types.DockerManifestList, types.DockerManifestSchema2} {
		if !strings.Contains(accept, string(mt)) {
			t.Errorf("Accept %q lacks %s", accept, mt)
		}
	}
}

// An attacker who serves the registry can make an answer unusable, or be
// caught, and nothing else.
func TestAttacks(t *testing.T) {
	byDigest := Ref{Host: proxy.Host, Repository: proxy.Repository, Digest: oneDigest}
	other := strings.Replace(oneIndex, "amd64", "arm64", 1)
	for _, tt := range []struct {
		name    string
		ref     Ref
		status  int
		header  []string
		body    string
		format  string // a FormatError that says so
		digest  string // a DigestError by this claim
		of      fetch.Kind
		request bool // a fetch.Error of that kind
	}{
		{name: "another image by digest", ref: byDigest, header: []string{"Content-Type", DockerIndex}, body: other, digest: "the reference"},
		{name: "by digest, with a header that covers it", ref: byDigest, header: []string{"Content-Type", DockerIndex, "Docker-Content-Digest", string(oneDigest)}, body: other, digest: "the reference"},
		{name: "a tag and its header disagree", ref: proxy, header: []string{"Content-Type", DockerIndex, "Docker-Content-Digest", string(oneDigest)}, body: other, digest: "the header Docker-Content-Digest"},
		{name: "a header that is no digest", ref: proxy, header: []string{"Content-Type", DockerIndex, "Docker-Content-Digest", "md5:1"}, body: oneIndex, format: "holds no sha256 digest"},
		{name: "a byte more", ref: byDigest, header: []string{"Content-Type", DockerIndex}, body: oneIndex + "\n", digest: "the reference"},
		{name: "a page", ref: proxy, header: []string{"Content-Type", "text/html"}, body: "log in", format: "a web page"},
		{name: "a page by digest", ref: byDigest, header: []string{"Content-Type", "text/html"}, body: "log in", format: "a web page"},
		{name: "a page in disguise", ref: proxy, header: []string{"Content-Type", DockerIndex}, body: "<!DOCTYPE html>", format: "a web page"},
		{name: "a storage error", ref: proxy, header: []string{"Content-Type", DockerIndex}, body: "<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", format: "a storage server in XML (NoSuchKey)"},
		{name: "a storage error by digest", ref: byDigest, header: []string{"Content-Type", DockerIndex}, body: "<Error><Code>NoSuchKey</Code></Error>", format: "a storage server in XML (NoSuchKey)"},
		{name: "another type", ref: proxy, header: []string{"Content-Type", OCIIndex}, body: oneIndex, format: "served as " + OCIIndex},
		{name: "another type by digest", ref: byDigest, header: []string{"Content-Type", DockerManifest}, body: oneIndex, format: "served as " + DockerManifest},
		{name: "JSON only", ref: proxy, header: []string{"Content-Type", "application/json"}, body: strings.Replace(oneIndex, `"mediaType":"`+DockerIndex+`",`, "", 1), format: "not that of a manifest"},
		{name: "keys twice", ref: proxy, header: []string{"Content-Type", DockerIndex}, body: strings.Replace(oneIndex, `{`, `{"manifests":[],`, 1), format: "appears twice"},
		{name: "endless", ref: proxy, header: []string{"Content-Type", DockerIndex}, body: strings.Repeat(" ", ManifestLimit+1), of: fetch.TooLarge, request: true},
		{name: "gzip", ref: proxy, header: []string{"Content-Type", DockerIndex, "Content-Encoding", "gzip"}, body: "x", of: fetch.NotDocument, request: true},
		{name: "500", ref: proxy, status: 500, of: fetch.ServerError, request: true},
		{name: "403", ref: proxy, status: 403, of: fetch.Forbidden, request: true},
		{name: "401 without a challenge", ref: proxy, status: 401, of: fetch.Forbidden, request: true},
	} {
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(tt.header); i += 2 {
				w.Header().Set(tt.header[i], tt.header[i+1])
			}
			if tt.status != 0 {
				w.WriteHeader(tt.status)
			}
			io.WriteString(w, tt.body)
		})}}
		m, err := client(h).Manifest(t.Context(), tt.ref)
		var fe *FormatError
		var de *DigestError
		switch {
		case m != nil:
			t.Errorf("%s: %+v", tt.name, m)
		case tt.format != "":
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.format) || !strings.HasPrefix(err.Error(), tt.ref.String()) {
				t.Errorf("%s: %v; want %q", tt.name, err, tt.format)
			}
		case tt.digest != "":
			if !errors.As(err, &de) || de.Claim != tt.digest || oci.Digest(de.Want) != oneDigest || oci.Digest(de.Got) != oci.DigestOf([]byte(tt.body)) {
				t.Errorf("%s: %v; want a DigestError by %s", tt.name, err, tt.digest)
			}
		case tt.request && !fetch.Is(err, tt.of):
			t.Errorf("%s: %v; want %s", tt.name, err, tt.of)
		}
		if len(tt.ref.Digest) == 0 {
			continue
		}
		if b, err := client(h).Blob(t.Context(), tt.ref, 100); err == nil && oci.DigestOf(b) != tt.ref.Digest {
			t.Errorf("%s: a blob that is another: %q", tt.name, b)
		}
	}
}

func TestNamesLeadNowhereElse(t *testing.T) {
	h := &hosts{}
	c := client(h)
	for _, ref := range []Ref{
		{}, {Host: "registry.k8s.io", Repository: "a"}, {Host: "registry.k8s.io", Repository: "../x", Tag: "a"},
		{Host: "registry.k8s.io", Repository: "a", Digest: "sha256:../../../etc"}, {Host: "evil.example/x", Repository: "a", Tag: "a"},
		{Host: "u:p@registry.k8s.io", Repository: "a", Tag: "a"}, {Host: "registry.k8s.io", Repository: "a?x=", Tag: "a"},
		{Host: "registry.k8s.io", Repository: "a", Tag: "../../b/manifests/x"},
		{Host: "registry.k8s.io", Repository: "../x", Digest: someDigest}, {Host: "evil.example/x", Repository: "a", Digest: someDigest},
	} {
		var re *RefError
		if m, err := c.Manifest(t.Context(), ref); !errors.As(err, &re) {
			t.Errorf("%+v: %+v %v", ref, m, err)
		}
		if ref.Digest == "" {
			ref.Digest = oci.Digest(ref.Tag)
		}
		if b, err := c.Blob(t.Context(), ref, 10); !errors.As(err, &re) {
			t.Errorf("%+v: %q %v", ref, b, err)
		}
		if l, err := c.Referrers(t.Context(), ref); !errors.As(err, &re) {
			t.Errorf("%+v: %+v %v", ref, l, err)
		}
		if r, err := c.OpenBlob(t.Context(), ref, Descriptor{Digest: ref.Digest, Size: 1}); !errors.As(err, &re) {
			t.Errorf("%+v: %v %v", ref, r, err)
		}
		if p, err := c.SaveBlob(t.Context(), ref, Descriptor{Digest: ref.Digest, Size: 1}, fetch.SaveRequest{}); !errors.As(err, &re) {
			t.Errorf("%+v: %v %v", ref, p, err)
		}
	}
	if len(h.asked) > 0 {
		t.Errorf("asked: %q", h.asked)
	}
}

func TestEndpoints(t *testing.T) {
	reg := anyRepo()
	h := &hosts{handlers: map[string]http.Handler{"http://127.0.0.1:5000": reg, "https://harbor.example": reg}}
	for _, base := range []string{"http://127.0.0.1:5000/k8s", "https://harbor.example/k8s/"} {
		c := client(h)
		c.Endpoints = map[string]string{"registry.k8s.io": base}
		m, err := c.Manifest(t.Context(), proxy)
		if err != nil || m.Ref != proxy || m.Digest != oneDigest || m.Origin != fetch.Carried {
			t.Errorf("%s: %+v %v", base, m, err)
		}
	}
	if got := h.asked; len(got) != 2 || got[0] != "GET http://127.0.0.1:5000/v2/k8s/kube-proxy/manifests/v1.27.2" {
		t.Errorf("asked: %q", got)
	}
	for _, base := range []string{"harbor.example", "ftp://harbor.example", "https://u:hunter2@harbor.example", "https://harbor.example/Not_A_Repo//", "https://harbor.example/?x"} {
		c := client(h)
		c.Endpoints = map[string]string{"registry.k8s.io": base}
		if _, err := c.Manifest(t.Context(), proxy); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", base, err)
		}
	}
	// Without an endpoint only this machine is spoken to without TLS.
	for host, scheme := range map[string]string{"localhost:5000": "http", "127.0.0.1:5000": "http", "[::1]:5000": "http", "x.localhost": "http",
		"10.0.0.1:5000": "https", "192.168.0.1": "https", "registry.local": "https", "localhost.evil.example": "https"} {
		at, err := client(h).locate(host, "a")
		if err != nil || at.base != scheme+"://"+host+"/v2/a/" {
			t.Errorf("%s: %+v %v", host, at, err)
		}
	}
}

// registry.k8s.io is a redirector: manifests to one host, blobs to another.
func TestRedirects(t *testing.T) {
	backend := stocked(t)
	h := &hosts{handlers: map[string]http.Handler{"https://us-docker.pkg.dev": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/k8s-artifacts-prod/images", "", 1)
		backend.ServeHTTP(w, r)
	}), "https://s3.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, config) })}}
	h.handlers["https://registry.k8s.io"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
			return
		}
		to := "https://us-docker.pkg.dev" + strings.Replace(r.URL.Path, "/v2/", "/v2/k8s-artifacts-prod/images/", 1) + "?rid=1"
		if strings.Contains(r.URL.Path, "/blobs/") {
			to = "https://s3.example/x?X-Amz-Signature=hunter2"
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	})
	c := client(h)
	c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "secret"}}
	if m, err := c.Manifest(t.Context(), proxy); err != nil || m.Digest != oneDigest || m.Ref != proxy {
		t.Fatalf("%+v %v", m, err)
	}
	if _, err := c.Blob(t.Context(), proxy.At(oci.DigestOf([]byte(config))), 1000); err != nil {
		t.Fatal(err)
	}
	if h.auth["us-docker.pkg.dev"] != ";" || h.auth["s3.example"] != ";" || !strings.Contains(h.auth["registry.k8s.io"], "Basic ") {
		t.Errorf("credentials went to %v", h.auth)
	}
	_, err := c.Blob(t.Context(), proxy.At(someDigest), 1000)
	var de *DigestError
	if !errors.As(err, &de) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	down := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.RedirectHandler("http://us-docker.pkg.dev/x", 307)}}
	if _, err := client(down).Manifest(t.Context(), proxy); !fetch.Is(err, fetch.BadRedirect) {
		t.Error(err)
	}
}

// The real manifests keep their digests through a registry and this client.
func TestRealManifestsThroughARegistry(t *testing.T) {
	for path := range realFiles(t) {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mt := DockerIndex
		for _, other := range []string{DockerManifest, OCIManifest} {
			if bytes.Contains(body[:200], []byte(other)) && !bytes.Contains(body[:200], []byte(DockerIndex)) {
				mt = other
			}
		}
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", mt)
			w.Header().Set("Docker-Content-Digest", string(oci.DigestOf(body)))
			w.Write(body)
		})}}
		for _, ref := range []Ref{{Host: "registry.k8s.io", Repository: "a", Tag: "t"}, {Host: "registry.k8s.io", Repository: "a", Digest: oci.DigestOf(body)}} {
			m, err := client(h).Manifest(t.Context(), ref)
			if err != nil || m.Digest != oci.DigestOf(body) || !bytes.Equal(m.Body, body) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}
