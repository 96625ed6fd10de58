// Package sigstore is a Sigstore in memory, whose keys are public: a certificate
// authority that issues as Fulcio does, a certificate transparency log, signature
// logs as Rekor v1 ([Log]) and v2 ([Tiles]) keep them, and an RFC 3161 timestamp
// authority. It signs bytes and statements ([Sigstore.Sign], [Sigstore.Attest])
// and writes them down in the forms in which they are published: .sig and .cert,
// annotations of an image's signature, bundles of each version.
//
// A [Signing] says what is unusual about one signature; its zero value is what
// Kubernetes does. The same seed makes the same keys and the same bytes, always.
//
// It is written from the specifications, without the code that it is to test, and
// knows nothing of releases, images or hosts: internal/world serves what it signs.
// Nothing in it protects anything.
package sigstore
