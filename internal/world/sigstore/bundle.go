package sigstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

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
