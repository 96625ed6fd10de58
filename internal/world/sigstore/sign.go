package sigstore

import (
	"crypto/elliptic"
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
	Identity string    // email or https URL in the certificate; KrelTrust if empty
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

// Request is bytes to sign, and how.
type Request struct {
	Payload []byte
	How     Signing
}

// Sign signs bytes and logs the signature as hashedrekord 0.0.1.
func (s *Sigstore) Sign(payload []byte, how Signing) *Signed {
	return s.SignAll([]Request{{payload, how}})[0]
}

// SignAll signs side by side; the log's order is that of the requests.
func (s *Sigstore) SignAll(reqs []Request) []*Signed {
	index := make([]int64, len(reqs))
	for i := range reqs {
		h := &reqs[i].How
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
	par.Do(halves(len(reqs), func(i int) { out[i] = sign(reqs[i].Payload, reqs[i].How, index[i]) })...)
	for i, r := range reqs {
		if r.How.Tiled && !r.How.NoLog {
			out[i].Tile = r.How.Log.Tiles.enter(out[i].hashedRekord2(r.How.message(r.Payload)))
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
	key := DeriveKey(elliptic.P256(), h.CA.seed, "leaf", h.Identity, h.Issuer, h.Time.String(), string(payload))
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
		s.Entry = s.log.enter(index, "hashedrekord", "0.0.1", HashedRekord(hexSHA256(payload), s.Signature, s.CertificatePEM()), hexSHA256(payload), h.LogTime.Unix())
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
