package sigstore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	pbundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	pcommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/trust"
)

// DetachedSignature is a file's signature with its certificate, as they lie beside
// the file ("<file>.sig" and "<file>.cert"). Its log entry lies elsewhere.
type DetachedSignature struct {
	Sum      []byte         // SHA-256 of the file
	Identity trust.Identity // of the certificate, as it says itself

	signature []byte
	text      string // the same in base64, as it was written
	cert      *x509.Certificate
}

// ParseDetached reads what lies beside a file of this SHA-256: a signature in base64,
// and a certificate in PEM or in base64 of it. The error begins with the suffix of
// what cannot be read, to follow the file's name.
func ParseDetached(sum [sha256.Size]byte, sig, cert []byte) (*DetachedSignature, error) {
	s := &DetachedSignature{Sum: sum[:], text: string(bytes.TrimSpace(sig))}
	var err error
	if s.signature, err = base64.StdEncoding.Strict().DecodeString(s.text); err != nil || len(s.signature) == 0 {
		return nil, errors.New(".sig is not a signature in base64")
	}
	pemText, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(cert)))
	if err != nil {
		pemText = cert // PEM as it is, without the base64 around it
	}
	if s.cert, err = oneCertificate(pemText); err != nil {
		return nil, fmt.Errorf(".cert: %w", err)
	}
	if s.Identity, err = identityOf(s.cert); err != nil {
		return nil, fmt.Errorf(".cert: %w", err)
	}
	return s, nil
}

// Digest is that of the file, "sha256:<hex>".
func (s *DetachedSignature) Digest() oci.Digest {
	return oci.FromHex(hex.EncodeToString(s.Sum))
}

// SignsSum says whether the certificate's key made the signature over the file's
// bytes. It can only refute: who the certificate is of is for
// [LoggedSignature.Verify] to say.
func (s *DetachedSignature) SignsSum() bool {
	key, ok := s.cert.PublicKey.(*ecdsa.PublicKey)
	return ok && ecdsa.VerifyASN1(key, s.Sum, s.signature)
}

// UnknownAuthority is [Signature.UnknownAuthority] of its certificate.
func (s *DetachedSignature) UnknownAuthority(r *trust.Root) string {
	return unknownAuthority(r, s.cert)
}

// LoggedBy says whether a log entry is of exactly this signature, certificate and
// file. It reads the entry, and proves nothing.
func (s *DetachedSignature) LoggedBy(e *LogEntry) bool {
	return e.readBody() == nil && e.record.is(s.Digest(), s.text, s.cert) == nil
}

// Proposal is the log entry, for encoding/json, as it would be sent to be logged: a
// log finds the one that it has by it.
func (s *DetachedSignature) Proposal() any {
	e := new(hashedRekord)
	e.APIVersion, e.Kind = "0.0.1", "hashedrekord"
	e.Spec.Data.Hash.Algorithm, e.Spec.Data.Hash.Value = "sha256", hex.EncodeToString(s.Sum)
	e.Spec.Signature.Content = s.signature
	e.Spec.Signature.PublicKey.Content = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
	return e
}

// LoggedSignature is a detached signature with its log entry, in the form of a
// bundle, and not yet verified.
type LoggedSignature struct {
	b   *bundle.Bundle
	sum []byte // SHA-256 of the file
}

