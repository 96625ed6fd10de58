package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/kverify/kverify/pkg/fetch"
)

// rekorURL is the public-good transparency log that Kubernetes' file signatures
// are in. A file's signature has no log entry beside it, so that the entry is
// looked up by the file's hash.
const rekorURL = "https://rekor.sigstore.dev"

const (
	// maxFound caps the answer of a search: anyone may log any hash, and a flood
	// of entries must not cost more than this.
	maxFound = 1 << 20
	// maxEntries caps the entries that are read after a search, when none of the
	// found has the very id that this signature's entry must have.
	maxEntries = 20
	// retrieveAtOnce is Rekor's own limit on one retrieval.
	retrieveAtOnce = 10
	// maxEntry caps one retrieval: each entry is about 8 KB with its proof.
	maxEntry = 1 << 20
)

// logEntry is a Rekor v1 log entry as its API returns it.
// https://github.com/sigstore/rekor/blob/main/openapi.yaml
type logEntry struct {
	Body           string `json:"body"` // base64 of the canonical entry
	IntegratedTime int64  `json:"integratedTime"`
	LogID          string `json:"logID"` // hex
	LogIndex       int64  `json:"logIndex"`
	Verification   struct {
		SignedEntryTimestamp []byte          `json:"signedEntryTimestamp"`
		InclusionProof       *inclusionProof `json:"inclusionProof"`
	} `json:"verification"`

	canonical []byte
}

type inclusionProof struct {
	Checkpoint string   `json:"checkpoint"`
	Hashes     []string `json:"hashes"` // hex
	LogIndex   int64    `json:"logIndex"`
	RootHash   string   `json:"rootHash"` // hex
	TreeSize   int64    `json:"treeSize"`
}

var (
	errNotLogged = errors.New("the log has no entry for these bytes by this signature and certificate")
	errFlooded   = fmt.Errorf("the log has more than %d entries for these bytes, and the first are not of this signature", maxEntries)
)

// lookUp finds the log entry of exactly this signature (base64) by this
// certificate over bytes of this digest. It does not verify the entry.
//
// The errors are errNotLogged, errFlooded, and those of the fetch.
func (r *run) lookUp(ctx context.Context, digest, signature string, cert *x509.Certificate, certPEM []byte) (*logEntry, error) {
	var ids []string
	if err := r.ask(ctx, "/api/v1/index/retrieve", map[string]string{"hash": digest}, maxFound, &ids); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, errNotLogged
	}
	// The id ends in the hash of the entry, which can be computed: a flood of other entries for
	// the same bytes then costs nothing.
	if want, err := leafHash(digest, signature, certPEM); err == nil {
		if i := slices.IndexFunc(ids, func(id string) bool { return len(id) >= 64 && id[len(id)-64:] == want }); i >= 0 {
			ids = ids[i : i+1]
		}
	}
	flooded := len(ids) > maxEntries
	for ids = ids[:min(len(ids), maxEntries)]; len(ids) > 0; {
		n := min(len(ids), retrieveAtOnce)
		var found []map[string]logEntry
		if err := r.ask(ctx, "/api/v1/log/entries/retrieve", map[string][]string{"entryUUIDs": ids[:n]}, maxEntry, &found); err != nil {
			return nil, err
		}
		ids = ids[n:]
		for _, byID := range found {
			for _, e := range byID {
				if e.isOf(digest, signature, cert) {
					return &e, nil
				}
			}
		}
	}
	if flooded {
		return nil, errFlooded
	}
	return nil, errNotLogged
}

// isOf says whether the entry is of exactly this signature (rule 16), and
// fills in the decoded body.
func (e *logEntry) isOf(digest, signature string, cert *x509.Certificate) bool {
	var err error
	if e.canonical, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
		return false
	}
	h, err := parseHashedRekord(e.canonical)
	return err == nil && h.is(digest, signature, cert) == nil
}

// leafHash computes the id of the log entry that this signature must have: the
// RFC 6962 leaf hash of the canonical (RFC 8785) hashedrekord.
func leafHash(digest, signature string, certPEM []byte) (string, error) {
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return "", err
	}
	var e hashedRekord
	e.APIVersion, e.Kind = "0.0.1", "hashedrekord"
	e.Spec.Data.Hash.Algorithm, e.Spec.Data.Hash.Value = "sha256", digest[len("sha256:"):]
	e.Spec.Signature.Content, e.Spec.Signature.PublicKey.Content = sig, certPEM
	canonical, err := json.Marshal(e) // fields stand in alphabetical order, and base64 needs no escaping
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte{0}, canonical...))
	return hex.EncodeToString(sum[:]), nil
}

func (r *run) ask(ctx context.Context, path string, question any, limit int64, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	resp, err := r.Fetch.Do(ctx, fetch.Request{
		Method: http.MethodPost, URL: rekorURL + path, Body: body, Limit: limit, Repeatable: true,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(resp.Body)).Decode(answer); err != nil {
		return fmt.Errorf("%s%s: the answer cannot be read: %w", rekorURL, path, err)
	}
	return nil
}
