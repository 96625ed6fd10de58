package world

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route answers a request as the world would without an attacker.
func (w *World) route(r *http.Request, u *url.URL, body []byte) *answer {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && u.Host != HostRekor {
		return reply(http.StatusMethodNotAllowed, "text/plain", []byte("Only GET and HEAD are allowed.\n"))
	}
	if s, ok := w.standIns[u.Host]; ok {
		return w.standIn(s, u)
	}
	switch u.Host {
	case HostDL, HostSBOM, HostPackages:
		if to := redirected(u.Host, u.Path); to != "" {
			return redirectTo(http.StatusFound, to)
		}
		return reply(http.StatusNotFound, "text/plain", []byte("404 page not found\n"))
	case HostRegistry:
		return w.registry(r, u)
	case HostManifests, HostSignatures:
		return w.backend(u)
	case HostBlobs:
		if b, ok := w.blobs[strings.TrimPrefix(u.Path, pathBlobs)]; ok {
			return reply(http.StatusOK, "application/octet-stream", b)
		}
		return reply(http.StatusNotFound, "application/xml", []byte("<Error><Code>NoSuchKey</Code></Error>"))
	case HostRekor:
		return w.rekor(r, u, body)
	}
	if b, ok := w.files[u.Host+u.Path]; ok {
		return reply(http.StatusOK, contentType(u), b)
	}
	switch {
	case u.Host == HostRaw:
		return reply(http.StatusNotFound, "text/plain; charset=utf-8", []byte("404: Not Found"))
	case w.foreign[u.Host]:
		return w.copied(r, u, body)
	}
	return reply(http.StatusNotFound, "application/xml; charset=UTF-8", []byte("<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"))
}

func contentType(u *url.URL) string {
	switch {
	case u.Host == HostRaw, strings.HasSuffix(u.Path, ".txt"):
		return "text/plain; charset=utf-8"
	case strings.HasSuffix(u.Path, ".json"):
		return "application/json"
	}
	return "application/octet-stream"
}

// copied answers on a foreign host with the document whose address its path
// is, where redirects end.
func (w *World) copied(r *http.Request, u *url.URL, body []byte) *answer {
	host, path, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	to := &url.URL{Scheme: "https", Host: host, Path: "/" + path, RawQuery: u.RawQuery}
	for range 5 {
		if !slices.Contains(Hosts[:len(Hosts)-1], to.Host) {
			break
		}
		a := w.route(r, to, body)
		location := a.header.Get("Location")
		if location == "" {
			return a
		}
		next, err := to.Parse(location)
		must(err)
		to = next
	}
	return reply(http.StatusNotFound, "text/plain", []byte("not found\n"))
}

// registry is the redirector: it holds nothing but the way.
func (w *World) registry(r *http.Request, u *url.URL) *answer {
	if u.Path == "/token" {
		return reply(http.StatusOK, "application/json", []byte(`{"token":"`+token+`","expires_in":300}`))
	}
	rest, ok := strings.CutPrefix(u.Path, "/v2/")
	if !ok {
		return reply(http.StatusNotFound, "text/plain", []byte("404 page not found\n"))
	}
	repo, kind, ref := cutRegistryPath(rest)
	if w.token && r.Header.Get("Authorization") != "Bearer "+token {
		a := ociError(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		challenge := `Bearer realm="https://` + HostRegistry + `/token",service="` + HostRegistry + `"`
		if repo != "" {
			challenge += `,scope="repository:` + repo + `:pull"`
		}
		a.header.Set("Www-Authenticate", challenge)
		return a
	}
	switch {
	case rest == "":
		a := reply(http.StatusOK, "application/json", []byte("{}"))
		a.header.Set("Docker-Distribution-Api-Version", "registry/2.0")
		return a
	case kind == "":
		return ociError(http.StatusNotFound, "NAME_UNKNOWN", "no such page")
	case kind == "blobs":
		return redirectTo(http.StatusTemporaryRedirect, "https://"+HostBlobs+pathBlobs+ref)
	}
	host := HostManifests
	if strings.HasSuffix(ref, ".sig") || strings.HasSuffix(ref, ".att") {
		host = HostSignatures
	}
	// The request's number marks the redirect; it is no part of the name.
	return redirectTo(http.StatusTemporaryRedirect, fmt.Sprintf("https://%s%s%s?rid=%08x", host, pathImages, rest, len(w.requests)))
}

const token = "anonymous-pull"

// cutRegistryPath splits "name/kind/reference", in which a name may have slashes.
func cutRegistryPath(path string) (repo, kind, ref string) {
	for _, kind := range []string{"manifests", "blobs", "tags", "referrers"} {
		if i := strings.LastIndex(path, "/"+kind+"/"); i > 0 {
			return path[:i], kind, path[i+len(kind)+2:]
		}
	}
	return "", "", ""
}

// backend is the registry that holds manifests. Signatures lie in one region
// only, and by tag.
func (w *World) backend(u *url.URL) *answer {
	repo, kind, ref := cutRegistryPath(strings.TrimPrefix(u.Path, pathImages))
	switch kind {
	case "tags":
		var tags []string
		for full := range w.tags {
			if r, tag, _ := splitRef(full); r == repo && !strings.HasSuffix(tag, ".sig") {
				tags = append(tags, tag)
			}
		}
		slices.Sort(tags)
		return reply(http.StatusOK, "application/json", compactJSON(map[string]any{"name": repo, "tags": tags}))
	case "referrers":
		if b, ok := w.files[HostRegistry+"/v2/"+repo+"/referrers/"+ref]; ok {
			return reply(http.StatusOK, "application/vnd.oci.image.index.v1+json", b)
		}
		if w.referrers {
			return reply(http.StatusOK, "application/vnd.oci.image.index.v1+json", []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
		}
		return reply(http.StatusNotFound, "text/plain", []byte("404 page not found\n"))
	case "manifests":
		name := repo + ":" + ref
		if strings.HasPrefix(ref, "sha256:") {
			name = repo + "@" + ref
		}
		m, ok := w.manifest(name)
		if ok && m.MediaType == mediaOCI && strings.Contains(name, "@") && u.Host != HostSignatures && bytes.Contains(m.Body, []byte(mediaSigning)) {
			ok = false
		}
		if ok {
			a := reply(http.StatusOK, m.MediaType, m.Body)
			digest := m.Digest()
			if strings.Contains(name, "@") {
				digest = ref
			}
			a.header.Set("Docker-Content-Digest", digest)
			return a
		}
	}
	return ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "Failed to fetch "+ref)
}
