package verify

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// Attestations judges the referrers of one digest, with the list given, under
// the embedded policy and root.
func Attestations(ctx context.Context, t http.RoundTripper, name, digest string, list []registry.Descriptor) map[string]report.Check {
	client := &fetch.Client{Transport: t}
	r, err := (&Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Require: attestationChecks}).newRun()
	if err != nil {
		panic(err)
	}
	a := &attestations{run: r, im: &image{name: name, digest: oci.Digest(digest)}}
	a.fetchListed(ctx, registry.Ref{Host: r.session.Policy.Images.Registry, Repository: name, Digest: oci.Digest(digest)}, r.sources()[0].list(list), attestationChecks)
	out := map[string]report.Check{}
	for _, class := range attestationChecks {
		out[class] = a.decide(class)
	}
	return out
}

// SignatureOf judges the signature of one digest alone, for tests that try
// thousands of changes to it.
func SignatureOf(ctx context.Context, v *Verifier, repository, digest string) (signature, reference report.Check) {
	r, err := v.newRun()
	if err != nil {
		panic(err)
	}
	s := r.imageSignature(ctx, repository, oci.Digest(digest), repository, "")
	return s.signature, s.reference
}

// LayersOf returns a function that verifies the signature of one digest once
// more, from what was read the first time: the work that no network hides.
func LayersOf(ctx context.Context, v *Verifier, repository, digest string) func() report.Check {
	r, err := v.newRun()
	if err != nil {
		panic(err)
	}
	m, err := r.registry.Manifest(ctx, registry.Ref{Host: r.session.Policy.Images.Registry, Repository: repository, Tag: "sha256-" + digest[len("sha256:"):] + ".sig"})
	if err != nil {
		panic(err)
	}
	return func() report.Check {
		s := &search{run: r, repository: repository, digest: oci.Digest(digest), name: repository, payloads: map[oci.Digest][]byte{}}
		return s.through(ctx, m).signature
	}
}

// ReadFileForm reads a manifest as that of a file kept as an OCI artifact; ok is
// false for one that does not say that it is.
func ReadFileForm(name, mediaType string, manifest []byte) (title, sha512 string, ok bool, err error) {
	_, img, err := registry.ParseManifest(mediaType, manifest)
	if err != nil || img == nil || !isFile(img) {
		return "", "", false, err
	}
	title, sha512, err = fileForm(name, img)
	return title, sha512, true, err
}

// CountEntries is rule 16 over a log's answer to a file's signature, as it stands in
// ".sig" and ".cert".
func CountEntries(v *Verifier, sum [sha256.Size]byte, sig, cert, answer []byte) (times []int64, err error) {
	r, err := v.newRun()
	if err != nil {
		return nil, err
	}
	detached, err := sigstore.ParseDetached(sum, sig, cert)
	if err != nil {
		return nil, err
	}
	var found []map[string]json.RawMessage
	if err := json.Unmarshal(answer, &found); err != nil {
		return nil, err
	}
	list, err := sigstore.CountEntries(r.session.Root, detached, found)
	for _, e := range list {
		times = append(times, e.IntegratedTime)
	}
	return times, err
}
