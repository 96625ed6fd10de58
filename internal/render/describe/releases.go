package describe

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
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
func Releases(w io.Writer, v ReleasesView, format string, o terminal.Options) error {
	var buf bytes.Buffer
	switch format {
	case "json", "yaml":
		return encode.As(w, v.document(), format)
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
		p := &terminal.Page{Options: o}
		if v.Spec == "" {
			v.overview(p)
		} else {
			v.detail(p)
		}
		v.age(p)
		_, err := p.WriteTo(w)
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// overview is a row for each minor.
func (v ReleasesView) overview(p *terminal.Page) {
	var rows []terminal.Row
	var notes []string
	for _, c := range v.cycles() {
		newest, _ := c.Newest(v.Now)
		next := support.Patch{}
		if c.Next != nil {
			next = *c.Next
		}
		rows = append(rows, terminal.Row{Cells: []string{
			c.Minor.String(), string(c.Phase(v.Now)), orDash(c.Released), versionOrDash(newest), orDash(newest.Date),
			orDash(c.Maintenance), orDash(c.EndOfLife), versionOrDash(next), orDash(next.Date), orDash(next.CherryPickDeadline),
		}})
		note(&notes, newest)
	}
	p.Grid([]string{"MINOR", "STATE", "RELEASED", "NEWEST", "OUT SINCE", "MAINTENANCE", "END OF LIFE", "NEXT", "PLANNED FOR", "CHERRY-PICKS UNTIL"}, rows)
	if len(rows) == 0 {
		p.Line("no minor that is known here is supported today")
	}
	patchNotes(p, notes)
}

// detail is one minor, and a row for each of its patches.
func (v ReleasesView) detail(p *terminal.Page) {
	c, ok := v.Schedule.Cycle(support.MinorOf(v.Version))
	if !ok {
		p.Line(fmt.Sprintf("%s  of %s nothing is known here", v.Version, v.Version.MinorString()))
		return
	}
	p.Line(v.Version.String() + "  " + v.standing(c))
	p.Line("")
	rows := []terminal.Row{
		{Cells: []string{"released", orDash(c.Released)}},
		{Cells: []string{"maintenance from", orDash(c.Maintenance)}},
		{Cells: []string{"end of life", orDash(c.EndOfLife)}},
	}
	p.Grid([]string{c.Minor.String(), string(c.Phase(v.Now))}, rows)
	p.Line("")
	rows = nil
	var notes []string
	if c.Next != nil {
		rows = append(rows, terminal.Row{Cells: []string{c.Next.Version.String(), orDash(c.Next.Date) + ", planned", orDash(c.Next.CherryPickDeadline)}})
		note(&notes, *c.Next)
	}
	for _, p := range c.Patches {
		rows = append(rows, terminal.Row{Cells: []string{p.Version.String(), orDash(p.Date), orDash(p.CherryPickDeadline)}})
		note(&notes, p)
	}
	p.Grid([]string{"VERSION", "OUT SINCE", "CHERRY-PICKS UNTIL"}, rows)
	patchNotes(p, notes)
}

// note keeps upstream's note on a patch, if there is one.
func note(notes *[]string, p support.Patch) {
	if p.Note != "" {
		*notes = append(*notes, p.Version.String()+": "+support.PlainNote(p.Note))
	}
}

func patchNotes(p *terminal.Page, notes []string) {
	if len(notes) > 0 {
		p.Line("")
	}
	for _, n := range notes {
		p.Marked("", "note", "", terminal.Escape(n))
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
func (v ReleasesView) age(p *terminal.Page) {
	p.Line("")
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
	p.Last(terminal.Escape(text))
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