// Bundle puts the signature, its certificate and its log entry into a Sigstore
// bundle, which any Sigstore client verifies offline.
// https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
//
// With an inclusion proof it is of version 0.3, without one of 0.1, which is
// the only version that a signed entry timestamp alone satisfies.
func (s *DetachedSignature) Bundle(e *LogEntry) (*LoggedSignature, error) {
	canonical, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, err
	}
	logID, err := hex.DecodeString(e.LogID)
	if err != nil {
		return nil, fmt.Errorf("log id: %w", err)
	}
	entry := &prekor.TransparencyLogEntry{
		LogIndex: e.LogIndex, LogId: &pcommon.LogId{KeyId: logID},
		KindVersion:    &prekor.KindVersion{Kind: "hashedrekord", Version: "0.0.1"},
		IntegratedTime: e.IntegratedTime, CanonicalizedBody: canonical,
		InclusionPromise: &prekor.InclusionPromise{SignedEntryTimestamp: e.Verification.SignedEntryTimestamp},
	}
	cert := &pcommon.X509Certificate{RawBytes: s.cert.Raw}
	b := &pbundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
		VerificationMaterial: &pbundle.VerificationMaterial{
			Content: &pbundle.VerificationMaterial_X509CertificateChain{
				X509CertificateChain: &pcommon.X509CertificateChain{Certificates: []*pcommon.X509Certificate{cert}}},
			TlogEntries: []*prekor.TransparencyLogEntry{entry},
		},
		Content: &pbundle.Bundle_MessageSignature{MessageSignature: &pcommon.MessageSignature{
			MessageDigest: &pcommon.HashOutput{Algorithm: pcommon.HashAlgorithm_SHA2_256, Digest: s.Sum},
			Signature:     s.signature,
		}},
	}
	if p := e.Verification.InclusionProof; p != nil {
		proof := &prekor.InclusionProof{LogIndex: p.LogIndex, TreeSize: p.TreeSize,
			Checkpoint: &prekor.Checkpoint{Envelope: p.Checkpoint}}
		if proof.RootHash, err = hex.DecodeString(p.RootHash); err != nil {
			return nil, fmt.Errorf("inclusion proof: %w", err)
		}
		for _, h := range p.Hashes {
			hash, err := hex.DecodeString(h)
			if err != nil {
				return nil, fmt.Errorf("inclusion proof: %w", err)
			}
			proof.Hashes = append(proof.Hashes, hash)
		}
		entry.InclusionProof = proof
		b.MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
		b.VerificationMaterial.Content = &pbundle.VerificationMaterial_Certificate{Certificate: cert}
	}
	out, err := bundle.NewBundle(b)
	if err != nil {
		return nil, err
	}
	return &LoggedSignature{out, s.Sum}, nil
}

// JSON is the text of the bundle.
func (l *LoggedSignature) JSON() ([]byte, error) { return l.b.MarshalJSON() }

// Verify checks with sigstore-go: chain and SCT, exact identity, the log's signature
// over the entry and, where there is one, its inclusion proof, and the certificate at
// the time that the log signed for.
func (l *LoggedSignature) Verify(root *trust.Root, id trust.Identity) error {
	v, err := verify.NewVerifier(root.Material,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithIntegratedTimestamps(1))
	if err != nil {
		return err
	}
	who, err := verify.NewShortCertificateIdentity(id.Issuer, "", id.Subject, "")
	if err != nil {
		return err
	}
	_, err = v.Verify(l.b, verify.NewPolicy(verify.WithArtifactDigest("sha256", l.sum), verify.WithCertificateIdentity(who)))
	return err
}

// ParseLogged reads a bundle that [LoggedSignature.JSON] wrote, perhaps long ago,
// for a file of this SHA-256.
func ParseLogged(raw, sum []byte) (*LoggedSignature, error) {
	s, err := ParseBundle(raw)
	if err != nil {
		return nil, err
	}
	return &LoggedSignature{s.b, sum}, nil
}

// EntryOf is the way back: the one log entry of a bundle, not verified.
func EntryOf(raw []byte) (*LogEntry, error) {
	s, err := ParseBundle(raw)
	if err != nil {
		return nil, err
	}
	entries := s.b.GetVerificationMaterial().GetTlogEntries()
	if len(entries) != 1 {
		return nil, fmt.Errorf("%d log entries, want one", len(entries))
	}
	e := entries[0]
	out := &LogEntry{
		Body: base64.StdEncoding.EncodeToString(e.GetCanonicalizedBody()), IntegratedTime: e.GetIntegratedTime(),
		LogID: hex.EncodeToString(e.GetLogId().GetKeyId()), LogIndex: e.GetLogIndex(),
	}
	out.Verification.SignedEntryTimestamp = e.GetInclusionPromise().GetSignedEntryTimestamp()
	if p := e.GetInclusionProof(); p != nil {
		proof := &inclusionProof{Checkpoint: p.GetCheckpoint().GetEnvelope(), LogIndex: p.GetLogIndex(),
			RootHash: hex.EncodeToString(p.GetRootHash()), TreeSize: p.GetTreeSize()}
		for _, h := range p.GetHashes() {
			proof.Hashes = append(proof.Hashes, hex.EncodeToString(h))
		}
		out.Verification.InclusionProof = proof
	}
	err = out.readBody()
	return out, err
}
