package command

import (
	"fmt"
	"time"
)

const (
	// meterStep is how far apart samples are, and meterSteps how many count: a rate over
	// ten seconds neither jumps nor sticks to what was an hour ago.
	meterStep  = time.Second
	meterSteps = 10
	// farAway is a time left for which no user waits; it is not worth its place.
	farAway = 100 * time.Hour
)

// meter is the one clock of a transfer: how fast it is, and how long it still takes.
type meter struct{ samples []sample }

type sample struct {
	at    time.Time
	bytes int64
}

// rate takes how many bytes have travelled, and gives bytes per second over the last
// seconds; 0 while that cannot be told.
func (m *meter) rate(now time.Time, bytes int64) float64 {
	if n := len(m.samples); n == 0 || now.Sub(m.samples[n-1].at) >= meterStep {
		m.samples = append(m.samples, sample{now, bytes})
		m.samples = m.samples[max(0, len(m.samples)-meterSteps):]
	}
	first := m.samples[0]
	if took := now.Sub(first.at); took >= meterStep {
		return float64(max(0, bytes-first.bytes)) / took.Seconds()
	}
	return 0
}

// leftText words how long a rest takes at a rate; empty where that cannot be told.
func leftText(rest int64, rate float64) string {
	if rest <= 0 || rate < 1 || float64(rest)/rate > farAway.Seconds() {
		return ""
	}
	return timeText(time.Duration(float64(rest)/rate*float64(time.Second))) + " left"
}

// timeText words a time as exactly as one wants to know it: 40 s, 5 min, 1 h 20 min.
func timeText(d time.Duration) string {
	switch minutes := int(d.Round(time.Minute).Minutes()); {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", max(1, int(d.Round(time.Second).Seconds())))
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes%60 == 0:
		return fmt.Sprintf("%d h", minutes/60)
	default:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	}
}

// doneText words how much is done of how much: 210 of 640 MB, in one unit. A total that is
// not known is left out.
func doneText(done, total int64) string {
	if total <= 0 {
		return BytesText(done)
	}
	of := BytesText(total)
	unit := of[len(of)-2:]
	divisor := map[string]float64{"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
	if total >= 100e6 && unit == "MB" { // the tenths do not help a reader
		return fmt.Sprintf("%.0f of %.0f MB", float64(done)/divisor, float64(total)/divisor)
	}
	return fmt.Sprintf("%.1f of %s", float64(done)/divisor, of)
}

// byteParts say how much is done, how fast it goes, and how long it takes. travelled is
// what the rate is measured by.
func byteParts(m *meter, travelled, done, total int64) []part {
	rate := m.rate(time.Now(), travelled)
	parts := []part{{text: doneText(done, total), priority: 5}}
	if rate > 0 {
		parts = append(parts, part{text: BytesText(int64(rate)) + "/s", priority: 3})
	}
	if left := leftText(total-done, rate); left != "" {
		parts = append(parts, part{text: left, priority: 4})
	}
	return parts
}

func fraction(done, total int64) float64 { return float64(done) / float64(max(1, total)) }
