package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/trust"
)

// SignatureVerifier verifies ".sig" layers of one identity with cosign's own code.
// It is immutable, and safe for use by several goroutines.
//
// cosign's zero values are unsafe (no identity accepts any signer), so that this
// is the one place where its options are made.
type SignatureVerifier struct{ opts *cosign.CheckOpts }

// NewSignatureVerifier returns one for exactly this issuer and subject, neither of
// which may be empty.
func NewSignatureVerifier(root *trust.Root, id trust.Identity) (*SignatureVerifier, error) {
	if id.Issuer == "" || id.Subject == "" {
		return nil, errors.New("an identity without issuer or subject would accept any signer")
	}
	return &SignatureVerifier{&cosign.CheckOpts{
		TrustedMaterial: root.Material,
		Identities:      []cosign.Identity{{Issuer: id.Issuer, Subject: id.Subject}},
	}}, nil
}

// Verify proves one signature over a payload that names a digest ("sha256:<hex>").
// The entry of s has been read.
//
// The steps are those of cosign.VerifyImageSignature, each by cosign's own
// function, but for the comparison of the entry with the signature: cosign
// parses and validates the entry anew for each of its fields, four times in all,
// which takes longer than the arithmetic. The entry was parsed strictly in
// [Signature.ReadEntry]. A test holds every answer against VerifyImageSignature's.
func (c *SignatureVerifier) Verify(ctx context.Context, s *Signature, payload []byte, digest oci.Digest) error {
	// The log entry is of this very signature, certificate and payload.
	if err := s.EntryMatches(); err != nil {
		return err
	}
	if s.Payload != oci.DigestOf(payload) {
		return errors.New("the payload is not the one that was signed")
	}
	// The payload names the digest.
	if _, named, err := ParsePayload(payload); err != nil {
		return err
	} else if named != digest {
		return &MismatchError{"the payload names another digest", string(digest), string(named)}
	}
	// The certificate: chain to the trusted root, SCT, issuer and subject.
	verifier, err := cosign.ValidateAndUnpackCert(s.cert, c.opts)
	if err != nil {
		return err
	}
	// The log signed the entry, with the key that it had then.
	logged := time.Unix(s.IntegratedTime, 0)
	key, err := logKey(c.opts.TrustedMaterial, s.LogID, logged)
	if err != nil {
		return err
	}
	entry := bundle.RekorPayload{Body: s.body, IntegratedTime: s.IntegratedTime, LogIndex: s.LogIndex, LogID: s.LogID}
	if err := cosign.VerifySET(entry, s.promise, key); err != nil {
		return err
	}
	// The certificate was valid when it did.
	if err := cosign.CheckExpiry(s.cert, logged); err != nil {
		return err
	}
	// The signature is over the payload.
	signature, err := base64.StdEncoding.DecodeString(s.signature)
	if err != nil {
		return err
	}
	return verifier.VerifySignature(bytes.NewReader(signature), bytes.NewReader(payload), options.WithContext(ctx))
}

// logKey is the key of a transparency log, which must have been the log's at
// the time: a key without a start of validity does not count.
func logKey(material root.TrustedMaterial, id string, at time.Time) (*ecdsa.PublicKey, error) {
	log, ok := material.RekorLogs()[id]
	if !ok {
		return nil, fmt.Errorf("transparency log %s is not in the trusted root", id)
	}
	if log.ValidityPeriodStart.IsZero() {
		return nil, fmt.Errorf("the key of transparency log %s has no start of validity", id)
	}
	if at.Before(log.ValidityPeriodStart) || !log.ValidityPeriodEnd.IsZero() && at.After(log.ValidityPeriodEnd) {
		return nil, fmt.Errorf("the key of transparency log %s was not valid at %s", id, at.UTC().Format(time.RFC3339))
	}
	key, ok := log.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the key of transparency log %s is a %T, want ECDSA", id, log.PublicKey)
	}
	return key, nil
}

// verifyPromise verifies the signed entry timestamp by the key that the log had then.
func verifyPromise(r *trust.Root, e *LogEntry, at time.Time) error {
	key, err := logKey(r.Material, e.LogID, at)
	if err != nil {
		return err
	}
	entry := bundle.RekorPayload{Body: e.Body, IntegratedTime: e.IntegratedTime, LogIndex: e.LogIndex, LogID: e.LogID}
	return cosign.VerifySET(entry, e.Verification.SignedEntryTimestamp, key)
}

// LoadPrivateKey reads a private key as "cosign generate-key-pair" writes it, and
// returns what signs a message with it. Its errors are short and hold nothing of the
// key.
func LoadPrivateKey(key, password []byte) (sign func([]byte) ([]byte, error), public crypto.PublicKey, err error) {
	signer, err := cosign.LoadPrivateKey(key, password, &[]signature.LoadOption{})
	if err != nil {
		return nil, nil, err
	}
	public, err = signer.PublicKey()
	return func(message []byte) ([]byte, error) { return signer.SignMessage(bytes.NewReader(message)) }, public, err
}

// GenerateKeyPair makes a pair of keys as "cosign generate-key-pair" does: ECDSA on P-256, the
// private key encrypted under the password, both in PEM.
func GenerateKeyPair(password []byte) (private, public []byte, err error) {
	pair, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return password, nil })
	if err != nil {
		return nil, nil, err
	}
	return pair.PrivateBytes, pair.PublicBytes, nil
}
