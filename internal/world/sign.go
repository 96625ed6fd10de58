package world

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kverify/kverify/internal/par"
)

// Identities and issuer of Kubernetes' signatures.
const (
	Google     = "https://accounts.google.com"
	KrelTrust  = "krel-trust@k8s-releng-prod.iam.gserviceaccount.com"   // promoted images
	KrelStage  = "krel-staging@k8s-releng-prod.iam.gserviceaccount.com" // files, SBOMs, staging layers
	Promoter22 = "k8s-infra-gcr-promoter@k8s-artifacts-prod.iam.gserviceaccount.com"
	Summaries  = "promoter-summaries@k8s-releng-prod.iam.gserviceaccount.com"
)

// Signing says who signs, when, and with whose authority. The zero value is
// what Kubernetes does: krel-trust by way of Google, with the world's own CA,
// SCT and log entry.
type Signing struct {
	Identity string    // email in the certificate; KrelTrust if empty
	Issuer   string    // OIDC issuer in the certificate; Google if empty
	Time     time.Time // start of the certificate; [Signed2023] if zero
	LogTime  time.Time // time of the log entry; one second after Time if zero

	// For image signatures: what the payload says.
	Reference string         // docker-reference; the repository's own name if empty
	Digest    string         // docker-manifest-digest; the signed manifest's if empty
	Type      string         // "cosign container image signature" if empty
	Optional  map[string]any // the payload's "optional"; null if nil

	CA    *Sigstore // issues the certificate; the world's if nil
	CT    *Sigstore // signs the SCT; the world's if nil
	Log   *Sigstore // logs the signature; the world's if nil
	NoSCT bool
	NoLog bool // no log entry at all

	SCTExtensions []byte // extensions of the SCT; normally none
	Intoto        bool   // log an envelope as intoto 0.0.2, as it was before dsse

	// Tiled logs to the log of the newer generation, which says nothing about
	// time; unless Stamps are given, one timestamp does.
	Tiled  bool
	Stamps []Stamp

	payloadType string // of a DSSE envelope; a plain signature if empty
}

// Signed2023 is the time of a [Signing] that names none.
var Signed2023 = time.Date(2023, 5, 17, 15, 0, 0, 0, time.UTC)

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

type signRequest struct {
	payload []byte
	how     Signing
}

// Sign signs bytes and logs the signature as hashedrekord 0.0.1.
func (s *Sigstore) Sign(payload []byte, how Signing) *Signed {
	return s.signAll([]signRequest{{payload, how}})[0]
}

// signAll signs side by side; the log's order is that of the requests.
func (s *Sigstore) signAll(reqs []signRequest) []*Signed {
	index := make([]int64, len(reqs))
	for i := range reqs {
		h := &reqs[i].how
		h.Identity = orElse(h.Identity, KrelTrust)
		h.Issuer = orElse(h.Issuer, Google)
		if h.Time.IsZero() {
			h.Time = Signed2023
		}
		if h.LogTime.IsZero() {
			h.LogTime = h.Time.Add(time.Second)
		}
		for _, p := range []**Sigstore{&h.CA, &h.CT, &h.Log} {
			if *p == nil {
				*p = s
			}
		}
		if h.Tiled && h.Stamps == nil {
			h.Stamps = []Stamp{{}}
		}
		if !h.NoLog && !h.Tiled {
			index[i] = h.Log.Log.reserve(1)
		}
	}
	out := make([]*Signed, len(reqs))
	par.Do(halves(len(reqs), func(i int) { out[i] = sign(reqs[i].payload, reqs[i].how, index[i]) })...)
	for i, r := range reqs {
		if r.how.Tiled && !r.how.NoLog {
			out[i].Tile = r.how.Log.Tiles.enter(out[i].hashedRekord2(r.how.message(r.payload)))
		}
	}
	return out
}

