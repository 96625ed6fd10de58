package sigstore

import (
	"bytes"
	"crypto/sha256"
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
	}{algorithm{oidSHA256}, sum[:]}, Serial(s.seed, string(message), at.String()), at.UTC().Truncate(time.Second)})
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
