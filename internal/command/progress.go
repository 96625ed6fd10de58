package command

import (
	"fmt"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	// logPeriod is how often a run says how far it is where stderr is not a terminal, and waitPeriod
	// how often it looks for waits.
	logPeriod  = time.Minute
	waitPeriod = time.Second
)

// Watch runs work, with a line of progress beside it on a terminal, and else with a
// line a minute. Waits that a server asked for are said in both.
func (a *App) Watch(set *Settings, p *verify.Progress, what string, work func()) {
	began := time.Now()
	frame := func() ([]part, float64) {
		done, total := p.Counts()
		counts := part{text: fmt.Sprintf("%d of %d examined", done, total), keep: 3}
		return []part{
			{text: what, short: shortened(what), keep: 2}, counts, {text: timeText(time.Since(began)), keep: 1}, waiting(&set.waits),
		}, float64(done) / float64(max(1, total))
	}
	said := func() string {
		done, total := p.Counts()
		return fmt.Sprintf("%s: %d of %d subjects examined after %s", what, done, total, time.Since(began).Round(time.Second))
	}
	a.beside(set, what, frame, said, work)
}

// Await runs work of unknown size, such as reading documents.
func (a *App) Await(set *Settings, what string, work func()) {
	began := time.Now()
	frame := func() ([]part, float64) {
		return []part{{text: what, short: shortened(what), keep: 2}, {text: timeText(time.Since(began)), keep: 1}, waiting(&set.waits)}, 0
	}
	a.beside(set, what, frame, func() string { return what + ": not there after " + timeText(time.Since(began)) }, work)
}

// beside runs work, and beside it the line of a terminal that frame fills, or else a line
// a minute that said words. It ends with the work, or once that begins to write its answer.
// Beside work that is part of other work nothing is shown: that has its own line.
func (a *App) beside(set *Settings, what string, frame func() ([]part, float64), said func() string, work func()) {
	if set.Quiet || a.free != nil {
		work()
		return
	}
	watch := func(over <-chan struct{}) { a.log(what, said, &set.waits, over) }
	if a.watches(set) {
		l := a.newLine()
		a.above = l.above
		watch = func(over <-chan struct{}) { l.keep(frame, over) }
	}
	over, gone := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(over) })
	a.free = func() { end(); <-gone }
	defer func() { a.above, a.free = nil, nil }()
	par.Do(
		func() {
			defer close(gone)
			watch(over)
		},
		func() {
			defer end()
			work()
		},
	)
}

// log says how far a run is, a line a minute, and each wait once.
func (a *App) log(what string, said func() string, waits *fetch.Waits, over <-chan struct{}) {
	minutes := time.NewTicker(logPeriod)
	defer minutes.Stop()
	seconds := time.NewTicker(waitPeriod)
	defer seconds.Stop()
	told := map[string]time.Time{}
	for {
		select {
		case <-over:
			return
		case <-minutes.C:
			a.Say("%s", said())
		case <-seconds.C:
			for _, w := range waits.Now() {
				if w.Until.After(told[w.Host].Add(waitPeriod)) {
					told[w.Host] = w.Until
					a.Say("%s: %s, trying again in %s", what, w, timeText(time.Until(w.Until)))
				}
			}
		}
	}
}

// waiting words whom a run waits for.
func waiting(waits *fetch.Waits) part {
	p := part{keep: 9} // else it looks like a hang
	for i, w := range waits.Now() {
		if i > 0 {
			p.text += "; "
		}
		left := timeText(time.Until(w.Until))
		p.text += fmt.Sprintf("%s, trying again in %s", w, left)
		p.short = fmt.Sprintf("%s: wait %s (%d)", w.Host, left, w.Status)
	}
	return p
}

// shortened is a name of at most as many letters as leave room for what is done.
func shortened(name string) string {
	const most = 24
	if letters := []rune(name); len(letters) > most {
		return string(letters[:most-3]) + "..."
	}
	return name
}
