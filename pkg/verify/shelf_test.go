package verify

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
)

// shelf is a registry of manifests and blobs, by "kube-proxy/manifests/v1.27.2", that notes
// what it was asked for. For an empty one it answers 500.
type shelf struct {
	mu    sync.Mutex
	has   map[string]shelved
	asked []string
}

type shelved struct {
	mediaType string
	body      []byte
}

func newShelf() *shelf { return &shelf{has: map[string]shelved{}} }

// shelfOf is an empty one, with a run that reads from it.
func shelfOf(t testing.TB, checks ...string) (*shelf, *run) {
	t.Helper()
	s := newShelf()
	r := s.reads(t, checks...)
	return s, r
}

// reads is a run that reads images from there, and all else too.
func (s *shelf) reads(t testing.TB, checks ...string) *run {
	t.Helper()
	client := &fetch.Client{Transport: s}
	r, err := (&Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Checks: checks}).newRun()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *shelf) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	s.asked = append(s.asked, path)
	it, ok := s.has[path]
	a := &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {it.mediaType}}, Body: io.NopCloser(bytes.NewReader(it.body)), ContentLength: int64(len(it.body))}
	switch {
	case !ok:
		a.StatusCode = http.StatusNotFound
	case len(it.body) == 0:
		a.StatusCode = http.StatusInternalServerError
	}
	return a, nil
}

func (s *shelf) count(path string) (n int) {
	for _, p := range s.asked {
		if p == path {
			n++
		}
	}
	return n
}

// put shelves a document under a path of a repository: "manifests/v1.27.2", or under its digest.
func (s *shelf) put(repository, under, mediaType string, document any) oci.Digest {
	body, isRaw := document.([]byte)
	if !isRaw {
		body, _ = json.Marshal(document)
	}
	digest := oci.DigestOf(body)
	if strings.HasSuffix(under, "/") {
		under += string(digest)
	}
	s.has[repository+"/"+under] = shelved{mediaType, body}
	return digest
}

// manifest shelves one under its digest and under tags, as an index if it lists manifests.
func (s *shelf) manifest(repository string, body []byte, tags ...string) (digest oci.Digest) {
	mediaType := registry.OCIManifest
	if bytes.Contains(body, []byte(`"manifests"`)) {
		mediaType = registry.OCIIndex
	}
	for _, tag := range append([]string{""}, tags...) {
		digest = s.put(repository, "manifests/"+tag, mediaType, body)
	}
	return digest
}

// blob shelves one under its digest.
func (s *shelf) blob(repository string, body []byte) oci.Digest {
	return s.put(repository, "blobs/", "", body)
}
