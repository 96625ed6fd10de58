package par

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for another's answer does not hold up the clock of a bubble.
func TestOnceWaitsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		ask := OnceValues(func() (int, error) {
			calls++
			time.Sleep(time.Hour)
			return 7, nil
		})
		var once Once
		one := func() {
			if v, err := ask(); v != 7 || err != nil {
				t.Errorf("%d %v", v, err)
			}
			once.Do(func() { time.Sleep(time.Minute); calls++ })
		}
		Do(one, one, one)
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}

// A panic is everybody's, as it is with sync.OnceValue.
func TestOncePanics(t *testing.T) {
	ask := OnceValue(func() int { panic("boom") })
	for range 2 {
		func() {
			defer func() {
				if p, ok := recover().(*Panic); !ok || p.Value != "boom" {
					t.Errorf("panic %v", p)
				}
			}()
			ask()
			t.Error("no panic")
		}()
	}
}
