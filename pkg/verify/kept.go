package verify

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"

	pbundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	pcommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// newBundle puts a detached signature, its certificate and its log entry into
// a Sigstore bundle, which any Sigstore client verifies offline.
// https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
//
// With an inclusion proof it is of version 0.3, without one of 0.1, which is
// the only version that a signed entry timestamp alone satisfies.
func newBundle(sum []byte, signature string, certDER []byte, e *logEntry) (*bundle.Bundle, error) {
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return nil, err
	}
	logID, err := hex.DecodeString(e.LogID)
	if err != nil {
		return nil, fmt.Errorf("log id: %w", err)
	}
	entry := &prekor.TransparencyLogEntry{
		LogIndex: e.LogIndex, LogId: &pcommon.LogId{KeyId: logID},
		KindVersion:    &prekor.KindVersion{Kind: "hashedrekord", Version: "0.0.1"},
		IntegratedTime: e.IntegratedTime, CanonicalizedBody: e.canonical,
		InclusionPromise: &prekor.InclusionPromise{SignedEntryTimestamp: e.Verification.SignedEntryTimestamp},
	}
	cert := &pcommon.X509Certificate{RawBytes: certDER}
	b := &pbundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
		VerificationMaterial: &pbundle.VerificationMaterial{
			Content: &pbundle.VerificationMaterial_X509CertificateChain{
				X509CertificateChain: &pcommon.X509CertificateChain{Certificates: []*pcommon.X509Certificate{cert}}},
			TlogEntries: []*prekor.TransparencyLogEntry{entry},
		},
		Content: &pbundle.Bundle_MessageSignature{MessageSignature: &pcommon.MessageSignature{
			MessageDigest: &pcommon.HashOutput{Algorithm: pcommon.HashAlgorithm_SHA2_256, Digest: sum},
			Signature:     sig,
		}},
	}
	if p := e.Verification.InclusionProof; p != nil {
		proof := &prekor.InclusionProof{LogIndex: p.LogIndex, TreeSize: p.TreeSize,
			Checkpoint: &prekor.Checkpoint{Envelope: p.Checkpoint}}
		if proof.RootHash, err = hex.DecodeString(p.RootHash); err != nil {
			return nil, fmt.Errorf("inclusion proof: %w", err)
		}
		for _, h := range p.Hashes {
			sum, err := hex.DecodeString(h)
			if err != nil {
				return nil, fmt.Errorf("inclusion proof: %w", err)
			}
			proof.Hashes = append(proof.Hashes, sum)
		}
		entry.InclusionProof = proof
		b.MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
		b.VerificationMaterial.Content = &pbundle.VerificationMaterial_Certificate{Certificate: cert}
	}
	return bundle.NewBundle(b)
}

// entryOf is the way back: the one log entry of a bundle, not verified.
func entryOf(raw []byte) (*logEntry, error) {
	if len(raw) > maxKept {
		return nil, fmt.Errorf("a kept bundle of more than %d bytes", maxKept)
	}
	s, err := openBundle(raw)
	if err != nil {
		return nil, err
	}
	entries := s.b.GetVerificationMaterial().GetTlogEntries()
	if len(entries) != 1 {
		return nil, fmt.Errorf("%d log entries, want one", len(entries))
	}
	e := entries[0]
	out := &logEntry{
		Body: base64.StdEncoding.EncodeToString(e.GetCanonicalizedBody()), IntegratedTime: e.GetIntegratedTime(),
		LogID: hex.EncodeToString(e.GetLogId().GetKeyId()), LogIndex: e.GetLogIndex(), canonical: e.GetCanonicalizedBody(),
	}
	out.Verification.SignedEntryTimestamp = e.GetInclusionPromise().GetSignedEntryTimestamp()
	if p := e.GetInclusionProof(); p != nil {
		proof := &inclusionProof{Checkpoint: p.GetCheckpoint().GetEnvelope(), LogIndex: p.GetLogIndex(),
			RootHash: hex.EncodeToString(p.GetRootHash()), TreeSize: p.GetTreeSize()}
		for _, h := range p.GetHashes() {
			proof.Hashes = append(proof.Hashes, hex.EncodeToString(h))
		}
		out.Verification.InclusionProof = proof
	}
	return out, nil
}

// kept are log entries that stand beside files on disk, by what they are of.
// They are hints: an entry proves itself or is looked up.
type kept struct {
	mu      sync.Mutex
	entries map[string][]keptEntry // by "sha256:<hex>" of the file
}

type keptEntry struct {
	*logEntry
	of *hashedRekord
}

// maxKeptEntries caps the entries that are held of one file.
const maxKeptEntries = 4

// add reads a kept bundle; one that cannot be read is no hint.
func (k *kept) add(digest string, raw []byte) {
	e, err := entryOf(raw)
	if err != nil {
		return
	}
	of, err := parseHashedRekord(e.canonical)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil {
		k.entries = map[string][]keptEntry{}
	}
	if len(k.entries[digest]) < maxKeptEntries {
		k.entries[digest] = append(k.entries[digest], keptEntry{e, of})
	}
}

// find returns an entry of exactly this signature, if one is kept.
func (k *kept) find(digest, signature string, cert *x509.Certificate) *logEntry {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.entries[digest] {
		if e.of.is(digest, signature, cert) == nil {
			return e.logEntry
		}
	}
	return nil
}
