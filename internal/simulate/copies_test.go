package simulate

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/expect"
	"github.com/kverify/kverify/pkg/convert"
)

// pulled is one platform of an image as somebody pulled it, before a tool writes it down.
type pulled struct {
	index, manifest, config []byte
	layers                  [][]byte // as they were served
}

// pull takes a platform of an image as the world serves it now, or as it was released.
func (r *run) pull(image, version, arch string) (p pulled, ok bool) {
	list, found := r.w.Manifest(image + ":" + version)
	m, has := r.w.Manifest(image + "-" + arch + ":" + version)
	if !found || !has {
		return p, false
	}
	var parts struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if json.Unmarshal(m.Body, &parts) != nil {
		return p, false
	}
	p = pulled{index: list.Body, manifest: m.Body, config: r.w.Blob(parts.Config.Digest)}
	for _, l := range parts.Layers {
		p.layers = append(p.layers, r.w.Blob(l.Digest))
	}
	return p, p.config != nil
}

// copied has a copy judged that some tool wrote, of the image or of another, whole or not.
func (r *run) copied(rnd *rand.Rand) {
	if !r.core() {
		r.image, r.tag = "kube-proxy", r.version
	}
	image, version, arch := r.image, r.version, r.arch
	if !r.honest {
		image = pick(rnd, []string{image, image, image, "kube-scheduler"})
		version = pick(rnd, []string{version, version, version, r.other})
		arch = pick(rnd, []string{arch, arch, arch, r.otherArch(rnd)})
	}
	p, ok := r.pull(image, version, arch)
	if !ok {
		return
	}
	if !r.honest && rnd.IntN(2) == 0 {
		switch rnd.IntN(4) {
		case 0:
			p.config = edit(rnd, p.config)
		case 1:
			p.manifest = edit(rnd, p.manifest)
		case 2:
			i := rnd.IntN(len(p.layers))
			p.layers[i] = edit(rnd, p.layers[i])
		default:
			p.layers = slices.Delete(slices.Clone(p.layers), 0, 1)
		}
	}
	name := pick(rnd, []string{r.ref(), private + "/" + r.image + ":" + r.tag, r.repo() + "-" + r.arch + ":" + r.tag})
	path := filepath.Join(r.dir, "copy")
	form := pick(rnd, []func(string, string, pulled) error{dockerSave, layout, converted})
	if err := form(path, name, p); err != nil {
		return // what was edited can no longer be written so
	}
	r.turn(rnd, path)
	r.holds(r.does("verify", path, "--as", private+"=registry.k8s.io"), expect.Copy, expect.Live)
}

// dockerSave writes what docker save does: configs, unpacked layers and a manifest.json.
func dockerSave(path, name string, p pulled) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, body []byte) {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Format: tar.FormatUSTAR})
		_, _ = w.Write(body)
	}
	config := hexOf(digestOf(p.config)) + ".json"
	put(config, p.config)
	var paths []string
	for _, l := range p.layers {
		body, err := gunzip(l)
		if err != nil {
			return err
		}
		at := hexOf(digestOf(l)) + "/layer.tar"
		if !slices.Contains(paths, at) {
			put(at, body)
		}
		paths = append(paths, at)
	}
	list, err := json.Marshal([]map[string]any{{"Config": config, "RepoTags": []string{name}, "Layers": paths}})
	if err != nil {
		return err
	}
	put("manifest.json", list)
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

// layout writes an OCI layout with the manifest as it is.
func layout(path, name string, p pulled) error {
	return writeLayout(path, name, "application/vnd.docker.distribution.manifest.v2+json", p.manifest, append([][]byte{p.config}, p.layers...))
}

// converted writes an OCI layout as containers/image converts the image.
func converted(path, name string, p pulled) error {
	configs, err := convert.Configs(p.config)
	if err != nil {
		return err
	}
	manifests, err := convert.Manifests(p.manifest, configs[0])
	if err != nil {
		return err
	}
	return writeLayout(path, name, ociManifest, manifests[0].Bytes, append([][]byte{configs[0].Bytes}, p.layers...))
}

