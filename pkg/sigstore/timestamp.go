package sigstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kverify/kverify/pkg/trust"
)

// maxTimestamps caps the timestamps of one bundle; real ones have one or two.
const maxTimestamps = 8

// signedTimestamp is an RFC 3161 timestamp that was read and not yet verified.
type signedTimestamp struct {
	raw    []byte
	issuer []byte // DER of the name that issued the authority's certificate
	serial *big.Int
}

// parseTimestamp reads a TimeStampResp (RFC 3161, 2.4.2). One that cannot be read is
// an error here, though it might not be needed: no tool writes such a one, and it
// must not be passed over.
func parseTimestamp(raw []byte) (signedTimestamp, error) {
	token, err := timestamp.ParseResponse(raw)
	if err != nil {
		return signedTimestamp{}, err
	}
	signed, err := pkcs7.Parse(token.RawToken)
	if err != nil {
		return signedTimestamp{}, err
	}
	if len(signed.Signers) != 1 {
		return signedTimestamp{}, fmt.Errorf("signed %d times, want once", len(signed.Signers))
	}
	by := signed.Signers[0].IssuerAndSerialNumber
	return signedTimestamp{raw, by.IssuerName.FullBytes, by.SerialNumber}, nil
}

// namesAuthorityOf says whether the timestamp names an authority of the trusted root as
// its signer. It proves nothing.
func (s signedTimestamp) namesAuthorityOf(r *trust.Root) bool {
	for _, authority := range r.Material.TimestampingAuthorities() {
		a, ok := authority.(*root.SigstoreTimestampingAuthority)
		if !ok {
			continue
		}
		if a.Leaf != nil && bytes.Equal(a.Leaf.RawIssuer, s.issuer) && a.Leaf.SerialNumber.Cmp(s.serial) == 0 {
			return true
		}
		for _, ca := range append(slices.Clip(a.Intermediates), a.Root) {
			if a.Leaf == nil && ca != nil && bytes.Equal(ca.RawSubject, s.issuer) {
				return true
			}
		}
	}
	return false
}

// verify proves a timestamp over a signature, by the authorities of the root and
// within the time for which it knows them.
func (s signedTimestamp) verify(r *trust.Root, signature []byte) (time.Time, error) {
	var errs []error
	for _, authority := range r.Material.TimestampingAuthorities() {
		t, err := authority.Verify(s.raw, signature)
		if err == nil {
			return t.Time, nil
		}
		errs = append(errs, err)
	}
	return time.Time{}, errors.Join(errs...)
}
