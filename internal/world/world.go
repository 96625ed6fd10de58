// Package world is a complete Kubernetes release as the outside world serves
// it, in memory, and the attacker who stands between it and its users.
//
// A [World] answers for every host that a release is spread over: dl.k8s.io
// and its CDN, sbom.k8s.io, raw.githubusercontent.com, registry.k8s.io with
// its two backends, and Rekor. It is an [http.RoundTripper], which gives
// responses the TLS state of a verified connection, and an [http.Handler];
// [World.Serve] puts it behind a real TLS listener with HTTP/2.
//
// Its contents have the shapes of the real ones, with few bytes in them:
// manifest lists, per-architecture repositories, signatures of two layers, a
// release SBOM, a CHANGELOG, promotion manifests, files with their checksums.
// They are signed by a [Sigstore] of its own whose keys are public. Nothing in
// it is a Kubernetes release, and nothing in it protects anything.
//
// The attacker's methods come in three kinds, all composable:
//
//   - what is stored: [World.PutFile], [World.PutManifest], [World.PutBlob],
//     [World.Tag], [World.PutSignature];
//   - what is claimed: [World.ServeAs], [World.SwapImage], [World.SwapArch],
//     [World.DropImage], [World.DropPlatform], [World.DropSignature],
//     [World.CopySignature], [World.SignAs], [World.ChangeConfig];
//   - what happens on the way: [World.Tamper], [World.Status], [World.HTML],
//     [World.Truncate], [World.Reset], [World.Delay], [World.Redirect] and more,
//     each returning a [Fault].
//
// A world is built once; [World.Clone] is cheap, and what is done to a clone
// stays in it.
package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one that the world has seen.
type Request struct {
	Method, URL   string // the URL without its query
	Authorization string
	Status        int // of the response; 0 if there was none
}

// Index is what /api/v1/index/retrieve answers, an experimental search by hash
// beside the log, which no log promises.
type Index uint8

const (
	IndexPage  Index = iota // a web page with status 200, as reported of the public instance in August 2026
	IndexWorks              // as it did for years
	IndexEmpty              // "there is none", of everything
	IndexGone               // 404, as of Rekor v2
	IndexDown               // 503
)

// World is one release, or several, and how they are served. All methods may
// be called from several goroutines.
type World struct {
	mu        sync.RWMutex
	versions  []string // ascending
	sig       *Sigstore
	releases  map[string]*release // never changed after New
	history   map[int]*release    // of each minor, the .0 that is not in the world
	files     map[string][]byte   // by host and path, no scheme
	manifests map[string]Manifest // by "repo@digest"
	tags      map[string]string   // "repo:tag" -> digest
	blobs     map[string][]byte   // by digest
	promotion map[string][]promoted
	dropped   map[string]bool    // "version image" or "version image arch"
	signed    map[string]*Signed // files' signatures, by sha256

	faults    []*Fault
	requests  []Request
	token     bool
	referrers bool
	index     Index
	roundTrip time.Duration
	untrusted map[string]bool
	foreign   map[string]bool
	standIns  map[string]StandIn // by host
}

// Clone returns a world with the same contents, faults and settings, and no
// requests counted. Bytes are shared, and never written to.
func (w *World) Clone() *World {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c := &World{
		versions:  w.versions,
		sig:       w.sig.Clone(),
		releases:  w.releases,
		history:   w.history,
		files:     maps.Clone(w.files),
		manifests: maps.Clone(w.manifests),
		tags:      maps.Clone(w.tags),
		blobs:     maps.Clone(w.blobs),
		promotion: map[string][]promoted{},
		dropped:   maps.Clone(w.dropped),
		signed:    maps.Clone(w.signed),
		token:     w.token,
		referrers: w.referrers,
		index:     w.index,
		roundTrip: w.roundTrip,
		untrusted: maps.Clone(w.untrusted),
		foreign:   maps.Clone(w.foreign),
		standIns:  maps.Clone(w.standIns),
	}
	for project, rows := range w.promotion {
		c.promotion[project] = slices.Clone(rows)
	}
	for _, f := range w.faults {
		c.faults = append(c.faults, f.clone())
	}
	return c
}

// Versions are the releases in the world, oldest first.
func (w *World) Versions() []string { return slices.Clone(w.versions) }

// Sigstore is the world's own: its keys sign everything in it.
func (w *World) Sigstore() *Sigstore { return w.sig }

// TrustedRootJSON is the trusted root under which the world's signatures verify.
func (w *World) TrustedRootJSON() []byte { return w.sig.TrustedRootJSON() }

// Images are the names of a release's images, core ones first and then pause,
// etcd and coredns/coredns, each with its tag.
func (w *World) Images(version string) (names, tags []string) {
	for _, im := range w.release(version).images {
		names, tags = append(names, im.name), append(tags, im.tag)
	}
	return names, tags
}

