package verify

import (
	"context"
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // registers the SHA-384 and SHA-512 that an artifact may be signed over
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// Artifact is a file or digest together with the Sigstore bundle that is said
// to be of it.
type Artifact struct {
	Name string // as asked for: a path or a digest
	// Digest is "sha256:<hex>", likewise sha384 and sha512; empty if Open is set.
	Digest string
	// Open returns the file's bytes from their start.
	Open func() (io.ReadCloser, error)

	BundleName string // such as the bundle's path, for messages
	Bundle     []byte // JSON of a Sigstore bundle, version 0.1 to 0.3

	// Who must have signed: an exact identity, or a key, and not both.
	Identity trust.Identity
	Key      crypto.PublicKey
}

// Artifact verifies a bundle as any Sigstore client does, by the trusted root
// and the identity or key that the caller names. The policy is not asked, so
// that the report is partial: nothing in it says that the artifact is
// Kubernetes'.
//
// The only error is a [*UsageError].
func (v *Verifier) Artifact(ctx context.Context, a Artifact) (report.Report, error) {
	c := *v
	c.Checks, c.Require = []string{report.Digest, report.Signature}, nil
	r, err := c.newRun()
	if err != nil {
		return report.Report{}, err
	}
	switch {
	case (a.Key == nil) == (a.Identity == trust.Identity{}):
		return report.Report{}, session.Usagef("a bundle is verified for an identity and its issuer, or for a key: name exactly one of the two")
	case a.Key == nil && (a.Identity.Issuer == "" || a.Identity.Subject == ""):
		return report.Report{}, session.Usagef("an identity is a subject and its issuer; one without the other would accept too much")
	case (a.Digest == "") == (a.Open == nil):
		return report.Report{}, session.Usagef("an artifact is a file or a digest: name exactly one of the two")
	}
	var want sigstore.Digest
	if a.Digest != "" {
		if want, err = sigstore.ParseDigest(a.Digest); err != nil {
			return report.Report{}, session.Usagef("%v", err)
		}
	}
	res := report.Result{Subject: a.Name, Kind: report.KindArtifact, Digest: a.Digest}
	r.progress.add(1)
	if err := session.Guard(func() { r.artifact(a, want, &res) }); err != nil {
		res.Checks = []report.Check{r.failed(report.Signature, err)}
	}
	r.progress.finish(1)
	return r.session.Report(ctx, report.Scope{Subjects: []string{a.Name}}, nil, []report.Result{res}), nil
}

// artifact judges the bundle, or of several in one file, a document a line, the
// one that fits: one that verifies, else one that is of these bytes.
func (r *run) artifact(a Artifact, want sigstore.Digest, res *report.Result) {
	docs, err := trust.Documents(a.Bundle)
	if err != nil || len(docs) == 1 {
		r.oneBundle(a, want, res)
		return
	}
	name, empty := a.BundleName, *res
	for i, doc := range docs {
		one := empty
		a.Bundle, a.BundleName = doc, fmt.Sprintf("%s (document %d)", name, i+1)
		r.oneBundle(a, want, &one)
		ofThese := one.Checks[0].Verdict == report.Verified
		switch {
		case one.Verdict() == report.Verified:
			*res = one
			return
		case i == 0, ofThese && res.Checks[0].Verdict != report.Verified:
			*res = one
		}
	}
}

func (r *run) oneBundle(a Artifact, want sigstore.Digest, res *report.Result) {
	digest := func(v report.Verdict, reason report.Reason, format string, args ...any) {
		res.Checks = append(res.Checks, r.check(report.Digest, v, reason, format, args...))
	}
	signature := func(v report.Verdict, reason report.Reason, format string, args ...any) *report.Check {
		res.Checks = append(res.Checks, r.check(report.Signature, v, reason, format, args...))
		return &res.Checks[len(res.Checks)-1]
	}
	s, err := sigstore.ParseBundle(a.Bundle)
	if err != nil {
		digest(report.Unknown, report.Malformed, "%s: no digest to compare with", a.BundleName)
		signature(report.Unknown, report.Malformed, "%s is not a Sigstore bundle that can be verified: %v", a.BundleName, err)
		return
	}
	sums := map[string]sigstore.Digest{want.Algorithm: want}
	if a.Open != nil {
		if sums, err = hashAll(a.Open); err != nil {
			digest(report.Unknown, report.Unreachable, "%s: %v", a.Name, err)
			signature(report.Unknown, report.Unreachable, "%s could not be read", a.Name)
			return
		}
		res.Digest = sums["sha256"].String()
	}
	matches := slices.ContainsFunc(slices.Sorted(maps.Keys(sums)), func(k string) bool { return s.IsOf(sums[k]) })
	if !matches {
		digest(report.Refuted, report.Mismatch, "%s is of %s, and %s is %s", a.BundleName, s.About(), a.Name, anyOf(sums))
	} else {
		digest(report.Verified, "", "%s is of these bytes", a.BundleName)
	}
	who := sigstore.Signer{Identity: a.Identity, Key: a.Key}
	if reason, detail := s.Undecidable(r.session.Root, who); reason != "" {
		signature(report.Unknown, reason, "%s: %s", a.BundleName, detail)
		return
	}
	p, unread, err := r.proof(s, a, who, want, res.Digest)
	switch {
	case unread != nil:
		signature(report.Unknown, report.Unreachable, "%s could not be read once more: %v", a.Name, unread)
		return
	case err != nil:
		signature(report.Refuted, report.Forged, "%s does not verify: %v", a.BundleName, err)
		return
	}
	c := signature(report.Verified, "", "signed by %s%s", who, p.When())
	c.Evidence = report.EvidenceOf(report.Evidence{What: "signature", Source: a.BundleName, Digest: res.Digest, Fields: p.Fields})
	res.Notes = append(res.Notes, "verified as a signature by the signer that you named; nothing here says that it is part of a Kubernetes release")
	if !s.Logged() {
		res.Notes = append(res.Notes, "the bundle holds no log entry: the key alone vouches, and nothing says when")
	}
}

// proof verifies the bundle over the artifact itself. unread says why the bytes that were
// hashed, to digest, could not be read once more: that contradicts nothing.
func (r *run) proof(s *sigstore.Bundle, a Artifact, who sigstore.Signer, want sigstore.Digest, digest string) (p *sigstore.Proof, unread, err error) {
	if a.Open == nil {
		p, err = s.Verify(r.session.Root, who, want)
		return p, nil, err
	}
	f, err := a.Open()
	if err != nil {
		return nil, err, nil
	}
	defer func() { _ = f.Close() }()
	again := sha256.New()
	content := io.TeeReader(f, again)
	p, err = s.VerifyContent(r.session.Root, who, content)
	if _, failed := io.Copy(io.Discard, content); failed != nil {
		return nil, failed, nil
	}
	if got := (sigstore.Digest{Algorithm: "sha256", Sum: again.Sum(nil)}); got.String() != digest {
		return nil, errors.New("it changed while it was read"), nil
	}
	return p, nil, err
}

// hashAll reads a file once and returns its digests by every algorithm.
func hashAll(open func() (io.ReadCloser, error)) (map[string]sigstore.Digest, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	hashes := map[string]hash.Hash{"sha256": crypto.SHA256.New(), "sha384": crypto.SHA384.New(), "sha512": crypto.SHA512.New()}
	if _, err := io.Copy(io.MultiWriter(hashes["sha256"], hashes["sha384"], hashes["sha512"]), f); err != nil {
		return nil, err
	}
	sums := map[string]sigstore.Digest{}
	for name, h := range hashes {
		sums[name] = sigstore.Digest{Algorithm: name, Sum: h.Sum(nil)}
	}
	return sums, nil
}

func anyOf(sums map[string]sigstore.Digest) string {
	for _, name := range []string{"sha256", "sha384", "sha512"} {
		if d, ok := sums[name]; ok {
			return d.String()
		}
	}
	return ""
}
