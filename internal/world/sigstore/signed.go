package sigstore

import "crypto/x509"

// Signed is a signature with everything that was made for it.
type Signed struct {
	Payload     []byte
	Signature   []byte // ASN.1 ECDSA
	Certificate *x509.Certificate
	ChainPEM    []byte
	Entry       *Entry // nil if not logged
	Tile        *Tile  // in its place, if Tiled
	Stamps      [][]byte
	log         *Log
}

// CertificatePEM returns the leaf certificate.
func (s *Signed) CertificatePEM() []byte { return CertificatePEM(s.Certificate.Raw) }

// SigFile and CertFile are the contents of a file's .sig and .cert.
func (s *Signed) SigFile() []byte { return []byte(b64(s.Signature)) }

// CertFile is the base64 of the PEM, one line.
func (s *Signed) CertFile() []byte { return []byte(b64(s.CertificatePEM())) }
