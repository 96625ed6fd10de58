package registry

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A route is a hint to connect somewhere, so that what writes into a cache chooses no host.
func TestRoutes(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	if got := c.Routes(); len(got) != 0 {
		t.Fatal(got)
	}
	for _, r := range [][2]string{
		{"registry.k8s.io", "europe-west3-docker.pkg.dev"},
		{"registry.k8s.io", "europe-west3-docker.pkg.dev"}, // twice
		{"registry.k8s.io", "evil.example"},
		{"registry.k8s.io", "evil.example/.pkg.dev"},
		{"registry.k8s.io", "user@x.pkg.dev"},
		{"registry.k8s.io", "x.pkg.dev:22"},
		{"registry.k8s.io", "pkg.dev.evil.example"},
		{"registry.k8s.io", "a b.pkg.dev\nregistry.k8s.io c.pkg.dev"},
		{"registry.k8s.io", "10.0.0.1"},
		{"registry.example", "us-west1-docker.pkg.dev"},
		{"registry.k8s.io", "us-west1-docker.pkg.dev"},
	} {
		c.KeepRoute(r[0], r[1])
	}
	want := map[string][]string{"registry.k8s.io": {"us-west1-docker.pkg.dev", "europe-west3-docker.pkg.dev"}}
	if got := c.Routes(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	for i := range 40 {
		c.KeepRoute("registry.k8s.io", fmt.Sprintf("region-%d-docker.pkg.dev", i))
	}
	if got := c.Routes()["registry.k8s.io"]; len(got) != maxRoutes || got[0] != "region-39-docker.pkg.dev" {
		t.Errorf("%d: %v", len(got), got)
	}
	var none *Cache
	none.KeepRoute("registry.k8s.io", "us-west1-docker.pkg.dev")
	if got := none.Routes(); len(got) != 0 {
		t.Error(got)
	}
}

// Whoever writes into the directory, in whatever form, names no host of their own.
func TestRoutesOfAnother(t *testing.T) {
	dir := t.TempDir()
	c := NewCache(dir, 0)
	c.put(routesKey, "", []byte("registry.k8s.io evil.example\nregistry.k8s.io\n\n x.pkg.dev\nregistry.k8s.io a.pkg.dev b.pkg.dev\nregistry.k8s.io good.pkg.dev\n"))
	if got := slices.Concat(slices.Collect(maps.Values(c.Routes()))...); !slices.Equal(got, []string{"good.pkg.dev"}) {
		t.Errorf("%v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(cacheFile(routesKey))), []byte("registry.k8s.io good.pkg.dev\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.Routes(); len(got) != 0 {
		t.Errorf("of what is no entry: %v", got)
	}
}

// TestRoutesAreFew holds how many are kept and read, how long a name may be, and that one that is
// known keeps its place.
func TestRoutesAreFew(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	host := func(n int) string { return strings.Repeat("a", n-len(".pkg.dev")) + ".pkg.dev" }
	for n, want := range map[int]bool{253: true, 254: false} {
		if got := isRoute("registry.k8s.io", host(n)); got != want {
			t.Errorf("a name of %d characters: %v", n, got)
		}
	}
	for _, to := range []string{"a.pkg.dev", "b.pkg.dev", "a.pkg.dev"} {
		c.KeepRoute("registry.k8s.io", to)
	}
	if got := c.Routes()["registry.k8s.io"]; !slices.Equal(got, []string{"b.pkg.dev", "a.pkg.dev"}) {
		t.Errorf("%v", got)
	}
	var text strings.Builder
	for i := range 2 * (maxRoutes + 4) {
		fmt.Fprintf(&text, "registry.k8s.io r%d.pkg.dev\n", i/2) // each twice
	}
	c.put(routesKey, "", []byte(text.String()))
	if got := c.Routes()["registry.k8s.io"]; len(got) != maxRoutes || got[maxRoutes-1] != fmt.Sprintf("r%d.pkg.dev", maxRoutes-1) {
		t.Errorf("%d: %v", len(got), got)
	}
	for n, want := range map[int]int{400: 400, 401: 403} { // what is repeated of others' words
		if got := quoted(strings.Repeat("x", n)); len(got) != want {
			t.Errorf("%d bytes of words are %d", n, len(got))
		}
	}
}
