package interop

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Exit codes of kverify.
const (
	isRefuted = 1
	isUnknown = 3
)

// written is what a tool wrote: files and links by their names, of a directory or of an archive.
type written struct {
	isDir bool
	order []string
	files map[string][]byte
	links map[string]tar.Header
}

func readWritten(t *testing.T, path string) written {
	t.Helper()
	w := written{files: map[string][]byte{}, links: map[string]tar.Header{}}
	if info, err := os.Stat(path); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		w.isDir = true
		err := fs.WalkDir(os.DirFS(path), ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(filepath.Join(path, name))
			w.put(name, b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return w
		}
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			w.put(h.Name, b)
		case tar.TypeSymlink, tar.TypeLink:
			w.order, w.links[h.Name] = append(w.order, h.Name), *h
		}
	}
}

func (w *written) put(name string, b []byte) {
	if w.files == nil {
		w.files = map[string][]byte{}
	}
	if _, again := w.files[name]; !again {
		w.order = append(w.order, name)
	}
	w.files[name] = b
}

// with is w with other bytes under one name.
func (w written) with(name string, b []byte) written {
	w.files = maps.Clone(w.files)
	w.files[name] = b
	return w
}

func (w written) write(t *testing.T, path string) {
	t.Helper()
	if !w.isDir {
		w.tar(t, path)
		return
	}
	for name, b := range w.files {
		write(t, filepath.Join(path, name), string(b))
	}
}

func (w written) tar(t *testing.T, path string) {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, name := range w.order {
		h, isLink := w.links[name]
		if !isLink {
			h = tar.Header{Name: name, Mode: 0o644, Size: int64(len(w.files[name]))}
		}
		if err := out.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = out.Write(w.files[name])
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, b.String())
}

// harm is one thing changed in what a tool wrote, and what may come of it.
type harm struct {
	name  string
	files written
	codes []int
}

// role says what a file of an archive is, by its content; "" is nothing that an image is made of.
func role(name string, b []byte) string {
	var m map[string]json.RawMessage
	isJSON := json.Unmarshal(b, &m) == nil
	switch base := filepath.Base(name); {
	case base == "index.json", base == "oci-layout", base == "repositories", base == "VERSION", base == "version", base == "json":
		return ""
	case isJSON && m["manifests"] != nil:
		return "index"
	case isJSON && m["layers"] != nil:
		return "manifest"
	case isJSON && m["rootfs"] != nil:
		return "config"
	case !isJSON && base != "manifest.json":
		return "layer"
	}
	return ""
}

// flipped is b with one bit of one byte changed. Of a packed layer it is one by which
// what is unpacked changes: a copy is proved by that, and a few bits of gzip say nothing.
func flipped(b []byte) []byte {
	plain := inflated(b)
	for i := len(b) / 2; i < len(b); i++ {
		out := bytes.Clone(b)
		out[i] ^= 1
		if plain == nil || !bytes.Equal(inflated(out), plain) {
			return out
		}
	}
	panic("no byte of it counts")
}

// inflated is what b unpacks to, and nil where it is not packed or is broken.
func inflated(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return plain
}

// harms are one byte changed in each index, manifest, config and layer, a list
// that gives another image's name, and one of another release.
func (f form) harms(t *testing.T, s stock, path string) (out []harm) {
	w := readWritten(t, path)
	seen := map[string]int{}
	for _, name := range w.order {
		r := role(name, w.files[name])
		if _, isLink := w.links[name]; isLink || r == "" {
			continue
		}
		seen[r]++
		short := filepath.Base(name)[:min(12, len(filepath.Base(name)))]
		out = append(out, harm{"a byte of the " + r + " " + short, w.with(name, flipped(w.files[name])), []int{isRefuted, isUnknown}})
	}
	if seen["config"] == 0 || seen["layer"] < 4 {
		t.Errorf("%v: the form has %v", w.order, seen)
	}
	for _, name := range []string{"manifest.json", "index.json"} {
		list := string(w.files[name])
		moved := harm{"another release's name in " + name, w.with(name, []byte(strings.ReplaceAll(list, version, "v1.27.1"))), []int{isRefuted}}
		switch {
		case strings.Contains(list, several+":"+version):
			out = append(out, moved, harm{"another image's name in " + name, w.with(name, []byte(strings.ReplaceAll(list, "/"+several+":", "/kube-proxy:"))), []int{isRefuted}})
		case strings.Contains(list, `"`+version+`"`): // a tag alone, which says where to look
			moved.codes = append(moved.codes, isUnknown)
			out = append(out, moved)
		}
	}
	return out
}