// halves deals indices to two workers: as many as a small machine has.
func halves(n int, f func(int)) []func() {
	worker := func(from int) func() {
		return func() {
			for i := from; i < n; i += 2 {
				f(i)
			}
		}
	}
	return []func(){worker(0), worker(1)}
}

func sign(payload []byte, h Signing, index int64) *Signed {
	key := deriveKey(elliptic.P256(), h.CA.seed, "leaf", h.Identity, h.Issuer, h.Time.String(), string(payload))
	ct := h.CT.CTKey
	if h.NoSCT {
		ct = nil
	}
	s := &Signed{
		Payload:     payload,
		Signature:   sign256(key, h.message(payload)),
		Certificate: h.CA.leaf(&key.PublicKey, h.Identity, h.Issuer, h.Time, ct, h.SCTExtensions),
		ChainPEM:    h.CA.ChainPEM(),
	}
	for _, stamp := range h.Stamps {
		if stamp.By == nil {
			stamp.By = h.CA
		}
		if stamp.Time.IsZero() {
			stamp.Time = h.LogTime
		}
		if stamp.Of == nil {
			stamp.Of = s.Signature
		}
		s.Stamps = append(s.Stamps, stamp.By.Timestamp(stamp.Of, stamp.Time, stamp.Embed))
	}
	if !h.NoLog && !h.Tiled {
		s.log = h.Log.Log
		if h.payloadType != "" && h.Intoto {
			s.Entry = s.log.enter(index, "intoto", "0.0.2", s.intotoEntry(h.payloadType, s.CertificatePEM()), hexSHA256(payload), h.LogTime.Unix())
			return s
		}
		if h.payloadType != "" {
			s.Entry = s.log.enter(index, "dsse", "0.0.1", s.dsseEntry(h.payloadType), hexSHA256(payload), h.LogTime.Unix())
			return s
		}
		s.Entry = s.log.enter(index, "hashedrekord", "0.0.1", s.hashedRekord(), hexSHA256(payload), h.LogTime.Unix())
	}
	return s
}

// message is what is signed: the payload, or an envelope's encoding of it.
func (h Signing) message(payload []byte) []byte {
	if h.payloadType != "" {
		return preAuth(h.payloadType, payload)
	}
	return payload
}

// hashedRekord is the canonical body of a log entry
// (github.com/sigstore/rekor, pkg/types/hashedrekord/v0.0.1).
func (s *Signed) hashedRekord() []byte { return s.rekordOf(hexSHA256(s.Payload)) }

func (s *Signed) rekordOf(sum string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"%s"}},"signature":{"content":"%s","publicKey":{"content":"%s"}}}}`,
		sum, b64(s.Signature), b64(s.CertificatePEM()))
}

// CertificatePEM returns the leaf certificate.
func (s *Signed) CertificatePEM() []byte { return certificatePEM(s.Certificate.Raw) }

// SigFile and CertFile are the contents of a file's .sig and .cert.
func (s *Signed) SigFile() []byte { return []byte(b64(s.Signature)) }

// CertFile is the base64 of the PEM, one line.
func (s *Signed) CertFile() []byte { return []byte(b64(s.CertificatePEM())) }

// Annotations are those of a layer of a `.sig` manifest, as cosign writes them.
func (s *Signed) Annotations() map[string]string {
	a := map[string]string{
		"dev.cosignproject.cosign/signature": b64(s.Signature),
		"dev.sigstore.cosign/certificate":    string(s.CertificatePEM()),
		"dev.sigstore.cosign/chain":          string(s.ChainPEM),
	}
	if s.Entry != nil {
		a["dev.sigstore.cosign/bundle"] = string(s.RekorBundle())
	}
	return a
}

// RekorBundle is the annotation dev.sigstore.cosign/bundle: the log's promise
// and what it was given for. There is no inclusion proof in it.
func (s *Signed) RekorBundle() []byte {
	return compactJSON(struct {
		SignedEntryTimestamp []byte
		Payload              any
	}{s.Entry.SET, struct {
		Body           string `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogIndex       int64  `json:"logIndex"`
		LogID          string `json:"logID"`
	}{b64(s.Entry.Body), s.Entry.IntegratedTime, s.Entry.LogIndex(), hex.EncodeToString(s.Entry.LogID)}})
}

