package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
)

// ReleasesFormats are the formats of [Releases].
var ReleasesFormats = []string{"table", "json", "yaml", "name"}

// ReleasesView is the schedule as it was asked for.
type ReleasesView struct {
	Schedule *support.Schedule // nil for a bare name
	Embedded bool              // it is the snapshot that is compiled in
	Now      time.Time
	All      bool // minors that have ended, too

	Spec    string          // what was asked for; empty for all that are supported
	Version release.Version // what Spec is; the zero Version if nothing was
}

func (v ReleasesView) cycles() []support.Cycle {
	switch {
	case v.Spec != "":
		if c, ok := v.Schedule.Cycle(support.MinorOf(v.Version)); ok {
			return []support.Cycle{c}
		}
		return nil
	case v.All:
		return v.Schedule.Cycles
	}
	return v.Schedule.Supported(v.Now)
}

// Releases writes support windows in one of the ReleasesFormats. As names they
// are the version that was asked for, or the newest patch of every minor.
func Releases(w io.Writer, v ReleasesView, format string, o Options) error {
	var buf bytes.Buffer
	switch format {
	case "json", "yaml":
		return writeDocument(w, format, v.document())
	case "name":
		if v.Spec != "" {
			fmt.Fprintln(&buf, v.Version)
			break
		}
		for _, c := range v.cycles() {
			if p, ok := c.Newest(v.Now); ok {
				fmt.Fprintln(&buf, p.Version)
			}
		}
	default:
		t := &table{Options: o}
		if v.Spec == "" {
			v.overview(t)
		} else {
			v.detail(t)
		}
		v.age(t)
		buf.Write(t.buf.Bytes())
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// overview is a row for each minor.
func (v ReleasesView) overview(t *table) {
	var rows []gridRow
	var notes []string
	for _, c := range v.cycles() {
		newest, _ := c.Newest(v.Now)
		next := support.Patch{}
		if c.Next != nil {
			next = *c.Next
		}
		rows = append(rows, gridRow{cells: []string{
			c.Minor.String(), string(c.Phase(v.Now)), orDash(c.Released), versionOrDash(newest), orDash(newest.Date),
			orDash(c.Maintenance), orDash(c.EndOfLife), versionOrDash(next), orDash(next.Date), orDash(next.CherryPickDeadline),
		}})
		note(&notes, newest)
	}
	writeGrid(&t.buf, []string{"MINOR", "STATE", "RELEASED", "NEWEST", "OUT SINCE", "MAINTENANCE", "END OF LIFE", "NEXT", "PLANNED FOR", "CHERRY-PICKS UNTIL"}, rows, t.Options)
	if len(rows) == 0 {
		t.line("no minor that is known here is supported today")
	}
	writeNotes(t, notes)
}

// detail is one minor, and a row for each of its patches.
func (v ReleasesView) detail(t *table) {
	c, ok := v.Schedule.Cycle(support.MinorOf(v.Version))
	if !ok {
		t.line(fmt.Sprintf("%s  of %s nothing is known here", v.Version, v.Version.MinorString()))
		return
	}
	t.line(v.Version.String() + "  " + v.standing(c))
	t.line("")
	rows := []gridRow{
		{cells: []string{"released", orDash(c.Released)}},
		{cells: []string{"maintenance from", orDash(c.Maintenance)}},
		{cells: []string{"end of life", orDash(c.EndOfLife)}},
	}
	writeGrid(&t.buf, []string{c.Minor.String(), string(c.Phase(v.Now))}, rows, t.Options)
	t.line("")
	rows = nil
	var notes []string
	if c.Next != nil {
		rows = append(rows, gridRow{cells: []string{c.Next.Version.String(), orDash(c.Next.Date) + ", planned", orDash(c.Next.CherryPickDeadline)}})
		note(&notes, *c.Next)
	}
	for _, p := range c.Patches {
		rows = append(rows, gridRow{cells: []string{p.Version.String(), orDash(p.Date), orDash(p.CherryPickDeadline)}})
		note(&notes, p)
	}
	writeGrid(&t.buf, []string{"VERSION", "OUT SINCE", "CHERRY-PICKS UNTIL"}, rows, t.Options)
	writeNotes(t, notes)
}

// note keeps upstream's note on a patch, if there is one.
func note(notes *[]string, p support.Patch) {
	if p.Note != "" {
		*notes = append(*notes, p.Version.String()+": "+support.PlainNote(p.Note))
	}
}

func writeNotes(t *table, notes []string) {
	if len(notes) > 0 {
		t.line("")
	}
	for _, n := range notes {
		t.wrapped("", "note", "", Escape(n))
	}
}

// standing says of the version that was asked for how it stands in its minor.
func (v ReleasesView) standing(c support.Cycle) string {
	newest, ok := c.Newest(v.Now)
	_, listed := c.Patch(v.Version)
	switch age := v.Version.Compare(newest.Version); {
	case !ok:
		return "no patch of " + c.Minor.String() + " is known here to be out"
	case age == 0:
		return "the newest patch of " + c.Minor.String()
	case age > 0:
		return fmt.Sprintf("newer than %s, the newest patch of %s that is known here", newest.Version, c.Minor)
	case v.Version.Pre != "":
		return fmt.Sprintf("a pre-release; the newest patch of %s is %s", c.Minor, newest.Version)
	case !listed:
		return fmt.Sprintf("not listed here; the newest patch of %s is %s", c.Minor, newest.Version)
	}
	return fmt.Sprintf("not the newest patch of %s, which is %s", c.Minor, newest.Version)
}

// age says how old all of it is.
func (v ReleasesView) age(t *table) {
	t.line("")
	from := v.Schedule.Source
	if v.Embedded {
		from = "the snapshot built into this kverify"
	}
	text := "as of " + string(v.Schedule.AsOf)
	if days, ok := v.Schedule.AsOf.DaysBefore(v.Now); ok && days != 0 {
		text += ", " + ago(days)
	}
	text += ", from " + from
	past := func(c support.Cycle) bool {
		return c.Next != nil && c.Next.Date != "" && c.Next.Date < support.DateOf(v.Now)
	}
	if slices.ContainsFunc(v.cycles(), past) {
		text += "; plans that have passed have likely come true"
	}
	t.last(Escape(text))
}

func ago(days int) string {
	switch {
	case days == 1:
		return "1 day ago"
	case days < 0:
		return fmt.Sprintf("%d days ahead of this computer's clock", -days)
	}
	return fmt.Sprintf("%d days ago", days)
}

func orDash(d support.Date) string { return cmp.Or(string(d), "-") }

func versionOrDash(p support.Patch) string {
	if p.Version.IsZero() {
		return "-"
	}
	return p.Version.String()
}

// jsonReleases is the JSON and YAML form of a schedule. The rule of
// compatibility is that of [report.SchemaVersion].
type jsonReleases struct {
	SchemaVersion int                `json:"schemaVersion"`
	AsOf          support.Date       `json:"asOf"`
	AgeDays       int                `json:"ageDays"`
	Embedded      bool               `json:"embedded"` // from the snapshot that is compiled in
	Source        string             `json:"source"`
	Spec          string             `json:"spec,omitempty"`
	Version       string             `json:"version,omitempty"` // what spec is
	Warning       string             `json:"warning,omitempty"` // what speaks against that version
	Minors        []jsonCycle        `json:"minors"`
	Upcoming      []support.PatchDay `json:"upcoming,omitempty"`
}

type jsonCycle struct {
	support.Cycle
	State  support.Phase `json:"state"`
	Newest string        `json:"newest,omitempty"`
}

func (v ReleasesView) document() jsonReleases {
	days, _ := v.Schedule.AsOf.DaysBefore(v.Now)
	out := jsonReleases{
		SchemaVersion: report.SchemaVersion, AsOf: v.Schedule.AsOf, AgeDays: days, Embedded: v.Embedded,
		Source: v.Schedule.Source, Spec: v.Spec, Minors: []jsonCycle{}, Upcoming: v.Schedule.Upcoming,
	}
	if v.Spec != "" {
		out.Version, out.Warning = v.Version.String(), v.Schedule.Warning(v.Version, v.Now)
	}
	for _, c := range v.cycles() {
		j := jsonCycle{Cycle: c, State: c.Phase(v.Now)}
		if p, ok := c.Newest(v.Now); ok {
			j.Newest = p.Version.String()
		}
		out.Minors = append(out.Minors, j)
	}
	return out
}
