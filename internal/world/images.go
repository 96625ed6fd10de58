package world

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	mediaList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaConfig   = "application/vnd.docker.container.image.v1+json"
	mediaLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	mediaOCI      = "application/vnd.oci.image.manifest.v1+json"
	mediaOCIConf  = "application/vnd.oci.image.config.v1+json"
	mediaSigning  = "application/vnd.dev.cosign.simplesigning.v1+json"
)

// image is one name and tag of a release, for all platforms.
type image struct {
	name, tag string
	core      bool // built with the release: per-arch repositories, an SBOM entry
	list      Manifest
	platforms []*platformImage
}

type platformImage struct {
	platform
	manifest Manifest
	config   []byte
	layers   []*layer
}

// platform in the order of keys that manifest lists have.
type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	OSVersion    string `json:"os.version,omitempty"`
	Variant      string `json:"variant,omitempty"`
}

type layer struct {
	tar, gz        []byte // gz is as it is served, whatever its type
	media          string // empty is mediaLayer
	diffID, digest string
}

type descriptor struct {
	MediaType string    `json:"mediaType"`
	Size      int       `json:"size"`
	Digest    string    `json:"digest"`
	Platform  *platform `json:"platform,omitempty"`
}

func describe(mediaType string, body []byte, p *platform) descriptor {
	return descriptor{mediaType, len(body), digestOf(body), p}
}

// threeSpaces is how Docker prints manifests: three spaces, no newline at the
// end. Printing them again changes their digest.
func threeSpaces(v any) []byte {
	out, err := json.MarshalIndent(v, "", "   ")
	must(err)
	return out
}

// build makes manifest list, manifests and configs for the layers of each platform.
func (im *image) build(created time.Time, platforms []platform, layers func(platform) []*layer) {
	list := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}{2, mediaList, nil}
	for _, p := range platforms {
		pi := &platformImage{platform: p, layers: layers(p)}
		pi.config = imageConfig(im.name, created, p, pi.layers)
		pi.manifest = imageManifest(pi.config, pi.layers)
		im.platforms = append(im.platforms, pi)
		list.Manifests = append(list.Manifests, describe(mediaManifest, pi.manifest.Body, &p))
	}
	im.list = Manifest{mediaList, threeSpaces(list)}
}

func (im *image) platform(arch string) *platformImage {
	i := slices.IndexFunc(im.platforms, func(p *platformImage) bool { return p.Architecture == arch })
	if i < 0 {
		panic(fmt.Sprintf("world: %s:%s has no %s", im.name, im.tag, arch))
	}
	return im.platforms[i]
}

func imageManifest(config []byte, layers []*layer) Manifest {
	m := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, mediaManifest, describe(mediaConfig, config, nil), nil}
	for _, l := range layers {
		m.Layers = append(m.Layers, describe(orElse(l.media, mediaLayer), l.gz, nil))
	}
	return Manifest{mediaManifest, threeSpaces(m)}
}

func imageConfig(name string, created time.Time, p platform, layers []*layer) []byte {
	type m = map[string]any
	var ids []string
	for _, l := range layers {
		ids = append(ids, l.diffID)
	}
	return compactJSON(struct {
		Architecture string `json:"architecture"`
		Config       any    `json:"config"`
		Created      string `json:"created"`
		OS           string `json:"os"`
		OSVersion    string `json:"os.version,omitempty"`
		RootFS       any    `json:"rootfs"`
		Variant      string `json:"variant,omitempty"`
	}{
		p.Architecture,
		m{"Entrypoint": []string{"/" + binaryPath(name, p)}, "Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "WorkingDir": "/"},
		created.Format(time.RFC3339), p.OS, p.OSVersion,
		m{"type": "layers", "diff_ids": ids}, p.Variant,
	})
}

func binaryPath(name string, p platform) string {
	if p.OS == "windows" {
		return "Files/" + name + ".exe"
	}
	if name == "kubectl" {
		return "usr/bin/kubectl"
	}
	return "usr/local/bin/" + name
}

// An empty layer is what an instruction without files leaves: a tar of two zero blocks.
var emptyLayer = sync.OnceValue(func() *layer { return newLayer(nil) })

type tarFile struct {
	name string
	body []byte
	link string // a symbolic link to this, if not empty
}

func newLayer(files []tarFile) *layer {
	l := &layer{tar: newTar(files)}
	l.gz = gzipped(l.tar)
	l.diffID, l.digest = digestOf(l.tar), digestOf(l.gz)
	return l
}

var longAgo = time.Unix(0, 0)

func newTar(files []tarFile) []byte {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.body)), ModTime: longAgo, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		must(t.WriteHeader(h))
		_, err := t.Write(f.body)
		must(err)
	}
	must(t.Close())
	return b.Bytes()
}

// A compressor is most of a megabyte, and a world has hundreds of small layers.
var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func gzipped(body []byte) []byte {
	var b bytes.Buffer
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&b)
	_, err := z.Write(body)
	must(err)
	must(z.Close())
	return b.Bytes()
}

// dockerArchive is what `docker save` writes, classically: one directory a
// layer, and a repeated layer as a link to the first. It returns the layers'
// directory names too.
func dockerArchive(ref string, p *platformImage) (archive []byte, dirs []string) {
	var files []tarFile
	var paths []string
	first := map[string]string{}
	for i, l := range p.layers {
		dir := hexSHA256(fmt.Appendf(nil, "%s %d %s", ref, i, l.diffID))
		dirs = append(dirs, dir)
		f := tarFile{name: dir + "/layer.tar", body: l.tar}
		if of, ok := first[l.diffID]; ok {
			f = tarFile{name: f.name, link: "../" + of + "/layer.tar"}
		} else {
			first[l.diffID] = dir
		}
		files, paths = append(files, f), append(paths, f.name)
	}
	config := hexSHA256(p.config) + ".json"
	manifest := compactJSON([]map[string]any{{"Config": config, "RepoTags": []string{ref}, "Layers": paths}})
	files = append(files, tarFile{name: config, body: p.config}, tarFile{name: "manifest.json", body: manifest})
	return newTar(files), dirs
}
