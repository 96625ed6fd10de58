package command

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	// barDelay keeps the bar away from runs that are over before it is read.
	barDelay  = 300 * time.Millisecond
	barPeriod = 100 * time.Millisecond
	barWidth  = 30

	// logPeriod is how often a run says how far it is where nobody looks, and waitPeriod
	// how often it looks for waits.
	logPeriod  = time.Minute
	waitPeriod = time.Second
)

// waiting words whom a run waits for, behind what it does.
func waiting(waits *fetch.Waits) (text string) {
	for _, w := range waits.Now() {
		text += fmt.Sprintf(", waiting %s for %s (%s)", time.Until(w.Until).Round(time.Second), render.Escape(w.Host), w.Why)
	}
	return text
}

// log says how far a run is, a line a minute, and each wait once.
func (a *App) log(what string, p *verify.Progress, waits *fetch.Waits, over <-chan struct{}) {
	began := time.Now()
	minutes := time.NewTicker(logPeriod)
	defer minutes.Stop()
	seconds := time.NewTicker(waitPeriod)
	defer seconds.Stop()
	said := map[string]time.Time{}
	for {
		select {
		case <-over:
			return
		case <-minutes.C:
			done, total := p.Counts()
			a.Say("%s: %d of %d subjects examined after %s", what, done, total, time.Since(began).Round(time.Second))
		case <-seconds.C:
			for _, w := range waits.Now() {
				if w.Until.After(said[w.Host].Add(waitPeriod)) {
					said[w.Host] = w.Until
					a.Say("%s: %s; waiting %s", what, w, time.Until(w.Until).Round(time.Second))
				}
			}
		}
	}
}

// bar shows how far a run is until over is closed, and leaves no trace.
func bar(w io.Writer, what string, p *verify.Progress, waits *fetch.Waits, over <-chan struct{}) {
	select {
	case <-over:
		return
	case <-time.After(barDelay):
	}
	b := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionShowCount(),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionUseANSICodes(true),
	)
	tick := time.NewTicker(barPeriod)
	defer tick.Stop()
	for {
		done, total := p.Counts()
		// One more than there are: a full bar would count as finished while the
		// documents still say what else there is to do.
		b.ChangeMax(max(1, total))
		b.Describe(what + waiting(waits))
		_ = b.Set(min(done, max(0, total-1)))
		_ = b.RenderBlank()
		select {
		case <-over:
			_ = b.Clear()
			return
		case <-tick.C:
		}
	}
}

// Watch runs work, with a progress bar beside it if somebody looks, and else with a line
// a minute. Waits that a server asked for are said in both.
func (a *App) Watch(set *Settings, p *verify.Progress, what string, work func()) {
	if set.Quiet {
		work()
		return
	}
	beside := func(over <-chan struct{}) { a.log(what, p, &set.waits, over) }
	if _, ok := Terminal(a.Stderr); ok && !set.Verbose && a.Getenv("TERM") != "dumb" {
		beside = func(over <-chan struct{}) { bar(a.Stderr, render.Escape(what), p, &set.waits, over) }
	}
	over := make(chan struct{})
	par.Do(
		func() { beside(over) },
		func() {
			defer close(over)
			work()
		},
	)
}
