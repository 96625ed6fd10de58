package container_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The containers of this file are written as the tools write them that are named
// beside each, of images that the tests make.

const (
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar"
)

type fields = map[string]any

func asJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sum(b []byte) string { return "sha256:" + hexSum(b) }

// file is one of a container: bytes, or a link.
type file struct {
	name     string
	data     []byte
	symlink  string
	hardlink string
}

type fileset []file

func (s *fileset) add(name string, data []byte) { s.put(file{name: name, data: data}) }

// put adds a file if there is none of that name, as every writer does.
func (s *fileset) put(f file) {
	if !slices.ContainsFunc(*s, func(g file) bool { return g.name == f.name }) {
		*s = append(*s, f)
	}
}

func (s *fileset) blob(data []byte) string {
	s.add("blobs/sha256/"+hexSum(data), data)
	return "blobs/sha256/" + hexSum(data)
}

// with gives a copy in which a file has other bytes.
func (s fileset) with(name string, data []byte) fileset {
	out := append(fileset(nil), s...)
	for i, f := range out {
		if f.name == name {
			out[i].data = data
			return out
		}
	}
	panic("no file " + name)
}

func (s fileset) without(name string) fileset {
	var out fileset
	for _, f := range s {
		if f.name != name {
			out = append(out, f)
		}
	}
	return out
}

func (s fileset) data(name string) []byte {
	for _, f := range s {
		if f.name == name {
			return f.data
		}
	}
	return nil
}

func (s fileset) tar() []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range s {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		switch {
		case f.symlink != "":
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.symlink, 0
		case f.hardlink != "":
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, f.hardlink, 0
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if _, err := w.Write(f.data); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// write puts an archive into a file of its own.
func (s fileset) write(tb testing.TB) string { return writeFile(tb, s.tar()) }

func writeFile(tb testing.TB, data []byte) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "images.tar")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		tb.Fatal(err)
	}
	return name
}

// folder puts the files into a directory of their own.
func (s fileset) folder(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, f := range s {
		name := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, f.data, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func zstandard(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(data, nil)
}

// image is one for one platform, as Kubernetes publishes it: a Docker manifest,
// packed layers, of which the second and the third are the same.
type image struct {
	arch     string
	config   []byte
	layers   [][]byte // unpacked
	packed   [][]byte
	manifest []byte
}

func newImage(name, arch string) image {
	empty := fileset{}.tar()
	i := image{arch: arch, layers: [][]byte{
		fileset{{name: "etc/base", data: bytes.Repeat([]byte("base\n"), 90_000)}}.tar(),
		empty, empty,
		fileset{{name: "usr/bin/" + name, data: bytes.Repeat([]byte(name+arch), 70_000)}}.tar(),
	}}
	var ids []string
	var packed []fields
	for _, l := range i.layers {
		gz := gzipped(l)
		ids, i.packed = append(ids, sum(l)), append(i.packed, gz)
		packed = append(packed, fields{"mediaType": dockerLayer, "size": len(gz), "digest": sum(gz)})
	}
	i.config = asJSON(fields{"architecture": arch, "os": "linux", "config": fields{"Entrypoint": []string{"/usr/bin/" + name}},
		"rootfs": fields{"type": "layers", "diff_ids": ids}})
	i.manifest = asJSON(fields{"schemaVersion": 2, "mediaType": dockerManifest, "layers": packed,
		"config": fields{"mediaType": dockerConfig, "size": len(i.config), "digest": sum(i.config)}})
	return i
}

func descriptor(mediaType string, data []byte, more ...fields) fields {
	d := fields{"mediaType": mediaType, "digest": sum(data), "size": len(data)}
	for _, m := range more {
		for k, v := range m {
			d[k] = v
		}
	}
	return d
}

func platform(arch string) fields {
	return fields{"platform": fields{"os": "linux", "architecture": arch}}
}

func named(full, short string) fields {
	a := fields{}
	if full != "" {
		a["io.containerd.image.name"] = full
	}
	if short != "" {
		a["org.opencontainers.image.ref.name"] = short
	}
	return fields{"annotations": a}
}

func index(mediaType string, descriptors ...fields) []byte {
	return asJSON(fields{"schemaVersion": 2, "mediaType": mediaType, "manifests": descriptors})
}

// listOf is the published index of some platforms.
func listOf(images ...image) []byte {
	var list []fields
	for _, i := range images {
		list = append(list, descriptor(dockerManifest, i.manifest, platform(i.arch)))
	}
	return index(dockerIndex, list...)
}

// called is an image and its reference.
type called struct {
	image
	ref string // "registry.k8s.io/kube-proxy:v1.30.1"
}

func layout(descriptors ...fields) fileset {
	var s fileset
	s.add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	s.add("index.json", index(ociIndex, descriptors...))
	return s
}

func repositories(tops map[string]string) []byte {
	all := map[string]map[string]string{}
	for ref, id := range tops {
		at := strings.LastIndexByte(ref, ':')
		if all[ref[:at]] == nil {
			all[ref[:at]] = map[string]string{}
		}
		all[ref[:at]][ref[at+1:]] = id
	}
	return asJSON(all)
}

// oldDocker is `docker save` before Engine 25: a directory a layer; a layer that was
// there before is a link.
func oldDocker(images ...called) fileset {
	var s fileset
	var list []fields
	tops, first := map[string]string{}, map[string]string{}
	for _, c := range images {
		parent, names := "", []string(nil)
		for n, l := range c.layers {
			id := hexSum([]byte(parent + sum(l)))
			if n == len(c.layers)-1 {
				id = hexSum([]byte(id + string(c.config)))
			}
			s.add(id+"/VERSION", []byte("1.0"))
			s.add(id+"/json", asJSON(fields{"id": id, "parent": parent}))
			if at := first[sum(l)]; at != "" && at != id {
				s.put(file{name: id + "/layer.tar", symlink: "../" + at + "/layer.tar"})
			} else {
				first[sum(l)] = id
				s.add(id+"/layer.tar", l)
			}
			parent, names = id, append(names, id+"/layer.tar")
		}
		s.add(hexSum(c.config)+".json", c.config)
		list = append(list, fields{"Config": hexSum(c.config) + ".json", "RepoTags": []string{c.ref}, "Layers": names})
		tops[c.ref] = parent
	}
	s.add("manifest.json", asJSON(list))
	s.add("repositories", repositories(tops))
	return s
}

// newDocker is `docker save` of Engine 25 and later: an OCI layout around a manifest
// that it invents, and docker's list.
func newDocker(images ...called) fileset {
	var blobs fileset
	var list, heads []fields
	tops := map[string]string{}
	for _, c := range images {
		var layers []fields
		var names []string
		for _, l := range c.layers {
			names = append(names, blobs.blob(l))
			layers = append(layers, descriptor(ociLayer, l))
		}
		blobs.blob(c.config)
		manifest := asJSON(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, c.config), "layers": layers})
		blobs.blob(manifest)
		heads = append(heads, descriptor(ociManifest, manifest, named(c.ref, c.ref[len(c.ref)-7:])))
		list = append(list, fields{"Config": "blobs/sha256/" + hexSum(c.config), "RepoTags": []string{c.ref}, "Layers": names, "LayerSources": fields{}})
		tops[c.ref] = hexSum(c.layers[len(c.layers)-1])
	}
	s := slices.Concat(blobs, layout(heads...))
	s.add("manifest.json", asJSON(list))
	s.add("repositories", repositories(tops))
	return s
}

