package fetch

import (
	"math"
	"time"
)

const (
	// firstLanes are as many connections as a host gets for files that are asked for side
	// by side, without a trial: browsers open as many to a host.
	firstLanes = 6
	// maxLanes is the most that a host ever gets. Ten fill a line of which a server grants
	// each connection a tenth; two more make up for those between two requests.
	maxLanes = 12
	// ranges a lane: while one is received the next is on its way.
	perLane = 2
	// interval is over how long a rate is measured.
	interval = 250 * time.Millisecond
	// steady is by how much a rate may grow from one interval to the next that has settled:
	// in slow start it doubles each round trip.
	steady = 1.25
	// rampTrips is how many round trips a new connection needs until it is as fast as it
	// will be: three until its first byte, and as many doublings as from ten segments to
	// some 8 MiB (RFC 6928; RFC 5681, 3.1).
	rampTrips = 12
	// restAfter is how long there is no further trial after one that did not help, and
	// restRefused after a server has refused a connection or a request.
	restAfter   = 15 * time.Second
	restRefused = time.Minute
)

// meter says how many lanes a host gets. More are tried when what all of them bring
// together has settled, all of them are in use, and more waits; as many stay as explain what came
// after that: n lanes that brought r, and more that bring s, leave n*s/r.
type meter struct {
	lanes int  // may be used
	split bool // files may be fetched in ranges

	rtt        time.Duration // the shortest wait for an answer
	since      time.Time
	bytes      int64
	rate, last float64 // bytes a second, of the last interval and the one before
	trial      *trial
	rest       time.Time // no trial before
}

// trial is a doubling whose result is not in yet.
type trial struct {
	used    int // lanes
	brought float64
	until   time.Time
}

// add counts n bytes. used are the lanes that have something to do, and more says that
// another could have. It reports whether more may be done than before.
func (m *meter) add(n int, now time.Time, used int, more bool) (changed bool) {
	m.bytes += int64(n)
	took := now.Sub(m.since)
	if took < max(interval, 2*m.rtt) {
		return false
	}
	m.last, m.rate = m.rate, float64(m.bytes)/took.Seconds()
	idle := m.since.IsZero() || took > 4*max(interval, 2*m.rtt)
	m.since, m.bytes = now, 0
	if idle { // nothing was asked for meanwhile: it says nothing of the line
		m.last, m.rate = 0, 0
		return false
	}
	settled := m.last > 0 && m.rate < steady*m.last
	switch {
	case m.trial != nil:
		if now.After(m.trial.until) && settled {
			m.judge(now, used)
		}
	case settled && more && now.After(m.rest):
		return m.try(now, used)
	}
	return false
}

// try begins a trial, if there is one to make.
func (m *meter) try(now time.Time, used int) bool {
	lanes := m.lanes
	if used >= lanes {
		lanes = min(2*lanes, maxLanes)
	}
	if lanes == m.lanes && m.split {
		return false
	}
	ramp := min(max(rampTrips*m.rtt, 2*interval), 3*time.Second)
	m.trial = &trial{used: used, brought: m.peak(), until: now.Add(ramp)}
	m.lanes, m.split = lanes, true
	return true
}

// judge ends a trial.
func (m *meter) judge(now time.Time, used int) {
	t := m.trial
	m.trial = nil
	explained := int(math.Ceil(float64(t.used)*m.peak()/t.brought - 0.25))
	if 5*explained >= 4*used {
		return // all of them help, or nearly
	}
	m.lanes, m.rest = max(1, t.used, min(explained, m.lanes)), now.Add(restAfter)
}

// peak is the better of two intervals: whatever disturbs one makes it slower.
func (m *meter) peak() float64 { return max(m.rate, m.last) }

// refused leaves so many lanes.
func (m *meter) refused(lanes int, now time.Time) {
	m.trial = nil
	m.lanes, m.rest = max(1, min(m.lanes, lanes)), now.Add(restRefused)
}
