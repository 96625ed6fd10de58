package verify

import (
	"sync"

	"github.com/kverify/kverify/pkg/sigstore"
)

// maxKept caps a bundle that is compared with a new one.
const maxKept = 1 << 20

// kept are log entries that stand beside files on disk, by what they are of.
// They are hints: an entry proves itself or is looked up.
type kept struct {
	mu      sync.Mutex
	entries map[string][]*sigstore.LogEntry // by "sha256:<hex>" of the file
}

// maxKeptEntries caps the entries that are held of one file.
const maxKeptEntries = 4

// add reads a kept bundle; one that cannot be read is no hint.
func (k *kept) add(digest string, raw []byte) {
	if len(raw) > maxKept {
		return
	}
	e, err := sigstore.EntryOf(raw)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil {
		k.entries = map[string][]*sigstore.LogEntry{}
	}
	if len(k.entries[digest]) < maxKeptEntries {
		k.entries[digest] = append(k.entries[digest], e)
	}
}

// find returns an entry of exactly this signature, if one is kept.
func (k *kept) find(s *sigstore.DetachedSignature) *sigstore.LogEntry {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.entries[s.Digest()] {
		if s.LoggedBy(e) {
			return e
		}
	}
	return nil
}
