package sigstore

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	pbundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	pcommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/trust"
)

// maxBundle caps a Sigstore bundle. The largest attestations of Kubernetes are
// under 100 KB; statements about thousands of files stay under this.
const maxBundle = 16 << 20

// bundleTypes are the media types that the format names:
// https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
var bundleTypes = []string{
	"application/vnd.dev.sigstore.bundle+json;version=0.1",
	"application/vnd.dev.sigstore.bundle+json;version=0.2",
	"application/vnd.dev.sigstore.bundle+json;version=0.3",
	"application/vnd.dev.sigstore.bundle.v0.3+json",
}

// Bundle is a Sigstore bundle that was taken apart and not yet verified: what its
// methods return is what it says itself, until [Bundle.Verify] has proved it.
type Bundle struct {
	b          *bundle.Bundle
	cert       *x509.Certificate // nil if it was signed with a key
	identity   trust.Identity    // of the certificate, as it says itself
	digest     Digest            // of the artifact, for a message signature
	statement  *Statement        // for a DSSE envelope
	logs       [][]byte          // ids of the logs of its entries
	signature  []byte
	timestamps []signedTimestamp // RFC 3161
	promised   bool              // an entry has a signed entry timestamp
}

// ParseBundle reads a bundle of version 0.1 to 0.3, at most 16 MiB of JSON,
// strictly. An error means that it cannot be read, not that it is false.
func ParseBundle(raw []byte) (*Bundle, error) {
	if len(raw) > maxBundle {
		return nil, fmt.Errorf("a bundle of more than %d bytes", maxBundle)
	}
	if err := bounds.JSON(raw, bounds.Price{Item: 400, Object: 400, Value: 100}, bounds.Memory); err != nil {
		return nil, err
	}
	// sigstore-go takes further spellings of the type that the format does not have.
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
	s := &Bundle{b: new(bundle.Bundle)}
	if err := s.b.UnmarshalJSON(raw); err != nil { // refuses unknown fields and keys that appear twice
		return nil, trust.PlainError(raw, wanted, err)
	}
	material := s.b.GetVerificationMaterial()
	for _, read := range []func(*pbundle.VerificationMaterial) error{s.readCertificates, s.readEntries, s.readTimestamps} {
		if err := read(material); err != nil {
			return nil, err
		}
	}
	content := s.readEnvelope
	if s.b.GetMessageSignature() != nil {
		content = s.readMessage
	}
	if err := content(); err != nil {
		return nil, err
	}
	return s, nil
}

// readCertificates reads who signed: a certificate, which names an identity, or
// the name of a key.
func (s *Bundle) readCertificates(material *pbundle.VerificationMaterial) error {
	chain := material.GetX509CertificateChain().GetCertificates()
	if c := material.GetCertificate(); c != nil {
		chain = []*pcommon.X509Certificate{c}
	}
	for i, c := range chain {
		cert, err := x509.ParseCertificate(c.GetRawBytes())
		if err != nil {
			return fmt.Errorf("certificate %d: %w", i+1, err)
		}
		// Trust comes from the trusted root alone; the format forbids a root here.
		if bytes.Equal(cert.RawIssuer, cert.RawSubject) && cert.CheckSignatureFrom(cert) == nil || i == 0 && cert.IsCA {
			return fmt.Errorf("certificate %d is of a certificate authority itself, which a bundle may not bring along", i+1)
		}
		if i == 0 {
			s.cert = cert
			if s.identity, err = identityOf(cert); err != nil {
				return err
			}
		}
	}
	if s.cert == nil && material.GetPublicKey() == nil {
		return errors.New("it has neither a certificate nor a key's name")
	}
	return nil
}

func (s *Bundle) readEntries(material *pbundle.VerificationMaterial) error {
	for i, e := range material.GetTlogEntries() {
		if err := checkEntry(e); err != nil {
			return fmt.Errorf("log entry %d: %w", i+1, err)
		}
		s.logs = append(s.logs, e.GetLogId().GetKeyId())
		s.promised = s.promised || len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0
	}
	return nil
}

func (s *Bundle) readTimestamps(material *pbundle.VerificationMaterial) error {
	list := material.GetTimestampVerificationData().GetRfc3161Timestamps()
	if len(list) > maxTimestamps {
		return fmt.Errorf("%d timestamps, more than %d", len(list), maxTimestamps)
	}
	for i, raw := range list {
		one, err := parseTimestamp(raw.GetSignedTimestamp())
		if err != nil {
			return fmt.Errorf("timestamp %d: %w", i+1, err)
		}
		s.timestamps = append(s.timestamps, one)
	}
	return nil
}

// readMessage reads a signature over an artifact's bytes.
func (s *Bundle) readMessage() error {
	m := s.b.GetMessageSignature()
	name, ok := map[pcommon.HashAlgorithm]string{pcommon.HashAlgorithm_SHA2_256: "sha256",
		pcommon.HashAlgorithm_SHA2_384: "sha384", pcommon.HashAlgorithm_SHA2_512: "sha512"}[m.GetMessageDigest().GetAlgorithm()]
	if !ok || len(m.GetSignature()) == 0 {
		return errors.New("a message signature without signature or digest")
	}
	s.digest, s.signature = Digest{name, m.GetMessageDigest().GetDigest()}, m.GetSignature()
	return nil
}

// readEnvelope reads a signature over a statement, in an envelope (DSSE):
// https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
func (s *Bundle) readEnvelope() error {
	e := s.b.GetDsseEnvelope()
	if e.GetPayloadType() != inTotoType {
		return fmt.Errorf("an envelope of %.60q, want %s", e.GetPayloadType(), inTotoType)
	}
	if len(e.GetSignatures()) != 1 {
		return fmt.Errorf("an envelope with %d signatures, want one", len(e.GetSignatures()))
	}
	s.signature = e.GetSignatures()[0].GetSig()
	var err error
	if s.statement, err = ParseStatement(e.GetPayload()); err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	// sigstore-go reads it once more when it verifies, more narrowly: what it cannot read is not forged.
	envelope, err := s.b.Envelope()
	if err != nil {
		return fmt.Errorf("envelope: %w", err)
	}
	if _, err := envelope.Statement(); err != nil {
		return fmt.Errorf("statement: it has members that in-toto's form does not have, or a predicate that is no JSON object: %w", err)
	}
	return nil
}

// Identity is whom the bundle's certificate names; zero for a signature by a key.
func (s *Bundle) Identity() trust.Identity { return s.identity }

// Statement is what its envelope says; nil if it signs an artifact's bytes.
func (s *Bundle) Statement() *Statement { return s.statement }

// Payload is the text of that statement as it was signed; empty if there is none.
func (s *Bundle) Payload() []byte { return s.b.GetDsseEnvelope().GetPayload() }

// Logged says whether it holds an entry of a transparency log.
func (s *Bundle) Logged() bool { return len(s.logs) > 0 }

// IsOf says whether the bundle says that it is of this digest.
func (s *Bundle) IsOf(d Digest) bool {
	if s.statement != nil {
		return s.statement.Names(d)
	}
	return s.digest.String() == d.String()
}

// About says in words which artifacts the bundle says that it is of.
func (s *Bundle) About() string {
	if s.statement == nil {
		return s.digest.String()
	}
	if len(s.statement.Subject) == 1 {
		return fmt.Sprintf("%.100q", s.statement.Subject[0].Name)
	}
	return fmt.Sprintf("%d other artifacts", len(s.statement.Subject))
}
