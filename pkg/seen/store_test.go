package seen_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight/container"
)

// store is a content store of containerd's, on a disk.
type store string

func newStore(t *testing.T) store {
	t.Helper()
	s := store(t.TempDir())
	for _, folder := range []string{"blobs/sha256", "ingest"} {
		if err := os.MkdirAll(filepath.Join(string(s), filepath.FromSlash(folder)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s store) put(t *testing.T, b []byte) (digest string) {
	t.Helper()
	return s.putAs(t, digestOf(b), b)
}

// putAs puts bytes under a digest, be it theirs or not.
func (s store) putAs(t *testing.T, digest string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(s), "blobs", "sha256", digest[len("sha256:"):]), b, 0o644); err != nil {
		t.Fatal(err)
	}
	return digest
}

func (s store) json(t *testing.T, v any) (digest string) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return s.put(t, b)
}

// pull puts an image with those of its platforms there, as a runtime pulls it.
func (s store) pull(t *testing.T, w *world.World, ref string, arches ...string) {
	t.Helper()
	m, ok := w.Manifest(ref)
	if !ok {
		t.Fatalf("the world has no %s", ref)
	}
	s.put(t, m.Body)
	idx, img, err := registry.ParseManifest(m.MediaType, m.Body)
	if err != nil {
		t.Fatal(err)
	}
	if idx == nil {
		for _, d := range append(img.Layers, img.Config) {
			s.put(t, w.Blob(string(d.Digest)))
		}
		return
	}
	for _, d := range idx.Manifests {
		for _, arch := range arches {
			if d.Platform.Architecture == arch {
				s.pull(t, w, "kube-proxy@"+string(d.Digest))
			}
		}
	}
}

func (s store) judge(t *testing.T, w *world.World, arches []string) report.Report {
	t.Helper()
	c, err := container.Open(t.Context(), string(s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	j := judge(t, w)
	j.Arches = arches
	if j.Release, err = release.ParseVersion(version); err != nil {
		t.Fatal(err)
	}
	return verdict(t, j, seen.Input{Subjects: []string{string(s)}, Copies: []seen.Container{{Name: string(s), Copies: c.Copies()}}})
}

// Nothing that a runtime could run as an image hides in a store beside the genuine one: names lie elsewhere.
func TestStoresThatHideAnImage(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	one := func(ref string) (world.Manifest, string) {
		m, ok := w.Manifest(ref)
		if !ok {
			t.Fatal(ref)
		}
		return m, m.Digest()
	}
	amd64, amd64Digest := one("kube-proxy-amd64:" + version)
	s390x, s390xDigest := one("kube-proxy-s390x:" + version)
	_, img, err := registry.ParseManifest(s390x.MediaType, s390x.Body)
	if err != nil {
		t.Fatal(err)
	}
	evilLayer := []byte("an evil layer")
	evilConfig := map[string]any{"os": "linux", "architecture": "amd64", "config": map[string]any{"Entrypoint": []string{"/evil"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(evilLayer)}}}
	evil := func(t *testing.T, s store) map[string]any {
		config, err := json.Marshal(evilConfig)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{"schemaVersion": 2, "mediaType": registry.OCIManifest, "config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": s.put(t, config), "size": len(config)},
			"layers": []any{map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": s.put(t, evilLayer), "size": len(evilLayer)}}}
	}
	text := func(t *testing.T, s store) []byte {
		b, err := json.Marshal(evil(t, s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	below := func(platform map[string]string, mediaType string) func(*testing.T, store) {
		return func(t *testing.T, s store) {
			b := text(t, s)
			s.json(t, map[string]any{"schemaVersion": 2, "mediaType": registry.OCIIndex, "manifests": []any{
				map[string]any{"mediaType": amd64.MediaType, "digest": amd64Digest, "size": len(amd64.Body), "platform": map[string]string{"os": "linux", "architecture": "amd64"}},
				map[string]any{"mediaType": mediaType, "digest": s.put(t, b), "size": len(b), "platform": platform},
			}})
		}
	}
	for name, hide := range map[string]func(*testing.T, store){
		"as it is":    func(t *testing.T, s store) { s.put(t, text(t, s)) },
		"a key twice": func(t *testing.T, s store) { s.put(t, append([]byte(`{"a":1,"a":1,`), text(t, s)[1:]...)) },
		"too large":   func(t *testing.T, s store) { s.put(t, append(text(t, s), bytes.Repeat([]byte(" "), 4_300_000)...)) },
		"as a referrer": func(t *testing.T, s store) {
			m := evil(t, s)
			m["subject"] = map[string]any{"mediaType": registry.OCIManifest, "digest": digestOf(nil), "size": 1}
			m["config"] = map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "digest": s.put(t, []byte(`{}`)), "size": 2}
			s.json(t, m)
		},
		"as another platform":                           below(map[string]string{"os": "linux", "architecture": "s390x"}, registry.OCIManifest),
		"as no platform":                                below(map[string]string{"os": "unknown", "architecture": "unknown"}, registry.OCIManifest),
		"as another kind of thing":                      below(map[string]string{"os": "linux", "architecture": "s390x"}, "application/x"),
		"under the name of another platform's manifest": func(t *testing.T, s store) { s.putAs(t, s390xDigest, text(t, s)) },
		"under the name of another platform's config": func(t *testing.T, s store) {
			s.pull(t, w, "kube-proxy-s390x:"+version)
			s.putAs(t, string(img.Config.Digest), []byte(`{"os":"linux","architecture":"amd64"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			s.pull(t, w, "kube-proxy:"+version, "amd64")
			hide(t, s)
			for _, arches := range [][]string{nil, {"amd64"}} {
				if rep := s.judge(t, w, arches); rep.Verdict() == report.Verified {
					t.Errorf("of %v: %s", arches, tell(rep))
				}
			}
		})
	}
}

// Stores as runtimes fill them are verified, whole or in the platform that was asked for.
func TestGenuineStores(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	for name, c := range map[string]struct{ pulled, asked []string }{
		"one platform":                 {[]string{"amd64"}, nil},
		"one platform, asked for":      {[]string{"amd64"}, []string{"amd64"}},
		"all platforms":                {[]string{"amd64", "arm64", "ppc64le", "s390x"}, nil},
		"all platforms, one asked for": {[]string{"amd64", "arm64", "ppc64le", "s390x"}, []string{"amd64"}},
	} {
		s := newStore(t)
		s.pull(t, w, "kube-proxy:"+version, c.pulled...)
		if rep := s.judge(t, w, c.asked); rep.Verdict() != report.Verified {
			t.Errorf("%s: %s", name, tell(rep))
		}
	}
}
