package sigstore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/trust"
)

// The forms below are cosign's signature specification:
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
const (
	simpleSigningType     = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	bundleAnnotation      = "dev.sigstore.cosign/bundle"

	// MaxPayload caps a simple signing payload, in bytes. Real ones are under 400.
	MaxPayload = 64 << 10
)

// Signature is one layer of a ".sig" manifest, taken apart and type-checked. What
// it says is proved by [SignatureVerifier.Verify] alone.
type Signature struct {
	Payload  oci.Digest     // of the payload
	Identity trust.Identity // of the certificate, as it says itself

	// Of the log entry, set by ReadEntry.
	IntegratedTime int64 // seconds since 1970
	LogIndex       int64
	LogID          string // lower-case hex, as written

	signature string // base64
	cert      *x509.Certificate
	bundle    string // annotation that holds the log entry
	promise   []byte // signed entry timestamp
	body      string // base64 of the canonical log entry
	entry     *hashedRekord
}

// ParseSignature reads a signature out of its layer's annotations, but for its log
// entry. An error means that it cannot be read, not that it is false.
func ParseSignature(d registry.Descriptor) (*Signature, error) {
	if d.MediaType != simpleSigningType {
		return nil, fmt.Errorf("media type %q is not a cosign signature", d.MediaType)
	}
	if d.Size > MaxPayload {
		return nil, fmt.Errorf("payload of %d bytes, more than %d", d.Size, MaxPayload)
	}
	s := &Signature{Payload: d.Digest, signature: d.Annotations[signatureAnnotation], bundle: d.Annotations[bundleAnnotation]}
	if sig, err := base64.StdEncoding.Strict().DecodeString(s.signature); err != nil || len(sig) == 0 {
		return nil, errors.New("no signature in base64")
	}
	var err error
	if s.cert, err = oneCertificate([]byte(d.Annotations[certificateAnnotation])); err != nil {
		return nil, err
	}
	if s.Identity, err = identityOf(s.cert); err != nil {
		return nil, err
	}
	return s, nil
}

// ReadEntry reads the log entry beside the signature; the error is [ErrNoEntry] if
// there is none. It is apart from [ParseSignature] so that signatures of other
// signers cost nothing more.
func (s *Signature) ReadEntry() error {
	if s.bundle == "" {
		return ErrNoEntry
	}
	// Every field typed: cosign type-asserts the body and would panic on anything but a string.
	var b struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           string `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := strictJSON([]byte(s.bundle), &b); err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	p := b.Payload
	if id, err := hex.DecodeString(p.LogID); err != nil || len(id) != sha256.Size {
		return fmt.Errorf("log entry: log id %.70q is not a SHA-256", p.LogID)
	}
	if p.LogIndex < 0 || p.IntegratedTime <= 0 {
		return fmt.Errorf("log entry: index %d, time %d", p.LogIndex, p.IntegratedTime)
	}
	body, err := base64.StdEncoding.Strict().DecodeString(p.Body)
	if err != nil {
		return fmt.Errorf("log entry: body: %w", err)
	}
	if s.entry, err = parseHashedRekord(body); err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	s.promise, s.body = b.SignedEntryTimestamp, p.Body
	s.IntegratedTime, s.LogIndex, s.LogID = p.IntegratedTime, p.LogIndex, p.LogID
	return nil
}

// EntryMatches says whether the log entry is the one of this very signature,
// certificate and payload. A difference is a [*MismatchError]; without an entry the
// error is [ErrNoEntry].
func (s *Signature) EntryMatches() error {
	if s.entry == nil {
		return ErrNoEntry
	}
	return s.entry.is(s.Payload, s.signature, s.cert)
}

// LogKnown says whether the root knows the log of the entry.
func (s *Signature) LogKnown(r *trust.Root) bool {
	id, _ := hex.DecodeString(s.LogID)
	return r.KnowsLog(id)
}

// UnknownAuthority says in words which CA or CT log of the certificate the root
// does not know, or "" if it knows them all. It is asked after a verification
// failed: an authority that is not known makes the failure an "I cannot tell".
func (s *Signature) UnknownAuthority(r *trust.Root) string { return unknownAuthority(r, s.cert) }

// payload is a simple signing payload.
type payload struct {
	Critical struct {
		Identity struct {
			DockerReference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			DockerManifestDigest oci.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// ParsePayload reads a simple signing payload: the docker-reference that was signed,
// and the digest of the manifest, both as they are written.
func ParsePayload(b []byte) (reference string, digest oci.Digest, err error) {
	if err := strictjson.Check(b); err != nil {
		return "", "", err
	}
	var p payload
	if err := json.Unmarshal(b, &p); err != nil {
		return "", "", err
	}
	if p.Critical.Type != "cosign container image signature" {
		return "", "", fmt.Errorf("type %.60q is not a container image signature", p.Critical.Type)
	}
	return p.Critical.Identity.DockerReference, p.Critical.Image.DockerManifestDigest, nil
}
