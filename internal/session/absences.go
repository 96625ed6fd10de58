package session

import (
	"slices"
	"sync"
)

// Absences are the names and platforms that are not where a session reads, and of
// which its report says nothing else. The zero value is ready to use, by several goroutines.
type Absences struct {
	mu   sync.Mutex
	seen map[string]bool
}

// Add notes names.
func (a *Absences) Add(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	for _, n := range names {
		a.seen[n] = true
	}
}

func (a *Absences) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for n := range a.seen {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
