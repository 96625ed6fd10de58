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

// Watch runs work, and shows its progress: on a terminal in one line, else with a line a
// minute. Both show the waits that a server asked for.
func (a *App) Watch(set *Settings, p *verify.Progress, what string, work func()) {
	began := time.Now()
	frame := func() ([]part, float64) {
		done, total := p.Counts()
		counts := part{text: fmt.Sprintf("%d of %d examined", done, total), priority: 3}
		return []part{
			{text: what, short: shortened(what), priority: 2}, counts, {text: timeText(time.Since(began)), priority: 1}, waiting(&set.waits),
		}, float64(done) / float64(max(1, total))
	}
	summary := func() string {
		done, total := p.Counts()
		return fmt.Sprintf("%s: %d of %d subjects examined after %s", what, done, total, time.Since(began).Round(time.Second))
	}
	a.showWhile(set, what, frame, summary, work)
}

// Await runs work of unknown size, such as reading documents.
func (a *App) Await(set *Settings, what string, work func()) {
	began := time.Now()
	frame := func() ([]part, float64) {
		return []part{{text: what, short: shortened(what), priority: 2}, {text: timeText(time.Since(began)), priority: 1}, waiting(&set.waits)}, 0
	}
	a.showWhile(set, what, frame, func() string { return what + ": not there after " + timeText(time.Since(began)) }, work)
}

// showWhile runs work, and meanwhile shows on a terminal the line that frame fills, or else
// writes summary once a minute. It stops with the work, or once the work begins to write its
// answer. Work that is part of other work shows nothing: the other has its own line.
func (a *App) showWhile(set *Settings, what string, frame func() ([]part, float64), summary func() string, work func()) {
	if set.Quiet || a.endProgress != nil {
		work()
		return
	}
	watch := func(over <-chan struct{}) { a.log(what, summary, &set.waits, over) }
	if a.watches(set) {
		l := a.newLine()
		a.aboveProgress = l.above
		watch = func(over <-chan struct{}) { l.run(frame, over) }
	}
	over, gone := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(over) })
	a.endProgress = func() { end(); <-gone }
	defer func() { a.aboveProgress, a.endProgress = nil, nil }()
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
func (a *App) log(what string, summary func() string, waits *fetch.Waits, over <-chan struct{}) {
	minutes := time.NewTicker(logPeriod)
	defer minutes.Stop()
	seconds := time.NewTicker(waitPeriod)
	defer seconds.Stop()
	announced := map[string]time.Time{}
	for {
		select {
		case <-over:
			return
		case <-minutes.C:
			a.Say("%s", summary())
		case <-seconds.C:
			for _, w := range waits.Now() {
				if w.Until.After(announced[w.Host].Add(waitPeriod)) {
					announced[w.Host] = w.Until
					a.Say("%s: %s, trying again in %s", what, w, timeText(time.Until(w.Until)))
				}
			}
		}
	}
}

// waiting says which hosts a run waits for.
func waiting(waits *fetch.Waits) part {
	p := part{priority: 9} // without it the program seems to hang
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
