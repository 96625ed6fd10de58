package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/world/sigstore"
)

// Options choose what is in a world. The zero value holds v1.27.1 and v1.27.2.
type Options struct {
	// Versions, such as "v1.24.0", "v1.28.2" or "v1.29.0-rc.1". Architectures, images, hosts
	// and signatures are those of the version's time.
	Versions []string
	// Seed of keys and contents. Two seeds make two worlds that agree on nothing.
	Seed string
	// ImagesOnly leaves out files and documents, which take most of the time:
	// for a registry of some hundred releases.
	ImagesOnly bool
	// LayerBytes is added to the program's layer of every core image, in bytes
	// that do not compress, for tests that have to take their time. Zero adds none.
	LayerBytes int
}

var built = struct {
	sync.Mutex
	worlds map[string]*World
}{worlds: map[string]*World{}}

// New builds a world, or takes one that this process has built before: it is
// the caller's own either way. The first one costs some tenths of a second.
func New(o Options) *World {
	if len(o.Versions) == 0 {
		o.Versions = []string{"v1.27.1", "v1.27.2"}
	}
	o.Versions = slices.Clone(o.Versions)
	slices.SortFunc(o.Versions, compareVersions)
	o.Versions = slices.Compact(o.Versions)
	built.Lock()
	defer built.Unlock()
	key := fmt.Sprintf("%q %v %d", append(o.Versions, o.Seed), o.ImagesOnly, o.LayerBytes)
	w, ok := built.worlds[key]
	if !ok {
		w = build(o)
		built.worlds[key] = w
	}
	return w.Clone()
}

// build makes a world from nothing. Everything that is to be signed is
// collected first and signed in one batch, in which the log's order is fixed.
func build(o Options) *World {
	w := &World{
		versions:  o.Versions,
		sig:       NewSigstore("kverify world " + o.Seed),
		releases:  map[string]*release{},
		history:   map[int]*release{},
		files:     map[string][]byte{},
		manifests: map[string]Manifest{},
		tags:      map[string]string{},
		blobs:     map[string][]byte{},
		promotion: map[string][]promoted{},
		dropped:   map[string]bool{},
		signed:    map[string]*Signed{},
		untrusted: map[string]bool{},
		foreign:   map[string]bool{HostForeign: true},
	}
	var s signatures
	for _, version := range o.Versions {
		r := newRelease(version, o.Seed, o.LayerBytes)
		if !o.ImagesOnly {
			r.buildFiles()
		}
		w.releases[version] = r
		for _, im := range r.images {
			w.storeImage(r, im)
			s.ofImage(r, im)
		}
		if o.ImagesOnly {
			continue
		}
		for project, rows := range r.promotions() {
			for _, row := range rows {
				if !slices.Contains(w.promotion[project], row) {
					w.promotion[project] = append(w.promotion[project], row)
				}
			}
		}
		w.storeFiles(r)
		s.ofFiles(w, r)
	}
	s.finish(w)
	if o.ImagesOnly {
		return w
	}
	for _, version := range o.Versions {
		w.attestRelease(w.releases[version])
	}
	w.promoteFiles()
	for project := range w.promotion {
		w.renderPromotion(project)
	}
	for _, version := range w.minors() {
		minor := parseVersion(version)[1]
		w.history[minor] = newRelease(sprintf("v1.%d.0", minor), "history", 0)
		w.history[minor].buildFiles()
		w.renderChangelog(version)
	}
	w.renderMarkers()
	return w
}

func (w *World) storeImage(r *release, im *image) {
	w.putManifest(im.name, im.list, im.tag)
	for _, p := range im.platforms {
		w.putManifest(im.name, p.manifest)
		if im.core {
			w.putManifest(im.name+"-"+p.Architecture, p.manifest, im.tag)
		}
		w.putBlob(p.config)
		for _, l := range p.layers {
			w.putBlob(l.gz)
		}
	}
}

func (w *World) storeFiles(r *release) {
	at := func(path string) string { return FileURL(r.version, path) }
	for _, f := range r.files {
		w.PutDocument(at(f.path), f.body)
	}
	w.PutDocument(at("kubernetes-release.spdx"), r.sbom(w.isDropped(r.version)))
	w.PutDocument(at("kubernetes-source.spdx"), r.sourceSBOM())
	w.PutDocument(at("SHA256SUMS"), r.sums(hexSHA256))
	w.PutDocument(at("SHA512SUMS"), r.sums(hexSHA512))
	w.PutDocument(at("provenance.json"), r.provenance(ProvenanceForm{}))
}

// isDropped tells what [World.DropImage] and [World.DropPlatform] have left out.
func (w *World) isDropped(version string) func(image, arch string) bool {
	return func(image, arch string) bool {
		return w.dropped[version+" "+image] || w.dropped[version+" "+image+" "+arch]
	}
}

func (w *World) renderPromotion(project string) {
	w.files[canonicalKey(PromotionURL(project))] = promotionYAML(w.promotion[project])
	if at := canonicalKey(PromotionAtCommit(project)); w.files[at] == nil { // a commit does not change
		w.files[at] = w.files[canonicalKey(PromotionURL(project))]
	}
}

// minors are the minor versions in the world, each by one of its versions.
func (w *World) minors() []string {
	byMinor := map[int]string{}
	for _, v := range w.versions {
		byMinor[parseVersion(v)[1]] = v
	}
	return slices.Sorted(maps.Values(byMinor))
}

