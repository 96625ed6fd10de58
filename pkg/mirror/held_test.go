package mirror

import (
	"errors"
	"fmt"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// What a mirror does not hold it answers with the releases that it holds; with none where
// a list of them cannot be read.
func TestHeldReleases(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(tree)
		want   string
	}{
		{"two by a file and by an image", func(f tree) { f["files/dl.k8s.io/release/v1.28.0/kubectl"] = "x" }, "[v1.28.0 v1.27.2]"},
		{"files of none", func(f tree) { clear(f); f["files/dl.k8s.io/release/stable.txt"] = "v1.27.2" }, "[]"},
		{"a damaged list", func(f tree) { f["oci/index.json"] = "{" }, "nil"},
	} {
		f, _, _, _, _ := sample()
		c.change(f)
		client := &fetch.Client{Transport: f.open(t)}
		for range 2 {
			_, err := client.Get(t.Context(), "https://dl.k8s.io/release/v1.27.3/kubernetes-release.spdx", 1<<20)
			var e *fetch.Error
			if !errors.As(err, &e) || e.Kind != fetch.NotFound || e.Mirror == "" {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got := fmt.Sprint(e.Holds); got != c.want && (c.want != "nil" || e.Holds != nil) {
				t.Errorf("%s: it holds %s, want %s", c.name, got, c.want)
			}
		}
	}
}
