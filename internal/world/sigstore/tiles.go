package sigstore

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"time"
)

// HostTiles is the origin of the tile-based log, as of Sigstore's log2025-1.
const HostTiles = "log2025-1.rekor.sigstore.dev"

// TilesOpened is when the tile-based log began.
var TilesOpened = time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)

// Tiles is a log as Rekor v2: it keeps hashes of what was signed, proves
// inclusion by checkpoints, promises nothing and says nothing about time.
// Formats: c2sp.org/tlog-checkpoint, c2sp.org/signed-note, and
// github.com/sigstore/rekor-tiles.
type Tiles struct {
	Origin string
	key    ed25519.PrivateKey

	mu     sync.Mutex
	bodies [][]byte
}

// Tile is an entry of a [Tiles] log.
type Tile struct {
	Body  []byte // canonical JSON
	Index int64
	log   *Tiles
}

func newTiles(seed string) *Tiles {
	sum := sha256.Sum256(fmt.Appendf(nil, "kverify test key %q tiles", seed))
	t := &Tiles{Origin: HostTiles, key: ed25519.NewKeyFromSeed(sum[:])}
	// A log is never empty: a proof in a tree of one leaf would have no hashes.
	for i := range 5 {
		t.bodies = append(t.bodies, fmt.Appendf(nil, `{"n":%d}`, i))
	}
	return t
}

func (t *Tiles) Clone() *Tiles {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &Tiles{Origin: t.Origin, key: t.key, bodies: slices.Clip(t.bodies)}
}

// ID is the log's id: the hash of its name and key, of which checkpoints have four bytes.
func (t *Tiles) ID() []byte {
	sum := sha256.Sum256(append([]byte(t.Origin+"\n\x01"), t.key.Public().(ed25519.PublicKey)...))
	return sum[:]
}

func (t *Tiles) publicKey() []byte {
	out, err := x509.MarshalPKIXPublicKey(t.key.Public())
	must(err)
	return out
}

func (t *Tiles) enter(body []byte) *Tile {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bodies = append(t.bodies, body)
	return &Tile{Body: body, Index: int64(len(t.bodies) - 1), log: t}
}

// Prove returns an inclusion proof in the log as it is now.
func (e *Tile) Prove() *Proof {
	t := e.log
	t.mu.Lock()
	defer t.mu.Unlock()
	var leaves [][32]byte
	for _, b := range t.bodies {
		leaves = append(leaves, LeafHash(b))
	}
	root := treeHash(leaves)
	p := &Proof{LogIndex: e.Index, TreeSize: int64(len(leaves)), RootHash: root[:], Hashes: inclusion(leaves, int(e.Index))}
	p.Checkpoint = t.Checkpoint(t.Origin, p.TreeSize, p.RootHash)
	return p
}

// Checkpoint signs a tree head in the name of an origin, which an honest log
// never does for another's.
func (t *Tiles) Checkpoint(origin string, size int64, root []byte) string {
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, b64(root))
	return text + "\n" + t.Cosign(text)
}

// Cosign is a line of signature under a checkpoint's text.
func (t *Tiles) Cosign(text string) string {
	return fmt.Sprintf("\u2014 %s %s\n", t.Origin, b64(append(slices.Clone(t.ID()[:4]), ed25519.Sign(t.key, []byte(text))...)))
}
