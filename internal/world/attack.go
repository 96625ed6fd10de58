package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/world/sigstore"
)

// SignAs replaces the signatures of an image by new ones, a layer for each
// Signing.
func (w *World) SignAs(ref string, how ...Signing) []*Signed {
	repo, _, _ := splitRef(ref)
	digest := w.Digest(ref)
	var layers []*Signed
	for _, h := range how {
		payload := sigstore.SimpleSigning(HostRegistry+"/"+repo, digest, h)
		layers = append(layers, w.sig.Sign(payload, h))
	}
	w.PutSignature(repo, digest, layers...)
	return layers
}

// PutSignature stores a `.sig` manifest for a digest, with a layer for each
// signature, whatever they are of.
func (w *World) PutSignature(repo, digest string, layers ...*Signed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.putSignature(repo, digest, layers)
}

// DropSignature removes the signatures of an image.
func (w *World) DropSignature(ref string) {
	repo, _, _ := splitRef(ref)
	w.Tag(repo+":"+sigTag(w.Digest(ref)), "")
}

// CopySignature serves the signatures of one image as those of another.
func (w *World) CopySignature(from, to string) {
	source, _, _ := splitRef(from)
	m, ok := w.Manifest(source + ":" + sigTag(w.Digest(from)))
	if !ok {
		panic("world: no signature to copy from " + from)
	}
	repo, _, _ := splitRef(to)
	w.PutManifest(repo, m, sigTag(w.Digest(to)))
}

// Part is a part of a release: one of the constants, or the name of an image.
type Part string

// The parts of a release that [World.ServeAs] knows. All images includes the
// repositories of their architectures.
const (
	AllImages Part = "images"
	SBOM      Part = "SBOM" // with its checksums and its genuine signature
	Changelog Part = "CHANGELOG"
	Promotion Part = "promotion manifest"
	Binaries  Part = "files" // with their checksums and genuine signatures
)

// ServeAs serves one release, or parts of it, under the name of another: every
// byte and every signature is genuine. No parts means all of them.
func (w *World) ServeAs(from, to string, parts ...Part) {
	if len(parts) == 0 {
		parts = []Part{AllImages, SBOM, Changelog, Promotion, Binaries}
	}
	for _, part := range parts {
		switch part {
		case AllImages:
			for _, name := range w.release(to).core() {
				w.serveImageAs(name, from, to)
			}
		case SBOM:
			w.serveFileAs("kubernetes-release.spdx", from, to)
		case Binaries:
			for _, path := range append(w.Files(to), "SHA256SUMS", "SHA512SUMS", "provenance.json") {
				w.serveFileAs(path, from, to)
			}
		case Changelog:
			// The section of the newer release, with the hashes of the older.
			old, cur := w.release(from), w.release(to)
			text := w.File(ChangelogURL(to))
			for _, f := range cur.files {
				if other := old.file(f.path); other != nil {
					text = bytes.ReplaceAll(text, []byte(hexSHA512(f.body)), []byte(hexSHA512(other)))
				}
			}
			w.PutFile(ChangelogURL(to), text)
		case Promotion:
			w.promote(func(rows []promoted) []promoted {
				rows = slices.DeleteFunc(rows, func(p promoted) bool { return p.tag == to })
				for _, p := range slices.Clone(rows) {
					if p.tag == from {
						rows = append(rows, promoted{p.image, p.digest, to})
					}
				}
				return rows
			})
		default:
			w.serveImageAs(string(part), from, to)
		}
	}
}

func (w *World) serveImageAs(name, from, to string) {
	w.Tag(name+":"+to, w.Digest(name+":"+from))
	for _, arch := range w.release(to).arches {
		w.Tag(name+"-"+arch+":"+to, w.Digest(name+"-"+arch+":"+from))
	}
}

func (w *World) serveFileAs(path, from, to string) {
	for _, suffix := range []string{"", ".sig", ".cert", ".sha256", ".sha512"} {
		w.PutFile(FileURL(to, path+suffix), w.File(FileURL(from, path+suffix)))
	}
}

func (w *World) promote(change func([]promoted) []promoted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for project, rows := range w.promotion {
		w.promotion[project] = change(slices.Clone(rows))
		w.renderPromotion(project)
	}
}

// SwapImage serves the image is under the name as, with all its signatures and
// in the repositories of all architectures: kube-proxy as kube-scheduler.
func (w *World) SwapImage(version, as, is string) {
	w.graft(as+":"+version, is+":"+version)
	for _, arch := range w.release(version).arches {
		w.graft(as+"-"+arch+":"+version, is+"-"+arch+":"+version)
	}
}

