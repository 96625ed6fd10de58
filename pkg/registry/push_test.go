package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

const writable = "https://registry.k8s.io"

func emptyRegistry(o ...memory.Option) http.Handler {
	return memory.New(append(o, memory.Logger(log.New(io.Discard, "", 0)))...)
}

func blobOf(content string) Blob {
	return Blob{Digest: oci.DigestOf([]byte(content)), Size: int64(len(content)), Sent: new(atomic.Int64),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func TestPutBlob(t *testing.T) {
	h := &hosts{handlers: map[string]http.Handler{writable: emptyRegistry()}}
	c := client(h)
	b := blobOf(strings.Repeat("a layer", askedAbove/7+1))
	way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, b, "", 1)
	if err != nil || way != Sent {
		t.Fatal(way, err)
	}
	way, err = c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, b, "", 1)
	if err != nil || way != Present || b.Sent.Load() != b.Size {
		t.Errorf("again: %s, %d bytes sent: %v", way, b.Sent.Load(), err)
	}
	if err := c.CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, Descriptor{Digest: b.Digest, Size: b.Size}, 1); err != nil {
		t.Error(err)
	}
	want := []string{"HEAD .../blobs/D", "POST .../blobs/uploads/", "PUT ...?digest=D", "HEAD .../blobs/D", "GET .../blobs/D"}
	if len(h.asked) != len(want) {
		t.Errorf("asked %q, want %q", h.asked, want)
	}
	// A small one is not asked for: what it costs to send is no more.
	h.asked = nil
	small := blobOf(strings.Repeat("s", askedAbove))
	for range 2 {
		if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, small, "", 1); err != nil || way != Sent {
			t.Error(way, err)
		}
	}
	if len(h.asked) != 4 {
		t.Errorf("asked %q of a small blob, want POST and PUT, twice", h.asked)
	}
	empty := blobOf("")
	if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, empty, "", 1); err != nil {
		t.Error(way, err)
	}
}

// What is sent is hashed: other bytes, fewer or more never become a blob.
func TestPutBlobOtherBytes(t *testing.T) {
	for name, content := range map[string]string{"changed": "a lAyer", "short": "a lay", "empty": ""} {
		h := &hosts{handlers: map[string]http.Handler{writable: emptyRegistry()}}
		c := client(h)
		b := blobOf("a layer")
		b.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }
		_, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, b, "", 4)
		var de *DigestError
		if !errors.As(err, &de) {
			t.Errorf("%s: %v", name, err)
		}
		if n := h.count("POST"); n != 1 {
			t.Errorf("%s: tried %d times", name, n)
		}
		for _, d := range []string{string(b.Digest), string(oci.DigestOf([]byte(content)))} {
			if err := c.CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, Descriptor{Digest: oci.Digest(d), Size: 7}, 1); !fetch.Is(err, fetch.NotFound) {
				t.Errorf("%s: %s is there: %v", name, d, err)
			}
		}
	}
	// A registry that gives other bytes back than it was sent.
	h := &hosts{handlers: map[string]http.Handler{writable: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a lAyer") })}}
	var de *DigestError
	if err := client(h).CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, Descriptor{Digest: oci.DigestOf([]byte("a layer")), Size: 7}, 4); !errors.As(err, &de) || len(h.asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(h.asked))
	}
	if err := client(h).CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, Descriptor{Digest: oci.DigestOf([]byte("a layer")), Size: 6}, 1); !fetch.Is(err, fetch.TooLarge) {
		t.Error(err)
	}
}

// Where an upload goes is the registry's to say, and what is shown there is not.
func TestUploadLocation(t *testing.T) {
	for _, tt := range []struct{ location, says, host string }{
		{"/v2/pause/blobs/uploads/1?_state=a%3Db", "", "registry.k8s.io"},
		{"uploads/1", "", "registry.k8s.io"},
		{"https://registry.k8s.io:443/v2/pause/blobs/uploads/1", "", "registry.k8s.io"},
		{"https://storage.example/1", "", "storage.example"},
		{"http://registry.k8s.io/v2/pause/blobs/uploads/1", "over plain http", ""},
		{"http://storage.example/1", "over plain http", ""},
		{"https://u:p@registry.k8s.io/1", "not a plain URL", ""},
		{"ftp://registry.k8s.io/1", "not a plain URL", ""},
		{"", "no Location", ""},
		{"https://%zz/", "not a URL", ""},
	} {
		var put string
		got := &bytes.Buffer{}
		serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodHead:
				w.WriteHeader(404)
			case http.MethodPost:
				if r.Header.Get("Authorization") == "" {
					w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					w.WriteHeader(401)
					return
				}
				if tt.location != "" {
					w.Header().Set("Location", tt.location)
				}
				w.WriteHeader(202)
			case http.MethodPut:
				put = r.URL.String()
				io.Copy(got, r.Body)
				w.WriteHeader(201)
			}
		})
		h := &hosts{handlers: map[string]http.Handler{writable: serve, "http://registry.k8s.io": serve, "https://storage.example": serve, "http://storage.example": serve}}
		c := client(h)
		c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "p"}, "storage.example": {Username: "u", Password: "p"}}
		_, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, blobOf("a layer"), "", 1)
		if tt.says != "" {
			if err == nil || !strings.Contains(err.Error(), tt.says) || put != "" {
				t.Errorf("%s: %v, sent to %q; want %q", tt.location, err, put, tt.says)
			}
			continue
		}
		if err != nil || got.String() != "a layer" || !strings.Contains(put, "digest=sha256%3A") || !strings.HasPrefix(put, "https://"+tt.host+"/") {
			t.Errorf("%s: %v, %q sent to %q", tt.location, err, got, put)
		}
		if strings.Contains(tt.location, "_state") && !strings.Contains(put, "_state=a%3Db&digest=") {
			t.Errorf("the registry's own query came back as %q", put)
		}
		if h.auth["storage.example"] != "" && h.auth["storage.example"] != ";" {
			t.Errorf("another host was shown %q", h.auth["storage.example"])
		}
	}
}

