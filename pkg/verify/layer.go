package verify

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/trust"
)

// The forms below are cosign's signature specification:
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
const (
	simpleSigningType     = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	bundleAnnotation      = "dev.sigstore.cosign/bundle"

	// maxPayload caps a simple signing payload. Real ones are under 400 bytes.
	maxPayload = 64 << 10
)

// layer is one signature of a ".sig" manifest, taken apart and type-checked.
type layer struct {
	digest    string // of the payload, "sha256:<hex>"
	size      int64
	signature string // base64
	cert      *x509.Certificate
	identity  trust.Identity

	set            []byte
	body           string // base64 of the canonical log entry
	integratedTime int64  // seconds since 1970
	logIndex       int64
	logID          string // hex
	entry          *hashedRekord
}

// parseLayer reads a signature out of its annotations. An error means that it
// cannot be read, not that it is false.
func parseLayer(d registry.Descriptor) (*layer, error) {
	if d.MediaType != simpleSigningType {
		return nil, fmt.Errorf("media type %q is not a cosign signature", d.MediaType)
	}
	if d.Size > maxPayload {
		return nil, fmt.Errorf("payload of %d bytes, more than %d", d.Size, maxPayload)
	}
	l := &layer{digest: d.Digest, size: d.Size, signature: d.Annotations[signatureAnnotation]}
	if sig, err := base64.StdEncoding.Strict().DecodeString(l.signature); err != nil || len(sig) == 0 {
		return nil, errors.New("no signature in base64")
	}
	var err error
	if l.cert, err = oneCertificate([]byte(d.Annotations[certificateAnnotation])); err != nil {
		return nil, err
	}
	if l.identity, err = identityOf(l.cert); err != nil {
		return nil, err
	}
	return l, nil
}

// parseBundle reads the log entry of a layer. It is apart from parseLayer so
// that layers of other signers cost nothing more.
func (l *layer) parseBundle(annotation string) error {
	if annotation == "" {
		return errNoEntry
	}
	// Every field typed: cosign type-asserts the body and would panic on anything but a string.
	var b struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           string `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := strictJSON([]byte(annotation), &b); err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	p := b.Payload
	if id, err := hex.DecodeString(p.LogID); err != nil || len(id) != sha256.Size {
		return fmt.Errorf("log entry: log id %.70q is not a SHA-256", p.LogID)
	}
	if p.LogIndex < 0 || p.IntegratedTime <= 0 {
		return fmt.Errorf("log entry: index %d, time %d", p.LogIndex, p.IntegratedTime)
	}
	body, err := base64.StdEncoding.Strict().DecodeString(p.Body)
	if err != nil {
		return fmt.Errorf("log entry: body: %w", err)
	}
	if l.entry, err = parseHashedRekord(body); err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	l.set, l.body = b.SignedEntryTimestamp, p.Body
	l.integratedTime, l.logIndex, l.logID = p.IntegratedTime, p.LogIndex, p.LogID
	return nil
}

var errNoEntry = errors.New("no log entry beside it")

// ofThis says whether the log entry is the one of this layer's signature,
// certificate and payload hash.
func (l *layer) ofThis() error {
	return l.entry.is(l.digest, l.signature, l.cert)
}

// payload is a simple signing payload.
type payload struct {
	Critical struct {
		Identity struct {
			DockerReference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			DockerManifestDigest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

func parsePayload(b []byte) (reference, digest string, err error) {
	if err := strictjson.Check(b); err != nil {
		return "", "", err
	}
	var p payload
	if err := json.Unmarshal(b, &p); err != nil {
		return "", "", err
	}
	if p.Critical.Type != "cosign container image signature" {
		return "", "", fmt.Errorf("type %.60q is not a container image signature", p.Critical.Type)
	}
	return p.Critical.Identity.DockerReference, p.Critical.Image.DockerManifestDigest, nil
}

// hashedRekord is a Rekor v1 entry of kind hashedrekord 0.0.1, the only kind
// that Kubernetes' signatures have.
// https://github.com/sigstore/rekor/blob/main/pkg/types/hashedrekord/v0.0.1/hashedrekord_v0_0_1_schema.json
type hashedRekord struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Data struct {
			Hash struct {
				Algorithm string `json:"algorithm"`
				Value     string `json:"value"`
			} `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"` // PEM
			} `json:"publicKey"`
		} `json:"signature"`
	} `json:"spec"`
}

func parseHashedRekord(body []byte) (*hashedRekord, error) {
	e := new(hashedRekord)
	if err := strictJSON(body, e); err != nil {
		return nil, err
	}
	if e.Kind != "hashedrekord" || e.APIVersion != "0.0.1" {
		return nil, fmt.Errorf("kind %.40q version %.20q, want hashedrekord 0.0.1", e.Kind, e.APIVersion)
	}
	return e, nil
}

// is says whether the entry stands for exactly this signature (base64) by this
// certificate over bytes of this digest. A difference is a *mismatch.
func (e *hashedRekord) is(digest, signature string, cert *x509.Certificate) error {
	if e.Spec.Data.Hash.Algorithm != "sha256" || "sha256:"+e.Spec.Data.Hash.Value != digest {
		return &mismatchError{"the log entry is for other bytes", digest, e.Spec.Data.Hash.Algorithm + ":" + e.Spec.Data.Hash.Value}
	}
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return err
	}
	if !bytes.Equal(sig, e.Spec.Signature.Content) {
		return &mismatchError{"the log entry is of another signature", signature, base64.StdEncoding.EncodeToString(e.Spec.Signature.Content)}
	}
	logged, err := oneBlock(e.Spec.Signature.PublicKey.Content)
	if err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	if !bytes.Equal(logged.Bytes, cert.Raw) {
		other := "one that cannot be read"
		if c, err := x509.ParseCertificate(logged.Bytes); err == nil {
			other = c.SerialNumber.String()
		}
		return &mismatchError{"the log entry is of another certificate", cert.SerialNumber.String(), other}
	}
	return nil
}

// mismatchError reports two things that must be equal and are not.
type mismatchError struct{ what, want, got string }

func (e *mismatchError) Error() string {
	return fmt.Sprintf("%s (expected %.100s, found %.100s)", e.what, e.want, e.got)
}

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

// strictJSON decodes one JSON value without fields that v does not have, and in
// which none stands twice.
func strictJSON(b []byte, v any) error {
	if err := strictjson.Check(b); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