// graft serves one tag's manifest under another tag, perhaps of another
// repository, and takes children and signatures along.
func (w *World) graft(as, is string) {
	to, tag, _ := splitRef(as)
	from, _, _ := splitRef(is)
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.manifest(is)
	if !ok {
		panic("world: no image " + is)
	}
	digests := append(children(m), m.Digest())
	for _, d := range digests {
		if child, ok := w.manifests[from+"@"+d]; ok {
			w.manifests[to+"@"+d] = child
		}
		if sig, ok := w.manifest(from + ":" + sigTag(d)); ok {
			w.putManifest(to, sig, sigTag(d))
		}
	}
	w.tags[to+":"+tag] = m.Digest()
}

func children(m Manifest) (digests []string) {
	var list struct {
		Manifests []descriptor `json:"manifests"`
	}
	must(json.Unmarshal(m.Body, &list))
	for _, d := range list.Manifests {
		digests = append(digests, d.Digest)
	}
	return digests
}

// SwapArch serves the architecture is under the name of as in the
// per-architecture repository, with its signatures.
func (w *World) SwapArch(version, image, as, is string) {
	w.graft(image+"-"+as+":"+version, image+"-"+is+":"+version)
}

// SwapArchInList puts the child of architecture is in the place of as in the
// manifest list, which gets another digest and, as an attacker would, the
// signatures of the old one.
func (w *World) SwapArchInList(version, image, as, is string) string {
	w.SwapArch(version, image, as, is)
	r := w.release(version).image(image)
	return w.rewriteList(version, image, func(list string) string {
		return strings.Replace(list, r.platform(as).manifest.Digest(), r.platform(is).manifest.Digest(), 1)
	}, true)
}

// rewriteList replaces the manifest list under an image's tag.
func (w *World) rewriteList(version, image string, change func(string) string, signatures bool) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ref := image + ":" + version
	old, ok := w.manifest(ref)
	if !ok {
		panic("world: no image " + ref)
	}
	digest := w.putManifest(image, Manifest{old.MediaType, []byte(change(string(old.Body)))}, version)
	if sig, ok := w.manifest(image + ":" + sigTag(old.Digest())); ok && signatures {
		w.putManifest(image, sig, sigTag(digest))
	}
	return digest
}

// DropImage removes an image from the registry and from every list that names
// it: SBOM, CHANGELOG, promotion manifest, SHA256SUMS. The SBOM's signature is
// that of the complete one; [World.SignFile] makes a genuine one.
func (w *World) DropImage(version, image string) {
	w.drop(version, image, "")
	refs := []string{image}
	for _, arch := range w.release(version).arches {
		refs = append(refs, image+"-"+arch)
	}
	for _, repo := range refs {
		w.Tag(repo+":"+version, "")
	}
}

// DropPlatform removes an architecture of an image from the registry and from
// every list, the manifest list among them: that gets another digest, no
// signature, and its new digest in the promotion manifest. It returns the digest.
func (w *World) DropPlatform(version, image, arch string) string {
	w.drop(version, image, arch)
	w.Tag(image+"-"+arch+":"+version, "")
	digest := w.rewriteList(version, image, func(list string) string {
		var m struct {
			SchemaVersion int          `json:"schemaVersion"`
			MediaType     string       `json:"mediaType"`
			Manifests     []descriptor `json:"manifests"`
		}
		must(json.Unmarshal([]byte(list), &m))
		m.Manifests = slices.DeleteFunc(m.Manifests, func(d descriptor) bool { return d.Platform.Architecture == arch })
		return string(threeSpaces(m))
	}, false)
	w.setPromoted(version, image, digest)
	return digest
}

func (w *World) setPromoted(version, image, digest string) {
	w.promote(func(rows []promoted) []promoted {
		for i, p := range rows {
			if p.image == image && p.tag == version {
				rows[i].digest = digest
			}
		}
		return rows
	})
}

// drop leaves an image, or one of its architectures, out of what is written
// about a release.
func (w *World) drop(version, image, arch string) {
	r := w.release(version)
	r.image(image)
	w.mu.Lock()
	w.dropped[strings.TrimSpace(version+" "+image+" "+arch)] = true
	w.renderChangelog(version)
	sbom := r.sbom(w.isDropped(version))
	w.mu.Unlock()
	w.PutDocument(FileURL(version, "kubernetes-release.spdx"), sbom)
	w.promote(func(rows []promoted) []promoted {
		return slices.DeleteFunc(rows, func(p promoted) bool {
			if p.tag != version {
				return false
			}
			if arch != "" {
				return p.image == image+"-"+arch
			}
			return p.image == image || strings.HasPrefix(p.image, image+"-") && slices.Contains(r.arches, p.image[len(image)+1:])
		})
	})
}

// Rehash says how far an attacker goes after changing a blob.
type Rehash uint8

