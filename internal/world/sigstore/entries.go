package sigstore

import (
	"crypto/sha256"
	"fmt"
)

// HashedRekord is the canonical body of a log entry
// (github.com/sigstore/rekor, pkg/types/hashedrekord/v0.0.1): sum is the sha256
// of what was signed, in hex, and the verifier a certificate or a key in PEM.
func HashedRekord(sum string, signature, verifier []byte) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"%s"}},"signature":{"content":"%s","publicKey":{"content":"%s"}}}}`,
		sum, b64(signature), b64(verifier))
}

// hashedRekord2 is the canonical body of an entry
// (github.com/sigstore/rekor-tiles, api/proto/rekor/v2/hashedrekord.proto).
// Of a DSSE envelope it has the hash of what is signed, as of any message.
func (s *Signed) hashedRekord2(message []byte) []byte {
	sum := sha256.Sum256(message)
	return fmt.Appendf(nil, `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"%s"},"signature":{"content":"%s","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"%s"}}}}}}`,
		b64(sum[:]), b64(s.Signature), b64(s.Certificate.Raw))
}

// preAuth is the pre-authentication encoding of DSSE, which is what is signed.
func preAuth(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// dsseEntry is the canonical body of a log entry
// (github.com/sigstore/rekor, pkg/types/dsse/v0.0.1).
func (s *Signed) dsseEntry(payloadType string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":"%s"},"payloadHash":{"algorithm":"sha256","value":"%s"},"signatures":[{"signature":"%s","verifier":"%s"}]}}`,
		hexSHA256(compactJSON(s.envelope(payloadType))), hexSHA256(s.Payload), b64(s.Signature), b64(s.CertificatePEM()))
}

// intotoEntry is the canonical body of an older form of entry
// (github.com/sigstore/rekor, pkg/types/intoto/v0.0.2): without the payload.
func (s *Signed) intotoEntry(payloadType string, signer []byte) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":"%s","signatures":[{"publicKey":"%s","sig":"%s"}]},"hash":{"algorithm":"sha256","value":"%s"},"payloadHash":{"algorithm":"sha256","value":"%s"}}}}`,
		payloadType, b64(signer), b64([]byte(b64(s.Signature))), hexSHA256(compactJSON(s.envelope(payloadType))), hexSHA256(s.Payload))
}

func (s *Signed) envelope(payloadType string) any {
	type m = map[string]any
	return m{"payload": s.Payload, "payloadType": payloadType, "signatures": []m{{"sig": s.Signature}}}
}
