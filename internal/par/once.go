package par

import "sync"

// Once is a [sync.Once] for work that waits for the network. Who comes while the work is
// done waits on a channel: a bubble of testing/synctest, which counts a channel as
// blocked and a lock as busy, can then let its time pass.
//
// The zero value is ready. A panic of the work counts as its end.
type Once struct {
	mu   sync.Mutex
	done chan struct{}
}

// Do calls f if no caller has, and returns once that call has ended.
func (o *Once) Do(f func()) {
	o.mu.Lock()
	done := o.done
	if done == nil {
		o.done = make(chan struct{})
		done = o.done
		o.mu.Unlock()
		defer close(done)
		f()
		return
	}
	o.mu.Unlock()
	<-done
}

// OnceValue is [sync.OnceValue] over a [Once]: a panic of f is raised in every caller.
func OnceValue[T any](f func() T) func() T {
	g := OnceValues(func() (T, struct{}) { return f(), struct{}{} })
	return func() T {
		v, _ := g()
		return v
	}
}

// OnceValues is [sync.OnceValues] over a [Once]: a panic of f is raised in every caller.
func OnceValues[T, U any](f func() (T, U)) func() (T, U) {
	var once Once
	var v T
	var w U
	var end group
	return func() (T, U) {
		once.Do(func() {
			defer end.keep()
			v, w = f()
		})
		end.wait()
		return v, w
	}
}
