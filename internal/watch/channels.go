package watch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
)

// newMinors is how many minors are taken in that are newer than all that this program
// knows: upstream releases three a year.
const newMinors = 6

// units are what a round watches: images first, which somebody runs, then releases from the oldest.
func (w *Watcher) units(ctx context.Context, out *Outside) (units []Unit) {
	add := func(v release.Version, channel string) {
		i := slices.IndexFunc(units, func(u Unit) bool { return u.Version == v })
		if i < 0 {
			units = append(units, Unit{Name: v.String(), Version: v, channel: channel})
		} else if channel == "" {
			units[i].channel = "" // it was named, too
		}
	}
	for _, v := range w.Versions {
		add(v, "")
	}
	channels := w.channels(ctx, out)
	for _, channel := range channels {
		if v, ok := w.resolve(ctx, out, channel); ok {
			add(v, channel)
		}
	}
	w.mu.Lock()
	for name, u := range w.state.Units { // refuted, and superseded since: nobody has said that it is well
		if v, err := release.ParseVersion(name); err == nil && u.Channel != "" && slices.Contains(channels, u.Channel) && u.refuted() && len(units) < maxUnits-1 {
			add(v, u.Channel)
		}
	}
	w.mu.Unlock()
	slices.SortFunc(units, func(a, b Unit) int { return a.Version.Compare(b.Version) })
	if w.Images {
		units = slices.Insert(units, 0, Unit{Name: Images})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range units {
		known := w.state.Units[u.Name]
		if known == nil {
			known = &unit{}
			w.state.Units[u.Name] = known
		}
		known.Channel = u.channel
	}
	return units
}

// channels are those that were named, and those of the supported minors.
func (w *Watcher) channels(ctx context.Context, out *Outside) []string {
	list := slices.Clone(w.Channels)
	if !w.Supported {
		return list
	}
	var newest support.Minor
	for _, c := range slices.Backward(support.Embedded().Supported(time.Now())) {
		list, newest = append(list, c.Minor.String()), c.Minor
	}
	v, ok := w.resolve(ctx, out, "stable")
	if !ok {
		return list
	}
	if newest == (support.Minor{}) || v.Major != newest.Major || v.Minor-newest.Minor > newMinors {
		newest = support.Minor{Major: v.Major, Minor: v.Minor - 1}
	}
	for newest.Minor < v.Minor {
		newest.Minor++
		list = append(list, newest.String())
	}
	return list
}

// resolve says which version a channel is, and tells of a new one. What it was stands where
// that cannot be read, or is older than it was.
func (w *Watcher) resolve(ctx context.Context, out *Outside, channel string) (release.Version, bool) {
	v, err := out.Resolve(ctx, channel)
	if ctx.Err() != nil {
		return v, false
	}
	w.mu.Lock()
	was, known := w.state.Channels[channel]
	proved := known && w.state.Units[was.String()].verified()
	w.mu.Unlock()
	switch {
	case err != nil:
		w.lost = errors.Join(w.lost, err)
		w.fail(failedChannel, "%v", err)
		return was, known
	case known && v.Compare(was) < 0 && !proved: // it was a marker's error, of which nobody saw a release
		w.say("the channel %s was %s, which was never verified, and is now %s", channel, was, v)
		known = false
	case known && v.Compare(was) < 0:
		err := &rolledBackError{channel, v, was}
		w.lost = errors.Join(w.lost, err)
		w.fail(failedChannel, "%v", err)
		return was, true
	case known && v == was:
		return v, true
	}
	w.mu.Lock()
	w.state.Channels[channel] = v
	w.mu.Unlock()
	if known {
		w.tell(Event{Kind: Release, Unit: v.String(), Channel: channel, Old: was.String(), New: v.String()})
	}
	return v, true
}

// rolledBackError says that a channel names an older version than it did.
type rolledBackError struct {
	channel  string
	got, was release.Version
}

func (e *rolledBackError) Error() string {
	return "the channel " + e.channel + " was " + e.was.String() + " and is now " + e.got.String() + ": the marker was rolled back, or a cache is stale; " + e.was.String() + " is watched on"
}

// retire forgets what is not watched any more.
func (w *Watcher) retire(units []Unit) {
	w.mu.Lock()
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(w.state.Units)) {
		if !slices.ContainsFunc(units, func(u Unit) bool { return u.Name == name }) {
			if w.pendingChannel(w.state.Units[name].Channel) {
				continue // its channel could not be read in this round
			}
			delete(w.state.Units, name)
			delete(w.last, name)
			gone = append(gone, name)
		}
	}
	w.mu.Unlock()
	for _, name := range gone {
		w.say("%s is not watched any more", name)
	}
}

// pendingChannel says whether a supported minor's release is kept because the round could not
// tell which minors there are.
func (w *Watcher) pendingChannel(channel string) bool {
	return channel != "" && w.Supported && w.lost != nil
}
