// Package vouch is an operator's word for what was carried in: the signature of a
// mirror's list of contents, made ([Operator.Sign]) and read again ([Read]).
package vouch

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// An operator vouches for what was carried in by signing a mirror's list of
// contents with a key. What is signed is a DSSE envelope of a payload type of
// its own, so that no signature of anything else can be taken for it, and it
// is kept as a Sigstore bundle:
// https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
const (
	manifestType = "application/vnd.kverify.mirror.manifest.v1+json"
	bundleType   = "application/vnd.dev.sigstore.bundle.v0.3+json"
	// maxSignature caps the bundle, which has about 600 bytes.
	maxSignature = 16 << 10
)

// payloadForm is what is signed: which list it is.
type payloadForm struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

type bundleForm struct {
	MediaType string `json:"mediaType"`
	Material  struct {
		PublicKey struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
	} `json:"verificationMaterial"`
	Envelope struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
		Signatures  []struct {
			Sig []byte `json:"sig"`
		} `json:"signatures"`
	} `json:"dsseEnvelope"`
}

// Word is what an operator vouches for: of the documents of a mirror those
// that were published when the mirror was made, each for the digest that it had
// then. It lifts the origin of exactly these, and nothing else: no signature
// that is missing, and nothing that was unknown.
type Word struct {
	published map[string]string // URL -> sha256 in hex
	key       report.Source
}

// Error says why a mirror's list is not vouched for by a key.
type Error struct {
	Key string // path of the key
	Err error
	// Refuted says that what is there contradicts the signature, and is not
	// merely unsigned or signed by another key.
	Refuted bool
}

func (e *Error) Error() string {
	do := "give the key by which it was signed, or leave out --key: it is then judged by what Kubernetes signed alone"
	if e.Refuted {
		do = "get the mirror anew from its operator"
	}
	return fmt.Sprintf("the mirror is not vouched for by %s: %v; %s", e.Key, e.Err, do)
}

