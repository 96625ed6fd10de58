package command

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	// barDelay keeps the bar away from runs that are over before it is read.
	barDelay  = 300 * time.Millisecond
	barPeriod = 100 * time.Millisecond
	barWidth  = 30
)

// bar shows how far a run is until over is closed, and leaves no trace.
func bar(w io.Writer, what string, p *verify.Progress, over <-chan struct{}) {
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

// Watch runs work, with a progress bar beside it if somebody looks.
func (a *App) Watch(set *Settings, p *verify.Progress, what string, work func()) {
	if _, ok := Terminal(a.Stderr); !ok || set.Quiet || set.Verbose || a.Getenv("TERM") == "dumb" {
		work()
		return
	}
	over := make(chan struct{})
	par.Do(
		func() { bar(a.Stderr, render.Escape(what), p, over) },
		func() {
			defer close(over)
			work()
		},
	)
}
