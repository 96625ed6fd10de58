package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/kverify/kverify/pkg/trust"
)

// cosignVerifier verifies legacy ".sig" layers with cosign's own code. It is
// immutable, and shared by all workers.
//
// cosign's zero values are unsafe (no identity accepts any signer), so that this
// is the one place where its options are made.
type cosignVerifier struct{ opts *cosign.CheckOpts }

func newCosignVerifier(root *trust.Root, id trust.Identity) (*cosignVerifier, error) {
	if id.Issuer == "" || id.Subject == "" {
		return nil, errors.New("an identity without issuer or subject would accept any signer")
	}
	return &cosignVerifier{&cosign.CheckOpts{
		TrustedMaterial: root.Material,
		Identities:      []cosign.Identity{{Issuer: id.Issuer, Subject: id.Subject}},
	}}, nil
}

// verify checks, for one layer: that its log entry is of this very signature,
// certificate and payload; the certificate's chain to the trusted root, its
// SCT, issuer and subject; that the log signed the entry; that the certificate
// was valid when it did; the signature over the payload; and that the payload
// names digest ("sha256:<hex>").
//
// The steps are those of cosign.VerifyImageSignature, each by cosign's own
// function, but for the comparison of the entry with the signature: cosign
// parses and validates the entry anew for each of its fields, four times in all,
// which takes longer than the arithmetic. The entry was parsed strictly in
// layer.parseBundle. A test holds every answer against VerifyImageSignature's.
func (c *cosignVerifier) verify(ctx context.Context, l *layer, payload []byte, digest string) error {
	if err := l.ofThis(); err != nil {
		return err
	}
	if sum := sha256.Sum256(payload); l.digest != "sha256:"+hex.EncodeToString(sum[:]) {
		return errors.New("the payload is not the one that was signed")
	}
	if _, named, err := parsePayload(payload); err != nil {
		return err
	} else if named != digest {
		return &mismatchError{"the payload names another digest", digest, named}
	}
	verifier, err := cosign.ValidateAndUnpackCert(l.cert, c.opts)
	if err != nil {
		return err
	}
	logged := time.Unix(l.integratedTime, 0)
	key, err := logKey(c.opts.TrustedMaterial, l.logID, logged)
	if err != nil {
		return err
	}
	entry := bundle.RekorPayload{Body: l.body, IntegratedTime: l.integratedTime, LogIndex: l.logIndex, LogID: l.logID}
	if err := cosign.VerifySET(entry, l.set, key); err != nil {
		return err
	}
	if err := cosign.CheckExpiry(l.cert, logged); err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(l.signature)
	if err != nil {
		return err
	}
	return verifier.VerifySignature(bytes.NewReader(signature), bytes.NewReader(payload), options.WithContext(ctx))
}

// logKey is the key of a transparency log, which must have been the log's at
// the time: a key with no start of validity is no key.
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

// promised verifies the signed entry timestamp by the key that the log had then.
func (r *run) promised(e *logEntry, at time.Time) error {
	key, err := logKey(r.Root.Material, e.LogID, at)
	if err != nil {
		return err
	}
	entry := bundle.RekorPayload{Body: e.Body, IntegratedTime: e.IntegratedTime, LogIndex: e.LogIndex, LogID: e.LogID}
	return cosign.VerifySET(entry, e.Verification.SignedEntryTimestamp, key)
}

// loadSigner reads a private key that cosign wrote. Its errors are short and
// hold nothing of the key.
func loadSigner(key, password []byte) (sign func([]byte) ([]byte, error), public crypto.PublicKey, err error) {
	signer, err := cosign.LoadPrivateKey(key, password, &[]signature.LoadOption{})
	if err != nil {
		return nil, nil, err
	}
	public, err = signer.PublicKey()
	return func(message []byte) ([]byte, error) { return signer.SignMessage(bytes.NewReader(message)) }, public, err
}