// A broken upload is begun anew, and as often as it may be.
func TestPutBlobAgain(t *testing.T) {
	inner := emptyRegistry()
	fail := 0
	h := &hosts{handlers: map[string]http.Handler{writable: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && fail > 0 {
			fail--
			w.WriteHeader([]int{503, 401, 404}[fail%3])
			return
		}
		inner.ServeHTTP(w, r)
	})}}
	c := client(h)
	fail = 2
	if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, blobOf("x"), "", 3); err != nil || way != Sent || h.count("POST") != 3 {
		t.Errorf("%s %v, asked %q", way, err, h.asked)
	}
	fail = 1
	if _, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, blobOf("y"), "", 1); !fetch.Is(err, fetch.ServerError) {
		t.Error(err)
	}
	// An answer that was lost: the blob is there, and its bytes do not travel again.
	lost := true
	h.handlers[writable] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && lost {
			lost = false
			inner.ServeHTTP(&discard{h: http.Header{}}, r)
			w.WriteHeader(502)
			return
		}
		inner.ServeHTTP(w, r)
	})
	b := blobOf("z")
	if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, b, "", 3); err != nil || way != Present || b.Sent.Load() != 1 {
		t.Errorf("%s %v, %d bytes", way, err, b.Sent.Load())
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// A mount costs one request and no bytes, needs the right to read the other
// repository, and where it is refused the bytes are sent.
func TestMount(t *testing.T) {
	var asked []string
	mounts := true
	inner := emptyRegistry()
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("mount") != "" {
			asked = append(asked, r.Header.Get("Authorization"), q.Get("from"))
			if mounts {
				w.WriteHeader(201)
				return
			}
			w.WriteHeader(403)
			return
		}
		inner.ServeHTTP(w, r)
	})
	g := &guarded{inner: serve, realm: "https://auth.example/token"}
	all := map[string]bool{}
	h := &hosts{handlers: map[string]http.Handler{
		"https://inside.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			repo, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
			want := "repository:" + repo + ":push,pull" // in another order than a client would write it
			if from := r.URL.Query().Get("from"); from != "" {
				want += " repository:" + from + ":pull"
			}
			if r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="r",scope="%s"`, g.realm, want))
				w.WriteHeader(401)
				return
			}
			serve(w, r)
		}),
		"https://auth.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			all[strings.Join(r.URL.Query()["scope"], " ")] = true
			fmt.Fprintf(w, `{"token":"t"}`)
		}),
	}}
	c := client(h)
	c.Endpoints = map[string]string{"registry.k8s.io": "https://inside.example/k8s"}
	b := blobOf("a layer")
	if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "kube-proxy-amd64"}, b, "kube-proxy", 1); err != nil || way != Mounted || b.Sent.Load() != 0 {
		t.Errorf("%s %v", way, err)
	}
	if fmt.Sprint(asked) != "[Bearer t k8s/kube-proxy]" || !all["repository:k8s/kube-proxy-amd64:pull,push repository:k8s/kube-proxy:pull"] || len(all) != 1 {
		t.Errorf("asked %q, tokens for %v", asked, all)
	}
	mounts = false
	if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "kube-proxy-arm64"}, b, "kube-proxy", 1); err != nil || way != Sent {
		t.Errorf("%s %v", way, err)
	}
	if !all["repository:k8s/kube-proxy-arm64:pull,push"] { // not every user may read the other
		t.Errorf("tokens for %v", all)
	}
}

func TestPutManifest(t *testing.T) {
	h := &hosts{handlers: map[string]http.Handler{writable: emptyRegistry()}}
	c := client(h)
	ref := Ref{Host: "registry.k8s.io", Repository: "pause", Tag: "1"}
	put := func(body string) error {
		_, err := c.PutManifest(t.Context(), ref, OCIIndex, []byte(body))
		return err
	}
	first, second := `{"schemaVersion":2,  "mediaType":"`+OCIIndex+`","manifests":[]}`, `{"schemaVersion":2,"manifests":[],"annotations":{}}`
	for _, body := range []string{first, second} {
		if err := put(body); err != nil {
			t.Fatal(err)
		}
		m, err := c.Manifest(t.Context(), ref) // and not out of the memory of the run
		if err != nil || string(m.Body) != body {
			t.Errorf("%v: %s", err, m.Body)
		}
	}
	var de *DigestError
	if _, err := c.PutManifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause", Digest: oci.DigestOf([]byte(second))}, OCIIndex, []byte(first)); !errors.As(err, &de) {
		t.Error(err)
	}
	h.handlers[writable] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown \u001b[2J","detail":{"digest":"x"}}]}`)
	})
	var re *RefusedError
	if err := put(first); !errors.As(err, &re) || re.Codes[0] != "MANIFEST_BLOB_UNKNOWN" || !strings.Contains(err.Error(), "it says MANIFEST_BLOB_UNKNOWN: blob unknown") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
	h.handlers[writable] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", string(oci.DigestOf([]byte("x"))))
		w.WriteHeader(201)
	})
	if err := put(first); !errors.As(err, &de) {
		t.Errorf("a registry that marshals anew: %v", err)
	}
}

