package world

import (
	"fmt"
	"path"
	"time"
)

// FileImage and FileAlone are files that a project keeps in the registry as OCI
// artifacts, one with platforms and one without, in every world with documents
// (kubernetes-sigs/promo-tools, docs/oci-artifacts.md).
const (
	FileImage    = "security-profiles-operator/spoc:v1.1.1"
	FileAlone    = "security-profiles-operator/profile:v1.1.1"
	FileProject  = "k8s-staging-sp-operator"
	fileTypeSPO  = "application/vnd.k8s.security-profiles-operator.%s.v1"
	mediaEmpty   = "application/vnd.oci.empty.v1+json"
	mediaFile    = "application/octet-stream"
	titleKey     = "org.opencontainers.image.title"
	sha512KeySPO = "io.k8s.security-profiles-operator.sha512"
)

var filesPromoted = time.Date(2026, 10, 6, 16, 0, 0, 0, time.UTC)

// FileManifest writes the manifest of a file as an OCI artifact, of a project
// that follows the layout, and stores its blobs. change may alter the manifest
// before it is written.
func (w *World) FileManifest(name string, body []byte, change func(manifest map[string]any)) Manifest {
	type m = map[string]any
	doc := m{
		"schemaVersion": 2, "mediaType": mediaOCI, "artifactType": sprintf(fileTypeSPO, name),
		"config": describe(mediaEmpty, []byte("{}"), nil),
		"layers": []any{m{"mediaType": mediaFile, "digest": digestOf(body), "size": len(body),
			"annotations": m{titleKey: name, sha512KeySPO: hexSHA512(body)}}},
		"annotations": m{"org.opencontainers.image.version": "v1.1.1", "org.opencontainers.image.created": "2026-10-05T08:26:33Z"},
	}
	if change != nil {
		change(doc)
	}
	w.PutBlob(body)
	w.PutBlob([]byte("{}"))
	return Manifest{mediaOCI, compactJSON(doc)}
}

// PutFileImage stores an index over files for linux/amd64 and linux/arm64, signs
// it as krel-trust under the name of its repository, and promotes it. change may
// alter the manifest of linux/amd64.
func (w *World) PutFileImage(ref string, change func(manifest map[string]any)) string {
	type m = map[string]any
	repo, tag, _ := splitRef(ref)
	name := path.Base(repo)
	list := []any{}
	for i, arch := range []string{"amd64", "arm64"} {
		body := fmt.Appendf(nil, "#!/bin/sh\n# Made by kverify's tests.\necho %s %s\n", name, arch)
		if i > 0 {
			change = nil
		}
		child := w.FileManifest(name, body, change)
		w.PutManifest(repo, child)
		list = append(list, m{"mediaType": mediaOCI, "digest": child.Digest(), "size": len(child.Body),
			"artifactType": sprintf(fileTypeSPO, name), "platform": m{"os": "linux", "architecture": arch}})
	}
	index := Manifest{ociIndexType, compactJSON(m{"schemaVersion": 2, "mediaType": ociIndexType, "artifactType": sprintf(fileTypeSPO, name), "manifests": list})}
	return w.putFileArtifact(repo, tag, index)
}

// PutFileAlone is PutFileImage for a file that is the same on every platform.
func (w *World) PutFileAlone(ref string, change func(manifest map[string]any)) string {
	repo, tag, _ := splitRef(ref)
	return w.putFileArtifact(repo, tag, w.FileManifest(path.Base(repo), []byte("# Made by kverify's tests: "+repo+"\n"), change))
}

func (w *World) putFileArtifact(repo, tag string, m Manifest) string {
	digest := w.PutManifest(repo, m, tag)
	w.SignAs(repo+":"+tag, Signing{Identity: KrelTrust, Time: filesPromoted})
	w.mu.Lock()
	defer w.mu.Unlock()
	rows := w.promotion[FileProject][:0:0]
	for _, p := range w.promotion[FileProject] {
		if p.image != path.Base(repo) || p.tag != tag {
			rows = append(rows, p)
		}
	}
	w.promotion[FileProject] = append(rows, promoted{path.Base(repo), digest, tag})
	w.renderPromotion(FileProject)
	return digest
}

func (w *World) promoteFiles() {
	w.PutFileImage(FileImage, nil)
	w.PutFileAlone(FileAlone, nil)
}
