package container_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
)

// dump says all that is read of a container, with its layers hashed.
func dump(t *testing.T, c *container.Container) string {
	t.Helper()
	var out strings.Builder
	blob := func(b sight.Blob) {
		fmt.Fprintf(&out, " %s %s %d", b.Digest, b.Entry, b.Size)
		if b.Absent() {
			return
		}
		got, err := b.Read(t.Context())
		if err != nil && got != (sight.Content{}) {
			t.Errorf("%s could not be read, and is %+v", b.Entry, got)
		}
		if got.Unpacked != "" && (got.Err != nil || got.Joined != "") || err == nil && got.Unpacked == "" && got.Err == nil {
			t.Errorf("%s: %+v", b.Entry, got)
		}
		fmt.Fprintf(&out, "=%s %s %s %v", got.Digest, got.Unpacked, got.Joined, err == nil)
	}
	nodes := 0
	var walk func(n sight.Node)
	walk = func(n sight.Node) {
		if nodes++; nodes > 100_000 {
			t.Fatal("more nodes than the limit")
		}
		fmt.Fprintf(&out, "\n%v %s %v %d %d", n.Role, n.Platform, n.Err == nil, len(n.Bytes), len(n.ConfigBytes))
		blob(n.Blob)
		blob(n.Config)
		for _, l := range n.Layers {
			blob(l)
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	for _, copied := range c.Copies() {
		fmt.Fprintf(&out, "\n%s %q", copied.List, copied.Names)
		walk(copied.Root)
	}
	return out.String()
}

// FuzzArchive reads archives. What is read of one at offsets is what is read of the
// same in one pass, packed.
func FuzzArchive(f *testing.F) {
	i := newImage("kube-proxy", "amd64")
	for n := range i.layers { // small, for speed
		i.layers[n] = fileset{{name: fmt.Sprint(n), data: []byte("x")}}.tar()
	}
	c := called{i, proxyRef}
	for _, s := range []fileset{oldDocker(c), newDocker(c), crane(c), dockerArchive(c), containerd(c, i), {{name: "oci-layout"}}} {
		f.Add(s.tar())
	}
	f.Add(gzipped(crane(c).tar()))
	f.Add(zstandard(crane(c).tar()))
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := container.OpenArchive(t.Context(), "a.tar", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		packed := gzipped(data)
		again, err := container.OpenArchive(t.Context(), "a.tar", bytes.NewReader(packed), int64(len(packed)))
		if err != nil {
			if data[0] == 0x1f || data[0] == 0x28 || data[0]&0xf0 == 0x50 {
				return // an archive in an archive
			}
			t.Fatal(err)
		}
		if a, b := dump(t, plain), dump(t, again); a != b {
			t.Errorf("at offsets:%s\nin one pass:%s", a, b)
		}
	})
}

// FuzzLists reads the documents of archives and layouts.
func FuzzLists(f *testing.F) {
	i := newImage("kube-proxy", "amd64")
	c := called{i, proxyRef}
	one, two := newDocker(c), oldDocker(c)
	f.Add(one.data("index.json"), one.data("manifest.json"), one.data("repositories"), i.manifest)
	f.Add(whole("x", i).data("index.json"), two.data("manifest.json"), two.data("repositories"), listOf(i))
	f.Fuzz(func(t *testing.T, index, manifest, repositories, blob []byte) {
		s := fileset{{name: "oci-layout", data: []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {name: "index.json", data: index},
			{name: "manifest.json", data: manifest}, {name: "repositories", data: repositories}, {name: "x.tar", data: blob}}
		// The blob lies where the index says, whatever it hashes to.
		if at := bytes.Index(index, []byte(`"sha256:`)); at >= 0 && len(index) >= at+8+64 {
			if hex := string(index[at+8 : at+8+64]); strings.Trim(hex, "0123456789abcdef") == "" {
				s = append(s, file{name: "blobs/sha256/" + hex, data: blob})
			}
		}
		data := s.tar()
		box, err := container.OpenArchive(t.Context(), "a.tar", bytes.NewReader(data), int64(len(data)))
		if err == nil {
			dump(t, box)
		}
	})
}

// FuzzDirectory reads skopeo's directories and content stores.
func FuzzDirectory(f *testing.F) {
	i := newImage("kube-proxy", "amd64")
	f.Add("Directory Transport Version: 1.1\n", i.manifest)
	f.Add("Directory Transport Version: 1.1\n", listOf(i))
	f.Add("", listOf(i))
	f.Fuzz(func(t *testing.T, version string, manifest []byte) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "ingest"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string]string{"version": version, "manifest.json": string(manifest), "blobs/sha256/" + strings.Repeat("a", 64): string(manifest)} {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		box, err := container.Open(t.Context(), dir)
		if err != nil {
			return
		}
		defer box.Close()
		dump(t, box)
	})
}

// FuzzIsManifest holds that what encoding/json fills a manifest's fields from is taken for one, and no other object is.
func FuzzIsManifest(f *testing.F) {
	for _, text := range []string{
		`{"layers":[]}`, ` {"a":{"layers":1},"b":["layers",{}],"Manifests":null}`, `{"\u0066s\u004c\u0061\u0079\u0065\u0072\u0073":1}`, "{\"layer\u017f\":0}", `{"config":{"a":[1,{"digest":2}],"digest":3}}`,
		`{"config":{"x":{"digest":1}},"y":{"digest":2}}`, `{"config":["digest"]}`, `{"config":1,"x":{"digest":2}}`, `{"x":"\\","layers":1}`, `{"x":"\",\"layers\":1"}`, `{}`, `[]`, `{"config":[],"z":[[{"digest":1}]]}`, `{"\ud800layers":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := container.IsManifest(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		// As encoding/json folds names; where a name stands twice it keeps one of them.
		var all map[string]json.RawMessage
		if json.Unmarshal(text, &all) != nil || strictjson.Check(text) != nil {
			return
		}
		want := false
		for name, value := range all {
			switch strictjson.Fold(name) {
			case strictjson.Fold("layers"), strictjson.Fold("manifests"), strictjson.Fold("fsLayers"):
				want = true
			case strictjson.Fold("config"):
				var config map[string]json.RawMessage
				_ = json.Unmarshal(value, &config)
				for member := range config {
					want = want || strictjson.Fold(member) == strictjson.Fold("digest")
				}
			}
		}
		if got != want {
			t.Errorf("%q: %v", text, got)
		}
	})
}