// original adds an image's published bytes.
func (s *fileset) original(i image) {
	s.blob(i.manifest)
	s.blob(i.config)
	for _, l := range i.packed {
		s.blob(l)
	}
}

// containerd is `ctr images export` and docker's containerd store: the index of two
// platforms, of which one lies there.
func containerd(c called, other image) fileset {
	list := listOf(c.image, other)
	s := layout(descriptor(dockerIndex, list, named(c.ref, c.ref[len(c.ref)-7:])))
	s.blob(list)
	s.original(c.image)
	var names []string
	for _, l := range c.packed {
		names = append(names, "blobs/sha256/"+hexSum(l))
	}
	s.add("manifest.json", asJSON([]fields{{"Config": "blobs/sha256/" + hexSum(c.config), "RepoTags": []string{c.ref}, "Layers": names}}))
	return s
}

// crane is `crane pull`.
func crane(c called) fileset {
	var s fileset
	s.add(sum(c.config), c.config)
	var names []string
	for _, l := range c.packed {
		s.add(hexSum(l)+".tar.gz", l)
		names = append(names, hexSum(l)+".tar.gz")
	}
	s.add("manifest.json", asJSON([]fields{{"Config": sum(c.config), "RepoTags": []string{c.ref}, "Layers": names}}))
	return s
}

// dockerArchive is skopeo's and podman's: files named for what they hold, and the
// older directories with links to them.
func dockerArchive(c called) fileset {
	var s fileset
	var names []string
	parent := ""
	for n, l := range c.layers {
		s.add(hexSum(l)+".tar", l)
		names = append(names, hexSum(l)+".tar")
		id := hexSum(fmt.Append(nil, parent, n))
		s.put(file{name: id + "/layer.tar", symlink: "../" + hexSum(l) + ".tar"})
		s.add(id+"/json", asJSON(fields{"id": id, "parent": parent}))
		parent = id
	}
	s.add(hexSum(c.config)+".json", c.config)
	s.add("repositories", repositories(map[string]string{c.ref: parent}))
	s.add("manifest.json", asJSON([]fields{{"Config": hexSum(c.config) + ".json", "RepoTags": []string{c.ref}, "Layers": names}}))
	return s
}

// skopeoDir is `skopeo copy dir:` of one platform.
func skopeoDir(i image) fileset {
	var s fileset
	s.add("version", []byte("Directory Transport Version: 1.1\n"))
	s.add("manifest.json", i.manifest)
	s.add(hexSum(i.config), i.config)
	for _, l := range i.packed {
		s.add(hexSum(l), l)
	}
	return s
}

// skopeoDirAll is `skopeo copy --all dir:`.
func skopeoDirAll(images ...image) fileset {
	var s fileset
	s.add("version", []byte("Directory Transport Version: 1.1\n"))
	s.add("manifest.json", listOf(images...))
	for _, i := range images {
		s.add(hexSum(i.manifest)+".manifest.json", i.manifest)
		for _, f := range skopeoDir(i)[2:] {
			s.add(f.name, f.data)
		}
	}
	return s
}

// whole is an OCI layout with all platforms of an image, as crane, oras and regctl write it.
func whole(ref string, images ...image) fileset {
	list := listOf(images...)
	s := layout(descriptor(dockerIndex, list, named("", ref)))
	s.blob(list)
	for _, i := range images {
		s.original(i)
	}
	return s
}

// contentStore is containerd's, with the platforms of an image.
func contentStore(images ...image) fileset {
	var s fileset
	s.blob(listOf(images...))
	for _, i := range images {
		s.original(i)
	}
	s.add("ingest/keep", nil)
	return s
}
