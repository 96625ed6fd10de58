package verify

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	pcommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/trust"
)

// verifyBundle checks a bundle over bytes of the given SHA-256 with sigstore-go:
// chain and SCT, exact identity, the log's signature over the entry and, where
// there is one, its inclusion proof, and the certificate at the time that the
// log signed for.
func verifyBundle(root *trust.Root, id trust.Identity, b *bundle.Bundle, sum []byte) error {
	v, err := verify.NewVerifier(root.Material,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithIntegratedTimestamps(1))
	if err != nil {
		return err
	}
	who, err := verify.NewShortCertificateIdentity(id.Issuer, "", id.Subject, "")
	if err != nil {
		return err
	}
	_, err = v.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum), verify.WithCertificateIdentity(who)))
	return err
}

// maxBundle caps a Sigstore bundle. The largest attestations of Kubernetes are
// under 100 KB; statements about thousands of files stay under this.
const maxBundle = 16 << 20

// bundleTypes are the media types that the format names.
var bundleTypes = []string{
	"application/vnd.dev.sigstore.bundle+json;version=0.1",
	"application/vnd.dev.sigstore.bundle+json;version=0.2",
	"application/vnd.dev.sigstore.bundle+json;version=0.3",
	"application/vnd.dev.sigstore.bundle.v0.3+json",
}

// sealed is a Sigstore bundle that was taken apart and not yet verified.
type sealed struct {
	b         *bundle.Bundle
	cert      *x509.Certificate // nil if it was signed with a key
	identity  trust.Identity    // of the certificate, as it says itself
	digest    artifactDigest    // of the artifact, for a message signature
	statement *statement        // for a DSSE envelope
	logs      [][]byte          // ids of the logs of its entries
	signature []byte
	stamps    []stamp // RFC 3161 timestamps
	promised  bool    // an entry has a signed entry timestamp
}

// openBundle reads a bundle of version 0.1 to 0.3, strictly: an error means that
// it cannot be read, not that it is false.
func openBundle(raw []byte) (*sealed, error) {
	if len(raw) > maxBundle {
		return nil, fmt.Errorf("a bundle of more than %d bytes", maxBundle)
	}
	if err := bounds.JSON(raw, bounds.Price{Item: 400, Object: 400, Value: 100}, bounds.Memory); err != nil {
		return nil, err
	}
	s := &sealed{b: new(bundle.Bundle)}
	// sigstore-go takes further spellings that the format does not have.
	var typed struct {
		MediaType string `json:"mediaType"`
	}
	const wanted = "a Sigstore bundle"
	if err := json.Unmarshal(raw, &typed); err != nil {
		return nil, trust.PlainError(raw, wanted, err)
	}
	if !slices.Contains(bundleTypes, typed.MediaType) {
		return nil, trust.PlainError(raw, wanted, fmt.Errorf("media type %.100q is not of a bundle of version 0.1 to 0.3", typed.MediaType))
	}
	if err := s.b.UnmarshalJSON(raw); err != nil { // refuses unknown fields and keys that stand twice
		return nil, trust.PlainError(raw, wanted, err)
	}
	material := s.b.GetVerificationMaterial()
	chain := material.GetX509CertificateChain().GetCertificates()
	if c := material.GetCertificate(); c != nil {
		chain = []*pcommon.X509Certificate{c}
	}
	for i, c := range chain {
		cert, err := x509.ParseCertificate(c.GetRawBytes())
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		// Trust comes from the trusted root alone; the format forbids a root here.
		if bytes.Equal(cert.RawIssuer, cert.RawSubject) && cert.CheckSignatureFrom(cert) == nil || i == 0 && cert.IsCA {
			return nil, fmt.Errorf("certificate %d is of a certificate authority itself, which a bundle may not bring along", i+1)
		}
		if i == 0 {
			s.cert = cert
			if s.identity, err = identityOf(cert); err != nil {
				return nil, err
			}
		}
	}
	if s.cert == nil && material.GetPublicKey() == nil {
		return nil, errors.New("it has neither a certificate nor a key's name")
	}
	for i, e := range material.GetTlogEntries() {
		if err := checkEntry(e); err != nil {
			return nil, fmt.Errorf("log entry %d: %w", i+1, err)
		}
		s.logs = append(s.logs, e.GetLogId().GetKeyId())
		s.promised = s.promised || len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0
	}
	list := material.GetTimestampVerificationData().GetRfc3161Timestamps()
	if len(list) > maxStamps {
		return nil, fmt.Errorf("%d timestamps, more than %d", len(list), maxStamps)
	}
	for i, raw := range list {
		one, err := parseStamp(raw.GetSignedTimestamp())
		if err != nil {
			return nil, fmt.Errorf("timestamp %d: %w", i+1, err)
		}
		s.stamps = append(s.stamps, one)
	}
	if m := s.b.GetMessageSignature(); m != nil {
		name, ok := map[pcommon.HashAlgorithm]string{pcommon.HashAlgorithm_SHA2_256: "sha256",
			pcommon.HashAlgorithm_SHA2_384: "sha384", pcommon.HashAlgorithm_SHA2_512: "sha512"}[m.GetMessageDigest().GetAlgorithm()]
		if !ok || len(m.GetSignature()) == 0 {
			return nil, errors.New("a message signature without signature or digest")
		}
		s.digest, s.signature = artifactDigest{name, m.GetMessageDigest().GetDigest()}, m.GetSignature()
		return s, nil
	}
	e := s.b.GetDsseEnvelope()
	if e.GetPayloadType() != inTotoType {
		return nil, fmt.Errorf("an envelope of %.60q, want %s", e.GetPayloadType(), inTotoType)
	}
	if len(e.GetSignatures()) != 1 {
		return nil, fmt.Errorf("an envelope with %d signatures, want one", len(e.GetSignatures()))
	}
	s.signature = e.GetSignatures()[0].GetSig()
	var err error
	if s.statement, err = parseStatement(e.GetPayload()); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	return s, nil
}