// Where the registry keeps no list of referrers, a tag stands in for it, and
// what others have put there stays.
func TestListReferrer(t *testing.T) {
	for _, api := range []bool{false, true} {
		h := &hosts{handlers: map[string]http.Handler{writable: emptyRegistry(memory.WithReferrersSupport(api))}}
		c := client(h)
		subject := Ref{Host: "registry.k8s.io", Repository: "pause", Digest: oci.DigestOf([]byte("subject"))}
		if list, err := c.ReferrersOrNone(t.Context(), subject); err != nil || len(list) != 0 {
			t.Fatalf("%v %v", list, err)
		}
		body := func(n int) []byte {
			return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"%s","artifactType":"a/b","config":{"mediaType":"c/d","digest":"%s","size":2},"layers":[],"subject":{"mediaType":"%s","digest":"%s","size":7},"annotations":{"n":"%d"}}`,
				OCIManifest, oci.DigestOf([]byte("{}")), OCIIndex, subject.Digest, n)
		}
		theirs := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%s","manifests":[{"mediaType":"%s","digest":"%s","size":5,"x-theirs":1}]}`, OCIIndex, OCIManifest, oci.DigestOf(body(2)))
		for n := range 3 {
			indexed, err := c.PutManifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause", Digest: oci.DigestOf(body(n))}, OCIManifest, body(n))
			if err != nil || indexed {
				t.Fatal(indexed, err)
			}
		}
		if api {
			if list, err := c.ReferrersOrNone(t.Context(), subject); err != nil || len(list) != 3 || h.count("/manifests/sha256-") != 0 {
				t.Errorf("%v %v", list, err)
			}
			continue
		}
		if _, err := c.PutManifest(t.Context(), referrersTag(subject), OCIIndex, []byte(theirs)); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 0} {
			if err := c.AddReferrerTag(t.Context(), subject, OCIManifest, body(n)); err != nil {
				t.Fatal(err)
			}
		}
		list, err := c.ReferrersOrNone(t.Context(), subject)
		if err != nil || len(list) != 3 || list[2].ArtifactType != "a/b" || list[2].Annotations["n"] != "1" || list[2].Digest != oci.DigestOf(body(1)) {
			t.Errorf("%+v %v", list, err)
		}
		m, err := c.Manifest(t.Context(), referrersTag(subject))
		if err != nil || !json.Valid(m.Body) || !strings.Contains(string(m.Body), `"x-theirs":1`) {
			t.Errorf("%v %s", err, m.Body)
		}
		if n := h.count("/referrers/"); n != 1 {
			t.Errorf("asked %d times for a list that this registry does not keep", n)
		}
		if got, err := c.Referrers(t.Context(), subject); err != nil || len(got) != 3 {
			t.Errorf("a reader sees %v %v", got, err)
		}
	}
}

// A registry that takes nothing more of an upload is given up.
func TestUploadStalls(t *testing.T) {
	stuck := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPut {
			return &http.Response{StatusCode: 202, Header: http.Header{"Location": {"/v2/x"}}, Body: http.NoBody, Request: r}, nil
		}
		io.ReadFull(r.Body, make([]byte, 1))
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	c := &Client{Fetch: &fetch.Client{Transport: &fetch.StallGuard{Next: stuck, Timeout: 50 * time.Millisecond}}}
	_, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause"}, blobOf("a layer"), "kube-proxy", 1)
	if !fetch.Is(err, fetch.Unreachable) || !errors.Is(err, fetch.ErrStalled) {
		t.Error(err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
