package par_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/kverify/kverify/internal/par"
)

func TestMapRunsEveryIndexOnceWithinTheLimit(t *testing.T) {
	var now, peak atomic.Int64
	seen := make([]atomic.Int64, 500)
	par.Map(t.Context(), len(seen), 7, func(_ context.Context, i int) {
		n := now.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		seen[i].Add(1)
		now.Add(-1)
	}, nil)
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Fatalf("index %d ran %d times", i, n)
		}
	}
	if p := peak.Load(); p > 7 {
		t.Errorf("%d ran at once, limit 7", p)
	}
}

func TestMapAfterCancelSkipsTheRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ran, skipped := make([]bool, 100), make([]bool, 100)
	par.Map(ctx, 100, 1, func(_ context.Context, i int) {
		ran[i] = true
		if i == 10 {
			cancel()
		}
	}, func(i int) { skipped[i] = true })
	for i := range ran {
		if ran[i] == skipped[i] {
			t.Errorf("index %d: ran %v, skipped %v", i, ran[i], skipped[i])
		}
	}
	if !skipped[99] {
		t.Error("the last index ran after the cancel")
	}
}

func TestMapOfNothing(t *testing.T) {
	par.Map(t.Context(), 0, 0, func(context.Context, int) { t.Error("called") }, nil)
}

func ExampleMap() {
	squares := make([]int, 4)
	par.Map(context.Background(), len(squares), 2, func(_ context.Context, i int) {
		squares[i] = i * i
	}, nil)
	fmt.Println(squares)
	// Output: [0 1 4 9]
}

func TestPanicReachesTheCallerAfterTheRest(t *testing.T) {
	for name, run := range map[string]func(ran *atomic.Int64){
		"Map": func(ran *atomic.Int64) {
			par.Map(context.Background(), 10, 3, func(_ context.Context, i int) {
				ran.Add(1)
				if i == 2 {
					panic("bad input")
				}
			}, nil)
		},
		"Do": func(ran *atomic.Int64) {
			fs := []func(){func() { ran.Add(1); panic("bad input") }}
			for range 9 {
				fs = append(fs, func() { ran.Add(1) })
			}
			par.Do(func() { par.Do(fs...) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var ran atomic.Int64
			defer func() {
				p, ok := recover().(*par.Panic)
				if !ok || p.Value != "bad input" || len(p.Stack) == 0 {
					t.Errorf("recovered %v", p)
				}
				if ran.Load() != 10 {
					t.Errorf("%d of 10 ran", ran.Load())
				}
			}()
			run(&ran)
			t.Error("no panic reached the caller")
		})
	}
}
