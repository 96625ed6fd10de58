package world

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/world/sigstore"
)

// SetIndex chooses what the search index answers; the log itself is not touched.
func (w *World) SetIndex(i Index) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.index = i
}

// maxLookUp is how many entries one request may ask for (openapi.yaml, maxItems).
const maxLookUp = 10

// lookUp is a SearchLogQuery of Rekor's openapi.yaml.
type lookUp struct {
	Entries    []json.RawMessage `json:"entries"`
	EntryUUIDs []string          `json:"entryUUIDs"`
	LogIndexes []int64           `json:"logIndexes"`
}

func rekorError(status int, message string) *answer {
	return reply(status, "application/json", compactJSON(map[string]any{"code": status, "message": message}))
}

// rekor answers the look-ups of Rekor v1 (github.com/sigstore/rekor, openapi.yaml).
func (w *World) rekor(r *http.Request, u *url.URL, body []byte) *answer {
	switch {
	case r.Method == http.MethodPost && u.Path == "/api/v1/index/retrieve":
		return w.searchIndex(body)
	case r.Method == http.MethodPost && u.Path == "/api/v1/log/entries/retrieve":
		return w.searchLog(body)
	case r.Method == http.MethodGet && u.Path == "/api/v1/log/entries":
		n, err := strconv.ParseInt(u.Query().Get("logIndex"), 10, 64)
		if err != nil {
			return rekorError(http.StatusUnprocessableEntity, "logIndex in query is required")
		}
		return w.oneEntry(func(e *Entry) bool { return e.LogIndex() == n })
	case r.Method == http.MethodGet && strings.HasPrefix(u.Path, "/api/v1/log/entries/"):
		id := strings.TrimPrefix(u.Path, "/api/v1/log/entries/")
		return w.oneEntry(func(e *Entry) bool { return sameUUID(id, e) })
	}
	return rekorError(http.StatusNotFound, "path not found")
}

func (w *World) oneEntry(want func(*Entry) bool) *answer {
	for _, e := range w.sig.Log.Find(want) {
		return reply(http.StatusOK, "application/json", compactJSON(w.logEntry(e)))
	}
	return rekorError(http.StatusNotFound, "entry not found")
}

func (w *World) searchIndex(body []byte) *answer {
	switch w.index {
	case IndexPage:
		return reply(http.StatusOK, "text/html; charset=utf-8", []byte("<!doctype html><html><head><title>Rekor Search</title></head><body></body></html>\n"))
	case IndexEmpty:
		return reply(http.StatusOK, "application/json", []byte("[]"))
	case IndexGone:
		return rekorError(http.StatusNotFound, "path not found")
	case IndexDown:
		return rekorError(http.StatusServiceUnavailable, "search index is not available")
	}
	var q struct {
		Hash string `json:"hash"`
	}
	if json.Unmarshal(body, &q) != nil {
		return rekorError(http.StatusBadRequest, "malformed request")
	}
	uuids := []string{}
	hash := strings.TrimPrefix(q.Hash, "sha256:")
	for _, e := range w.sig.Log.Find(func(e *Entry) bool { return e.Hash == hash }) {
		uuids = append(uuids, e.UUID())
	}
	return reply(http.StatusOK, "application/json", compactJSON(uuids))
}

// searchLog answers a SearchLogQuery: by identifier with a tree id there, and by
// leaf hash, of an identifier without or of a proposed entry, in every shard. What
// it does not have is left out of the answer.
func (w *World) searchLog(body []byte) *answer {
	var q lookUp
	if json.Unmarshal(body, &q) != nil {
		return rekorError(http.StatusBadRequest, "malformed request")
	}
	if len(q.Entries) > maxLookUp || len(q.EntryUUIDs) > maxLookUp || len(q.LogIndexes) > maxLookUp {
		return rekorError(http.StatusUnprocessableEntity, fmt.Sprintf("should have at most %d items", maxLookUp))
	}
	leaves := []string{}
	for _, id := range q.EntryUUIDs {
		if raw, err := hex.DecodeString(id); err != nil || len(raw) != 32 && len(raw) != 40 {
			return rekorError(http.StatusBadRequest, "entry UUID is malformed")
		}
	}
	for _, raw := range q.Entries {
		canonical, err := canonicalEntry(raw)
		if err != nil {
			return rekorError(http.StatusBadRequest, err.Error())
		}
		leaf := sigstore.LeafHash(canonical)
		leaves = append(leaves, hex.EncodeToString(leaf[:]))
	}
	entries := []map[string]any{}
	for _, e := range w.sig.Log.Find(func(e *Entry) bool {
		return slices.Contains(q.LogIndexes, e.LogIndex()) || slices.Contains(leaves, e.LeafHash()) ||
			slices.ContainsFunc(q.EntryUUIDs, func(id string) bool { return sameUUID(id, e) })
	}) {
		entries = append(entries, w.logEntry(e))
	}
	return reply(http.StatusOK, "application/json", compactJSON(entries))
}

// canonicalEntry makes of a proposed entry what the log would store. Rekor
// verifies the signature first, and writes the certificate's PEM anew.
func canonicalEntry(raw []byte) ([]byte, error) {
	var e struct {
		Kind, APIVersion string
		Spec             struct {
			Data struct {
				Hash struct{ Algorithm, Value string }
			}
			Signature struct {
				Content   []byte
				PublicKey struct{ Content []byte }
			}
		}
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf("unmarshalling entry: %w", err)
	}
	if e.Kind != "hashedrekord" || e.APIVersion != "0.0.1" {
		return nil, fmt.Errorf("kind %q version %q is not supported here", e.Kind, e.APIVersion)
	}
	block, rest := pem.Decode(e.Spec.Signature.PublicKey.Content)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("invalid public key: failure decoding PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("invalid public key: %w", err)
	}
	sum, err := hex.DecodeString(e.Spec.Data.Hash.Value)
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); err != nil || !ok || !ecdsa.VerifyASN1(key, sum, e.Spec.Signature.Content) {
		return nil, fmt.Errorf("verifying signature: invalid signature when validating ASN.1 encoded signature")
	}
	return sigstore.HashedRekord(hex.EncodeToString(sum), e.Spec.Signature.Content, sigstore.CertificatePEM(cert.Raw)), nil
}

// sameUUID accepts an identifier with and without the tree id.
func sameUUID(id string, e *Entry) bool { return id == e.UUID() || id == e.LeafHash() }

// logEntry is an entry as the log shows it, under its identifier.
func (w *World) logEntry(e *Entry) map[string]any {
	type m = map[string]any
	p := w.sig.Log.Prove(e)
	hashes := []string{}
	for _, h := range p.Hashes {
		hashes = append(hashes, hex.EncodeToString(h))
	}
	return m{e.UUID(): m{
		"body": b64(e.Body), "integratedTime": e.IntegratedTime, "logID": hex.EncodeToString(e.LogID), "logIndex": e.LogIndex(),
		"verification": m{
			"inclusionProof": m{
				"checkpoint": p.Checkpoint, "hashes": hashes, "logIndex": p.LogIndex,
				"rootHash": hex.EncodeToString(p.RootHash), "treeSize": p.TreeSize,
			},
			"signedEntryTimestamp": e.SET,
		},
	}}
}
