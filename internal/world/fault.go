package world

import (
	"net/url"
	"sync"
	"time"
)

// Fault is what an attacker, or bad luck, does to some requests. Faults apply
// in the order in which they were made.
type Fault struct {
	pattern string
	hop     bool // applies to the request itself, not to where redirects end
	apply   func(u *url.URL, a *answer) (*answer, time.Duration, error)

	mu    sync.Mutex
	left  int // times left; negative: for ever
	after int // requests to let pass first
}

// Times limits a fault to the next n requests.
func (f *Fault) Times(n int) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = n
	return f
}

// After lets n requests pass before the fault begins.
func (f *Fault) After(n int) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = n
	return f
}

func (f *Fault) clone() *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Fault{pattern: f.pattern, hop: f.hop, apply: f.apply, left: f.left, after: f.after}
}

func (f *Fault) take() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.after > 0 {
		f.after--
		return false
	}
	if f.left == 0 {
		return false
	}
	f.left--
	return true
}
