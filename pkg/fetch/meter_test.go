package fetch

import (
	"testing"
	"time"
)

// over runs a meter for some seconds over a line of which each lane brings at most each,
// and all of them total, in bytes a second, once it is as fast as it gets; there is always
// more to fetch. It says how many lanes there were at most and are at the end.
func over(m *meter, seconds int, each, total float64) (most, last int) {
	const tick = 10 * time.Millisecond
	now := time.Unix(0, 0)
	began := make([]time.Time, maxLanes+1)
	for range seconds * int(time.Second/tick) {
		now = now.Add(tick)
		used := m.lanes
		if !m.split {
			used = 1 // one file
		}
		rate := 0.0
		for i := range used {
			if began[i].IsZero() {
				began[i] = now
			}
			// Slow start: doubled each round trip, from ten segments.
			grown := 14600 / m.rtt.Seconds()
			for age := now.Sub(began[i]) - 3*m.rtt; age > 0 && grown < each; age -= m.rtt {
				grown *= 2
			}
			if now.Sub(began[i]) < 3*m.rtt {
				grown = 0
			}
			rate += min(grown, each)
		}
		m.add(int(min(rate, total)*tick.Seconds()), now, used, true)
		most = max(most, used)
	}
	return most, m.lanes
}

// TestMeter holds that there are more connections only where they bring more, and never
// more than twelve.
func TestMeter(t *testing.T) {
	for _, c := range []struct {
		what        string
		rtt         time.Duration
		each, total float64
		most, last  int
	}{
		{"each is bounded", 50 * time.Millisecond, 20e6, 200e6, maxLanes, maxLanes},
		{"each is bounded, far away", 200 * time.Millisecond, 20e6, 200e6, maxLanes, maxLanes},
		{"each is bounded, slow", 20 * time.Millisecond, 1e5, 1e7, maxLanes, maxLanes},
		{"one fills the line", 50 * time.Millisecond, 200e6, 20e6, firstLanes, 1},
		{"one fills a fast line", 5 * time.Millisecond, 1e9, 1e9, firstLanes, 1},
		{"three fill the line", 50 * time.Millisecond, 20e6, 60e6, firstLanes, 3},
		{"seven fill the line", 50 * time.Millisecond, 20e6, 140e6, maxLanes, 7},
	} {
		m := &meter{lanes: firstLanes, rtt: c.rtt}
		most, last := over(m, 10, c.each, c.total)
		if most != c.most || last != c.last {
			t.Errorf("%s: %d lanes at most and %d at last, want %d and %d", c.what, most, last, c.most, c.last)
		}
	}
}

// TestMeterOfRefusals holds that a refusal leaves the lanes that are there, and that there is
// no trial soon after it.
func TestMeterOfRefusals(t *testing.T) {
	m := &meter{lanes: firstLanes, rtt: 50 * time.Millisecond}
	over(m, 10, 20e6, 200e6)
	m.refused(3, time.Unix(10, 0))
	if most, last := over(m, 60, 20e6, 200e6); most != 3 || last != 3 {
		t.Errorf("%d lanes at most and %d at last within a minute", most, last)
	}
	m.refused(0, time.Unix(10, 0))
	if m.lanes != 1 {
		t.Errorf("%d lanes", m.lanes)
	}
}
