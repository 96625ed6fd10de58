package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

func TestReferrers(t *testing.T) {
	subject := `{"schemaVersion":2,"mediaType":"` + OCIManifest + `","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[],"subject":{"mediaType":"` + DockerIndex + `","size":1,"digest":"` + oneDigest + `"}}`
	ref := Ref{Host: proxy.Host, Repository: proxy.Repository, Digest: oneDigest}
	reg := inMemory(t, "kube-proxy/blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "", "{}",
		"kube-proxy/manifests/v1", DockerManifest, strings.Replace(oneImage, string(oci.DigestOf([]byte(config))), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 1),
		"kube-proxy/manifests/"+string(oci.DigestOf([]byte(subject))), OCIManifest, string(subject))
	h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": reg}}
	c := client(h)
	for range 2 {
		list, err := c.Referrers(t.Context(), ref)
		if err != nil || len(list) != 1 || list[0].Digest != oci.DigestOf([]byte(subject)) || list[0].ArtifactType == "" {
			t.Fatalf("%+v %v", list, err)
		}
	}
	if len(h.asked) != 1 {
		t.Errorf("asked %q", h.asked)
	}

	tag := strings.Replace(string(oneDigest), ":", "-", 1)
	x := `{"schemaVersion":2,"mediaType":"` + OCIIndex + `","manifests":[` + desc("") + `]}`
	answer := func(api, byTag int, pages int) *Client {
		return client(&hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", OCIIndex)
			status := api
			if strings.HasSuffix(r.URL.Path, tag) {
				status = byTag
			} else if pages > 0 && r.URL.Query().Get("last") != fmt.Sprint(pages) {
				n := 1
				fmt.Sscan(r.URL.Query().Get("last"), &n)
				w.Header().Set("Link", fmt.Sprintf(`<https://evil.example/v2/x?last=%d&n=1>; rel="next"`, n+1))
			}
			w.WriteHeader(status)
			if status == 200 {
				io.WriteString(w, x)
			}
		})}})
	}
	for _, tt := range []struct {
		name              string
		api, byTag, pages int
		want              int
		kind              fetch.Kind
	}{
		{"API", 200, 404, 0, 1, 0}, {"by tag", 404, 200, 0, 1, 0}, {"API not known", 405, 200, 0, 1, 0},
		{"neither", 404, 404, 0, -1, fetch.NotFound}, {"forbidden", 403, 200, 0, -1, fetch.Forbidden},
		{"forbidden by tag", 404, 403, 0, -1, fetch.NotFound}, {"down", 500, 200, 0, -1, fetch.ServerError}, {"pages", 200, 404, 3, 3, 0},
	} {
		list, err := answer(tt.api, tt.byTag, tt.pages).Referrers(t.Context(), ref)
		if tt.want >= 0 && (err != nil || len(list) != tt.want) || tt.want < 0 && !fetch.Is(err, tt.kind) {
			t.Errorf("%s: %+v %v", tt.name, list, err)
		}
	}
	var fe *FormatError
	if _, err := answer(200, 404, 100).Referrers(t.Context(), ref); !errors.As(err, &fe) {
		t.Errorf("endless pages: %v", err)
	}
	x = `{"schemaVersion":2,"manifests":[]}`
	if list, err := answer(200, 404, 0).Referrers(t.Context(), ref); err != nil || len(list) != 0 {
		t.Errorf("none: %+v %v", list, err)
	}
	x = `<html>`
	if _, err := answer(200, 404, 0).Referrers(t.Context(), ref); !errors.As(err, &fe) {
		t.Errorf("a page: %v", err)
	}
}
