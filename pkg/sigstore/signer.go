package sigstore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/trust"
)

// Signer says who must have signed: exactly one of the two is set.
type Signer struct {
	Identity trust.Identity   // exact issuer and subject of a certificate
	Key      crypto.PublicKey // of a signature without certificate
}

func (w Signer) String() string {
	if w.Key != nil {
		return "the key"
	}
	return fmt.Sprintf("%s (%s)", w.Identity.Subject, w.Identity.Issuer)
}

// ParseKey reads one public key, PEM of a PKIX structure ("PUBLIC KEY", RFC 7468
// section 13).
func ParseKey(text []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(bounds.WithoutBOM(text))
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not one public key in PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its PEM holds no public key that can be read")
	}
	return key, nil
}

// VerifyMessage checks a plain signature by a key over a message, which is all
// that it proves: no log, no time.
func VerifyMessage(key crypto.PublicKey, sig, message []byte) error {
	v, err := signature.LoadDefaultVerifier(key)
	if err != nil {
		return err
	}
	return v.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message))
}
