// Package watch verifies again and again, and tells what has changed since: a release that is
// new, a tag that has another digest, a verdict that is another, and what is refuted.
//
// It decides nothing. Every verdict is the report of [Outside.Judge], which is what a run of
// "kverify verify" gives, and what is remembered is a hint (rule 5 of docs/trust.md): after a
// start everything is verified anew, whatever the state says. One thing outlasts a failure and
// a start: what was refuted stays so until it was verified, since an attacker who can cut a
// line must not end an alarm by it. What could not be read is unknown, and the time of the
// last answer tells how old that is.
//
// A round polls: it resolves the channels, and reads the tags of what is watched. What moved,
// what is new, what was not verified the last time, and what was verified too long ago
// ([Watcher.Reverify]) is verified. A tag that moves and moves back between two polls is not
// noticed; a change that is there when it is verified is.
//
// Time is that of package time, so that a test in a bubble of testing/synctest lives through
// months.
package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/report"
)

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	w.begin()
	par.Do(
		func() { w.rounds(ctx) },
		func() { w.deliver(ctx) },
	)
}

func (w *Watcher) rounds(ctx context.Context) {
	for ctx.Err() == nil {
		if v, err := w.round(ctx); ctx.Err() == nil {
			wait := w.Every
			if w.Jitter > 0 {
				wait += rand.N(w.Jitter)
			}
			w.sum(v, err, "the next round begins in "+wait.Round(time.Second).String())
			sleep(ctx, wait)
		}
	}
}

// onceDelivery is how long a single round tries to deliver what it found. What is left then is
// kept for the next.
const onceDelivery = 30 * time.Second

// Once is one round in which everything is verified. The verdict is that of all that is
// watched; an error says why it could not be told of all of it, or that the state was not kept.
func (w *Watcher) Once(ctx context.Context) (report.Verdict, error) {
	w.begin()
	w.once = true
	v, err := w.round(ctx)
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	w.sum(v, err, "")
	if w.Send != nil {
		sending, cancel := context.WithTimeout(ctx, onceDelivery)
		defer cancel()
		w.deliver(sending)
		if left := w.queued(); left > 0 {
			w.say("%d events were not delivered to the webhook; %s", left, w.Store.keeps())
		}
	}
	return v, err
}

// round is one round. The verdict is that of everything that is watched.
func (w *Watcher) round(ctx context.Context) (report.Verdict, error) {
	w.lost = nil
	out, err := w.Open(ctx)
	if err != nil {
		w.fail(failedOpen, "what the world is read by: %v", err)
		w.lost = err
		w.blind(err)
		return w.verdict(), err
	}
	if out.Close != nil {
		defer out.Close()
	}
	units := w.units(ctx, out)
	w.retire(units)
	for _, u := range units {
		if ctx.Err() != nil {
			return w.verdict(), nil
		}
		if w.poll(ctx, out, u) || w.due(out, u) {
			w.verify(ctx, out, u)
		}
	}
	if ctx.Err() != nil {
		return w.verdict(), nil
	}
	w.stamp = out.Stamp
	w.lost = errors.Join(w.lost, w.save())
	w.Metrics.round(w.lost == nil)
	return w.verdict(), w.lost
}

// blind records that nothing can be read, of what would be verified now.
func (w *Watcher) blind(err error) {
	w.mu.Lock()
	names := slices.Sorted(maps.Keys(w.state.Units))
	w.mu.Unlock()
	for _, name := range names {
		if last, known := w.last[name]; w.once || !known || time.Since(last) >= w.Reverify {
			w.record(nil, Unit{Name: name}, report.Report{}, err)
		}
	}
}

// due says whether a unit is to be verified, whatever its tags say.
func (w *Watcher) due(out *Outside, u Unit) bool {
	last, known := w.last[u.Name]
	if w.once || !known || time.Since(last) >= w.Reverify || u.Name == Images && out.Stamp != w.stamp {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.state.Units[u.Name].Subjects {
		if s.latest != report.Verified {
			return true
		}
	}
	return false
}

// sum says what came of a round.
func (w *Watcher) sum(v report.Verdict, err error, next string) {
	w.mu.Lock()
	units, subjects := len(w.state.Units), w.state.counts()
	w.mu.Unlock()
	tail := ""
	if why := w.Cause(); why != "" {
		tail += "; first " + why
	}
	if err != nil {
		tail += "; not everything could be read"
	}
	if next != "" {
		tail += "; " + next
	}
	releases := units
	if w.Images {
		releases--
	}
	w.say("%s: %s, %s: %d verified, %d refuted, %d unknown%s", v, several(max(releases, 0), "release"),
		several(subjects.Verified+subjects.Refuted+subjects.Unknown, "subject"), subjects.Verified, subjects.Refuted, subjects.Unknown, tail)
}

// several is a count with its noun.
func several(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Cause is the first thing that keeps what is watched from being verified, refutations first. It
// is empty where nothing does, or where nothing was said of it.
func (w *Watcher) Cause() string {
	rows := w.standings().rows
	for _, v := range []report.Verdict{report.Refuted, report.Unknown} {
		for _, r := range rows {
			switch p := r.why; {
			case r.standing() != v:
			case r.latest != v:
				return r.name + ": it was refuted before, and not verified since"
			case p != (Problem{}):
				return strings.TrimSpace(p.Subject+" "+p.Platform) + ": " + p.Check + ": " + p.Detail
			}
		}
	}
	return ""
}
