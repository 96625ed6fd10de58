package world

import (
	"strings"
)

// Manifest is a manifest as a registry holds it.
type Manifest struct {
	MediaType string
	Body      []byte
}

// Digest is "sha256:" and the hex of the body's hash.
func (m Manifest) Digest() string { return digestOf(m.Body) }

// splitRef reads "[registry.k8s.io/]repo[:tag][@digest]".
func splitRef(ref string) (repo, tag, digest string) {
	ref = strings.TrimPrefix(ref, HostRegistry+"/")
	ref, digest, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i >= 0 {
		ref, tag = ref[:i], ref[i+1:]
	}
	return ref, tag, digest
}

// sigTag is where cosign looks for the signatures of a digest.
func sigTag(digest string) string { return strings.Replace(digest, ":", "-", 1) + ".sig" }
