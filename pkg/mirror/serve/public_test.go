package serve

import (
	"io"
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

// lister is a page that lists one directory, and says what it was asked for.
type lister struct{}

func (lister) Lists(path string) bool { return path == "/dl.k8s.io/release/v1.27.2/" }

func (lister) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.WriteString(w, "page of "+req.URL.Path)
}

// TestServeListing asks for directories by each of their addresses.
func TestServeListing(t *testing.T) {
	files, _, _, _, _ := listedSample()
	base, _, h, _ := serveTree(t, files)
	for _, withPage := range []bool{false, true} {
		if withPage {
			h.Page = lister{}
		}
		for _, c := range []struct {
			method, path, host string
			status             int
		}{
			{"GET", "/dl.k8s.io/release/v1.27.2/", "", 200},
			{"HEAD", "/release/v1.27.2/", "", 200},
			{"GET", "/v1.27.2/", "", 200},
			{"GET", "/release/v1.27.2/", "dl.k8s.io", 200},
			{"POST", "/release/v1.27.2/", "dl.k8s.io", 405},
			{"GET", "/dl.k8s.io/release/v1.27.3/", "", 404},
			{"GET", "/dl.k8s.io/release/v1.27.2/../v1.27.2/", "", 404},
			{"GET", "/dl.k8s.io/release%2fv1.27.2/", "", 404},
			{"GET", "//dl.k8s.io/release/v1.27.2/", "", 404},
			{"GET", "/v2/dl.k8s.io/release/v1.27.2/", "", 404},
		} {
			header := map[string]string{}
			if c.host != "" {
				header["Host"] = c.host
			}
			resp, body, err := ask(t, c.method, base, c.path, header)
			want := c.status
			if !withPage && want == 200 {
				want = 404
			}
			if err != nil || resp.StatusCode != want {
				t.Errorf("page %v: %s %s: %d, want %d: %s %v", withPage, c.method, c.path, resp.StatusCode, want, body, err)
			}
			if want == 200 && c.method == "GET" && body != "page of /dl.k8s.io/release/v1.27.2/" {
				t.Errorf("%s: %s", c.path, body)
			}
		}
	}
}
