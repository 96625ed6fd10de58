package verify

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/kverify/kverify/pkg/trust"
)

// cosignVerifier verifies legacy ".sig" layers with cosign's own code. It is
// immutable, and shared by all workers.
//
// cosign's zero values are unsafe (no claim verifier accepts a signature copied
// from another digest, no identity accepts any signer), so that this is the one
// place where its options are made.
type cosignVerifier struct{ opts *cosign.CheckOpts }

func newCosignVerifier(root *trust.Root, id trust.Identity) (*cosignVerifier, error) {
	if id.Issuer == "" || id.Subject == "" {
		return nil, errors.New("an identity without issuer or subject would accept any signer")
	}
	return &cosignVerifier{&cosign.CheckOpts{
		TrustedMaterial: root.Material,
		ClaimVerifier:   cosign.SimpleClaimVerifier,
		Identities:      []cosign.Identity{{Issuer: id.Issuer, Subject: id.Subject}},
		Offline:         true, // the signed entry timestamp travels with the layer; nothing here asks a log
	}}, nil
}

// verify checks, for one layer: the certificate's chain to the trusted root and
// its SCT, issuer and subject; that the log signed this very entry; that the
// certificate was valid when it did; the signature over the payload; and that
// the payload names digest ("sha256:<hex>").
//
// The layer must have passed layer.check: cosign panics on a log entry whose
// body is no string, and trusts the shape of more than that.
func (c *cosignVerifier) verify(ctx context.Context, l *layer, payload []byte, digest string) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	sig, err := static.NewSignature(payload, l.signature,
		static.WithCertChain(l.certPEM, nil), // the chain comes from the trusted root, never from the registry
		static.WithBundle(&bundle.RekorBundle{
			SignedEntryTimestamp: l.set,
			Payload: bundle.RekorPayload{
				Body:           l.body,
				IntegratedTime: l.integratedTime,
				LogIndex:       l.logIndex,
				LogID:          l.logID,
			},
		}))
	if err != nil {
		return err
	}
	logged, err := cosign.VerifyImageSignature(ctx, sig, h, c.opts)
	if err != nil {
		return err
	}
	if !logged {
		return fmt.Errorf("the signature verified without its log entry")
	}
	return nil
}
