package world

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// MirrorOptions choose what a mirror holds. The zero value: all core images on
// all their platforms, and no files but the documents.
type MirrorOptions struct {
	Names  []string // images; pause, etcd and coredns/coredns may be among them
	Arches []string // of the images' per-arch repositories and children
	Files  []string // paths below the release, such as "bin/linux/amd64/kubectl"
	Note   string   // MANIFEST.json's note
	Tool   string   // MANIFEST.json's tool name
	// NoManifest leaves MANIFEST.json out, as a directory made by hand does.
	NoManifest bool
}

// MirrorNote is the note of a mirror whose options have none.
const MirrorNote = "signed by a test CA; not a Kubernetes release"

type mirrorImage struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Size      int    `json:"size"`
	Origin    string `json:"origin"`
	Verdict   string `json:"verdict"`
}

type mirrorFile struct {
	URL     string `json:"url"`
	SHA256  string `json:"sha256"`
	Size    int    `json:"size"`
	Origin  string `json:"origin"`
	Verdict string `json:"verdict"`
}

// mirrorWriter puts things into a directory and remembers the first error.
type mirrorWriter struct {
	w      *World
	dir    string
	images []mirrorImage
	files  []mirrorFile
	within []string // digests on the way down: an attacker's index may name itself
	err    error
}

// WriteMirror writes releases as they are served now into a directory:
// documents under files/, images in one OCI layout under oci/, and
// MANIFEST.json. What an attacker has stored is written; faults on the way are not.
func (w *World) WriteMirror(dir string, versions []string, o MirrorOptions) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	m := &mirrorWriter{w: w, dir: dir}
	for _, version := range versions {
		m.release(version, o)
	}
	for _, url := range []string{ScheduleURL, EndOfLifeURL} {
		m.file(url)
	}
	m.finish(versions, o)
	return m.err
}

func (m *mirrorWriter) release(version string, o MirrorOptions) {
	r := m.w.release(version)
	names, arches := o.Names, o.Arches
	if names == nil {
		names = r.core()
	}
	if arches == nil {
		arches = r.arches
	}
	for _, name := range names {
		im := r.image(name)
		m.image(name, im.tag, arches)
		if !im.core {
			continue
		}
		for _, arch := range r.arches {
			if slices.Contains(arches, arch) {
				m.image(name+"-"+arch, version, arches)
			}
		}
	}
	m.document(FileURL(version, "kubernetes-release.spdx"))
	for _, path := range o.Files {
		m.document(FileURL(version, path))
	}
	m.file(ChangelogURL(version))
	minor := strings.Join(strings.Split(version, ".")[:2], ".")[1:]
	for _, marker := range []string{"stable", "stable-1", "stable-" + minor, "latest", "latest-1", "latest-" + minor} {
		m.file("https://" + HostDL + "/release/" + marker + ".txt")
	}
	for _, project := range []string{core, "k8s-staging-etcd", "k8s-staging-coredns"} {
		m.file(PromotionURL(project))
	}
}

// document writes a file with its checksums, its signature and its kept log entry.
func (m *mirrorWriter) document(url string) {
	for _, suffix := range []string{"", ".sha256", ".sha512", ".sig", ".cert"} {
		m.file(url + suffix)
	}
	if s := m.w.signed[hexSHA256(m.w.files[canonicalKey(url)])]; s != nil && s.Entry != nil {
		m.put(mirrorKey(url)+".sigstore.json", append(s.Bundle("0.3"), '\n'), "verified")
	}
}

// mirrorKey is where a mirror keeps a document: under the documented host, not
// under the one that redirects end at.
func mirrorKey(url string) string {
	key := canonicalKey(url)
	if rest, ok := strings.CutPrefix(key, HostCDN+"/"); ok {
		return HostDL + "/" + rest
	}
	return key
}

func (m *mirrorWriter) file(url string) {
	body, ok := m.w.files[canonicalKey(url)]
	if !ok {
		return
	}
	verdict := "unknown"
	if m.w.signed[hexSHA256(body)] != nil {
		verdict = "verified"
	}
	m.put(mirrorKey(url), body, verdict)
}