const (
	// InPlace leaves every digest as it was: the blob does not match its own.
	InPlace Rehash = iota
	// Upward gives config, manifest, list and tags new digests.
	Upward
	// UpwardSigned copies the signatures of the old digests as well.
	UpwardSigned
	// UpwardPromoted also writes the new digests into the promotion manifest.
	UpwardPromoted
)

// ChangeConfig changes the config of one architecture of an image, such as its
// entrypoint, and returns the new digests of the child and of the list.
func (w *World) ChangeConfig(version, image, arch string, how Rehash, change func([]byte) []byte) (child, list string) {
	r := w.release(version).image(image)
	p := r.platform(arch)
	config := change(slices.Clone(p.config))
	if bytes.Equal(config, p.config) {
		panic("world: ChangeConfig changed nothing")
	}
	if how == InPlace {
		w.PutBlobAt(digestOf(p.config), config)
		return p.manifest.Digest(), r.list.Digest()
	}
	w.PutBlob(config)
	m := imageManifest(config, p.layers)
	w.replaceChild(version, image, arch, m, how)
	return m.Digest(), w.Digest(image + ":" + version)
}

// ChangeLayer changes the last layer of one architecture of an image: another
// program under the same name, another diff_id in the config.
func (w *World) ChangeLayer(version, image, arch string, how Rehash, program []byte) (child, list string) {
	im := w.release(version).image(image)
	p := im.platform(arch)
	changed := newLayer([]tarFile{{name: binaryPath(image, p.platform), body: program}})
	if how == InPlace {
		w.PutBlobAt(p.layers[len(p.layers)-1].digest, changed.gz)
		return p.manifest.Digest(), im.list.Digest()
	}
	layers := append(slices.Clone(p.layers[:len(p.layers)-1]), changed)
	config := imageConfig(image, w.release(version).time, p.platform, layers)
	w.PutBlob(config)
	w.PutBlob(changed.gz)
	m := imageManifest(config, layers)
	w.replaceChild(version, image, arch, m, how)
	return m.Digest(), w.Digest(image + ":" + version)
}

// Layer is a layer as [World.SetLayers] stores it.
type Layer struct {
	Tar       []byte
	Served    []byte // what the registry gives; nil is Tar, compressed by gzip
	MediaType string // empty is that of a layer compressed by gzip
	DiffID    string // what the config says; empty is the digest of Tar
}

// SetLayers gives one architecture of an image other layers, below them those
// that it has but for the last (which holds its program), and signs child and
// list as krel-trust: the attacker who holds that identity, or a builder who
// was led astray. The promotion manifest has the new digests too.
func (w *World) SetLayers(version, image, arch string, add ...Layer) {
	im := w.release(version).image(image)
	p := im.platform(arch)
	layers := slices.Clone(p.layers[:len(p.layers)-1])
	for _, a := range add {
		l := &layer{tar: a.Tar, gz: a.Served, media: a.MediaType, diffID: orElse(a.DiffID, digestOf(a.Tar))}
		if l.gz == nil {
			l.gz = gzipped(a.Tar)
		}
		l.digest = digestOf(l.gz)
		layers = append(layers, l)
		w.PutBlob(l.gz)
	}
	config := imageConfig(image, w.release(version).time, p.platform, layers)
	w.PutBlob(config)
	w.replaceChild(version, image, arch, imageManifest(config, layers), UpwardPromoted)
	w.SignAs(image+":"+version, Signing{})
	w.SignAs(image+"-"+arch+":"+version, Signing{})
}

// Program is a program of a release, as it stands below bin/OS/ARCH/ and in its images.
func (w *World) Program(version, name, os, arch string) []byte {
	return w.release(version).binary(name, os, arch)
}

// replaceChild puts another manifest in the place of one architecture, in its
// repository and in the manifest list.
func (w *World) replaceChild(version, image, arch string, m Manifest, how Rehash) {
	repo := image + "-" + arch
	old := w.Digest(repo + ":" + version)
	oldManifest, _ := w.Manifest(repo + "@" + old)
	w.PutManifest(image, m)
	w.PutManifest(repo, m, version)
	list := w.rewriteList(version, image, func(s string) string {
		size := func(m Manifest, digest string) string {
			return fmt.Sprintf("\"size\": %d,\n         \"digest\": %q", len(m.Body), digest)
		}
		return strings.Replace(s, size(oldManifest, old), size(m, m.Digest()), 1)
	}, how >= UpwardSigned)
	if how >= UpwardSigned {
		for _, in := range []string{image, repo} {
			if sig, ok := w.Manifest(in + ":" + sigTag(old)); ok {
				w.PutManifest(in, sig, sigTag(m.Digest()))
			}
		}
	}
	if how == UpwardPromoted {
		w.setPromoted(version, image, list)
		w.setPromoted(version, repo, m.Digest())
	}
}
