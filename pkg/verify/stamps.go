package verify

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kverify/kverify/pkg/trust"
)

// maxStamps caps the timestamps of one bundle; real ones have one or two.
const maxStamps = 8

// stamp is an RFC 3161 timestamp that was read and not yet verified.
type stamp struct {
	raw    []byte
	issuer []byte // DER of the name that issued the authority's certificate
	serial *big.Int
}

// parseStamp reads a TimeStampResp (RFC 3161, 2.4.2). One that cannot be read is
// an error here, though it might not be needed: nobody writes such a one, and it
// must not be passed over.
func parseStamp(raw []byte) (stamp, error) {
	token, err := timestamp.ParseResponse(raw)
	if err != nil {
		return stamp{}, err
	}
	signed, err := pkcs7.Parse(token.RawToken)
	if err != nil {
		return stamp{}, err
	}
	if len(signed.Signers) != 1 || signed.Signers[0].IssuerAndSerialNumber.SerialNumber == nil {
		return stamp{}, fmt.Errorf("signed %d times, want once and by a named certificate", len(signed.Signers))
	}
	by := signed.Signers[0].IssuerAndSerialNumber
	return stamp{raw, by.IssuerName.FullBytes, by.SerialNumber}, nil
}

// knownTo says whether the timestamp names an authority of the trusted root as
// its signer. It proves nothing.
func (s stamp) knownTo(r *trust.Root) bool {
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
func (s stamp) verify(r *trust.Root, signature []byte) (time.Time, error) {
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

// strangers counts the timestamps by authorities that the root does not know.
func (s *sealed) strangers(r *trust.Root) (n int) {
	for _, one := range s.stamps {
		if !one.knownTo(r) {
			n++
		}
	}
	return n
}

// stamped verifies every timestamp by an authority that the root knows, and
// returns their times: one that does not hold is not covered up by another, nor
// by the log's time. sigstore-go is content with the first.
func (s *sealed) stamped(r *trust.Root) (times []time.Time, err error) {
	for i, one := range s.stamps {
		if !one.knownTo(r) {
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

// olderTree is how checkpoints of Rekor v1 name their tree: origin and tree id.
var olderTree = regexp.MustCompile(` - [0-9]+$`)

// checkGeneration refuses an entry of the newer log (Rekor v2) under a checkpoint
// of the older one's form. sigstore-go looks at the checkpoint to choose how an
// entry is verified and at the entry to choose what is compared with it; one of
// each kind would be compared with nothing.
func checkGeneration(version, origin string, promised bool) error {
	tiled := version == "0.0.2"
	switch {
	case tiled && olderTree.MatchString(origin):
		return fmt.Errorf("an entry of version %s under a checkpoint of the older log's form, %.80q", version, origin)
	case tiled && promised:
		return fmt.Errorf("an entry of version %s with a promise, which its log does not give", version)
	}
	return nil
}