// checkEntry holds a log entry to what sigstore-go leaves open: indices that
// are none, a kind that is not the body's, and a checkpoint that is for another
// tree than the proof.
func checkEntry(e *prekor.TransparencyLogEntry) error {
	if e.GetLogIndex() < 0 || e.GetIntegratedTime() < 0 {
		return fmt.Errorf("index %d, time %d", e.GetLogIndex(), e.GetIntegratedTime())
	}
	var body struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := strictjson.Check(e.GetCanonicalizedBody()); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if err := json.Unmarshal(e.GetCanonicalizedBody(), &body); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if k := e.GetKindVersion(); k.GetKind() != body.Kind || k.GetVersion() != body.APIVersion {
		return fmt.Errorf("it says %.40q %.20q, and its body %.40q %.20q", k.GetKind(), k.GetVersion(), body.Kind, body.APIVersion)
	}
	p := e.GetInclusionProof()
	origin, _, _ := strings.Cut(p.GetCheckpoint().GetEnvelope(), "\n")
	if body.Kind != "intoto" { // whose 0.0.2 is of the older log
		if err := checkGeneration(body.APIVersion, origin, len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0); err != nil {
			return err
		}
	}
	if p == nil {
		return nil
	}
	if p.GetLogIndex() < 0 || p.GetTreeSize() <= 0 || p.GetLogIndex() >= p.GetTreeSize() {
		return fmt.Errorf("inclusion proof for index %d in a tree of %d", p.GetLogIndex(), p.GetTreeSize())
	}
	// A checkpoint's text: origin, tree size, root hash, one a line (c2sp.org/tlog-checkpoint).
	lines := strings.SplitN(p.GetCheckpoint().GetEnvelope(), "\n", 4)
	if len(lines) < 4 || lines[1] != strconv.FormatInt(p.GetTreeSize(), 10) {
		return fmt.Errorf("the checkpoint is not for the proof's tree of %d entries", p.GetTreeSize())
	}
	// The newest form of the log may leave the root out of the proof.
	if len(p.GetRootHash()) > 0 && lines[2] != base64.StdEncoding.EncodeToString(p.GetRootHash()) {
		return errors.New("the checkpoint's root hash is not the proof's")
	}
	return nil
}

// artifactOption says what the bundle must be of.
type artifactOption = verify.ArtifactPolicyOption

func ofDigest(d artifactDigest) artifactOption   { return verify.WithArtifactDigest(d.algorithm, d.sum) }
func ofContent(content io.Reader) artifactOption { return verify.WithArtifact(content) }

// sealProof is what a bundle has proved.
type sealProof struct {
	time   time.Time // the earliest that was proved; zero for a key without any
	byLog  bool      // the time is the log's; otherwise a timestamp authority's
	fields map[string]string
}

