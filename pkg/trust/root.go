package trust

import (
	"bytes"
	"crypto/x509"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	ptrust "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/kverify/kverify/pkg/report"
)

// The trusted root of Sigstore's public-good instance; `make roots` says where
// it is taken from.
//
//go:embed data/trusted_root.json
var rootJSON []byte

// Root is a Sigstore trusted root: certificate authorities, certificate
// transparency logs, transparency logs and timestamp authorities. It is not
// changed after it was read and may be shared.
type Root struct {
	Material root.TrustedMaterial
	source   report.Source
}

// EmbeddedRoot returns the trusted root that is compiled in.
func EmbeddedRoot() *Root { return embeddedRoot() }

var embeddedRoot = sync.OnceValue(func() *Root {
	r, err := ParseRoot(rootJSON)
	if err != nil {
		panic("embedded trusted root: " + err.Error()) // a test reads it, so no build ships with this
	}
	r.source.Embedded = true
	return r
})

// LoadRoot reads a trusted root from a file. The errors are those of the file
// system and [*FileError].
func LoadRoot(path string) (*Root, error) {
	b, err := readCapped(path)
	if err != nil {
		return nil, err
	}
	r, err := oneRoot(b, ParseRoot)
	if err != nil {
		return nil, &FileError{Path: path, What: "trusted root", Err: err}
	}
	r.source.Path = path
	r.source.Embedded = r.source.Digest == EmbeddedRoot().source.Digest
	return r, nil
}

// ParseRoot reads a trusted root, JSON of the media type
// application/vnd.dev.sigstore.trustedroot+json;version=0.1. A root that could
// verify nothing, or a log key that is valid from no stated time, is an error.
func ParseRoot(text []byte) (*Root, error) {
	material, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return nil, PlainError(text, "a Sigstore trusted root", err)
	}
	switch {
	case len(material.FulcioCertificateAuthorities()) == 0:
		return nil, errors.New("it names no certificate authority")
	case len(material.RekorLogs()) == 0:
		return nil, errors.New("it names no transparency log")
	case len(material.CTLogs()) == 0:
		return nil, errors.New("it names no certificate transparency log")
	}
	for _, logs := range []map[string]*root.TransparencyLog{material.RekorLogs(), material.CTLogs()} {
		for id, log := range logs {
			if log.ValidityPeriodStart.IsZero() {
				return nil, fmt.Errorf("log %s has a key without a start of validity", id)
			}
		}
	}
	return &Root{Material: newMaterial(material), source: report.Source{Digest: digestOf(text)}}, nil
}

// oneRoot reads the trusted root of a file. Of several in it, a document a line
// as "gh attestation trusted-root" writes them, exactly one must be usable.
func oneRoot(text []byte, parse func([]byte) (*Root, error)) (*Root, error) {
	docs, err := Documents(text)
	if err != nil {
		return nil, err
	}
	if len(docs) == 1 {
		return parse(text)
	}
	var found *Root
	var why error
	for i, doc := range docs {
		r, err := ParseRoot(doc)
		switch {
		case err != nil:
			why = errors.Join(why, fmt.Errorf("document %d: %w", i+1, err))
		case found != nil:
			return nil, fmt.Errorf("it holds several trusted roots that could be meant, among %d documents; give one of them in a file of its own", len(docs))
		default:
			found = r
		}
	}
	if found == nil {
		return nil, fmt.Errorf("none of its %d documents is one that can be used: %s", len(docs), strings.ReplaceAll(why.Error(), "\n", "; "))
	}
	return found, nil
}

// LoadAnyRoot reads the trusted root of any Sigstore instance from a file: unlike
// [LoadRoot] it takes one that has no certificate authority or no certificate
// transparency log, as a root for keys has. A log key without a start of
// validity, and an authority without certificates, are left out, so that what
// they signed is by an unknown signer. The errors are those of LoadRoot.
func LoadAnyRoot(path string) (*Root, error) {
	b, err := readCapped(path)
	if err != nil {
		return nil, err
	}
	r, err := oneRoot(b, parseAnyRoot)
	if err != nil {
		return nil, &FileError{Path: path, What: "trusted root", Err: err}
	}
	r.source.Path = path
	r.source.Embedded = r.source.Digest == EmbeddedRoot().source.Digest
	return r, nil
}

func parseAnyRoot(text []byte) (*Root, error) {
	p := new(ptrust.TrustedRoot)
	if err := protojson.Unmarshal(text, p); err != nil {
		return nil, PlainError(text, "a Sigstore trusted root", err)
	}
	noStart := func(l *ptrust.TransparencyLogInstance) bool {
		start := l.GetPublicKey().GetValidFor().GetStart()
		return start == nil || start.AsTime().IsZero()
	}
	p.Tlogs, p.Ctlogs = slices.DeleteFunc(p.GetTlogs(), noStart), slices.DeleteFunc(p.GetCtlogs(), noStart)
	noChain := func(a *ptrust.CertificateAuthority) bool { return len(a.GetCertChain().GetCertificates()) == 0 }
	p.CertificateAuthorities = slices.DeleteFunc(p.GetCertificateAuthorities(), noChain)
	p.TimestampAuthorities = slices.DeleteFunc(p.GetTimestampAuthorities(), noChain)
	material, err := root.NewTrustedRootFromProtobuf(p)
	if err != nil {
		return nil, PlainError(text, "a Sigstore trusted root", err)
	}
	return &Root{Material: newMaterial(material), source: report.Source{Digest: digestOf(text)}}, nil
}

// Source names the root for a report.
func (r *Root) Source() report.Source { return r.source }

// KnowsLog says whether the root has the key of the transparency log with
// this id (the SHA-256 of its public key).
func (r *Root) KnowsLog(id []byte) bool {
	_, ok := r.Material.RekorLogs()[hex.EncodeToString(id)]
	return ok
}

// KnowsCTLog says whether the root has the key of the certificate transparency
// log with this id.
func (r *Root) KnowsCTLog(id []byte) bool {
	_, ok := r.Material.CTLogs()[hex.EncodeToString(id)]
	return ok
}

// KnowsAuthority says whether the root has a certificate authority, root or
// intermediate, with this subject key id.
func (r *Root) KnowsAuthority(keyID []byte) bool {
	for _, ca := range r.Material.FulcioCertificateAuthorities() {
		f, ok := ca.(*authority)
		if !ok {
			continue
		}
		for _, c := range append([]*x509.Certificate{f.Root}, f.Intermediates...) {
			if c != nil && len(keyID) > 0 && bytes.Equal(c.SubjectKeyId, keyID) {
				return true
			}
		}
	}
	return false
}
