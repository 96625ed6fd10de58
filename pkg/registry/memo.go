package registry

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// memoBytes caps what one Client remembers. A release's manifests, signatures
// and configs come to some 2 MiB; a run over many releases, of which a few are
// examined at a time, forgets the oldest.
const memoBytes = 16 << 20

// memo remembers answers, and lets those who ask for the same thing at the
// same time share one request. There is no goroutine in it: the first caller
// does the work and the others wait, each as long as its own context lasts.
// When the first gives up, one of them takes over.
type memo struct {
	mu     sync.Mutex
	kept   map[string]*list.Element // of entry
	recent *list.List               // front is the most recently used
	bytes  int64
	flying map[string]*flight
}

type entry struct {
	key  string
	val  any
	size int64
}

type flight struct {
	done   chan struct{}
	val    any
	err    error
	gaveUp bool // its caller's context ended: says nothing about the answer
}

// errPanicked reaches those who waited for a caller that panicked.
var errPanicked = errors.New("the request that this one waited for panicked")

func (m *memo) get(key string) (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookup(key)
}

func (m *memo) lookup(key string) (any, bool) {
	e, ok := m.kept[key]
	if !ok {
		return nil, false
	}
	m.recent.MoveToFront(e)
	return e.Value.(*entry).val, true
}

// put remembers val, unless it alone would push out a good part of the rest.
func (m *memo) put(key string, val any, size int64) {
	if size > memoBytes/8 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept, m.recent = map[string]*list.Element{}, list.New()
	}
	if _, ok := m.kept[key]; ok {
		return
	}
	const overhead = 512 // of the entry itself, so that many empty ones count too
	m.kept[key] = m.recent.PushFront(&entry{key, val, size + overhead})
	m.bytes += size + overhead
	for m.bytes > memoBytes {
		old := m.recent.Remove(m.recent.Back()).(*entry)
		delete(m.kept, old.key)
		m.bytes -= old.size
	}
}

func (m *memo) drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.kept[key]; ok {
		m.bytes -= m.recent.Remove(e).(*entry).size
		delete(m.kept, key)
	}
}

// do returns what is remembered under key, or what ask gives. ask remembers
// with put what is worth it; an error is shared by those who wait for it and
// then forgotten.
func (m *memo) do(ctx context.Context, key string, ask func() (any, error)) (any, error) {
	for {
		m.mu.Lock()
		if v, ok := m.lookup(key); ok {
			m.mu.Unlock()
			return v, nil
		}
		f, ok := m.flying[key]
		if !ok {
			f = &flight{done: make(chan struct{}), err: errPanicked}
			if m.flying == nil {
				m.flying = map[string]*flight{}
			}
			m.flying[key] = f
			m.mu.Unlock()
			return m.lead(ctx, key, f, ask)
		}
		m.mu.Unlock()
		select {
		case <-f.done:
			if !f.gaveUp {
				return f.val, f.err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (m *memo) lead(ctx context.Context, key string, f *flight, ask func() (any, error)) (any, error) {
	defer func() {
		m.mu.Lock()
		delete(m.flying, key)
		m.mu.Unlock()
		close(f.done)
	}()
	f.val, f.err = ask()
	f.gaveUp = f.err != nil && ctx.Err() != nil
	return f.val, f.err
}
