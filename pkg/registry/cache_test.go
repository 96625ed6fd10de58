package registry

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// signed is a registry with one signature manifest, whose bytes can be changed.
func signed(body *[]byte) *hosts {
	return &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if *body == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", OCIManifest)
		_, _ = w.Write(*body)
	})}}
}

func signatureManifest(n int) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"a/b","size":%d,"digest":"sha256:%064d"},"layers":[]}`, OCIManifest, n, n)
}

func ask(t *testing.T, c *Client, tag string) (*Manifest, error) {
	t.Helper()
	return c.Manifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause", Tag: tag})
}

var sigTag = "sha256-" + strings.Repeat("a", 64) + ".sig"

func TestCacheKeepsWhatADigestNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	body := signatureManifest(1)
	h := signed(&body)
	cached := func() *Client { c := client(h); c.Cache = NewCache(dir, 0); return c }

	first, err := ask(t, cached(), sigTag)
	if err != nil || first.FromCache {
		t.Fatal(first, err)
	}
	second, err := ask(t, cached(), sigTag)
	if err != nil || !second.FromCache || second.Origin != fetch.Carried || !bytes.Equal(second.Body, body) || second.Digest != first.Digest {
		t.Fatalf("%+v %v", second, err)
	}
	byDigest := Ref{Host: "registry.k8s.io", Repository: "pause", Digest: first.Digest}
	for range 2 {
		if _, err := cached().Manifest(t.Context(), byDigest); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.asked); n != 2 {
		t.Errorf("%d requests: %v", n, h.asked)
	}
	// Not for another repository, another stand-in, nor a tag.
	other := cached()
	other.Endpoints = map[string]string{"registry.k8s.io": "https://copy.example"}
	if _, err := ask(t, other, sigTag); err == nil {
		t.Error("a stand-in answered out of the registry's cache")
	}
	for range 2 {
		if m, err := ask(t, cached(), "3.9"); err != nil || m.FromCache {
			t.Error("a tag was kept", err)
		}
	}

	// What does not serve is asked for again, and replaces what was kept.
	body = signatureManifest(2)
	c := cached()
	if m, err := ask(t, c, sigTag); err != nil || m.Digest != first.Digest {
		t.Fatal(m, err)
	}
	again, err := c.Refresh(t.Context(), Ref{Host: "registry.k8s.io", Repository: "pause", Tag: sigTag})
	if err != nil || again.FromCache || !bytes.Equal(again.Body, body) {
		t.Fatal(again, err)
	}
	if m, err := ask(t, cached(), sigTag); err != nil || !m.FromCache || !bytes.Equal(m.Body, body) {
		t.Fatal(m, err)
	}

	// An absence is never kept.
	body = nil
	absent := strings.Replace(sigTag, "a", "b", 1)
	if _, err := ask(t, cached(), absent); err == nil {
		t.Fatal("found what is not there")
	}
	body = signatureManifest(3)
	if _, err := ask(t, cached(), absent); err != nil {
		t.Error(err)
	}
}

// TestCacheIsNotBelieved lets an attacker write to the directory.
func TestCacheIsNotBelieved(t *testing.T) {
	body := signatureManifest(1)
	for name, attack := range map[string]func(file string){
		"flip":     func(f string) { b := read(t, f); b[len(b)-3] ^= 1; write(t, f, b) },
		"truncate": func(f string) { b := read(t, f); write(t, f, b[:len(b)/2]) },
		"empty":    func(f string) { write(t, f, nil) },
		"other key": func(f string) {
			write(t, f, bytes.Replace(read(t, f), []byte(strings.Repeat("a", 64)), []byte(strings.Repeat("b", 64)), 1))
		},
		"huge": func(f string) { write(t, f, append(read(t, f), make([]byte, maxCached)...)) },
		"link": func(f string) {
			aside := filepath.Join(t.TempDir(), "aside")
			write(t, aside, read(t, f))
			must(t, os.Remove(f))
			must(t, os.Symlink(aside, f))
		},
		"directory": func(f string) { must(t, os.Remove(f)); must(t, os.Mkdir(f, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			h := signed(&body)
			c := client(h)
			c.Cache = NewCache(dir, 0)
			if _, err := ask(t, c, sigTag); err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
			if len(files) != 1 {
				t.Fatal(files)
			}
			attack(files[0])
			c = client(h)
			c.Cache = NewCache(dir, 0)
			m, err := ask(t, c, sigTag)
			if err != nil || m.FromCache || !bytes.Equal(m.Body, body) || len(h.asked) != 2 {
				t.Errorf("%+v %v, %d requests", m, err, len(h.asked))
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 100 << 10
	c := NewCache(dir, limit)
	for i := range 100 {
		c.put(fmt.Sprintf("blob %d", i), "", make([]byte, 4<<10))
		if i%10 == 0 {
			c.get("blob 0")
		}
	}
	if total := evict(c.open(false), limit); total > limit || total < limit/2 {
		t.Errorf("%d bytes kept, limit %d", total, limit)
	}
	if _, _, ok := c.get("blob 99"); !ok {
		t.Error("the newest is gone")
	}
	if _, _, ok := c.get("blob 1"); ok {
		t.Error("an old one stays")
	}
	if temps, _ := filepath.Glob(filepath.Join(dir, "*", ".*")); temps != nil {
		t.Error(temps)
	}
}

// TestCacheIsShared lets many runs write and read the same entries, and make room.
func TestCacheIsShared(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for run := range 8 {
		wg.Go(func() {
			c := NewCache(dir, 64<<10)
			for i := range 60 {
				key := fmt.Sprintf("blob %d", (i+run)%20)
				want := bytes.Repeat([]byte(key), 500)
				c.put(key, "", want)
				if _, got, ok := c.get(key); ok && !bytes.Equal(got, want) {
					t.Errorf("%s holds %.20q", key, got)
				}
			}
		})
	}
	wg.Wait()
}

// TestCacheThatCannotBe is a miss, and no error.
func TestCacheThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	body := signatureManifest(1)
	c := client(signed(&body))
	c.Cache = NewCache(filepath.Join(file, "cache"), 0)
	if _, err := ask(t, c, sigTag); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return b
}

func write(t *testing.T, file string, b []byte) { t.Helper(); must(t, os.WriteFile(file, b, 0o600)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
