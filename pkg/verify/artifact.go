package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // registers the SHA-384 and SHA-512 that an artifact may be signed over
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"github.com/kverify/kverify/pkg/report"
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
	r, err := c.start()
	if err != nil {
		return report.Report{}, err
	}
	switch {
	case (a.Key == nil) == (a.Identity == trust.Identity{}):
		return report.Report{}, usagef("a bundle is verified for an identity and its issuer, or for a key: name exactly one of the two")
	case a.Key == nil && (a.Identity.Issuer == "" || a.Identity.Subject == ""):
		return report.Report{}, usagef("an identity is a subject and its issuer; one without the other would accept too much")
	case (a.Digest == "") == (a.Open == nil):
		return report.Report{}, usagef("an artifact is a file or a digest: name exactly one of the two")
	}
	var want artifactDigest
	if a.Digest != "" {
		if want, err = parseDigest(a.Digest); err != nil {
			return report.Report{}, usagef("%v", err)
		}
	}
	res := report.Result{Subject: a.Name, Kind: "artifact", Digest: a.Digest}
	r.Progress.add(1)
	if err := guard(func() { r.artifact(a, want, &res) }); err != nil {
		res.Checks = []report.Check{r.failed(report.Signature, err)}
	}
	r.Progress.finish(1)
	return r.report(ctx, report.Scope{Subjects: []string{a.Name}}, nil, []report.Result{res}), nil
}

// artifact judges the bundle, or of several in one file, a document a line, the
// one that fits: one that verifies, else one that is of these bytes.
func (r *run) artifact(a Artifact, want artifactDigest, res *report.Result) {
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
		ofThese := len(one.Checks) > 0 && one.Checks[0].Verdict == report.Verified
		switch {
		case one.Verdict() == report.Verified:
			*res = one
			return
		case i == 0, ofThese && res.Checks[0].Verdict != report.Verified:
			*res = one
		}
	}
}

func (r *run) oneBundle(a Artifact, want artifactDigest, res *report.Result) {
	digest := func(v report.Verdict, reason report.Reason, format string, args ...any) {
		res.Checks = append(res.Checks, r.check(report.Digest, v, reason, format, args...))
	}
	signature := func(v report.Verdict, reason report.Reason, format string, args ...any) *report.Check {
		res.Checks = append(res.Checks, r.check(report.Signature, v, reason, format, args...))
		return &res.Checks[len(res.Checks)-1]
	}
	s, err := openBundle(a.Bundle)
	if err != nil {
		digest(report.Unknown, report.Malformed, "%s: no digest to compare with", a.BundleName)
		signature(report.Unknown, report.Malformed, "%s is not a Sigstore bundle that can be verified: %v", a.BundleName, err)
		return
	}
	sums := map[string]artifactDigest{want.algorithm: want}
	if a.Open != nil {
		if sums, err = hashAll(a.Open); err != nil {
			digest(report.Unknown, report.Unreachable, "%s: %v", a.Name, err)
			signature(report.Unknown, report.Unreachable, "%s could not be read", a.Name)
			return
		}
		res.Digest = sums["sha256"].String()
	}
	matches := slices.ContainsFunc(slices.Sorted(maps.Keys(sums)), func(k string) bool { return s.isOf(sums[k]) })
	if !matches {
		digest(report.Refuted, report.Mismatch, "%s is of %s, and %s is %s", a.BundleName, s.says(), a.Name, anyOf(sums))
	} else {
		digest(report.Verified, "", "%s is of these bytes", a.BundleName)
	}
	if reason, detail := s.cannotTell(r.Root, signer{a.Identity, a.Key}); reason != "" {
		signature(report.Unknown, reason, "%s: %s", a.BundleName, detail)
		return
	}
	opened := func() (*sealProof, error) {
		if a.Open == nil {
			return s.verify(r.Root, signer{a.Identity, a.Key}, ofDigest(want))
		}
		f, err := a.Open()
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		again := sha256.New()
		content := io.TeeReader(f, again)
		p, err := s.verify(r.Root, signer{a.Identity, a.Key}, ofContent(content))
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return nil, err
		}
		if got := (artifactDigest{"sha256", again.Sum(nil)}); got.String() != res.Digest {
			return nil, errors.New("the file changed while it was read")
		}
		return p, nil
	}
	p, err := opened()
	if err != nil {
		signature(report.Refuted, report.Forged, "%s does not verify: %v", a.BundleName, err)
		return
	}
	c := signature(report.Verified, "", "signed by %s%s", signer{a.Identity, a.Key}, p.when())
	c.Evidence = []report.Evidence{{What: "signature", Source: a.BundleName, Digest: res.Digest, Fields: p.fields}}
	res.Notes = append(res.Notes, "verified as a signature by whom you named; nothing here says that it is part of a Kubernetes release")
	if len(s.logs) == 0 {
		res.Notes = append(res.Notes, "the bundle holds no log entry: the key alone vouches, and nothing says when")
	}
}

// isOf says whether the bundle says that it is of this digest.
func (s *sealed) isOf(d artifactDigest) bool {
	if s.statement != nil {
		return s.statement.names(d)
	}
	return s.digest.String() == d.String()
}

// says what the bundle says that it is of.
func (s *sealed) says() string {
	if s.statement == nil {
		return s.digest.String()
	}
	if len(s.statement.Subject) == 1 {
		return fmt.Sprintf("%.100q", s.statement.Subject[0].Name)
	}
	return fmt.Sprintf("%d other artifacts", len(s.statement.Subject))
}

// cannotTell says why a bundle cannot be judged, if it cannot: signed by
// somebody else than who is asked for, or under a CA or log that the trusted
// root does not know.
func (s *sealed) cannotTell(r *trust.Root, who signer) (report.Reason, string) {
	switch {
	case who.key != nil && s.cert != nil:
		return report.Untrusted, "it was signed with a certificate, not with the key"
	case who.key == nil && s.cert == nil:
		return report.Untrusted, "it was signed with a key, not by an identity"
	case who.key == nil && s.identity != who.identity:
		return report.Untrusted, fmt.Sprintf("signed by %.80q of %.80q, not by %s", s.identity.Subject, s.identity.Issuer, who)
	case who.key == nil && len(s.logs) == 0:
		return report.Absent, "it holds no log entry"
	}
	if what := s.unknownTo(r); what != "" {
		return report.Untrusted, fmt.Sprintf("signed under %s, which the trusted root does not know, or not with a start of validity: the trusted root may be older than the signature", what)
	}
	if who.key == nil && !s.promised && s.strangers(r) > 0 {
		return report.Untrusted, "a timestamp in it is by an authority that the trusted root does not know: the trusted root may be older than the signature"
	}
	if who.key == nil && !s.promised && len(s.stamps) == 0 {
		return report.Absent, "nothing in it says when it was signed: an inclusion proof alone does not"
	}
	return "", ""
}

// signer says who must have signed: exactly one of the two is set.
type signer struct {
	identity trust.Identity
	key      crypto.PublicKey
}

// ParseKey reads a public key, PEM of a PKIX structure ("PUBLIC KEY").
func ParseKey(text []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not one public key in PEM")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

func (w signer) String() string {
	if w.key != nil {
		return "the key"
	}
	return fmt.Sprintf("%s (%s)", w.identity.Subject, w.identity.Issuer)
}

func (p *sealProof) when() string {
	switch {
	case p.time.IsZero():
		return ""
	case p.byLog:
		return ", logged " + p.fields["integratedTime"]
	}
	return ", timestamped " + p.fields["timestamp"]
}

// hashAll reads a file once and returns its digests by every algorithm.
func hashAll(open func() (io.ReadCloser, error)) (map[string]artifactDigest, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	hashes := map[string]hash.Hash{"sha256": crypto.SHA256.New(), "sha384": crypto.SHA384.New(), "sha512": crypto.SHA512.New()}
	if _, err := io.Copy(io.MultiWriter(hashes["sha256"], hashes["sha384"], hashes["sha512"]), f); err != nil {
		return nil, err
	}
	sums := map[string]artifactDigest{}
	for name, h := range hashes {
		sums[name] = artifactDigest{name, h.Sum(nil)}
	}
	return sums, nil
}

func anyOf(sums map[string]artifactDigest) string {
	for _, name := range []string{"sha256", "sha384", "sha512"} {
		if d, ok := sums[name]; ok {
			return d.String()
		}
	}
	return ""
}