// Bundle is the signature as a Sigstore bundle. Version "0.1" has a chain of the
// leaf alone and the log's promise; "0.2" an inclusion proof as well, "0.3" the
// leaf by itself, and "0.3+json" is that under the older spelling of its media
// type. An entry of the tile-based log has no promise, whatever the version.
// Format: github.com/sigstore/protobuf-specs, sigstore_bundle.proto.
func (s *Signed) Bundle(version string) []byte {
	type m = map[string]any
	digest := sha256.Sum256(s.Payload)
	var entry m
	var p *Proof
	switch {
	case s.Tile != nil:
		entry = m{
			"logIndex": fmt.Sprint(s.Tile.Index), "logId": m{"keyId": s.Tile.log.ID()},
			"kindVersion": m{"kind": "hashedrekord", "version": "0.0.2"}, "canonicalizedBody": s.Tile.Body,
		}
		p = s.Tile.Prove()
	case s.Entry != nil:
		entry = m{
			"logIndex":          fmt.Sprint(s.Entry.LogIndex()),
			"logId":             m{"keyId": s.Entry.LogID},
			"kindVersion":       m{"kind": s.Entry.Kind, "version": s.Entry.Version},
			"integratedTime":    fmt.Sprint(s.Entry.IntegratedTime),
			"inclusionPromise":  m{"signedEntryTimestamp": s.Entry.SET},
			"canonicalizedBody": s.Entry.Body,
		}
		if version != "0.1" {
			p = s.log.Prove(s.Entry)
		}
	}
	if p != nil {
		entry["inclusionProof"] = m{
			"logIndex":   fmt.Sprint(p.LogIndex),
			"rootHash":   p.RootHash,
			"treeSize":   fmt.Sprint(p.TreeSize),
			"hashes":     p.Hashes,
			"checkpoint": m{"envelope": p.Checkpoint},
		}
	}
	material := m{}
	if entry != nil {
		material["tlogEntries"] = []m{entry}
	}
	if leaf := (m{"rawBytes": s.Certificate.Raw}); version == "0.1" || version == "0.2" {
		material["x509CertificateChain"] = m{"certificates": []m{leaf}}
	} else {
		material["certificate"] = leaf
	}
	if len(s.Stamps) > 0 {
		stamps := []m{}
		for _, raw := range s.Stamps {
			stamps = append(stamps, m{"signedTimestamp": raw})
		}
		material["timestampVerificationData"] = m{"rfc3161Timestamps": stamps}
	}
	mediaType := "application/vnd.dev.sigstore.bundle.v0.3+json"
	if version != "0.3" {
		mediaType = "application/vnd.dev.sigstore.bundle+json;version=" + version[:3]
	}
	return compactJSON(m{
		"mediaType":            mediaType,
		"verificationMaterial": material,
		"messageSignature":     m{"messageDigest": m{"algorithm": "SHA2_256", "digest": digest[:]}, "signature": s.Signature},
	})
}

// simpleSigning is the payload of an image signature
// (github.com/containers/image, docs/containers-signature.5.md).
func simpleSigning(reference, digest string, h Signing) []byte {
	return compactJSON(struct {
		Critical any `json:"critical"`
		Optional any `json:"optional"`
	}{struct {
		Identity any    `json:"identity"`
		Image    any    `json:"image"`
		Type     string `json:"type"`
	}{
		map[string]string{"docker-reference": orElse(h.Reference, reference)},
		map[string]string{"docker-manifest-digest": orElse(h.Digest, digest)},
		orElse(h.Type, "cosign container image signature"),
	}, h.Optional})
}

func compactJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	must(enc.Encode(v))
	return bytes.TrimRight(b.Bytes(), "\n")
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
