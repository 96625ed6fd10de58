package support

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/release"
)

// Minor names a minor version, such as 1.27. The zero value names none.
type Minor struct{ Major, Minor int }

// MinorOf returns the minor that v belongs to.
func MinorOf(v release.Version) Minor { return Minor{v.Major, v.Minor} }

// A MinorError says that a text names no minor version.
type MinorError struct{ Text string }

func (e *MinorError) Error() string {
	return fmt.Sprintf("%s is not a minor version; want one such as 1.27, or a version such as v1.27.2", quote(e.Text))
}

// ParseMinor reads "1.27" and "v1.27". The error is a [*MinorError].
func ParseMinor(s string) (Minor, error) {
	v, err := release.ParseVersion(s + ".0") // one spelling of each number, as there
	if err != nil {
		return Minor{}, &MinorError{s}
	}
	return MinorOf(v), nil
}

// String returns "1.27".
func (m Minor) String() string { return strconv.Itoa(m.Major) + "." + strconv.Itoa(m.Minor) }

// Compare orders minors by age: -1 if m is older than n.
func (m Minor) Compare(n Minor) int {
	return cmp.Or(cmp.Compare(m.Major, n.Major), cmp.Compare(m.Minor, n.Minor))
}

// MarshalText writes the minor as its String.
func (m Minor) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what [ParseMinor] reads.
func (m *Minor) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMinor(string(text))
	return err
}

// Date is a day as "2026-06-09", or empty where it is not known. Days are
// compared as text.
type Date string

// DateOf returns the day of t in UTC.
func DateOf(t time.Time) Date { return Date(t.UTC().Format(time.DateOnly)) }

// DaysBefore returns how many days d lies before the day of t; negative if
// after it, and false for an unknown day.
func (d Date) DaysBefore(t time.Time) (int, bool) {
	from, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return 0, false
	}
	to, _ := time.Parse(time.DateOnly, string(DateOf(t)))
	return int(to.Sub(from).Hours() / 24), true
}

// Patch is one patch release. Every field but the version may be unknown.
type Patch struct {
	Version            release.Version `json:"version"`
	Date               Date            `json:"date,omitempty"` // when it came out, or is to
	CherryPickDeadline Date            `json:"cherryPickDeadline,omitempty"`
	Note               string          `json:"note,omitempty"` // upstream's, Markdown on one line
}

// Cycle is the life of one minor version.
type Cycle struct {
	Minor       Minor   `json:"minor"`
	Released    Date    `json:"released,omitempty"`
	Maintenance Date    `json:"maintenance,omitempty"` // from then on only critical fixes
	EndOfLife   Date    `json:"endOfLife,omitempty"`   // the last supported day
	Next        *Patch  `json:"next,omitempty"`        // the patch planned next
	Patches     []Patch `json:"patches,omitempty"`     // that are out, newest first; not always all
}

// Phase is where a minor stands on a day.
type Phase string

const (
	Planned     Phase = "planned"     // not released yet
	Supported   Phase = "supported"   // gets fixes every month
	Maintenance Phase = "maintenance" // gets critical fixes only
	Ended       Phase = "ended"       // past its end of life
)

// Phase tells where the minor stands at that time. An end of life that is not
// known is still to come.
func (c Cycle) Phase(now time.Time) Phase {
	today := DateOf(now)
	switch {
	case c.Released > today:
		return Planned
	case c.EndOfLife != "" && c.EndOfLife < today:
		return Ended
	case c.Maintenance != "" && c.Maintenance <= today:
		return Maintenance
	}
	return Supported
}

// Newest returns the newest patch that is out at that time; false if there is none.
func (c Cycle) Newest(now time.Time) (Patch, bool) {
	for _, p := range c.Patches {
		if p.Date <= DateOf(now) {
			return p, true
		}
	}
	return Patch{}, false
}

