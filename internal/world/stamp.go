package world

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"
)

// Stamp says how a signature is timestamped by an RFC 3161 authority. The zero
// value is what a client asks for: the world's authority, the time of the
// signature, no certificate in the token.
type Stamp struct {
	Time  time.Time // LogTime of the signing if zero
	By    *Sigstore // the signing's CA if nil
	Of    []byte    // what is stamped; the signature if nil
	Embed bool      // put the authority's certificate into the token
}

// Object identifiers of RFC 5652 (CMS), RFC 3161 and RFC 5035.
var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidECDSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidTimeStamping  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidStampPolicy   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
)

// NewAuthority makes the timestamp authority's root and certificate anew, the
// latter valid until a time: what was stamped before names the old one.
func (s *Sigstore) NewAuthority(until time.Time) {
	s.StampKey = deriveKey(elliptic.P256(), s.seed, "timestamps")
	rootKey := deriveKey(elliptic.P256(), s.seed, "timestamp root")
	organization := []string{"kverify test, not sigstore.dev"}
	root := &x509.Certificate{
		SerialNumber: serial(s.seed, "timestamp root"), Subject: pkix.Name{Organization: organization, CommonName: "kverify-test-tsa-selfsigned"},
		NotBefore: Opened, NotAfter: Opened.AddDate(30, 0, 0), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, SubjectKeyId: keyID(&rootKey.PublicKey),
	}
	s.StampRoot = mustCertificate(x509.CreateCertificate(nil, root, root, &rootKey.PublicKey, rootKey))
	leaf := &x509.Certificate{
		SerialNumber: serial(s.seed, "timestamps"), Subject: pkix.Name{Organization: organization, CommonName: "kverify-test-tsa"},
		NotBefore: Opened, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		SubjectKeyId: keyID(&s.StampKey.PublicKey), AuthorityKeyId: s.StampRoot.SubjectKeyId,
		// RFC 3161, 2.3: the purpose alone, and critical.
		ExtraExtensions: []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: der([]asn1.ObjectIdentifier{oidTimeStamping})}},
	}
	s.StampLeaf = mustCertificate(x509.CreateCertificate(nil, leaf, s.StampRoot, &s.StampKey.PublicKey, rootKey))
}

type algorithm struct{ Algorithm asn1.ObjectIdentifier }

func explicit(tag int, content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: content}
}

func setOf(elements ...[]byte) asn1.RawValue {
	slices.SortFunc(elements, bytes.Compare) // DER
	return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: slices.Concat(elements...)}
}

// Timestamp is a TimeStampResp (RFC 3161, 2.4.2) over a message.
func (s *Sigstore) Timestamp(message []byte, at time.Time, embed bool) []byte {
	sum := sha256.Sum256(message)
	info := der(struct {
		Version        int
		Policy         asn1.ObjectIdentifier
		MessageImprint struct {
			Hash  algorithm
			Value []byte
		}
		Serial *big.Int
		Time   time.Time `asn1:"generalized"`
	}{1, oidStampPolicy, struct {
		Hash  algorithm
		Value []byte
	}{algorithm{oidSHA256}, sum[:]}, serial(s.seed, string(message), at.String()), at.UTC().Truncate(time.Second)})
	digest := sha256.Sum256(info)
	type attribute struct {
		Type   asn1.ObjectIdentifier
		Values asn1.RawValue
	}
	certificate := sha256.Sum256(s.StampLeaf.Raw)
	attributes := setOf(
		der(attribute{oidContentType, setOf(der(oidTSTInfo))}),
		der(attribute{oidMessageDigest, setOf(der(digest[:]))}),
		der(attribute{oidSigningTime, setOf(der(at.UTC().Truncate(time.Second)))}),
		der(attribute{oidSigningCertV2, setOf(der(struct{ Certs []struct{ Hash []byte } }{[]struct{ Hash []byte }{{certificate[:]}}}))}),
	)
	signer := der(struct {
		Version int
		Issuer  struct {
			Name   asn1.RawValue
			Serial *big.Int
		}
		Digest     algorithm
		Attributes asn1.RawValue
		Algorithm  algorithm
		Signature  []byte
	}{1, struct {
		Name   asn1.RawValue
		Serial *big.Int
	}{asn1.RawValue{FullBytes: s.StampLeaf.RawIssuer}, s.StampLeaf.SerialNumber}, algorithm{oidSHA256},
		explicit(0, attributes.Bytes), algorithm{oidECDSASHA256}, sign256(s.StampKey, der(attributes))})
	content := [][]byte{der(3), der(setOf(der(algorithm{oidSHA256}))), der(struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{oidTSTInfo, explicit(0, der(info))})}
	if embed {
		content = append(content, der(explicit(0, s.StampLeaf.Raw)))
	}
	content = append(content, der(setOf(signer)))
	signedData := der(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(content...)})
	return der(struct {
		Status struct{ Status int }
		Token  struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue
		}
	}{Token: struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{oidSignedData, explicit(0, signedData)}})
}