// Arches are the architectures of a release's core images.
func (w *World) Arches(version string) []string { return slices.Clone(w.release(version).arches) }

// Files are the paths below https://dl.k8s.io/release/VERSION/ of a release's
// files, checksums and signatures not among them.
func (w *World) Files(version string) []string {
	var paths []string
	for _, f := range w.release(version).files {
		paths = append(paths, f.path)
	}
	return paths
}

func (w *World) release(version string) *release {
	r, ok := w.releases[version]
	if !ok {
		panic(fmt.Sprintf("world: %s is not in this world, which has %s", version, strings.Join(w.versions, ", ")))
	}
	return r
}

// File returns what is stored for a URL, by whichever alias; nil if nothing is.
func (w *World) File(url string) []byte {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.files[canonicalKey(url)]
}

// PutFile stores what a URL answers, under its canonical name; nil removes it.
func (w *World) PutFile(url string, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if body == nil {
		delete(w.files, canonicalKey(url))
		return
	}
	w.files[canonicalKey(url)] = body
}

// PutDocument stores a file with new .sha256 and .sha512 beside it, as an
// attacker who controls the server would. Its signature, if any, is left as it was.
func (w *World) PutDocument(url string, body []byte) {
	w.PutFile(url, body)
	w.PutFile(url+".sha256", []byte(hexSHA256(body)))
	w.PutFile(url+".sha512", []byte(hexSHA512(body)))
}

// SignFile signs a file, as KrelStage unless how names another, and stores .sig and .cert beside it.
func (w *World) SignFile(url string, how Signing) *Signed {
	if how.Identity == "" {
		how.Identity = KrelStage
	}
	s := w.sig.Sign(w.File(url), how)
	w.putSignedFile(url, s)
	return s
}

func (w *World) putSignedFile(url string, s *Signed) {
	w.PutFile(url+".sig", s.SigFile())
	w.PutFile(url+".cert", s.CertFile())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signed[hexSHA256(s.Payload)] = s
}

// SignedFile returns the latest signature of a file's bytes, with its log
// entry; nil if there is none.
func (w *World) SignedFile(url string) *Signed {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.signed[hexSHA256(w.files[canonicalKey(url)])]
}

// Manifest returns the manifest of a reference, by tag or digest.
func (w *World) Manifest(ref string) (Manifest, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.manifest(ref)
}

func (w *World) manifest(ref string) (Manifest, bool) {
	repo, tag, digest := splitRef(ref)
	if digest == "" {
		digest = w.tags[repo+":"+tag]
	}
	m, ok := w.manifests[repo+"@"+digest]
	return m, ok
}

// PutManifest stores a manifest in a repository under its digest and the given
// tags, and returns the digest.
func (w *World) PutManifest(repo string, m Manifest, tags ...string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.putManifest(repo, m, tags...)
}

func (w *World) putManifest(repo string, m Manifest, tags ...string) string {
	digest := m.Digest()
	w.manifests[repo+"@"+digest] = m
	for _, tag := range tags {
		w.tags[repo+":"+tag] = digest
	}
	return digest
}

// PutManifestAt stores a manifest under a digest that is not its own.
func (w *World) PutManifestAt(ref string, m Manifest) {
	repo, _, digest := splitRef(ref)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.manifests[repo+"@"+digest] = m
}

// Tag points a tag at a digest; an empty digest removes the tag.
func (w *World) Tag(ref, digest string) {
	repo, tag, _ := splitRef(ref)
	w.mu.Lock()
	defer w.mu.Unlock()
	if digest == "" {
		delete(w.tags, repo+":"+tag)
		return
	}
	w.tags[repo+":"+tag] = digest
}

// Digest resolves a reference; it panics if there is no such tag, since a test
// that attacks what is not there proves nothing.
func (w *World) Digest(ref string) string {
	repo, tag, digest := splitRef(ref)
	if digest != "" {
		return digest
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	d, ok := w.tags[repo+":"+tag]
	if !ok {
		panic(fmt.Sprintf("world: no tag %s", ref))
	}
	return d
}

// Tags are the tags of a repository, sorted.
func (w *World) Tags(repo string) []string {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var tags []string
	for ref := range w.tags {
		if r, tag, _ := splitRef(ref); r == repo {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags
}

// Blob returns a blob by digest; nil if there is none.
func (w *World) Blob(digest string) []byte {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.blobs[digest]
}

// PutBlob stores a blob and returns its digest. Blobs belong to no repository:
// the real ones lie in one bucket.
func (w *World) PutBlob(body []byte) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.putBlob(body)
}

func (w *World) putBlob(body []byte) string {
	digest := digestOf(body)
	w.blobs[digest] = body
	return digest
}

// PutBlobAt stores a blob under a digest that is not its own.
func (w *World) PutBlobAt(digest string, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blobs[digest] = body
}
