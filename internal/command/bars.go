package command

import (
	"context"
	"time"

	"github.com/kverify/kverify/internal/par"
)

// Watched are files that travel together.
type Watched struct {
	What  string // a word for all of them
	Files []WatchedFile
	// Size asks for the size of a file whose size is not known, 0 if no server says it; nil
	// asks for none. Only a person who watches needs to know how much there is in all.
	Size func(ctx context.Context, i int) int64
}

// WatchFiles runs work, and shows its files: on a terminal in one line, else with a line a
// minute and one at the end. began and ended may be called from several goroutines.
func (a *App) WatchFiles(ctx context.Context, set *Settings, w Watched, work func(began, ended func(i int))) {
	t := &transfers{files: w.Files, began: time.Now()}
	transfer := func() {
		work(func(i int) { t.files[i].begun.Store(true) }, func(i int) { t.files[i].over.Store(true) })
	}
	watched := a.watches(set)
	if unknown := t.unknown(); watched && w.Size != nil && len(w.Files) > 1 {
		alone := transfer
		transfer = func() {
			ctx, cancel := context.WithCancel(ctx)
			par.Do(func() { defer cancel(); alone() }, func() { t.askSizes(ctx, unknown, w.Size) })
		}
	}
	a.showWhile(set, w.What, func() ([]part, float64) { return t.frame(&set.waits) }, func() string { return w.What + ": " + join(t.counted()) }, transfer)
	if len(w.Files) > 0 && !set.Quiet && !watched {
		a.Say("%s: %s in %s", w.What, t.whole(), timeText(time.Since(t.began)))
	}
}

// WatchBytes runs work, and shows how many bytes are done. counts give a total of 0 while
// none is known.
func (a *App) WatchBytes(set *Settings, what string, counts func() (done, total int64), work func()) {
	var m meter
	var most int64
	counted := func() ([]part, float64) {
		done, total := counts()
		most = max(most, min(done, total))
		return byteParts(&m, most, most, total), fraction(most, total)
	}
	a.showWhile(set, what,
		func() ([]part, float64) {
			parts, done := counted()
			return append([]part{{text: what, short: shortened(what), priority: 2}}, append(parts, waiting(&set.waits))...), done
		},
		func() string {
			parts, _ := counted()
			return what + ": " + join(parts)
		}, work)
}
