// Package par runs many small pieces of work side by side. It is the one place
// where the project's packages start goroutines.
package par

import (
	"context"
	"sync"
)

// Map calls f for every index from 0 to n-1, at most limit at a time, and
// waits for all of them. f writes its result under its own index, so that the
// order of completion never shows. One failing item never stops the others:
// f reports failure in its result. After ctx is cancelled no new call starts;
// skipped, if not nil, is then called for every index that f never saw.
//
// A limit below one is taken as one. f must not panic.
func Map(ctx context.Context, n, limit int, f func(ctx context.Context, i int), skipped func(i int)) {
	limit = max(1, min(limit, n))
	next := make(chan int)
	var wg sync.WaitGroup
	for range limit {
		wg.Go(func() {
			for i := range next {
				f(ctx, i)
			}
		})
	}
	i := 0
feed:
	for ; i < n; i++ {
		if ctx.Err() != nil {
			break
		}
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	for ; i < n && skipped != nil; i++ {
		skipped(i)
	}
}

// Do runs the given functions side by side and waits for all of them.
func Do(fs ...func()) {
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(f)
	}
	wg.Wait()
}
