package mirror

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// TestSample reads every name and file of the committed sample, and everything
// that its names reach, as a stranger would: by the lists alone.
func TestSample(t *testing.T) {
	const sample = "../../testdata/sample/mirror"
	d, err := Open(sample)
	if err != nil {
		t.Fatal(err)
	}
	for half, err := range d.broken {
		t.Fatal(half, err)
	}
	text, err := os.ReadFile(filepath.Join(sample, "MANIFEST.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Images []struct{ Name, Digest string }
		Files  []struct{ URL string }
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	asked := 0
	get := func(url string) {
		t.Helper()
		asked++
		resp, _, err := do(t, d, http.MethodGet, url, "")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %v", url, resp.StatusCode, err)
		}
	}
	for _, f := range m.Files {
		get(f.URL)
	}
	for _, i := range m.Images {
		n, ok := layout.SplitName(i.Name)
		if !ok {
			t.Fatal(i.Name)
		}
		get("https://" + n.Host + "/v2/" + n.Repo + "/manifests/" + n.Tag)
		get("https://" + n.Host + "/v2/" + n.Repo + "/manifests/" + i.Digest)
	}
	for key, r := range d.repos {
		all := r.Reach()
		if all.Damage != nil || len(all.Nodes) == 0 {
			t.Errorf("%s: %d digests, %v", key, len(all.Nodes), all.Damage)
		}
		host, repo, _ := strings.Cut(key, "/")
		for digest, n := range all.Nodes {
			kind := "blobs/"
			if n.IsManifest {
				kind = "manifests/"
			}
			get("https://" + host + "/v2/" + repo + "/" + kind + string(digest))
		}
	}
	if asked < 200 {
		t.Errorf("only %d requests", asked)
	}
}

func BenchmarkManifest(b *testing.B) {
	d, err := Open("../../testdata/sample/mirror")
	if err != nil {
		b.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodGet, "https://registry.k8s.io/v2/kube-proxy/manifests/v1.27.2", nil)
	for b.Loop() {
		resp, err := d.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
}
