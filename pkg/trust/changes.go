package trust

import (
	"fmt"
	"time"
)

// Change is a difference between two trusted roots in one anchor. Was is zero
// for one that is new, Is for one that is gone.
type Change struct{ Was, Is Anchor }

// Changes lists what is different in a newer root: anchors are the same by kind
// and id, and where one stands several times, by the order of their starts.
func Changes(older, newer *Root) (list []Change) {
	key := func(a Anchor) string { return a.Kind + " " + a.ID }
	was := map[string][]Anchor{}
	for _, a := range older.Anchors() {
		was[key(a)] = append(was[key(a)], a)
	}
	for _, a := range newer.Anchors() {
		var old Anchor
		if same := was[key(a)]; len(same) > 0 {
			old, was[key(a)] = same[0], same[1:]
		}
		if !old.From.Equal(a.From) || !old.To.Equal(a.To) || old.URI != a.URI || old.ID != a.ID {
			list = append(list, Change{old, a})
		}
	}
	for _, a := range older.Anchors() {
		if rest := was[key(a)]; len(rest) > 0 && rest[0] == a {
			list, was[key(a)] = append(list, Change{Was: a}), rest[1:]
		}
	}
	return list
}

// Kind is "added", "removed", "ended" (it is no longer valid, or not for as
// long), "reopened" (it is valid for longer than it was) or "changed".
func (c Change) Kind() string {
	earlier := func(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }
	switch {
	case c.Was.Kind == "":
		return "added"
	case c.Is.Kind == "":
		return "removed"
	case earlier(c.Is.To, c.Was.To):
		return "ended"
	case earlier(c.Was.To, c.Is.To):
		return "reopened"
	}
	return "changed"
}

// IsRollback says whether an older root in the place of a newer one would
// look like that. A genuine root only ever adds and ends.
func (c Change) IsRollback() bool {
	kind := c.Kind()
	return kind == "removed" || kind == "reopened"
}

// String reads "added transparency log https://... (0123456789abcdef), valid from 2025-09-23".
func (c Change) String() string {
	a := c.Is
	if a.Kind == "" {
		a = c.Was
	}
	s := fmt.Sprintf("%s %s %.200q (%.16s), valid from %s", c.Kind(), a.Kind, a.URI, a.ID, a.From.UTC().Format(time.DateOnly))
	if !a.To.IsZero() {
		s += " to " + a.To.UTC().Format(time.DateOnly)
	}
	return s
}
