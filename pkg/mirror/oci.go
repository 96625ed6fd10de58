package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// answerOCI answers the read half of the distribution specification.
func (d *Mirror) answerOCI(req *http.Request, host string) *Answer {
	for _, half := range []string{"MANIFEST.json", "oci"} {
		if err := d.broken[half]; err != nil {
			return d.ociRefuse(err)
		}
	}
	switch req.URL.Path {
	case "/v2/":
		return fromJSON(http.StatusOK, struct{}{})
	case "/v2/_catalog":
		return d.answerCatalog(req, host)
	}
	parts := strings.Split(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
	if len(parts) < 3 {
		return ociError(http.StatusNotFound, layout.CodeName, "no such address")
	}
	repo, kind, ref := strings.Join(parts[:len(parts)-2], "/"), parts[len(parts)-2], parts[len(parts)-1]
	r := d.repos[host+"/"+repo]
	if r == nil {
		return ociError(http.StatusNotFound, layout.CodeName, fmt.Sprintf("%s/%s is not in the mirror %s", host, repo, d.path))
	}
	switch kind {
	case "manifests":
		return d.answerManifest(r, host+"/"+repo, ref)
	case "blobs":
		return d.answerBlob(req, r, host+"/"+repo, ref)
	case "referrers":
		return d.answerReferrers(req, r, ref)
	case "tags":
		if ref == "list" {
			return answerTags(req, repo, r)
		}
	}
	return ociError(http.StatusNotFound, layout.CodeName, "no such address")
}

func (d *Mirror) answerManifest(r *layout.Repository, name, ref string) *Answer {
	var target layout.Descriptor
	if oci.Digest(ref).IsSHA256() {
		n, a := d.find(r, name, oci.Digest(ref))
		if a != nil {
			return a
		}
		if !n.IsManifest {
			return ociError(http.StatusNotFound, layout.CodeManifest, fmt.Sprintf("%s@%s is not a manifest", name, ref))
		}
		target = n.Descriptor
	} else {
		if err := r.Refused[ref]; err != nil {
			return d.ociRefuse(fmt.Errorf("%s:%s: %w", name, ref, err))
		}
		var ok bool
		if target, ok = r.Tags[ref]; !ok {
			return ociError(http.StatusNotFound, layout.CodeManifest, fmt.Sprintf("%s:%s is not in the mirror %s", name, ref, d.path))
		}
	}
	// Nothing else is sent as what the lists say that it is: a browser would take a
	// page for one of this server's.
	if !isManifestType(target.MediaType) {
		return d.ociRefuse(fmt.Errorf("%s@%s: %.100q is not a media type of a manifest", name, target.Digest, target.MediaType))
	}
	body, err := layout.ReadFile(d.fsys, layout.BlobPath(target.Digest), target.Want(), layout.MaxChecked)
	if err != nil {
		return d.ociFailure(layout.CodeManifest, name+"@"+string(target.Digest), err)
	}
	a := NewAnswer(http.StatusOK, target.MediaType, body)
	a.Header["Docker-Content-Digest"] = string(target.Digest)
	a.SHA256 = target.Want().Sha256
	return a
}

// isManifestType says whether a media type is that of an image manifest or an
// index (opencontainers/image-spec, media-types.md, and Docker's).
func isManifestType(mediaType string) bool {
	return slices.Contains([]string{
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	}, mediaType)
}

func (d *Mirror) answerBlob(req *http.Request, r *layout.Repository, name, ref string) *Answer {
	if !oci.Digest(ref).IsSHA256() {
		return ociError(http.StatusNotFound, layout.CodeBlob, fmt.Sprintf("%q is not a sha256 digest", ref))
	}
	n, a := d.find(r, name, oci.Digest(ref))
	if a != nil {
		return a
	}
	if n.IsManifest {
		return ociError(http.StatusNotFound, layout.CodeBlob, fmt.Sprintf("%s@%s is not a blob", name, ref))
	}
	body, size, err := layout.OpenChecked(req.Context(), d.fsys, layout.BlobPath(oci.Digest(ref)), n.Want())
	if err != nil {
		return d.ociFailure(layout.CodeBlob, name+"@"+ref, err)
	}
	return &Answer{Status: http.StatusOK, Size: size, SHA256: n.Want().Sha256, Body: body, Header: map[string]string{
		"Content-Type": "application/octet-stream", "Docker-Content-Digest": ref,
	}}
}

// find looks a digest up among what the names of r reach.
func (d *Mirror) find(r *layout.Repository, name string, digest oci.Digest) (*layout.Node, *Answer) {
	all := r.Reach()
	n := all.Nodes[digest]
	switch {
	case n == nil && all.Damage != nil:
		return nil, d.ociRefuse(all.Damage)
	case n == nil:
		return nil, ociError(http.StatusNotFound, layout.CodeManifest,
			fmt.Sprintf("%s@%s is not in the mirror %s: no name of that repository reaches it", name, digest, d.path))
	case n.Conflict:
		return nil, d.ociRefuse(fmt.Errorf("%s@%s is described in two ways that differ", name, digest))
	}
	return n, nil
}

func (d *Mirror) ociFailure(code, what string, err error) *Answer {
	if errors.Is(err, fs.ErrNotExist) {
		return ociError(http.StatusNotFound, code, fmt.Sprintf("%s is not in the mirror %s", what, d.path))
	}
	return d.ociRefuse(fmt.Errorf("%s: %w", what, err))
}
