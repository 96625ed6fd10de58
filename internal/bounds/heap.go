package bounds

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// Heap says when a process holds as much as it may. Caps bound one document; a server
// that answers everything with documents near their caps, many at once and many kept,
// is bounded by this. The zero value is never full.
type Heap struct {
	Most uint64 // bytes of live objects

	mu   sync.Mutex
	said time.Time // when it was last found full
}

// calm is how long it stays full once it was found so: a collection is not worth more.
const calm = 100 * time.Millisecond

// Full says whether live objects take more than Most and more bytes, which are for
// what is held on purpose. What only waits to be collected does not count: it is
// collected first.
func (h *Heap) Full(more uint64) bool {
	if h == nil || h.Most == 0 || objects() <= h.Most+more {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.said) < calm {
		return true
	}
	if objects() <= h.Most+more {
		return false
	}
	runtime.GC()
	if objects() <= h.Most+more {
		return false
	}
	h.said = time.Now()
	return true
}

// objects are the bytes of objects, live or not yet collected.
func objects() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
