package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
)

// DeriveKey turns names into a private key. There is no secret in it.
func DeriveKey(curve elliptic.Curve, names ...string) *ecdsa.PrivateKey {
	size := (curve.Params().BitSize + 7) / 8
	for i := 0; ; i++ {
		sum := sha512.Sum512(fmt.Appendf(nil, "kverify test key %q %d", names, i))
		// A scalar above the group order is refused; the next one will do.
		if key, err := ecdsa.ParseRawPrivateKey(curve, sum[:size]); err == nil {
			return key
		}
	}
}

// Serial is a serial number of 20 bytes, made of names.
func Serial(names ...string) *big.Int {
	sum := sha256.Sum256(fmt.Appendf(nil, "serial %q", names))
	sum[0] &= 0x7f
	return new(big.Int).SetBytes(sum[:20])
}

// signDigest signs deterministically (RFC 6979): no reader of randomness.
func signDigest(key *ecdsa.PrivateKey, digest []byte, h crypto.Hash) []byte {
	sig, err := key.Sign(nil, digest, h)
	must(err)
	return sig
}

func sign256(key *ecdsa.PrivateKey, message []byte) []byte {
	digest := sha256.Sum256(message)
	return signDigest(key, digest[:], crypto.SHA256)
}

func spki(pub *ecdsa.PublicKey) []byte {
	out, err := x509.MarshalPKIXPublicKey(pub)
	must(err)
	return out
}

func keyID(pub *ecdsa.PublicKey) []byte {
	point, err := pub.Bytes()
	must(err)
	sum := sha1.Sum(point)
	return sum[:]
}

// CertificatePEM is a certificate of these DER bytes in PEM.
func CertificatePEM(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// MustCertificate reads what was just made; an error is a mistake of the caller.
func MustCertificate(raw []byte, err error) *x509.Certificate {
	must(err)
	c, err := x509.ParseCertificate(raw)
	must(err)
	return c
}

func der(v any) []byte {
	out, err := asn1.Marshal(v)
	must(err)
	return out
}

func bits(b []byte) asn1.BitString { return asn1.BitString{Bytes: b, BitLength: 8 * len(b)} }

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// must is for errors that only a mistake in this package can cause.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("world/sigstore: %v", err))
	}
}
