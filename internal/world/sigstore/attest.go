package sigstore

import (
	"crypto/elliptic"
	"encoding/json"
	"encoding/pem"
)

const (
	// MediaBundle is the media type of a bundle of version 0.3.
	MediaBundle = "application/vnd.dev.sigstore.bundle.v0.3+json"

	payloadDSSE = "application/vnd.in-toto+json"
)

// Attested is a DSSE envelope around an in-toto statement, signed and logged.
type Attested struct {
	Signed      // its Payload is the statement, its signature the envelope's
	payloadType string
}

// Attest signs a statement in a DSSE envelope (github.com/secure-systems-lab/dsse)
// and logs it as dsse 0.0.1.
func (s *Sigstore) Attest(statement []byte, how Signing) *Attested {
	how.payloadType = orElse(how.payloadType, payloadDSSE)
	return &Attested{*s.SignAll([]Request{{statement, how}})[0], how.payloadType}
}

// Bundle is the envelope as a Sigstore bundle, versions as in [Signed.Bundle].
func (a *Attested) Bundle(version string) []byte {
	var b map[string]json.RawMessage
	must(json.Unmarshal(a.Signed.Bundle(version), &b))
	delete(b, "messageSignature")
	b["dsseEnvelope"] = compactJSON(a.envelope(a.payloadType))
	return compactJSON(b)
}

// SignWithKey signs bytes with a key of that name instead of a certificate, and
// logs it. It returns a bundle of version 0.3 and the public key in PEM.
func (s *Sigstore) SignWithKey(name string, payload []byte) (bundle, publicKey []byte) {
	type m = map[string]any
	key := DeriveKey(elliptic.P256(), s.seed, "key", name)
	publicKey = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(&key.PublicKey)})
	signature := sign256(key, payload)
	body := HashedRekord(hexSHA256(payload), signature, publicKey)
	e := s.Log.enter(s.Log.reserve(1), "hashedrekord", "0.0.1", body, hexSHA256(payload), Signed2023.Unix())
	signed := &Signed{Payload: payload, Signature: signature, Entry: e, log: s.Log}
	signed.Certificate = s.Root // for the form only; taken out below
	var b m
	must(json.Unmarshal(signed.Bundle("0.3"), &b))
	material := b["verificationMaterial"].(m)
	delete(material, "certificate")
	material["publicKey"] = m{"hint": "a key"}
	return compactJSON(b), publicKey
}

// AttestWithKey signs a statement with a key of that name, logged as intoto in a
// tree of its own under an origin without a tree id. Nothing says when.
func (s *Sigstore) AttestWithKey(name string, statement []byte) (bundle, publicKey []byte) {
	type m = map[string]any
	key := DeriveKey(elliptic.P256(), s.seed, "key", name)
	publicKey = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(&key.PublicKey)})
	signed := &Signed{Payload: statement, Signature: sign256(key, preAuth(payloadDSSE, statement))}
	body := signed.intotoEntry(payloadDSSE, publicKey)
	p := s.Log.Alone(body)
	return compactJSON(m{
		"mediaType": MediaBundle,
		"verificationMaterial": m{
			"publicKey": m{"hint": "a key"},
			"tlogEntries": []m{{
				"logIndex": "0", "logId": m{"keyId": s.Log.id[:]}, "kindVersion": m{"kind": "intoto", "version": "0.0.2"},
				"integratedTime": "0", "canonicalizedBody": body,
				"inclusionProof": m{"logIndex": "0", "rootHash": p.RootHash, "treeSize": "1", "hashes": []string{}, "checkpoint": m{"envelope": p.Checkpoint}},
			}},
		},
		"dsseEnvelope": signed.envelope(payloadDSSE),
	}), publicKey
}
