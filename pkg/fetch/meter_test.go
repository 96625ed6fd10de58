package fetch

import (
	"strings"
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

// TestMeasuring holds over what a rate is measured, and when a trial begins: the rate has settled,
// more waits, and none was made too lately.
func TestMeasuring(t *testing.T) {
	begin := time.Unix(100, 0)
	for name, tt := range map[string]struct {
		rtt     time.Duration
		every   time.Duration
		brought []int // in each of these
		more    bool
		rest    time.Duration // from the beginning
		want    string        // for each: whether a trial began
	}{
		"steady":                    {0, interval, []int{1000, 1000, 1000, 1000}, true, 0, "nnyn"},
		"nothing waits":             {0, interval, []int{1000, 1000, 1000, 1000}, false, 0, "nnnn"},
		"growing":                   {0, interval, []int{1000, 1000, 1250, 1563}, true, 0, "nnnn"},
		"growing by a little less":  {0, interval, []int{1000, 1000, 1249, 1561}, true, 0, "nnyn"},
		"falling":                   {0, interval, []int{1000, 1000, 500, 400}, true, 0, "nnyn"},
		"too soon":                  {0, interval - 1, []int{1000, 1000, 1000, 1000}, true, 0, "nnnn"},
		"resting":                   {0, interval, []int{1000, 1000, 1000, 1000}, true, 4 * interval, "nnnn"},
		"rested":                    {0, interval, []int{1000, 1000, 1000, 1000}, true, 4*interval - 1, "nnny"},
		"far away":                  {interval, interval, []int{1000, 1000, 1000, 1000}, true, 0, "nnnn"},
		"far away, and waited for":  {interval, 2 * interval, []int{1000, 1000, 1000, 1000}, true, 0, "nnyn"},
		"seldom":                    {0, 4 * interval, []int{1000, 1000, 1000, 1000}, true, 0, "nnyn"},
		"too seldom":                {0, 4*interval + 1, []int{1000, 1000, 1000, 1000}, true, 0, "nnnn"},
		"far away, and not too far": {interval, 8 * interval, []int{1000, 1000, 1000, 1000}, true, 0, "nnyn"},
		"far away, and too seldom":  {interval, 8*interval + 1, []int{1000, 1000, 1000, 1000}, true, 0, "nnnn"},
	} {
		m := &meter{lanes: 2, rtt: tt.rtt, rest: begin.Add(tt.rest)}
		now, got := begin, ""
		for _, n := range tt.brought {
			now = now.Add(tt.every)
			got += map[bool]string{true: "y", false: "n"}[m.add(n, now, 1, tt.more)]
		}
		if got != tt.want || m.split != strings.Contains(got, "y") {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestTrials holds how many lanes are tried, for how long, and how many of them stay.
func TestTrials(t *testing.T) {
	now := time.Unix(100, 0)
	for name, tt := range map[string]struct {
		lanes, used int
		split       bool
		rtt, ramp   time.Duration
		want        int // 0: no trial
	}{
		"more wait":             {2, 2, true, 0, 2 * interval, 4},
		"not all are used":      {2, 1, true, 0, 0, 0},
		"of one file":           {6, 1, false, 0, 2 * interval, 6},
		"of files side by side": {6, 6, false, 0, 2 * interval, 12},
		"twelve at most":        {8, 8, true, 0, 2 * interval, 12},
		"twelve already":        {12, 12, true, 0, 0, 0},
		"a long way":            {1, 1, true, 100 * time.Millisecond, 1200 * time.Millisecond, 2},
		"too long a way":        {1, 1, true, time.Second, 3 * time.Second, 2},
	} {
		m := &meter{lanes: tt.lanes, split: tt.split, rtt: tt.rtt, rate: 7, last: 9}
		began := m.try(now, tt.used)
		if began != (tt.want > 0) || began != (m.trial != nil) || !began && m.lanes != tt.lanes {
			t.Errorf("%s: %v %+v", name, began, m)
		}
		if began && (m.lanes != tt.want || !m.split || m.trial.used != tt.used || m.trial.brought != 9 || m.trial.until != now.Add(tt.ramp)) {
			t.Errorf("%s: %+v %+v", name, m, m.trial)
		}
	}
	for name, tt := range map[string]struct {
		lanes, before, used int // of the trial
		brought, brings     float64
		want                int
		rests               bool
	}{
		"all help": {4, 2, 4, 100, 200, 4, false}, "nearly all": {10, 5, 10, 100, 155, 10, false}, "one does not": {10, 5, 10, 100, 145, 7, true},
		"none helps": {4, 2, 4, 100, 100, 2, true}, "a quarter of one is noise": {4, 2, 4, 100, 112, 2, true}, "it is worse": {4, 2, 4, 100, 50, 2, true},
		"of one file": {6, 1, 6, 100, 100, 1, true}, "one of twelve used": {6, 1, 1, 100, 100, 6, false}, "more than there are": {3, 2, 9, 100, 200, 3, true},
	} {
		m := &meter{lanes: tt.lanes, rate: tt.brings, trial: &trial{used: tt.before, brought: tt.brought}}
		m.judge(now, tt.used)
		if m.lanes != tt.want || m.trial != nil || m.rest.IsZero() == tt.rests || tt.rests && m.rest != now.Add(restAfter) {
			t.Errorf("%s: %d lanes, no trial before %s", name, m.lanes, m.rest)
		}
	}
	for name, tt := range map[string]struct {
		after time.Duration
		rate  int // of the interval in which it is judged
		want  bool
	}{"over": {interval + 1, 1000, true}, "not over": {interval, 1000, false}, "not settled": {interval + 1, 9000, false}} {
		m := &meter{lanes: 4, split: true, since: now, rate: 4000, last: 4000, trial: &trial{used: 2, brought: 4000, until: now.Add(interval)}}
		if m.add(tt.rate, now.Add(tt.after), 4, true) || (m.trial == nil) != tt.want {
			t.Errorf("%s: %+v", name, m)
		}
	}
	for lanes, want := range map[int]int{-1: 1, 0: 1, 1: 1, 3: 3, 4: 4, 5: 4} {
		m := &meter{lanes: 4, trial: &trial{}}
		if m.refused(lanes, now); m.lanes != want || m.trial != nil || m.rest != now.Add(restRefused) {
			t.Errorf("%d are left: %+v", lanes, m)
		}
	}
}

// TestNothingIsMeasuredOfAPause holds that the rate before a pause, and over it, says nothing of what comes
// after: a rate has settled once there are two of them.
func TestNothingIsMeasuredOfAPause(t *testing.T) {
	const pause = 40 * interval
	m, now, got := &meter{lanes: 2}, time.Unix(100, 0), ""
	for _, step := range []struct {
		took time.Duration
		more bool
	}{{interval, false}, {interval, false}, {interval, false}, {pause, true}, {interval, true}, {interval, true}} {
		now = now.Add(step.took)
		got += map[bool]string{true: "y", false: "n"}[m.add(int(1000*step.took/interval), now, 1, step.more)]
	}
	if got != "nnnnny" {
		t.Errorf("trials began: %s", got)
	}
}