// renderChangelog writes the CHANGELOG of a version's minor. A .0 that is not
// in the world has a section all the same, as history does not begin with
// the first version that a caller looks at.
func (w *World) renderChangelog(version string) {
	minor := parseVersion(version)[1]
	var sections []*release
	for _, v := range slices.Backward(w.versions) {
		if parseVersion(v)[1] == minor {
			sections = append(sections, w.releases[v])
		}
	}
	if oldest := sections[len(sections)-1]; oldest.v[2] != 0 {
		sections = append(sections, w.history[minor])
	}
	w.files[canonicalKey(ChangelogURL(version))] = changelog(sections, func(version, image, arch string) bool {
		return w.isDropped(version)(image, arch)
	})
}

func (w *World) renderMarkers() {
	newest := map[string]string{}
	for _, v := range w.versions {
		newest["latest"] = v
		if !isPreRelease(v) {
			newest["stable"] = v
		}
	}
	for kind, v := range newest {
		w.files[HostCDN+"/release/"+kind+".txt"] = []byte(v)
		w.files[HostCDN+"/release/"+kind+"-1.txt"] = []byte(v)
	}
	var releases []*release
	for _, v := range w.versions {
		name := sprintf("-1.%d.txt", parseVersion(v)[1])
		if isPreRelease(v) {
			w.files[HostCDN+"/release/latest"+name] = []byte(v)
			continue
		}
		w.files[HostCDN+"/release/stable"+name] = []byte(v)
		// Pre-releases only, and so older than the newest stable one.
		if w.files[HostCDN+"/release/latest"+name] == nil {
			w.files[HostCDN+"/release/latest"+name] = []byte(sprintf("v1.%d.0-rc.1", parseVersion(v)[1]))
		}
		releases = append([]*release{w.releases[v]}, releases...)
	}
	w.files[canonicalKey(ScheduleURL)] = schedule(releases)
	w.files[canonicalKey(EndOfLifeURL)] = endOfLife()
}

// signatures collects what is to be signed, and what to do with it then.
type signatures struct {
	requests []sigstore.Request
	then     []func(w *World, first int, signed []*Signed)
	at       []int
	seen     map[string]bool
}

func (s *signatures) add(reqs []sigstore.Request, then func(w *World, first int, signed []*Signed)) {
	s.at = append(s.at, len(s.requests))
	s.requests = append(s.requests, reqs...)
	s.then = append(s.then, then)
}

func (s *signatures) finish(w *World) {
	signed := w.sig.SignAll(s.requests)
	for i, then := range s.then {
		then(w, s.at[i], signed)
	}
}

// References are all forms of docker-reference that a signature of Kubernetes
// may have, %s standing for the image.
var References = []string{
	"registry.k8s.io/%s",
	"registry.k8s.io/kubernetes/%s",
	"us-west1-docker.pkg.dev/k8s-artifacts-prod/images/%s",
	"europe-west1-docker.pkg.dev/k8s-artifacts-prod/images/kubernetes/%s",
	"us.gcr.io/k8s-artifacts-prod/%s",
	"eu.gcr.io/k8s-artifacts-prod/kubernetes/%s",
	"asia.gcr.io/k8s-artifacts-prod/%s",
	"asia-east1-docker.pkg.dev/k8s-artifacts-prod/images/%s",
}

// reference is the docker-reference of the n-th signature of a release. Before
// 2023-06-20 it was that of whichever mirror came first; since then the name
// that users know.
func (r *release) reference(name string, n int) string {
	if r.time.After(time.Date(2023, 6, 20, 0, 0, 0, 0, time.UTC)) {
		n = 0
	}
	form := References[n%len(References)]
	if name == "etcd" || name == "coredns/coredns" { // not from k8s-staging-kubernetes
		form = strings.Replace(form, "kubernetes/", "", 1)
	}
	return sprintf(form, name)
}

// ofImage collects an image's signatures. The list is signed in its
// repository; its children in their own, and since the promoter of 2023-05-23
// in the list's as well, there with the list's name.
func (s *signatures) ofImage(r *release, im *image) {
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	if s.seen[im.name+im.tag] { // two releases may share a pause
		return
	}
	s.seen[im.name+im.tag] = true
	n := parseVersion(r.version)[2] + len(s.requests)/2
	sign := func(repo, name, digest string) {
		n++
		staging := "gcr.io/k8s-staging-kubernetes/" + name
		trust := sigstore.Request{Payload: sigstore.SimpleSigning(r.reference(name, n), digest, Signing{}), How: Signing{Identity: KrelTrust, Time: r.timeOf(im).Add(time.Hour)}}
		layers := []sigstore.Request{trust}
		if im.core {
			staged := sigstore.Request{Payload: sigstore.SimpleSigning(staging, digest, Signing{}), How: Signing{Identity: KrelStage, Time: r.timeOf(im)}}
			layers = []sigstore.Request{staged, trust}
		}
		s.add(layers, func(w *World, first int, signed []*Signed) {
			w.putSignature(repo, digest, signed[first:first+len(layers)])
		})
	}
	sign(im.name, im.name, im.list.Digest())
	if !im.core {
		return
	}
	for _, p := range im.platforms {
		repo := im.name + "-" + p.Architecture
		sign(repo, repo, p.manifest.Digest())
		if !r.before(1, 27, 3) {
			sign(im.name, im.name, p.manifest.Digest())
		}
	}
}

// ofFiles collects the signatures of a release's files.
func (s *signatures) ofFiles(w *World, r *release) {
	if r.before(1, 26, 0) {
		return
	}
	paths := []string{"kubernetes-release.spdx", "kubernetes-source.spdx"}
	for _, f := range r.files {
		if f.signed {
			paths = append(paths, f.path)
		}
	}
	for _, path := range paths {
		url := FileURL(r.version, path)
		s.add([]sigstore.Request{{Payload: w.File(url), How: Signing{Identity: KrelStage, Time: r.time}}}, func(w *World, first int, signed []*Signed) {
			w.putSignedFile(url, signed[first])
		})
	}
}