func writeLayout(path, name, mediaType string, manifest []byte, blobs [][]byte) error {
	dir := filepath.Join(path, "blobs", "sha256")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, b := range append(blobs, manifest) {
		if err := os.WriteFile(filepath.Join(dir, hexOf(digestOf(b))), b, 0o600); err != nil {
			return err
		}
	}
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"annotations":{"org.opencontainers.image.ref.name":%q}}]}`,
		mediaType, digestOf(manifest), len(manifest), name)
	if err := os.WriteFile(filepath.Join(path, "index.json"), []byte(index), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(path, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600)
}

// standIn reads images from a registry that somebody keeps beside the published one.
func (r *run) standIn(rnd *rand.Rand) {
	s := world.StandIn{Prefix: "k8s", Instead: map[string]world.Manifest{}}
	if rnd.IntN(2) == 0 {
		s.Has, s.Lacking = world.OnlyIndexes, pick(rnd, []int{0, 401, 403})
	}
	if !r.honest {
		for range rnd.IntN(3) {
			m, ok := r.w.Manifest(r.anyRef(rnd))
			if !ok {
				continue
			}
			if rnd.IntN(2) == 0 {
				m.Body = edit(rnd, m.Body)
			}
			s.Instead[pick(rnd, []string{r.image + ":" + r.tag, r.image + "-" + r.arch + ":" + r.tag, r.image + "@" + r.anyDigest(rnd, ""), r.image + "@" + r.anyDigest(rnd, r.arch)})] = m
		}
	}
	r.w.AddStandIn("harbor.corp.example", s)
	endpoint := []string{"--endpoint", "registry.k8s.io=https://harbor.corp.example/k8s"}
	switch rnd.IntN(3) {
	case 0:
		r.holds(r.does(append(r.imagesLine(rnd), endpoint...)...), expect.Images, expect.Live)
	case 1:
		r.holds(r.does(append([]string{"verify", r.ref()}, endpoint...)...), r.kindOf(expect.Tag), expect.Live)
	default:
		r.holds(r.does("verify", private+"/"+r.image+":"+r.tag, "--as", private+"=registry.k8s.io"), r.kindOf(expect.Copy), expect.Live)
	}
}

// locked compares with a lock, which can refute and never verify.
func (r *run) locked(rnd *rand.Rand) {
	file := filepath.Join(r.dir, "kverify.lock")
	digest := r.anyDigest(rnd, "")
	text := fmt.Sprintf(`{"lockVersion":1,"tool":{"name":"kverify","version":"devel"},"releases":[%q],"policy":{"digest":%[4]q,"embedded":true},`+
		`"trustedRoot":{"digest":%[4]q,"embedded":true},"entries":[{"subject":%[2]q,"digest":%[3]q}]}`, r.version, r.ref(), digest, "sha256:"+strings.Repeat("0", 64))
	if os.WriteFile(file, []byte(text), 0o600) == nil {
		o := r.does("verify", r.ref(), "--lock", file)
		if served := r.truth.Image(r.image+":"+r.tag, ""); o.code == 0 && digest != served {
			r.fail("a lock says %s, and %s is verified with %s", digest, r.ref(), served)
		}
	}
}

// saved shows a report that was saved and edited: its writer's word, and said to be.
func (r *run) saved(rnd *rand.Rand) {
	o := r.does("verify", r.ref())
	if o.json == nil {
		return
	}
	body := o.json
	if !r.honest {
		body = edit(rnd, body)
	}
	file := filepath.Join(r.dir, "saved.json")
	if os.WriteFile(file, body, 0o600) == nil {
		r.shows(file)
	}
}

// push pushes a mirror into a registry, in which the attacker then changes something, and
// reads the images back with the mirror's papers.
func (r *run) push(rnd *rand.Rand) {
	dir := filepath.Join(r.dir, "mirror")
	o := world.MirrorOptions{Arches: []string{r.arch}, Names: []string{"kube-proxy"}}
	if r.core() {
		o.Names = []string{r.image}
	}
	if r.w.WriteMirror(dir, []string{r.version}, o) != nil {
		return
	}
	r.turn(rnd, dir)
	reg := &altered{inner: memory.New(memory.Logger(log.New(io.Discard, "", 0)))}
	network := &hosts{own: map[string]http.Handler{"inside.example": reg}, rest: r.network}
	r.over(network, "mirror", "push", dir, inside)
	if !r.honest && rnd.IntN(2) == 0 {
		reg.rnd, reg.seed = true, rnd.Uint64()
	}
	r.over(network, append(r.imagesLine(rnd), "--mirror", dir, "--endpoint", "registry.k8s.io=https://"+inside)...)
}

// altered is a registry whose manifests and blobs are edited on their way out.
type altered struct {
	inner http.Handler
	rnd   bool
	seed  uint64
}

func (a *altered) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !a.rnd || req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/manifests/") && !strings.Contains(req.URL.Path, "/blobs/") {
		a.inner.ServeHTTP(w, req)
		return
	}
	rec := &buffered{header: http.Header{}, status: http.StatusOK}
	a.inner.ServeHTTP(rec, req)
	body := rec.body.Bytes()
	own := sub(a.seed, uint64(len(req.URL.Path)))
	if len(body) > 0 && own.IntN(3) == 0 {
		body = edit(own, body)
		rec.header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.status)
	_, _ = w.Write(body)
}

type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header         { return b.header }
func (b *buffered) WriteHeader(status int)      { b.status = status }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }
