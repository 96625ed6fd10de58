package sigstore

import (
	"crypto"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Proof is what a bundle has proved.
type Proof struct {
	// Time is the earliest that was proved; zero for a signature by a key that
	// brings no time.
	Time  time.Time
	ByLog bool // the time is the log's; otherwise a timestamp authority's
	// Fields are evidence for a report: identity, issuer, logIndex, logID,
	// integratedTime or timestamp (RFC 3339), predicateType. What does not apply is
	// not there.
	Fields map[string]string
}

// When words the time that was proved, to follow the name of who signed; it is
// empty if none was.
func (p *Proof) When() string {
	switch {
	case p.Time.IsZero():
		return ""
	case p.ByLog:
		return ", logged " + p.Fields[report.FieldLogged]
	}
	return ", timestamped " + p.Fields[report.FieldTimestamp]
}

// Undecidable says why the bundle can be neither proved nor refuted for a signer,
// in a reason and words: signed by another identity than the one asked for, or under an
// authority or log that the trusted root does not know. Both are empty if
// [Bundle.Verify] will decide.
func (s *Bundle) Undecidable(r *trust.Root, who Signer) (report.Reason, string) {
	switch {
	case who.Key != nil && s.cert != nil:
		return report.Untrusted, "it was signed with a certificate, not with the key"
	case who.Key == nil && s.cert == nil:
		return report.Untrusted, "it was signed with a key, not by an identity"
	case who.Key == nil && s.identity != who.Identity:
		return report.Untrusted, fmt.Sprintf("signed by %.200q of %.80q, not by %s", s.identity.Subject, s.identity.Issuer, who)
	case who.Key == nil && len(s.logs) == 0:
		return report.Absent, "it holds no log entry"
	}
	if what := s.unknownTo(r); what != "" {
		return report.Untrusted, fmt.Sprintf("signed under %s, which the trusted root does not know, or not with a start of validity: the trusted root may be older than the signature", what)
	}
	if who.Key == nil && !s.promised && s.unknownTimestamps(r) > 0 {
		return report.Untrusted, "a timestamp in it is by an authority that the trusted root does not know: the trusted root may be older than the signature"
	}
	if who.Key == nil && !s.promised && len(s.timestamps) == 0 {
		return report.Absent, "nothing in it says when it was signed: an inclusion proof alone does not"
	}
	return "", ""
}

// unknownTo says in words which log, CA or CT log of the bundle the root does
// not know, or "" if it knows enough of them.
func (s *Bundle) unknownTo(r *trust.Root) string {
	if len(s.logs) > 0 && !slices.ContainsFunc(s.logs, r.KnowsLog) {
		return fmt.Sprintf("transparency log %x", s.logs[0])
	}
	if s.cert != nil {
		return unknownAuthority(r, s.cert)
	}
	return ""
}

// unknownTimestamps counts the timestamps by authorities that the root does not know.
func (s *Bundle) unknownTimestamps(r *trust.Root) (n int) {
	for _, one := range s.timestamps {
		if !one.namesAuthorityOf(r) {
			n++
		}
	}
	return n
}

// Verify proves that who signed an artifact of this digest, by the trusted root:
// the log entry (with its proof, and its promise where there is one), the
// timestamps, chain and SCT at these times, who signed, and the signature over the
// artifact. The steps are those of the client specification, section 4
// (https://github.com/sigstore/architecture-docs/blob/main/client-spec.md).
//
// The time is that of a signed entry timestamp or of an RFC 3161 timestamp; an
// inclusion proof alone says nothing about time, and the local clock is not
// asked. Only a signature by a key that was given needs no time.
func (s *Bundle) Verify(r *trust.Root, who Signer, d Digest) (*Proof, error) {
	return s.verify(r, who, verify.WithArtifactDigest(d.Algorithm, d.Sum))
}

// VerifyContent is [Bundle.Verify] for an artifact's bytes, which it may read only
// in part.
func (s *Bundle) VerifyContent(r *trust.Root, who Signer, content io.Reader) (*Proof, error) {
	return s.verify(r, who, verify.WithArtifact(content))
}

func (s *Bundle) verify(r *trust.Root, who Signer, artifact verify.ArtifactPolicyOption) (*Proof, error) {
	// Who must have signed, and with what material that is proved.
	material, policy, opts, err := s.signedBy(r, who)
	if err != nil {
		return nil, err
	}
	// That a log has it: all but a signature by a key must be in one.
	switch plain := who.Key != nil && s.plainOrigin(); {
	case plain:
		if err := s.verifyPlainOrigin(r, who.Key); err != nil {
			return nil, err
		}
	case len(s.logs) > 0 || who.Key == nil:
		opts = append(opts, verify.WithTransparencyLog(1))
	}
	// When it was signed.
	times, err := s.verifyTimestamps(r)
	if err != nil {
		return nil, err
	}
	switch {
	case len(times) > 0:
		opts = append(opts, verify.WithSignedTimestamps(1))
		if s.promised {
			opts = append(opts, verify.WithIntegratedTimestamps(1))
		}
	case who.Key != nil && !s.promised:
		opts = append(opts, verify.WithNoObserverTimestamps())
	default:
		opts = append(opts, verify.WithIntegratedTimestamps(1))
	}
	v, err := verify.NewVerifier(material, opts...)
	if err != nil {
		return nil, err
	}
	// Chain, SCT, identity, log, times and signature, by sigstore-go.
	res, err := v.Verify(s.b, verify.NewPolicy(artifact, policy))
	if err != nil {
		return nil, err
	}
	// What sigstore-go leaves open.
	if err := s.sameLeaves(); err != nil {
		return nil, err
	}
	p := &Proof{Fields: map[string]string{}}
	for _, t := range times {
		p.add(t, false)
	}
	for _, t := range res.VerifiedTimestamps {
		p.add(t.Timestamp, t.Type == "Tlog")
		times = append(times, t.Timestamp)
	}
	for _, t := range times {
		if err := s.loggedWhileValid(r, t); err != nil {
			return nil, err
		}
	}
	p.describe(s, who)
	return p, nil
}

// signedBy is the policy for who must have signed, the material that it is proved
// by, and what further to ask of sigstore-go.
func (s *Bundle) signedBy(r *trust.Root, who Signer) (root.TrustedMaterial, verify.PolicyOption, []verify.VerifierOption, error) {
	if who.Key == nil {
		id, err := verify.NewShortCertificateIdentity(who.Identity.Issuer, "", who.Identity.Subject, "")
		if err != nil {
			return nil, nil, nil, err
		}
		return r.Material, verify.WithCertificateIdentity(id), []verify.VerifierOption{verify.WithSignedCertificateTimestamps(1)}, nil
	}
	key, err := s.keyVerifier(who.Key)
	if err != nil {
		return nil, nil, nil, err
	}
	return root.TrustedMaterialCollection{r.Material, root.NewTrustedPublicKeyMaterial(
		func(string) (root.TimeConstrainedVerifier, error) {
			return root.NewExpiringKey(key, time.Time{}, time.Time{}), nil
		})}, verify.WithKey(), nil, nil
}

func (s *Bundle) keyVerifier(key crypto.PublicKey) (signature.Verifier, error) {
	var load []signature.LoadOption
	if s.statement == nil {
		load = append(load, options.WithED25519ph()) // of such a key: what logs of hashes hold
	}
	return signature.LoadDefaultVerifier(key, load...)
}

// verifyTimestamps verifies every timestamp by an authority that the root knows, and
// returns their times: one that does not hold is not covered up by another, nor
// by the log's time. sigstore-go is content with the first.
func (s *Bundle) verifyTimestamps(r *trust.Root) (times []time.Time, err error) {
	for i, one := range s.timestamps {
		if !one.namesAuthorityOf(r) {
			continue
		}
		t, err := one.verify(r, s.signature)
		if err != nil {
			return nil, fmt.Errorf("timestamp %d: %w", i+1, err)
		}
		if c := s.cert; c != nil && (t.Before(c.NotBefore) || t.After(c.NotAfter)) {
			return nil, fmt.Errorf("timestamp %d: at %s, when the certificate was not valid", i+1, t.UTC().Format(time.RFC3339))
		}
		times = append(times, t)
	}
	return times, nil
}

// loggedWhileValid holds every proved time to the time for which the trusted
// root knows the logs' keys, bounds included.
func (s *Bundle) loggedWhileValid(r *trust.Root, t time.Time) error {
	for _, id := range s.logs {
		log, ok := r.Material.RekorLogs()[hex.EncodeToString(id)]
		if ok && (log.ValidityPeriodStart.IsZero() || t.Before(log.ValidityPeriodStart) ||
			!log.ValidityPeriodEnd.IsZero() && t.After(log.ValidityPeriodEnd)) {
			return fmt.Errorf("signed at %s, when the log's key was not valid", t.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// add takes in a time that was proved: the earliest stands.
func (p *Proof) add(t time.Time, byLog bool) {
	if p.Time.IsZero() || t.Before(p.Time) {
		p.Time, p.ByLog = t, byLog
	}
}

func (p *Proof) describe(s *Bundle, who Signer) {
	if who.Key == nil {
		p.Fields[report.FieldIdentity], p.Fields[report.FieldIssuer] = s.identity.Subject, s.identity.Issuer
	}
	for _, e := range s.b.GetVerificationMaterial().GetTlogEntries() {
		p.Fields[report.FieldLogIndex] = strconv.FormatInt(e.GetLogIndex(), 10)
		p.Fields[report.FieldLogID] = hex.EncodeToString(e.GetLogId().GetKeyId())
	}
	switch {
	case p.Time.IsZero():
	case p.ByLog:
		p.Fields[report.FieldLogged] = p.Time.UTC().Format(time.RFC3339)
	default:
		p.Fields[report.FieldTimestamp] = p.Time.UTC().Format(time.RFC3339)
	}
	if s.statement != nil {
		p.Fields[report.FieldPredicateType] = s.statement.PredicateType
	}
}