// Patch returns what is known of that very version.
func (c Cycle) Patch(v release.Version) (Patch, bool) {
	i := slices.IndexFunc(c.Patches, func(p Patch) bool { return p.Version == v })
	if i < 0 {
		return Patch{}, false
	}
	return c.Patches[i], true
}

// PatchDay is a day on which patches are to come out.
type PatchDay struct {
	Date               Date `json:"date,omitempty"`
	CherryPickDeadline Date `json:"cherryPickDeadline,omitempty"`
}

// Schedule is what upstream publishes about its releases, as of one day.
type Schedule struct {
	AsOf     Date       `json:"asOf"`   // of the newest patch in it: it may be newer, never older
	Source   string     `json:"source"` // where it is from
	Cycles   []Cycle    `json:"cycles"` // newest first
	Upcoming []PatchDay `json:"upcoming,omitempty"`
	// Odd says, a sentence each, what of the documents was left out because it
	// is out of form: a minor that is not here may be there.
	Odd []string `json:"odd,omitempty"`
}

// Cycle returns the cycle of a minor.
func (s *Schedule) Cycle(m Minor) (Cycle, bool) {
	i := slices.IndexFunc(s.Cycles, func(c Cycle) bool { return c.Minor == m })
	if i < 0 {
		return Cycle{}, false
	}
	return s.Cycles[i], true
}

// Supported returns the cycles that are out and not past their end of life at
// that time, newest first.
func (s *Schedule) Supported(now time.Time) (list []Cycle) {
	for _, c := range s.Cycles {
		if p := c.Phase(now); p == Supported || p == Maintenance {
			list = append(list, c)
		}
	}
	return list
}

// Stable returns the newest patch of the newest minor that is out at that time.
func (s *Schedule) Stable(now time.Time) (release.Version, bool) {
	for _, c := range s.Cycles {
		if p, ok := c.Newest(now); ok && c.Phase(now) != Planned {
			return p.Version, true
		}
	}
	return release.Version{}, false
}

// Warning says in one sentence what speaks against using v at that time: that
// it is past its end of life or not the newest patch, and what upstream noted on it. It is empty if nothing does, as far as the schedule knows: a
// minor or patch newer than it is not warned of.
func (s *Schedule) Warning(v release.Version, now time.Time) string {
	c, ok := s.Cycle(MinorOf(v))
	if !ok {
		return ""
	}
	var parts []string
	newest, known := c.Newest(now)
	outdated := known && v.Compare(newest.Version) < 0
	ended := c.Phase(now) == Ended
	switch {
	case ended && outdated:
		parts = append(parts, fmt.Sprintf("is past its end of life (%s ended on %s) and not its newest patch, %s", c.Minor, c.EndOfLife, newest.Version))
	case ended:
		parts = append(parts, fmt.Sprintf("is past its end of life: %s ended on %s", c.Minor, c.EndOfLife))
	case outdated:
		parts = append(parts, fmt.Sprintf("is not the newest patch of %s: %s is out", c.Minor, newest.Version))
	}
	if p, ok := c.Patch(v); ok && p.Note != "" {
		parts = append(parts, "has a note from upstream: "+PlainNote(p.Note))
	}
	if len(parts) == 0 {
		return ""
	}
	return v.String() + " " + strings.Join(parts, ", and ")
}

// PlainNote turns a note's Markdown into text: "[a](b)" becomes "a (b)", and
// bold loses its asterisks.
func PlainNote(note string) string {
	var b strings.Builder
	for rest := note; rest != ""; {
		before, link, ok := strings.Cut(rest, "[")
		text, after, closed := strings.Cut(link, "](")
		url, tail, ended := strings.Cut(after, ")")
		if !ok || !closed || !ended || strings.ContainsAny(text, "[") {
			b.WriteString(rest)
			break
		}
		b.WriteString(before + text + " (" + url + ")")
		rest = tail
	}
	return strings.ReplaceAll(b.String(), "**", "")
}

// quote shows foreign text in an error, escaped and short.
func quote(s string) string {
	const most = 80 // enough to recognize it by
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}
