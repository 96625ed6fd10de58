// Package par runs many small pieces of work side by side. It is the one place
// where the project's packages start goroutines.
//
// A panic in a piece of work does not end the process: it is raised again in
// the goroutine that called [Map] or [Do], as a [*Panic], once every other
// piece has ended. One hostile input can so be turned into that input's own
// failure by its caller.
package par

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Panic is what Map and Do panic with when a piece of work panicked.
type Panic struct {
	Value any    // what it panicked with
	Stack []byte // where
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// group waits for goroutines and keeps the first panic among them.
type group struct {
	wg    sync.WaitGroup
	once  sync.Once
	first *Panic
}

func (g *group) keep() {
	if v := recover(); v != nil {
		g.once.Do(func() {
			if p, ok := v.(*Panic); ok {
				g.first = p
				return
			}
			g.first = &Panic{Value: v, Stack: debug.Stack()}
		})
	}
}

func (g *group) wait() {
	g.wg.Wait()
	if g.first != nil {
		panic(g.first)
	}
}

// Map calls f for every index from 0 to n-1, at most limit at a time, and
// waits for all of them. f writes its result under its own index, so that the
// order of completion never shows. One failing item never stops the others:
// f reports failure in its result. After ctx is cancelled no new call starts;
// skipped, if not nil, is then called for every index that f never saw.
//
// A limit below one is taken as one.
func Map(ctx context.Context, n, limit int, f func(ctx context.Context, i int), skipped func(i int)) {
	limit = max(1, min(limit, n))
	next := make(chan int)
	var g group
	for range limit {
		g.wg.Go(func() {
			for i := range next {
				func() {
					defer g.keep()
					f(ctx, i)
				}()
			}
		})
	}
	i := 0
feed:
	for ; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	g.wait()
	for ; i < n && skipped != nil; i++ {
		skipped(i)
	}
}

// Do runs the given functions side by side and waits for all of them.
func Do(fs ...func()) {
	var g group
	for _, f := range fs {
		g.wg.Go(func() {
			defer g.keep()
			f()
		})
	}
	g.wait()
}
