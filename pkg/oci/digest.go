// Package oci has the one word of the OCI image specification that every other
// package says: a digest. It imports nothing of ours, so that files, images and
// reports name what they hashed in the same way.
package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Digest names content by its hash: "sha256:" and 64 lower-case hex digits, or
// "sha512:" and 128. That is the grammar of descriptors in the OCI image
// specification (opencontainers/image-spec, descriptor.md, "Digests"), of which
// only the two algorithms that it registers for use are taken.
//
// A Digest that was parsed or computed here is valid. One that was converted from
// a string, or read out of JSON, is what stood there: ask [Digest.Validate] before
// anything is looked up by it. The zero value names nothing, and is not valid.
//
// github.com/opencontainers/go-digest has the same grammar, but panics when a
// digest that was never validated is asked for its parts.
type Digest string

// The algorithms, as they stand before the colon.
const (
	SHA256 = "sha256"
	SHA512 = "sha512"
)

// DigestLen is the length of a SHA-256 digest in characters.
const DigestLen = len(SHA256) + 1 + 2*sha256.Size

// hexDigits is how many each algorithm has.
var hexDigits = map[string]int{SHA256: 64, SHA512: 128}

// InvalidDigestError says that a string is not a digest.
type InvalidDigestError struct{ Input string }

func (e *InvalidDigestError) Error() string {
	in := e.Input[:min(len(e.Input), 160)]
	return fmt.Sprintf("digest %+q is invalid; write sha256: and 64 lower-case hex digits, or sha512: and 128", in)
}

// ParseDigest reads a digest as it is written. It completes nothing: hex digits
// without their algorithm are an [*InvalidDigestError], as is an upper-case digit.
func ParseDigest(s string) (Digest, error) {
	d := Digest(s)
	return d, d.Validate()
}

// DigestOf gives the SHA-256 digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return FromHex(hex.EncodeToString(sum[:]))
}

// FromHash gives the digest of what was written to a SHA-256 hash.
func FromHash(h hash.Hash) Digest { return FromHex(hex.EncodeToString(h.Sum(nil))) }

// FromHex gives the SHA-256 digest of 64 lower-case hex digits, as lists of
// checksums write it. Whatever else it is given makes a digest that is invalid,
// and is equal to none that is valid.
func FromHex(digits string) Digest { return New(SHA256, digits) }

// New gives the digest of an algorithm's hex digits. As with [FromHex], what is no
// digest makes one that is invalid.
func New(algorithm, digits string) Digest { return Digest(algorithm + ":" + digits) }

// Validate gives an [*InvalidDigestError] unless d is a digest.
func (d Digest) Validate() error {
	if d.Hex() == "" {
		return &InvalidDigestError{Input: string(d)}
	}
	return nil
}

// IsSHA256 reports whether d is a valid SHA-256 digest, the only kind in use for
// Kubernetes' images.
func (d Digest) IsSHA256() bool { return d.Algorithm() == SHA256 }

// Algorithm gives "sha256" or "sha512", and nothing of a digest that is invalid.
func (d Digest) Algorithm() string {
	if d.Hex() == "" {
		return ""
	}
	name, _, _ := strings.Cut(string(d), ":")
	return name
}

// Hex gives the hex digits, and nothing of a digest that is invalid.
func (d Digest) Hex() string {
	name, digits, _ := strings.Cut(string(d), ":")
	if n := hexDigits[name]; n == 0 || len(digits) != n || !IsHex(digits) {
		return ""
	}
	return digits
}

// Bytes gives the hash itself, and nothing of a digest that is invalid.
func (d Digest) Bytes() []byte {
	sum, _ := hex.DecodeString(d.Hex()) // Hex has seen to its form
	return sum
}

// IsSum reports whether d is valid and its hex digits are one of those given,
// the SHA-256 and the SHA-512 of the same bytes; either may be empty.
func (d Digest) IsSum(sha256, sha512 string) bool {
	switch d.Algorithm() {
	case SHA256:
		return d.Hex() == sha256
	case SHA512:
		return d.Hex() == sha512
	}
	return false
}

// Tag gives the tag that stands for d where tags alone are to be had:
// "sha256-<hex>" (opencontainers/distribution-spec, "Referrers tag schema"), and
// nothing if d is invalid.
func (d Digest) Tag() string {
	if d.Hex() == "" {
		return ""
	}
	return d.Algorithm() + "-" + d.Hex()
}

// SignatureTag gives the tag under which cosign keeps the signatures of d:
// "sha256-<hex>.sig" (sigstore/cosign, specs/SIGNATURE_SPEC.md), and nothing if d
// is invalid.
func (d Digest) SignatureTag() string {
	if d.Hex() == "" {
		return ""
	}
	return d.Tag() + ".sig"
}

// Short gives the algorithm and the first twelve digits, enough for people to
// tell two apart; what is shorter stays as it is. It is not escaped.
func (d Digest) Short() string {
	return string(d[:min(len(d), len(SHA256)+1+12)])
}

// String gives d as it is written.
func (d Digest) String() string { return string(d) }

// IsHex reports whether s is not empty and all lower-case hex digits.
func IsHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
