package serve

import (
	"net/http"
	"strings"
	"testing"
)

// A served mirror says nothing of where it lies, repeats nothing that a terminal
// obeys, and sends manifests as manifests alone.
func TestServeSaysOnlyWhatItShould(t *testing.T) {
	tree, index, _, _, _ := listedSample()
	for _, typ := range []string{"text/html", "image/svg+xml", "application/json"} {
		changed := map[string]string{}
		for name, text := range tree {
			if name == "oci/index.json" || name == "MANIFEST.json" {
				text = strings.ReplaceAll(text, listType, typ)
			}
			changed[name] = text
		}
		base, _, _, _ := serveTree(t, changed)
		resp, err := http.Get(base + "/v2/kube-proxy/manifests/" + index)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); resp.StatusCode == http.StatusOK || got == typ && typ != "application/json" {
			t.Errorf("%s: %d %s", typ, resp.StatusCode, got)
		}
	}
	base, dir, _, _ := serveTree(t, tree)
	for _, path := range []string{
		"/dl.k8s.io/release/%1b%5b2Jx", "/%1b%5b31mhost/x", "/v2/%1b%5b2J/manifests/v1", "/v2/kube-proxy/manifests/%1b%5b2J", "/dl.k8s.io/%e2%80%ae",
		"/dl.k8s.io/nothing", "/v2/nothing/manifests/v1", "/v2/kube-proxy/blobs/sha256:" + sum("x"), "/dl.k8s.io/a%0ab",
	} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 4096)
		n, _ := resp.Body.Read(body)
		_ = resp.Body.Close()
		text := strings.TrimSuffix(string(body[:n]), "\n")
		if resp.StatusCode == http.StatusOK || strings.Contains(text, dir) || strings.ContainsAny(text, "\x1b\n\u202e") {
			t.Errorf("%s: %d %q", path, resp.StatusCode, text)
		}
	}
}
