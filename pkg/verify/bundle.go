package verify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	pbundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	pcommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/kverify/kverify/pkg/trust"
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

// verifyBundle checks a bundle over bytes of the given SHA-256 with sigstore-go:
// chain and SCT, exact identity, the log's signature over the entry and, where
// there is one, its inclusion proof, and the certificate at the time that the
// log signed for.
func verifyBundle(root *trust.Root, id trust.Identity, b *bundle.Bundle, sum []byte) error {
	v, err := verify.NewVerifier(root.Material,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithIntegratedTimestamps(1))
	if err != nil {
		return err
	}
	who, err := verify.NewShortCertificateIdentity(id.Issuer, "", id.Subject, "")
	if err != nil {
		return err
	}
	_, err = v.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum), verify.WithCertificateIdentity(who)))
	return err
}
