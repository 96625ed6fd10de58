package sigstore

// SimpleSigning is the payload of an image signature
// (github.com/containers/image, docs/containers-signature.5.md).
func SimpleSigning(reference, digest string, h Signing) []byte {
	return compactJSON(struct {
		Critical any `json:"critical"`
		Optional any `json:"optional"`
	}{struct {
		Identity any    `json:"identity"`
		Image    any    `json:"image"`
		Type     string `json:"type"`
	}{
		map[string]string{"docker-reference": orElse(h.Reference, reference)},
		map[string]string{"docker-manifest-digest": orElse(h.Digest, digest)},
		orElse(h.Type, "cosign container image signature"),
	}, h.Optional})
}
