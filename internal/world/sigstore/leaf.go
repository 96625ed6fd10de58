package sigstore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"strings"
	"time"
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
	kind := 1 // rfc822Name (RFC 5280, 4.2.1.6), of people and service accounts
	if strings.HasPrefix(identity, "https://") {
		kind = 6 // uniformResourceIdentifier, of workflows
	}
	tbs := tbsCertificate{
		Version:   2,
		Serial:    Serial(s.seed, identity, at.String(), string(spki(pub))),
		Algorithm: alg,
		Issuer:    asn1.RawValue{FullBytes: s.Intermediate.RawSubject},
		Subject:   asn1.RawValue{FullBytes: []byte{0x30, 0}},
		PublicKey: asn1.RawValue{FullBytes: spki(pub)},
		Extensions: []pkix.Extension{
			{Id: oidKeyUsage, Critical: true, Value: der(asn1.BitString{Bytes: []byte{0x80}, BitLength: 1})},
			{Id: oidExtKeyUsage, Value: der([]asn1.ObjectIdentifier{oidCodeSigning})},
			{Id: oidSubjectKeyID, Value: der(keyID(pub))},
			{Id: oidAuthorityKeyID, Value: der([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: s.Intermediate.SubjectKeyId}})},
			{Id: oidSubjectAltName, Critical: true, Value: der([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: kind, Bytes: []byte(identity)}})},
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
	return MustCertificate(asn1.Marshal(struct {
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
