package world

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
)

// AddStandIn makes a host answer as that registry does, directly and without a token.
func (w *World) AddStandIn(host string, s StandIn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.standIns == nil {
		w.standIns = map[string]StandIn{}
	}
	w.standIns[host] = s
}

func (w *World) standIn(s StandIn, u *url.URL) *answer {
	prefix := "/v2/"
	if s.Prefix != "" {
		prefix += s.Prefix + "/"
	}
	rest, ok := strings.CutPrefix(u.Path, prefix)
	repo, kind, ref := cutRegistryPath(rest)
	if !ok || kind == "" {
		return ociError(http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
	}
	name := repo + ":" + ref
	if strings.HasPrefix(ref, "sha256:") {
		name = repo + "@" + ref
	}
	m, instead := s.Instead[name]
	switch {
	case instead && kind == "manifests":
	case s.Has != nil && !s.Has(repo):
		switch s.Lacking {
		case http.StatusUnauthorized:
			return ociError(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		case http.StatusForbidden:
			return ociError(http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		}
		return ociError(http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
	case kind == "blobs":
		if b, found := w.blobs[ref]; found {
			return reply(http.StatusOK, "application/octet-stream", b)
		}
		return ociError(http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
	case kind == "referrers":
		b, found := w.files[HostRegistry+"/v2/"+repo+"/referrers/"+ref]
		if !found {
			b = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
		}
		return reply(http.StatusOK, "application/vnd.oci.image.index.v1+json", bytes.Clone(b))
	default:
		if m, ok = w.manifest(name); !ok || kind != "manifests" {
			return ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		}
	}
	a := reply(http.StatusOK, m.MediaType, m.Body)
	a.header.Set("Docker-Content-Digest", m.Digest())
	return a
}