func (m *mirrorWriter) put(key string, body []byte, verdict string) {
	f := mirrorFile{"https://" + key, hexSHA256(body), len(body), "published", verdict}
	if slices.ContainsFunc(m.files, func(x mirrorFile) bool { return x.URL == f.URL }) {
		return
	}
	m.files = append(m.files, f)
	m.write(filepath.Join("files", filepath.FromSlash(key)), body)
}

// image writes one tag and what it leads to: children of the wanted
// architectures, configs, layers, signatures.
func (m *mirrorWriter) image(repo, tag string, arches []string) {
	manifest, ok := m.w.manifest(repo + ":" + tag)
	if !ok {
		return
	}
	m.name(repo, tag, manifest, "verified")
	m.content(repo, manifest, arches)
}

func (m *mirrorWriter) name(repo, tag string, manifest Manifest, verdict string) {
	name := HostRegistry + "/" + repo + ":" + tag
	if slices.ContainsFunc(m.images, func(x mirrorImage) bool { return x.Name == name }) {
		return
	}
	m.images = append(m.images, mirrorImage{name, manifest.Digest(), manifest.MediaType, len(manifest.Body), "published", verdict})
}

func (m *mirrorWriter) content(repo string, manifest Manifest, arches []string) {
	at := repo + "@" + manifest.Digest()
	if slices.Contains(m.within, at) {
		return
	}
	m.within = append(m.within, at)
	defer func() { m.within = m.within[:len(m.within)-1] }()
	m.blob(manifest.Digest(), manifest.Body)
	if sig, ok := m.w.manifest(repo + ":" + sigTag(manifest.Digest())); ok {
		m.name(repo, sigTag(manifest.Digest()), sig, "unknown")
		m.content(repo, sig, arches)
	}
	var parts struct {
		Manifests []descriptor `json:"manifests"`
		Config    descriptor   `json:"config"`
		Layers    []descriptor `json:"layers"`
	}
	if json.Unmarshal(manifest.Body, &parts) != nil {
		return // an attacker's; its bytes are written, and that is all there is
	}
	for _, d := range parts.Manifests {
		child, ok := m.w.manifests[repo+"@"+d.Digest]
		if ok && d.Platform != nil && slices.Contains(arches, d.Platform.Architecture) {
			m.content(repo, child, arches)
		}
	}
	for _, d := range append(parts.Layers, parts.Config) {
		if b, ok := m.w.blobs[d.Digest]; ok && d.Digest != "" {
			m.blob(d.Digest, b)
		}
	}
}

func (m *mirrorWriter) blob(digest string, body []byte) {
	m.write(filepath.Join("oci", "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")), body)
}

func (m *mirrorWriter) finish(versions []string, o MirrorOptions) {
	type fields = map[string]any
	slices.SortFunc(m.images, func(a, b mirrorImage) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.files, func(a, b mirrorFile) int { return strings.Compare(a.URL, b.URL) })
	var index []fields
	for _, im := range m.images {
		index = append(index, fields{
			"mediaType": im.MediaType, "digest": im.Digest, "size": im.Size,
			"annotations": fields{"org.opencontainers.image.ref.name": im.Name},
		})
	}
	m.write("oci/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	m.json("oci/index.json", fields{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index})
	if o.NoManifest {
		return
	}
	newest := m.w.release(versions[len(versions)-1])
	m.json("MANIFEST.json", struct {
		SchemaVersion int           `json:"schemaVersion"`
		Created       string        `json:"created"`
		Tool          fields        `json:"tool"`
		Note          string        `json:"note"`
		Releases      []string      `json:"releases"`
		Images        []mirrorImage `json:"images"`
		Files         []mirrorFile  `json:"files"`
	}{
		1, newest.time.AddDate(0, 0, 1).Format(time.RFC3339), fields{"name": orElse(o.Tool, "internal/world"), "version": "test"},
		orElse(o.Note, MirrorNote), versions, m.images, m.files,
	})
}

func (m *mirrorWriter) json(path string, v any) {
	out, err := json.MarshalIndent(v, "", "  ")
	must(err)
	m.write(path, append(out, '\n'))
}

func (m *mirrorWriter) write(path string, body []byte) {
	if m.err != nil {
		return
	}
	path = filepath.Join(m.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.err = fmt.Errorf("writing a mirror: %w", err)
		return
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		m.err = fmt.Errorf("writing a mirror: %w", err)
	}
}
