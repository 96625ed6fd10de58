package sigstore

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/kverify/kverify/pkg/trust"
)

// oneCertificate reads exactly one PEM certificate with nothing after it.
func oneCertificate(b []byte) (*x509.Certificate, error) {
	block, err := oneBlock(b)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(block.Bytes)
}

func oneBlock(b []byte) (*pem.Block, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not one PEM certificate")
	}
	return block, nil
}

// Fulcio's certificate extensions:
// https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
var (
	oidIssuerV1 = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1} // raw text
	oidIssuerV2 = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8} // DER UTF8String
)

// identityOf reads who a certificate says it is of. The certificate is not
// verified here: this only sorts signatures before they are looked at.
//
// Every name counts, also of a kind that nothing here reads (otherName,
// directoryName, registeredID): a certificate of two names is of neither.
func identityOf(cert *x509.Certificate) (trust.Identity, error) {
	switch n, err := namesOf(cert); {
	case err != nil:
		return trust.Identity{}, err
	case n != 1:
		return trust.Identity{}, fmt.Errorf("certificate with %d subject alternative names, want one", n)
	}
	var id trust.Identity
	switch {
	case len(cert.EmailAddresses) == 1:
		id.Subject = cert.EmailAddresses[0]
	case len(cert.URIs) == 1:
		id.Subject = cert.URIs[0].String()
	default:
		return id, errors.New("certificate for another kind of name than a signer's")
	}
	var v1, v2 string
	for _, ext := range cert.Extensions {
		switch {
		case ext.Id.Equal(oidIssuerV1):
			v1 = string(ext.Value)
		case ext.Id.Equal(oidIssuerV2):
			if rest, err := asn1.UnmarshalWithParams(ext.Value, &v2, "utf8"); err != nil || len(rest) > 0 {
				return id, errors.New("certificate with an unreadable issuer extension")
			}
		}
	}
	if v1 != "" && v2 != "" && v1 != v2 {
		return id, fmt.Errorf("certificate that names two issuers, %.80q and %.80q", v1, v2)
	}
	if id.Issuer = v2; v2 == "" {
		id.Issuer = v1
	}
	return id, nil
}

// oidSubjectAltName is the extension that holds the names, RFC 5280 section 4.2.1.6.
var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// namesOf counts the names of a certificate, of whatever kind.
func namesOf(cert *x509.Certificate) (int, error) {
	n := 0
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return 0, errors.New("certificate with unreadable subject alternative names")
		}
		n += len(names)
	}
	return n, nil
}

// oidSCTList is the embedded list of signed certificate timestamps, RFC 6962 section 3.3.
var oidSCTList = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// unknownAuthority says in words which CA or CT log of the certificate the root
// does not know, or "" if it knows them all. It is asked only after a
// verification failed: an authority that is not known makes the failure an
// "I cannot tell", not a "this is false".
func unknownAuthority(root *trust.Root, cert *x509.Certificate) string {
	if !root.KnowsAuthority(cert.AuthorityKeyId) {
		return fmt.Sprintf("certificate authority %x", cert.AuthorityKeyId)
	}
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSCTList) })
	if i < 0 {
		return ""
	}
	var list []byte
	if rest, err := asn1.Unmarshal(cert.Extensions[i].Value, &list); err != nil || len(rest) > 0 || len(list) < 2 {
		return ""
	}
	unknown := ""
	for list = list[2:]; len(list) > 2+1+sha256.Size; {
		n := int(list[0])<<8 | int(list[1])
		if n < 1+sha256.Size || n > len(list)-2 {
			return ""
		}
		id := list[3 : 3+sha256.Size] // after the length and the version byte
		if root.KnowsCTLog(id) {
			return ""
		}
		unknown = fmt.Sprintf("certificate transparency log %x", id)
		list = list[2+n:]
	}
	return unknown
}
