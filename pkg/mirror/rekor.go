package mirror

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

const (
	// maxBundles: a hundred releases of a thousand signed files.
	maxBundles = 100_000
	// maxUUIDs is how many entries Rekor's own server gives for one request.
	maxUUIDs = 10
	// maxShards caps the entries that are kept of one body; Rekor has a handful of shards.
	maxShards = 16
)

// MaxQuery caps the body of a look-up in the transparency log, in bytes; one names
// at most ten entries.
const MaxQuery = 64 << 10

// keptLog is what the kept bundles know of the transparency log.
type keptLog struct {
	entries map[string][]logEntry // by leaf hash, 64 hex digits: one of each shard that was kept
	byHash  map[string][]string   // sha256 of a signed file, in hex, to leaf hashes
	byIndex map[int64]string      // index over all shards to leaf hash
	damage  error                 // the first bundle that could not be read
}

// logEntry is an entry in the form of Rekor's API, version 1.
type logEntry struct {
	Body           string       `json:"body"` // base64 of the canonical entry
	IntegratedTime int64        `json:"integratedTime"`
	LogID          string       `json:"logID"` // hex
	LogIndex       int64        `json:"logIndex"`
	Verification   verification `json:"verification"`
}

type verification struct {
	SignedEntryTimestamp string          `json:"signedEntryTimestamp,omitempty"` // base64
	InclusionProof       *inclusionProof `json:"inclusionProof,omitempty"`
}

type inclusionProof struct {
	Checkpoint string   `json:"checkpoint"`
	Hashes     []string `json:"hashes"` // hex
	LogIndex   int64    `json:"logIndex"`
	RootHash   string   `json:"rootHash"` // hex
	TreeSize   int64    `json:"treeSize"`
}

// bundle is a Sigstore bundle (v0.1 to v0.3), as far as it holds log entries:
// https://github.com/sigstore/protobuf-specs, in the JSON form of protobuf,
// which writes 64-bit numbers as strings and bytes in base64.
type bundle struct {
	Material struct {
		Entries []struct {
			LogIndex number `json:"logIndex"`
			LogID    struct {
				KeyID []byte `json:"keyId"`
			} `json:"logId"`
			IntegratedTime number `json:"integratedTime"`
			Promise        *struct {
				SET []byte `json:"signedEntryTimestamp"`
			} `json:"inclusionPromise"`
			Proof *struct {
				LogIndex   number   `json:"logIndex"`
				RootHash   []byte   `json:"rootHash"`
				TreeSize   number   `json:"treeSize"`
				Hashes     [][]byte `json:"hashes"`
				Checkpoint struct {
					Envelope string `json:"envelope"`
				} `json:"checkpoint"`
			} `json:"inclusionProof"`
			Body []byte `json:"canonicalizedBody"`
		} `json:"tlogEntries"`
	} `json:"verificationMaterial"`
}

// number is a 64-bit integer that JSON may hold as a number or as a string.
type number int64

func (n *number) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*n = number(i)
	return err
}

// parseBundle returns the log entries of a kept bundle, each with the sha256
// (hex) of the file that it is about, which is empty if it is not a
// hashedrekord.
func parseBundle(body []byte) (entries []logEntry, hashes []string, err error) {
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, nil, err
	}
	for _, e := range b.Material.Entries {
		entry := logEntry{
			Body:           base64.StdEncoding.EncodeToString(e.Body),
			IntegratedTime: int64(e.IntegratedTime),
			LogID:          hex.EncodeToString(e.LogID.KeyID),
			LogIndex:       int64(e.LogIndex),
		}
		if e.Promise != nil {
			entry.Verification.SignedEntryTimestamp = base64.StdEncoding.EncodeToString(e.Promise.SET)
		}
		if p := e.Proof; p != nil {
			proof := &inclusionProof{
				Checkpoint: p.Checkpoint.Envelope, LogIndex: int64(p.LogIndex),
				RootHash: hex.EncodeToString(p.RootHash), TreeSize: int64(p.TreeSize), Hashes: []string{},
			}
			for _, h := range p.Hashes {
				proof.Hashes = append(proof.Hashes, hex.EncodeToString(h))
			}
			entry.Verification.InclusionProof = proof
		}
		entries = append(entries, entry)
		hashes = append(hashes, hashOf(e.Body))
	}
	return entries, hashes, nil
}

// hashOf returns the sha256 that a hashedrekord entry is about, in hex.
func hashOf(body []byte) string {
	var e struct {
		Spec struct {
			Data struct {
				Hash struct{ Algorithm, Value string }
			}
		}
	}
	if json.Unmarshal(body, &e) != nil || e.Spec.Data.Hash.Algorithm != "sha256" {
		return ""
	}
	return strings.ToLower(e.Spec.Data.Hash.Value)
}

// leafHash is the Merkle tree's hash of an entry (RFC 6962), which is also the
// last 64 digits of its UUID.
func leafHash(body []byte) string {
	sum := sha256.Sum256(append([]byte{0}, body...))
	return hex.EncodeToString(sum[:])
}

// readLog reads every kept bundle under files/.
func readLog(fsys fs.FS, m *layout.Listing) (*keptLog, error) {
	kept := &keptLog{entries: map[string][]logEntry{}, byHash: map[string][]string{}, byIndex: map[int64]string{}}
	count := 0
	err := fs.WalkDir(fsys, "files", func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && (e.IsDir() || !strings.HasSuffix(name, layout.BundleSuffix)) {
			return nil
		}
		if count++; count > maxBundles {
			return fmt.Errorf("more than %d kept bundles: %w", maxBundles, layout.ErrTooLarge)
		}
		if err == nil {
			err = kept.add(fsys, m, name)
		}
		if err != nil && kept.damage == nil {
			kept.damage = fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	return kept, err
}

func (l *keptLog) add(fsys fs.FS, m *layout.Listing, name string) error {
	w, ok := m.Lookup("https://" + strings.TrimPrefix(name, "files/"))
	if !ok {
		return errors.New("the file is there, but MANIFEST.json does not list it")
	}
	body, err := layout.ReadFile(fsys, name, w, layout.MaxBundle)
	if err != nil {
		return err
	}
	entries, hashes, err := parseBundle(body)
	if err != nil {
		return err
	}
	for i, e := range entries {
		canonical, _ := base64.StdEncoding.DecodeString(e.Body) // encoded by parseBundle
		uuid := leafHash(canonical)
		same := l.entries[uuid]
		if len(same) == maxShards || slices.ContainsFunc(same, func(o logEntry) bool { return o.LogIndex == e.LogIndex && o.LogID == e.LogID }) {
			continue
		}
		l.entries[uuid] = append(same, e)
		l.byIndex[e.LogIndex] = uuid
		if h := hashes[i]; h != "" && len(same) == 0 {
			l.byHash[h] = append(l.byHash[h], uuid)
		}
	}
	return nil
}