// Classify gives the verdict on the list, and why.
func (e *Error) Classify() (report.Verdict, report.Reason) {
	if e.Refuted {
		return report.Refuted, report.Mismatch
	}
	return report.Unknown, report.NoClaim
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Read reads a mirror's MANIFEST.json and its signature, and holds them
// under a public key (PEM), which was read from path. The error is a
// [*Error].
func Read(path string, key, manifest, bundle []byte) (*Word, error) {
	v, err := readWord(key, manifest, bundle)
	if err != nil {
		return nil, &Error{path, err, errors.Is(err, errOtherList)}
	}
	v.key.Path = path
	return v, nil
}

func readWord(key, manifest, bundle []byte) (*Word, error) {
	public, err := sigstore.ParseKey(key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	if len(bundle) == 0 {
		return nil, errors.New("its MANIFEST.json is not signed")
	}
	other := Check(manifest, bundle)
	if other != nil && !errors.Is(other, errOtherList) {
		return nil, other
	}
	var b bundleForm
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, strictjson.Plain(err)
	}
	if err := sigstore.VerifyMessage(public, b.Envelope.Signatures[0].Sig, preAuth(manifestType, b.Envelope.Payload)); err != nil {
		return nil, errors.New("the signature of its MANIFEST.json is not by this key")
	}
	if other != nil { // genuine, and of another list
		return nil, other
	}
	if err := registry.CheckJSON(manifest); err != nil {
		return nil, err
	}
	var m struct {
		Files []struct {
			URL    string `json:"url"`
			SHA256 string `json:"sha256"`
			Origin string `json:"origin"`
		} `json:"files"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, strictjson.Plain(err)
	}
	sum := sha256.Sum256(der)
	v := &Word{published: map[string]string{}, key: report.Source{Digest: string(oci.FromHex(hex.EncodeToString(sum[:])))}}
	listed := map[string]bool{}
	for _, f := range m.Files {
		if listed[f.URL] {
			return nil, fmt.Errorf("MANIFEST.json lists %.200q twice", f.URL)
		}
		listed[f.URL] = true
		if f.Origin == fetch.Published.String() {
			v.published[f.URL] = f.SHA256
		}
	}
	return v, nil
}

var errOtherList = errors.New("its MANIFEST.json is not the one that was signed")

// Check says whether a bundle is, byte for byte, in the form in which a
// mirror's signature is kept, and speaks of this MANIFEST.json. By whom it is,
// [Read] says. The error is malformed, or a mismatch where it can be read and speaks of another.
func Check(manifest, bundle []byte) error {
	if err := check(manifest, bundle); err != nil {
		return &signatureError{err, errors.Is(err, errOtherList)}
	}
	return nil
}

// signatureError is what is wrong with a signature, whoever made it.
type signatureError struct {
	error
	contradicts bool
}

func (e *signatureError) Unwrap() error { return e.error }

func (e *signatureError) Classify() (report.Verdict, report.Reason) {
	if e.contradicts {
		return report.Refuted, report.Mismatch
	}
	return report.Unknown, report.Malformed
}

func check(manifest, bundle []byte) error {
	if len(bundle) > maxSignature {
		return fmt.Errorf("its signature has more than %d bytes", maxSignature)
	}
	if err := registry.CheckJSON(bundle); err != nil {
		return fmt.Errorf("its signature cannot be read: %w", strictjson.Plain(err))
	}
	var b bundleForm
	dec := json.NewDecoder(bytes.NewReader(bundle))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return fmt.Errorf("its signature cannot be read: %w", strictjson.Plain(err))
	}
	if b.MediaType != bundleType || len(b.Envelope.Signatures) != 1 {
		return errors.New("its signature is not a bundle of the form that a mirror has")
	}
	if b.Envelope.PayloadType != manifestType {
		return fmt.Errorf("the signature is of %.80q, not of a mirror's list", b.Envelope.PayloadType)
	}
	if again, err := json.Marshal(b); err != nil || !bytes.Equal(append(again, '\n'), bundle) {
		return errors.New("its signature is written in another way than it was made")
	}
	var p payloadForm
	dec = json.NewDecoder(bytes.NewReader(b.Envelope.Payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return fmt.Errorf("its signature cannot be read: %w", strictjson.Plain(err))
	}
	if sum := sha256.Sum256(manifest); p.SHA256 != hex.EncodeToString(sum[:]) || p.Size != int64(len(manifest)) {
		return errOtherList
	}
	return nil
}

// Operator signs the lists of mirrors.
type Operator struct {
	sign   func(message []byte) ([]byte, error)
	public crypto.PublicKey
	hint   string
}

// ReadOperator reads a private key as cosign generate-key-pair writes it.
func ReadOperator(key, password []byte) (*Operator, error) {
	sign, public, err := sigstore.LoadPrivateKey(key, password)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &Operator{sign, public, base64.StdEncoding.EncodeToString(sum[:])}, nil
}

// Sign signs a MANIFEST.json, and returns what stands beside it.
func (o *Operator) Sign(manifest []byte) ([]byte, error) {
	sum := sha256.Sum256(manifest)
	payload, err := json.Marshal(payloadForm{hex.EncodeToString(sum[:]), int64(len(manifest))})
	if err != nil {
		return nil, err
	}
	sig, err := o.sign(preAuth(manifestType, payload))
	if err != nil {
		return nil, err
	}
	b := bundleForm{MediaType: bundleType}
	b.Material.PublicKey.Hint = o.hint
	b.Envelope.Payload, b.Envelope.PayloadType = payload, manifestType
	b.Envelope.Signatures = make([]struct {
		Sig []byte `json:"sig"`
	}, 1)
	b.Envelope.Signatures[0].Sig = sig
	text, err := json.Marshal(b)
	return append(text, '\n'), err
}

// preAuth is what is signed in place of a payload, so that its type is signed too.
func preAuth(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// Published says whether the operator vouches that the document at a URL was
// published with this digest ("sha256:<hex>"). A nil Word vouches for nothing.
func (v *Word) Published(url string, digest oci.Digest) bool {
	if v == nil {
		return false
	}
	sum, ok := v.published[url]
	return ok && digest == oci.FromHex(sum)
}

// Key is a public key as a report names it.
func (v *Word) Key() report.Source { return v.key }

// Signed says whether a signature of a MANIFEST.json is this operator's. What another
// list says was published, the operator does not vouch for.
func (o *Operator) Signed(manifest, bundle []byte) bool {
	var b bundleForm
	return Check(manifest, bundle) == nil && json.Unmarshal(bundle, &b) == nil &&
		sigstore.VerifyMessage(o.public, b.Envelope.Signatures[0].Sig, preAuth(manifestType, b.Envelope.Payload)) == nil
}
