package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

const (
	// unitTime is what the verification of one unit may take; what is not done then is unknown.
	unitTime = 30 * time.Minute
	// pollAtOnce is how many tags are read side by side: as many as a run has by habit would
	// only wait for the registry's budget.
	pollAtOnce = 16
)

// poll reads the tags of a unit, and says whether one of them is another than it was.
func (w *Watcher) poll(ctx context.Context, out *Outside, u Unit) (moved bool) {
	return w.read(ctx, out, u, func(string) bool { return true })
}

// read is poll for some of the tags.
func (w *Watcher) read(ctx context.Context, out *Outside, u Unit, some func(was string) bool) (moved bool) {
	w.mu.Lock()
	tags := maps.Clone(w.state.Units[u.Name].Tags)
	w.mu.Unlock()
	maps.DeleteFunc(tags, func(name, was string) bool {
		ref, err := registry.ParseRef(name)
		return err != nil || !out.Reads(ref) || !some(was)
	})
	names := slices.Sorted(maps.Keys(tags))
	var mu sync.Mutex
	failures := 0
	now := map[string]string{}
	par.Map(ctx, len(names), pollAtOnce, func(ctx context.Context, i int) {
		ref, err := registry.ParseRef(names[i])
		if err != nil {
			return // a state holds none
		}
		digest, err := out.Digest(ctx, ref)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			if failures++; failures == 1 && ctx.Err() == nil {
				w.say("%v", err)
			}
			moved = true // whether it is gone or unreachable is for the verification to say
			return
		}
		now[names[i]] = string(digest)
	}, nil)
	if ctx.Err() != nil {
		return false
	}
	for range failures {
		w.Metrics.failed(failedTag)
	}
	for _, name := range names {
		is, read := now[name]
		if was := tags[name]; !read || is == was {
			continue
		} else if was != "" {
			w.tell(Event{Kind: Tag, Unit: u.Name, Subject: name, Old: was, New: is})
			moved = true
		}
		w.mu.Lock()
		w.state.Units[u.Name].Tags[name] = is
		w.mu.Unlock()
	}
	return moved
}

// verify verifies a unit and records what came of it. A run that was ended records nothing.
func (w *Watcher) verify(ctx context.Context, out *Outside, u Unit) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, unitTime)
	defer cancel()
	var rep report.Report
	var err error
	if fault := session.Guard(func() { rep, err = out.Judge(limited, u) }); fault != nil {
		rep, err = report.Report{}, fault
	}
	if ctx.Err() != nil {
		return
	}
	w.Metrics.verified(time.Since(began))
	w.last[u.Name] = time.Now()
	if err == nil && len(rep.Results) > maxResults {
		err = &tooManyError{u.Name, len(rep.Results)}
	}
	if err != nil {
		w.lost = errors.Join(w.lost, err)
		w.fail(failedVerification, "%s: %v", u.Name, err)
	}
	w.record(out, u, rep, err)
	w.read(ctx, out, u, func(was string) bool { return was == "" }) // where the changes of new ones begin
	_ = w.save()                                                    // which is tried again at the end of the round
}

// gather sorts results by what is watched: a release, or each image by its name.
func gather(u Unit, rep report.Report) (names []string, groups map[string]report.Report) {
	groups = map[string]report.Report{}
	for _, res := range rep.Results {
		name := u.Name
		if u.Name == Images {
			name = shown(res.Subject)
		}
		g, known := groups[name]
		if !known {
			names = append(names, name)
			g = rep
			g.Results = nil
		}
		g.Results = append(g.Results, res)
		groups[name] = g
	}
	return names, groups
}

// record compares what was found with what was known, and tells what has changed. Where err
// says why nothing was found, out is not used.
func (w *Watcher) record(out *Outside, u Unit, rep report.Report, err error) {
	names, groups := gather(u, rep)
	w.mu.Lock()
	known := w.state.Units[u.Name]
	if known.Subjects == nil {
		known.Subjects = map[string]*subject{}
	}
	if err != nil || len(names) == 0 { // nothing was said: of nothing
		names, groups = slices.Sorted(maps.Keys(known.Subjects)), map[string]report.Report{}
		if len(names) == 0 {
			names = []string{u.Name}
		}
	} else {
		for name := range known.Subjects {
			if _, still := groups[name]; !still {
				delete(known.Subjects, name)
			}
		}
		known.setTags(u, rep, out.Reads)
	}
	at := time.Now().UTC().Truncate(time.Second)
	var alarms []Problem
	turns := map[turn]*Event{}
	for _, name := range names {
		s := known.Subjects[name]
		first := s == nil
		if first {
			s = &subject{Since: at}
			known.Subjects[name] = s
		}
		was := s.Verdict
		alarms = append(alarms, s.judge(groups[name], at)...)
		if now := s.Verdict; now != was && !first {
			e := turns[turn{was, now}]
			if e == nil {
				e = &Event{Kind: Verdict, Unit: u.Name, Old: was.String(), New: now.String()}
				turns[turn{was, now}] = e
			}
			e.add(name, problems(groups[name], now), err)
		}
	}
	w.mu.Unlock()
	w.announce(u, turns, alarms)
}

// turn is from one verdict to another.
type turn struct{ from, to report.Verdict }

// announce tells of what is refuted first.
func (w *Watcher) announce(u Unit, turns map[turn]*Event, alarms []Problem) {
	if len(alarms) > 0 {
		e := Event{Kind: Refuted, Unit: u.Name, New: report.Refuted.String()}
		e.addProblems(alarms)
		w.tell(e)
	}
	order := slices.SortedFunc(maps.Keys(turns), func(a, b turn) int {
		return strings.Compare(b.to.String()+a.from.String(), a.to.String()+b.from.String())
	})
	for _, t := range order {
		w.tell(*turns[t])
	}
}

// tooManyError says that a unit has more results than are watched.
type tooManyError struct {
	unit string
	n    int
}

func (e *tooManyError) Error() string {
	return fmt.Sprintf("it has %d results, and a watch takes %d of one; split the lists over several watches", e.n, maxResults)
}
