package world

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Sigstore is a certificate authority, a certificate transparency log, a
// signature log of each generation and a timestamp authority, with the curves of
// the public-good instance: P-384 for root and intermediate, P-256 for leaf
// certificates and logs, Ed25519 for the tile-based one. Its keys are
// derived from a seed, so that the same seed signs the same bytes, always.
//
// It protects nothing: whoever reads this file has its keys. All its exported
// fields are an attacker's to use.
type Sigstore struct {
	Root, Intermediate       *x509.Certificate
	RootKey, IntermediateKey *ecdsa.PrivateKey
	CTKey, LogKey            *ecdsa.PrivateKey
	Log                      *Log
	Tiles                    *Tiles
	StampRoot, StampLeaf     *x509.Certificate
	StampKey                 *ecdsa.PrivateKey

	seed string
}

// Opened is the time from which the trusted root accepts everything, earlier
// than any signature that a world holds.
var Opened = time.Date(2021, 1, 12, 11, 53, 27, 0, time.UTC)

// NewSigstore makes the Sigstore of a seed. Two seeds never trust each other.
func NewSigstore(seed string) *Sigstore {
	s := &Sigstore{
		seed:            seed,
		RootKey:         deriveKey(elliptic.P384(), seed, "root"),
		IntermediateKey: deriveKey(elliptic.P384(), seed, "intermediate"),
		CTKey:           deriveKey(elliptic.P256(), seed, "ct log"),
		LogKey:          deriveKey(elliptic.P256(), seed, "rekor"),
	}
	rootName := pkix.Name{Organization: []string{"kverify test, not sigstore.dev"}, CommonName: "kverify-test-root"}
	root := &x509.Certificate{
		SerialNumber:          serial(seed, "root"),
		Subject:               rootName,
		NotBefore:             Opened,
		NotAfter:              Opened.AddDate(30, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          keyID(&s.RootKey.PublicKey),
	}
	s.Root = mustCertificate(x509.CreateCertificate(nil, root, root, &s.RootKey.PublicKey, s.RootKey))
	intermediate := &x509.Certificate{
		SerialNumber:          serial(seed, "intermediate"),
		Subject:               pkix.Name{Organization: rootName.Organization, CommonName: "kverify-test-intermediate"},
		NotBefore:             Opened,
		NotAfter:              Opened.AddDate(29, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          keyID(&s.IntermediateKey.PublicKey),
		AuthorityKeyId:        s.Root.SubjectKeyId,
	}
	s.Intermediate = mustCertificate(x509.CreateCertificate(nil, intermediate, s.Root, &s.IntermediateKey.PublicKey, s.RootKey))
	s.Log, s.Tiles = newLog(s.LogKey), newTiles(seed)
	s.NewAuthority(Opened.AddDate(20, 0, 0))
	return s
}

// clone shares the keys and copies the log, so that what is logged in one
// world does not appear in another.
func (s *Sigstore) clone() *Sigstore {
	c := *s
	c.Log, c.Tiles = s.Log.clone(), s.Tiles.clone()
	return &c
}

// ChainPEM returns intermediate and root, as the chain annotation holds them.
func (s *Sigstore) ChainPEM() []byte {
	return append(certificatePEM(s.Intermediate.Raw), certificatePEM(s.Root.Raw)...)
}

// TrustedRootJSON returns the trusted root of this Sigstore, media type
// application/vnd.dev.sigstore.trustedroot+json;version=0.1.
// Format: github.com/sigstore/protobuf-specs, sigstore_trustroot.proto.
func (s *Sigstore) TrustedRootJSON() []byte {
	type m = map[string]any
	validFor := m{"start": Opened.Format(time.RFC3339)}
	log := func(url string, key *ecdsa.PrivateKey) m {
		id := sha256.Sum256(spki(&key.PublicKey))
		return m{
			"baseUrl":       url,
			"hashAlgorithm": "SHA2_256",
			"publicKey":     m{"rawBytes": spki(&key.PublicKey), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": validFor},
			"logId":         m{"keyId": id[:]},
		}
	}
	tiles := m{
		"baseUrl":       "https://" + s.Tiles.Origin,
		"hashAlgorithm": "SHA2_256",
		"publicKey": m{"rawBytes": s.Tiles.publicKey(), "keyDetails": "PKIX_ED25519",
			"validFor": m{"start": TilesOpened.Format(time.RFC3339)}},
		"logId": m{"keyId": s.Tiles.ID()},
	}
	out, err := json.MarshalIndent(m{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":     []m{log("https://"+HostRekor, s.LogKey), tiles},
		"timestampAuthorities": []m{{
			"subject":   m{"organization": s.StampRoot.Subject.Organization[0], "commonName": s.StampRoot.Subject.CommonName},
			"uri":       "https://timestamp.sigstore.dev/api/v1/timestamp",
			"certChain": m{"certificates": []m{{"rawBytes": s.StampLeaf.Raw}, {"rawBytes": s.StampRoot.Raw}}},
			"validFor":  validFor,
		}},
		"certificateAuthorities": []m{{
			"subject":   m{"organization": s.Root.Subject.Organization[0], "commonName": s.Root.Subject.CommonName},
			"uri":       "https://fulcio.sigstore.dev",
			"certChain": m{"certificates": []m{{"rawBytes": s.Intermediate.Raw}, {"rawBytes": s.Root.Raw}}},
			"validFor":  validFor,
		}},
		"ctlogs": []m{log("https://ctfe.sigstore.dev/2022", s.CTKey)},
	}, "", "  ")
	must(err)
	return append(out, '\n')
}

// Object identifiers of Fulcio's certificates
// (github.com/sigstore/fulcio, docs/oid-info.md) and of RFC 6962, 3.3.
var (
	oidIssuerRaw      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidIssuer         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidSCTs           = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	oidKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSubjectKeyID   = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidCodeSigning    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidECDSASHA384    = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
)

type tbsCertificate struct {
	Version    int `asn1:"explicit,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   struct{ NotBefore, NotAfter time.Time }
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:3"`
}

// leaf issues a certificate of ten minutes for an identity: empty subject, the
// identity in a critical subjectAltName, the issuer twice, an SCT of ct unless
// ct is nil. It builds the bytes itself because the SCT signs the certificate
// without its own extension, and because x509.CreateCertificate would make
// and check a P-384 signature twice for each of some hundred certificates.
func (s *Sigstore) leaf(pub *ecdsa.PublicKey, identity, issuer string, at time.Time, ct *ecdsa.PrivateKey, extensions []byte) *x509.Certificate {
	at = at.UTC().Truncate(time.Second)
	alg := pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA384}
	tbs := tbsCertificate{
		Version:   2,
		Serial:    serial(s.seed, identity, at.String(), string(spki(pub))),
		Algorithm: alg,
		Issuer:    asn1.RawValue{FullBytes: s.Intermediate.RawSubject},
		Subject:   asn1.RawValue{FullBytes: []byte{0x30, 0}},
		PublicKey: asn1.RawValue{FullBytes: spki(pub)},
		Extensions: []pkix.Extension{
			{Id: oidKeyUsage, Critical: true, Value: der(asn1.BitString{Bytes: []byte{0x80}, BitLength: 1})},
			{Id: oidExtKeyUsage, Value: der([]asn1.ObjectIdentifier{oidCodeSigning})},
			{Id: oidSubjectKeyID, Value: der(keyID(pub))},
			{Id: oidAuthorityKeyID, Value: der([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: s.Intermediate.SubjectKeyId}})},
			{Id: oidSubjectAltName, Critical: true, Value: der([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte(identity)}})},
			{Id: oidIssuerRaw, Value: []byte(issuer)},
			{Id: oidIssuer, Value: der(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(issuer)})},
		},
	}
	tbs.Validity.NotBefore, tbs.Validity.NotAfter = at, at.Add(10*time.Minute)
	if ct != nil {
		list := s.sctList(ct, der(tbs), at, extensions)
		tbs.Extensions = append(tbs.Extensions, pkix.Extension{Id: oidSCTs, Value: der(list)})
	}
	raw := der(tbs)
	digest := sha512.Sum384(raw)
	return mustCertificate(asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: raw}, alg, bits(signDigest(s.IntermediateKey, digest[:], crypto.SHA384))}))
}