// verify checks a bundle against the trusted root: the log entry (with its
// proof, and its promise where there is one), the timestamps, chain and SCT at
// these times, who signed, and the signature over the artifact.
//
// The time is that of a signed entry timestamp or of an RFC 3161 timestamp; an
// inclusion proof alone says nothing about time, and the local clock is not
// asked. Only a signature by a key that was given needs no time.
func (s *sealed) verify(r *trust.Root, who signer, artifact artifactOption) (*sealProof, error) {
	material := r.Material
	var opts []verify.VerifierOption
	switch plain := who.key != nil && s.plainOrigin(); {
	case plain:
		if err := s.verifyPlainOrigin(r, who.key); err != nil {
			return nil, err
		}
	case len(s.logs) > 0 || who.key == nil:
		opts = append(opts, verify.WithTransparencyLog(1))
	}
	var policy verify.PolicyOption
	if who.key != nil {
		var load []signature.LoadOption
		if _, ok := who.key.(ed25519.PublicKey); ok && s.statement == nil {
			load = append(load, options.WithED25519ph()) // what logs of hashes hold
		}
		key, err := signature.LoadDefaultVerifier(who.key, load...)
		if err != nil {
			return nil, err
		}
		material = root.TrustedMaterialCollection{r.Material, root.NewTrustedPublicKeyMaterial(
			func(string) (root.TimeConstrainedVerifier, error) {
				return root.NewExpiringKey(key, time.Time{}, time.Time{}), nil
			})}
		policy = verify.WithKey()
	} else {
		id, err := verify.NewShortCertificateIdentity(who.identity.Issuer, "", who.identity.Subject, "")
		if err != nil {
			return nil, err
		}
		opts = append(opts, verify.WithSignedCertificateTimestamps(1))
		policy = verify.WithCertificateIdentity(id)
	}
	times, err := s.stamped(r)
	if err != nil {
		return nil, err
	}
	switch {
	case len(times) > 0:
		opts = append(opts, verify.WithSignedTimestamps(1))
		if s.promised {
			opts = append(opts, verify.WithIntegratedTimestamps(1))
		}
	case who.key != nil && !s.promised:
		opts = append(opts, verify.WithNoObserverTimestamps())
	default:
		opts = append(opts, verify.WithIntegratedTimestamps(1))
	}
	v, err := verify.NewVerifier(material, opts...)
	if err != nil {
		return nil, err
	}
	res, err := v.Verify(s.b, verify.NewPolicy(artifact, policy))
	if err != nil {
		return nil, err
	}
	if err := s.sameLeaves(); err != nil {
		return nil, err
	}
	p := &sealProof{fields: map[string]string{}}
	proved := func(t time.Time, byLog bool) error {
		if p.time.IsZero() || t.Before(p.time) {
			p.time, p.byLog = t, byLog
		}
		return s.loggedWhileValid(r, t)
	}
	for _, t := range times {
		if err := proved(t, false); err != nil {
			return nil, err
		}
	}
	for _, t := range res.VerifiedTimestamps {
		if err := proved(t.Timestamp, t.Type == "Tlog"); err != nil {
			return nil, err
		}
	}
	p.describe(s, who)
	return p, nil
}

// loggedWhileValid holds every proved time to the time for which the trusted
// root knows the logs' keys, bounds included.
func (s *sealed) loggedWhileValid(r *trust.Root, t time.Time) error {
	for _, id := range s.logs {
		log, ok := r.Material.RekorLogs()[hex.EncodeToString(id)]
		if ok && (log.ValidityPeriodStart.IsZero() || t.Before(log.ValidityPeriodStart) ||
			!log.ValidityPeriodEnd.IsZero() && t.After(log.ValidityPeriodEnd)) {
			return fmt.Errorf("signed at %s, when the log's key was not valid", t.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

func (p *sealProof) describe(s *sealed, who signer) {
	if who.key == nil {
		p.fields["identity"], p.fields["issuer"] = s.identity.Subject, s.identity.Issuer
	}
	for _, e := range s.b.GetVerificationMaterial().GetTlogEntries() {
		p.fields["logIndex"] = strconv.FormatInt(e.GetLogIndex(), 10)
		p.fields["logID"] = hex.EncodeToString(e.GetLogId().GetKeyId())
	}
	switch {
	case p.time.IsZero():
	case p.byLog:
		p.fields["integratedTime"] = p.time.UTC().Format(time.RFC3339)
	default:
		p.fields["timestamp"] = p.time.UTC().Format(time.RFC3339)
	}
	if s.statement != nil {
		p.fields["predicateType"] = s.statement.PredicateType
	}
}

// unknownTo says in words which log, CA or CT log of the bundle the root does
// not know, or "" if it knows enough of them.
func (s *sealed) unknownTo(r *trust.Root) string {
	if len(s.logs) > 0 && !slices.ContainsFunc(s.logs, r.KnowsLog) {
		return fmt.Sprintf("transparency log %x", s.logs[0])
	}
	if s.cert != nil {
		return unknownAuthority(r, s.cert)
	}
	return ""
}

// verifyMessage checks a plain signature by a key over a message.
func verifyMessage(key crypto.PublicKey, sig, message []byte) error {
	v, err := signature.LoadDefaultVerifier(key)
	if err != nil {
		return err
	}
	return v.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message))
}
