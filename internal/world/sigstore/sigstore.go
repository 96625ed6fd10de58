package sigstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"time"
)

// Sigstore is a certificate authority, a certificate transparency log, a
// signature log of each generation and a timestamp authority, with the curves of
// the public-good instance: P-384 for root and intermediate, P-256 for leaf
// certificates and logs, Ed25519 for the tile-based one. Its keys are
// derived from a seed, so that the same seed signs the same bytes, always.
//
// It protects nothing: every reader of this file has its keys. All its exported
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
		RootKey:         DeriveKey(elliptic.P384(), seed, "root"),
		IntermediateKey: DeriveKey(elliptic.P384(), seed, "intermediate"),
		CTKey:           DeriveKey(elliptic.P256(), seed, "ct log"),
		LogKey:          DeriveKey(elliptic.P256(), seed, "rekor"),
	}
	rootName := pkix.Name{Organization: []string{"kverify test, not sigstore.dev"}, CommonName: "kverify-test-root"}
	root := &x509.Certificate{
		SerialNumber:          Serial(seed, "root"),
		Subject:               rootName,
		NotBefore:             Opened,
		NotAfter:              Opened.AddDate(30, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          keyID(&s.RootKey.PublicKey),
	}
	s.Root = MustCertificate(x509.CreateCertificate(nil, root, root, &s.RootKey.PublicKey, s.RootKey))
	intermediate := &x509.Certificate{
		SerialNumber:          Serial(seed, "intermediate"),
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
	s.Intermediate = MustCertificate(x509.CreateCertificate(nil, intermediate, s.Root, &s.IntermediateKey.PublicKey, s.RootKey))
	s.Log, s.Tiles = newLog(s.LogKey), newTiles(seed)
	s.NewAuthority(Opened.AddDate(20, 0, 0))
	return s
}

// NewAuthority makes the timestamp authority's root and certificate anew, the
// latter valid until a time: what was stamped before names the old one.
func (s *Sigstore) NewAuthority(until time.Time) {
	s.StampKey = DeriveKey(elliptic.P256(), s.seed, "timestamps")
	rootKey := DeriveKey(elliptic.P256(), s.seed, "timestamp root")
	organization := []string{"kverify test, not sigstore.dev"}
	root := &x509.Certificate{
		SerialNumber: Serial(s.seed, "timestamp root"), Subject: pkix.Name{Organization: organization, CommonName: "kverify-test-tsa-selfsigned"},
		NotBefore: Opened, NotAfter: Opened.AddDate(30, 0, 0), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, SubjectKeyId: keyID(&rootKey.PublicKey),
	}
	s.StampRoot = MustCertificate(x509.CreateCertificate(nil, root, root, &rootKey.PublicKey, rootKey))
	leaf := &x509.Certificate{
		SerialNumber: Serial(s.seed, "timestamps"), Subject: pkix.Name{Organization: organization, CommonName: "kverify-test-tsa"},
		NotBefore: Opened, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		SubjectKeyId: keyID(&s.StampKey.PublicKey), AuthorityKeyId: s.StampRoot.SubjectKeyId,
		// RFC 3161, 2.3: the purpose alone, and critical.
		ExtraExtensions: []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: der([]asn1.ObjectIdentifier{oidTimeStamping})}},
	}
	s.StampLeaf = MustCertificate(x509.CreateCertificate(nil, leaf, s.StampRoot, &s.StampKey.PublicKey, rootKey))
}

// Clone shares the keys and copies the log, so that what is logged in one
// world does not appear in another.
func (s *Sigstore) Clone() *Sigstore {
	c := *s
	c.Log, c.Tiles = s.Log.Clone(), s.Tiles.Clone()
	return &c
}

// ChainPEM returns intermediate and root, as the chain annotation holds them.
func (s *Sigstore) ChainPEM() []byte {
	return append(CertificatePEM(s.Intermediate.Raw), CertificatePEM(s.Root.Raw)...)
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