// sctList is a SignedCertificateTimestampList with one entry over a
// precertificate's TBS bytes (RFC 6962, 3.2 and 3.3).
func (s *Sigstore) sctList(ct *ecdsa.PrivateKey, tbs []byte, at time.Time, extensions []byte) []byte {
	millis := uint64(at.UnixMilli()) + 451
	issuerKeyHash := sha256.Sum256(s.Intermediate.RawSubjectPublicKeyInfo)
	var in bytes.Buffer
	in.Write([]byte{0, 0}) // v1, certificate_timestamp
	in.Write(binary.BigEndian.AppendUint64(nil, millis))
	in.Write([]byte{0, 1}) // precert_entry
	in.Write(issuerKeyHash[:])
	in.Write([]byte{byte(len(tbs) >> 16), byte(len(tbs) >> 8), byte(len(tbs))})
	in.Write(tbs)
	extended := append(binary.BigEndian.AppendUint16(nil, uint16(len(extensions))), extensions...)
	in.Write(extended)
	sig := sign256(ct, in.Bytes())

	id := sha256.Sum256(spki(&ct.PublicKey))
	sct := append([]byte{0}, id[:]...)
	sct = binary.BigEndian.AppendUint64(sct, millis)
	sct = append(sct, extended...)
	sct = append(sct, 4, 3) // sha256, ecdsa
	sct = binary.BigEndian.AppendUint16(sct, uint16(len(sig)))
	sct = append(sct, sig...)

	list := binary.BigEndian.AppendUint16(nil, uint16(len(sct)+2))
	list = binary.BigEndian.AppendUint16(list, uint16(len(sct)))
	return append(list, sct...)
}

// deriveKey turns names into a private key. There is no secret in it.
func deriveKey(curve elliptic.Curve, names ...string) *ecdsa.PrivateKey {
	size := (curve.Params().BitSize + 7) / 8
	for i := 0; ; i++ {
		sum := sha512.Sum512(fmt.Appendf(nil, "kverify test key %q %d", names, i))
		// A scalar above the group order is refused; the next one will do.
		if key, err := ecdsa.ParseRawPrivateKey(curve, sum[:size]); err == nil {
			return key
		}
	}
}

func serial(names ...string) *big.Int {
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

func certificatePEM(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func mustCertificate(raw []byte, err error) *x509.Certificate {
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
		panic(fmt.Sprintf("world: %v", err))
	}
}
