package session

import (
	"sync"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sigstore"
)

// MaxBundle caps a bundle that stands beside a file.
const MaxBundle = 1 << 20

// LogEntries are those of bundles that stand beside files on disk. They are hints:
// an entry proves itself, or the log is asked. The zero value is ready to use, by
// several goroutines.
type LogEntries struct {
	mu      sync.Mutex
	entries map[oci.Digest][]*sigstore.LogEntry // by that of the file
}

// maxEntries caps the entries that are held of one file.
const maxEntries = 4

// Add takes the entry of a file's bundle; from one that cannot be read nothing is taken.
func (l *LogEntries) Add(digest oci.Digest, bundle []byte) {
	if len(bundle) > MaxBundle {
		return
	}
	e, err := sigstore.EntryOf(bundle)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = map[oci.Digest][]*sigstore.LogEntry{}
	}
	if len(l.entries[digest]) < maxEntries {
		l.entries[digest] = append(l.entries[digest], e)
	}
}

// Find returns the entry of exactly this signature; nil if none was added.
func (l *LogEntries) Find(s *sigstore.DetachedSignature) *sigstore.LogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries[s.Digest()] {
		if s.LoggedBy(e) {
			return e
		}
	}
	return nil
}
