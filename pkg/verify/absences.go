package verify

import (
	"slices"
	"sync"
)

// absences are the names and platforms that are not where a run reads, and that
// it does not speak of.
type absences struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (a *absences) add(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	for _, n := range names {
		a.seen[n] = true
	}
}

func (a *absences) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for n := range a.seen {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
