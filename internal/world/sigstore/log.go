package sigstore

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// HostRekor is the origin of the log.
const HostRekor = "rekor.sigstore.dev"

// Rekor v1 is made of shards. An entry has an index in its shard's tree and
// another one over all shards; its identifier is the shard's tree id followed
// by the leaf hash. Clients that mix them up fail on the real log, so here
// they differ too. The same entry may stand in several shards, at another time
// in each; all of them sign with one key.
const (
	treeID      = 0x108e9186e8c5677b
	shardOffset = 4163431
	shardSize   = 1 << 24 // from one shard's first index to the next one's
)

// Log is a signature log as Rekor v1: entries, a Merkle tree over them
// (RFC 6962) and a key that signs promises and checkpoints.
type Log struct {
	key   *ecdsa.PrivateKey
	id    [32]byte
	shard int // 0 is the one that is written to; higher ones are others

	mu      sync.RWMutex
	entries []*Entry
	others  []*Log // further shards
}

// Entry is one entry of a [Log].
type Entry struct {
	Body           []byte // canonical JSON
	Kind, Version  string // "hashedrekord", "0.0.1"
	IntegratedTime int64  // seconds since 1970
	TreeIndex      int64  // in the tree; LogIndex is over all shards
	LogID          []byte // 32 bytes, sha256 of the log's public key
	SET            []byte // signed entry timestamp, an ASN.1 ECDSA signature
	Hash           string // sha256 of what was signed, hex
	shard          int
	leaf           [32]byte // the hash of the entry's leaf
}

// LogIndex is the index that the signed entry timestamp covers.
func (e *Entry) LogIndex() int64 { return e.TreeIndex + shardOffset + int64(e.shard)*shardSize }

// LeafHash is the hash of the entry's leaf, hex.
func (e *Entry) LeafHash() string {
	return hex.EncodeToString(e.leaf[:])
}

// UUID is the entry's identifier, 80 hex digits.
func (e *Entry) UUID() string {
	return fmt.Sprintf("%016x%s", uint64(treeID)+uint64(e.shard), e.LeafHash())
}

// Proof is an inclusion proof with the checkpoint that it ends in.
type Proof struct {
	LogIndex   int64 // in the tree
	TreeSize   int64
	RootHash   []byte
	Hashes     [][]byte
	Checkpoint string
}

func newLog(key *ecdsa.PrivateKey) *Log {
	return &Log{key: key, id: sha256.Sum256(spki(&key.PublicKey))}
}

func (l *Log) Clone() *Log {
	l.mu.RLock()
	defer l.mu.RUnlock()
	c := &Log{key: l.key, id: l.id, shard: l.shard, entries: slices.Clip(l.entries)}
	for _, o := range l.others {
		c.others = append(c.others, o.Clone())
	}
	return c
}

// Shard is a further tree of the log, n from 1 up: what is taken there has other
// indices and identifiers, and is found with everything else.
func (l *Log) Shard(n int) *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.others) < n {
		l.others = append(l.others, &Log{key: l.key, id: l.id, shard: len(l.others) + 1})
	}
	return l.others[n-1]
}

// reserve makes room for n entries and returns the first one's tree index, so
// that a batch signed side by side still has a fixed order.
func (l *Log) reserve(n int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := int64(len(l.entries))
	l.entries = append(l.entries, make([]*Entry, n)...)
	return first
}

// enter signs the promise for an entry and puts it at the reserved index.
func (l *Log) enter(index int64, kind, version string, body []byte, hash string, at int64) *Entry {
	e := &Entry{Body: body, Kind: kind, Version: version, IntegratedTime: at, TreeIndex: index, LogID: l.id[:], Hash: hash, shard: l.shard, leaf: LeafHash(body)}
	e.SET = l.Promise(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[index] = e
	return e
}

// Take logs anything, as a log that does not look would.
func (l *Log) Take(kind, version string, body []byte, at int64) *Entry {
	return l.enter(l.reserve(1), kind, version, body, "", at)
}

// Rewrite puts another body in the place of an entry, with a promise for it: what
// the log holds then is not what a client would propose. It returns the new entry.
func (l *Log) Rewrite(e *Entry, change func([]byte) []byte) *Entry {
	l.mu.Lock()
	l.entries = slices.Clone(l.entries) // shared with clones
	l.mu.Unlock()
	return l.enter(e.TreeIndex, e.Kind, e.Version, change(slices.Clone(e.Body)), e.Hash, e.IntegratedTime)
}

// Again logs an entry once more, at another time.
func (l *Log) Again(e *Entry, at int64) *Entry {
	return l.enter(l.reserve(1), e.Kind, e.Version, e.Body, e.Hash, at)
}

// Promise signs an entry's timestamp: the canonical JSON (RFC 8785) of body,
// time, log and index, in this order of keys.
func (l *Log) Promise(e *Entry) []byte {
	payload, err := json.Marshal(struct {
		Body           string `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int64  `json:"logIndex"`
	}{b64(e.Body), e.IntegratedTime, hex.EncodeToString(e.LogID), e.LogIndex()})
	must(err)
	return sign256(l.key, payload)
}

// Find returns the entries of every shard that satisfy a condition: the shard
// that is written to last, as Rekor answers.
func (l *Log) Find(want func(*Entry) bool) []*Entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var found []*Entry
	for _, o := range l.others {
		found = append(found, o.Find(want)...)
	}
	for _, e := range l.entries {
		if e != nil && want(e) {
			found = append(found, e)
		}
	}
	return found
}

// Prove returns an inclusion proof of e in its shard as it is now.
func (l *Log) Prove(e *Entry) *Proof {
	if e.shard != l.shard {
		return l.Shard(e.shard).Prove(e)
	}
	l.mu.RLock()
	var leaves [][32]byte
	for _, e := range l.entries {
		if e == nil { // reserved by a batch that is still being signed
			break
		}
		leaves = append(leaves, e.leaf)
	}
	l.mu.RUnlock()
	root := treeHash(leaves)
	p := &Proof{
		LogIndex: e.TreeIndex,
		TreeSize: int64(len(leaves)),
		RootHash: root[:],
		Hashes:   inclusion(leaves, int(e.TreeIndex)),
	}
	p.Checkpoint = l.checkpoint(p.TreeSize, p.RootHash)
	return p
}

// Alone proves an entry in a tree that holds nothing else, under an origin
// without a tree id, as a private log may write it.
func (l *Log) Alone(body []byte) *Proof {
	root := LeafHash(body)
	text := fmt.Sprintf("%s\n1\n%s\n", HostRekor, b64(root[:]))
	sig := append(slices.Clone(l.id[:4]), sign256(l.key, []byte(text))...)
	return &Proof{TreeSize: 1, RootHash: root[:], Checkpoint: fmt.Sprintf("%s\n\u2014 %s %s\n", text, HostRekor, b64(sig))}
}

// checkpoint is a signed note (golang.org/x/mod/sumdb/note) in which Rekor
// uses an ASN.1 ECDSA signature and the log id's first four bytes.
func (l *Log) checkpoint(size int64, root []byte) string {
	text := fmt.Sprintf("%s - %d\n%d\n%s\n", HostRekor, uint64(treeID)+uint64(l.shard), size, b64(root))
	sig := append(slices.Clone(l.id[:4]), sign256(l.key, []byte(text))...)
	return fmt.Sprintf("%s\n\u2014 %s %s\n", text, HostRekor, base64.StdEncoding.EncodeToString(sig))
}