// dockerOld is config and layers as docker save wrote them before Engine 25: a directory a layer,
// a layer that stands again as a link, a list, and no manifest.
func (s stock) dockerOld(t *testing.T, i blobs, names ...string) (w written) {
	config := strings.TrimPrefix(sum(i.config), "sha256:") + ".json"
	w.put(config, i.config)
	w.links = map[string]tar.Header{}
	var layers []string
	first := map[string]string{}
	for n, packed := range i.layers {
		plain := inflated(packed)
		id := strings.TrimPrefix(sum(append([]byte{byte(n)}, plain...)), "sha256:") // a chain's id, which differs where the layer does not
		w.put(id+"/VERSION", []byte("1.0"))
		w.put(id+"/json", []byte(`{"id":"`+id+`"}`))
		layers = append(layers, id+"/layer.tar")
		if before, again := first[sum(plain)]; again {
			w.order = append(w.order, id+"/layer.tar")
			w.links[id+"/layer.tar"] = tar.Header{Name: id + "/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../" + before, Mode: 0o777}
			continue
		}
		first[sum(plain)] = id + "/layer.tar"
		w.put(id+"/layer.tar", plain)
	}
	w.put("manifest.json", []byte(asJSON(t, []any{map[string]any{"Config": config, "RepoTags": names, "Layers": layers}})))
	return w
}

// dockerNew is the same since Engine 25: blobs, both lists, and a manifest that the
// engine invents, whose layers are unpacked.
func (s stock) dockerNew(t *testing.T, i blobs, name string) (w written) {
	at := func(b []byte) string { return "blobs/sha256/" + strings.TrimPrefix(sum(b), "sha256:") }
	w.put(at(i.config), i.config)
	var layers []string
	var of []any
	for _, packed := range i.layers {
		plain := inflated(packed)
		w.put(at(plain), plain)
		layers = append(layers, at(plain))
		of = append(of, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sum(plain), "size": len(plain)})
	}
	manifest := []byte(asJSON(t, map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sum(i.config), "size": len(i.config)}, "layers": of}))
	w.put(at(manifest), manifest)
	tag := name[strings.LastIndexByte(name, ':')+1:]
	w.put("index.json", []byte(asJSON(t, map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{map[string]any{
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sum(manifest), "size": len(manifest),
		"annotations": map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}}}})))
	w.put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	w.put("manifest.json", []byte(asJSON(t, []any{map[string]any{"Config": at(i.config), "RepoTags": []string{name}, "Layers": layers}})))
	return w
}

// TestListsThatDisagree writes archives of docker's since Engine 25 whose two lists
// show each loader another image: neither order is verified.
func TestListsThatDisagree(t *testing.T) {
	s := newStock(t)
	genuine, other := s.dockerNew(t, s.image(t, several, "amd64"), named), s.dockerNew(t, s.image(t, "kube-proxy", "amd64"), named)
	for _, list := range []string{"manifest.json", "index.json"} {
		both := genuine
		both.files = maps.Clone(both.files)
		for _, name := range other.order {
			if !slices.Contains(both.order, name) {
				both.put(name, other.files[name])
			}
		}
		out := filepath.Join(t.TempDir(), "out.tar")
		both.with(list, other.files[list]).tar(t, out)
		if code, said := s.verify(t, out); code != isRefuted {
			t.Errorf("%s has another image: exit code %d, want %d\n%s", list, code, isRefuted, said)
		}
	}
}
