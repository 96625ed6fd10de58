package support

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/pkg/release"
)

const (
	// maxDocument bounds each of the two files; 4 KB after ten years.
	maxDocument = 256 << 10
	// maxEntries bounds the minors of a file and the patches of a minor; there
	// were 36 of the one and 20 of the other at most.
	maxEntries = 500
	// maxNote bounds a note; they have a sentence or two.
	maxNote = 2000
)

// The names of the two documents in errors.
const (
	scheduleName  = "schedule.yaml"
	endOfLifeName = "eol.yaml"
)

// A FormatError says that a document is not what it should be.
type FormatError struct {
	Document string // "schedule.yaml" or "eol.yaml"
	Why      string
}

func (e *FormatError) Error() string {
	return e.Document + " cannot be read: " + e.Why + "; the embedded snapshot still can"
}

// rawPatch is a patch as both documents write it.
type rawPatch struct {
	Release            json.RawMessage `json:"release"`
	CherryPickDeadline string          `json:"cherryPickDeadline"`
	TargetDate         string          `json:"targetDate"`
	Note               string          `json:"note"`
}

// ParseSchedule reads the website's schedule.yaml, the supported minors:
//
//	schedules:
//	- release: "1.36"
//	  releaseDate: "2026-04-22"
//	  maintenanceModeStartDate: "2027-04-28"
//	  endOfLifeDate: "2027-06-28"
//	  next: {release: 1.36.3, cherryPickDeadline: "2026-07-10", targetDate: "2026-07-14"}
//	  previousPatches:
//	  - {release: 1.36.2, cherryPickDeadline: "2026-06-05", targetDate: "2026-06-09", note: "..."}
//	upcoming_releases:
//	- {cherryPickDeadline: "2026-07-10", targetDate: "2026-07-14"}
//
// Fields that it does not know are passed over, for upstream adds some, and
// nothing rests on this document. A day may be absent, or be "", "N/A" or
// "TBD"; a next release may be absent, or no version ("Not Planned"). The first
// release of a minor is mostly not listed, and added with the releaseDate.
// Anything else out of form is a [*FormatError]: a field given twice, a minor or patch
// listed twice, a patch of another minor, a release that is a YAML number
// (1.30 and 1.3 would be one).
func ParseSchedule(data []byte) (*Schedule, error) {
	var doc struct {
		Schedules []struct {
			Release                  json.RawMessage `json:"release"`
			ReleaseDate              string          `json:"releaseDate"`
			MaintenanceModeStartDate string          `json:"maintenanceModeStartDate"`
			EndOfLifeDate            string          `json:"endOfLifeDate"`
			Next                     *rawPatch       `json:"next"`
			PreviousPatches          []rawPatch      `json:"previousPatches"`
		} `json:"schedules"`
		Upcoming []rawPatch `json:"upcoming_releases"`
	}
	r := reader{document: scheduleName}
	r.decode(data, &doc)
	r.count("schedules", len(doc.Schedules), 1)
	r.count("upcoming releases", len(doc.Upcoming), 0)
	s := &Schedule{Source: scheduleName}
	for _, e := range doc.Schedules {
		c := Cycle{
			Minor: r.minor(e.Release), Released: r.date(e.ReleaseDate),
			Maintenance: r.date(e.MaintenanceModeStartDate), EndOfLife: r.date(e.EndOfLifeDate),
		}
		r.count("patches of "+c.Minor.String(), len(e.PreviousPatches), 0)
		for _, p := range e.PreviousPatches {
			patch := r.patch(c.Minor, p)
			c.Patches = append(c.Patches, patch)
			s.AsOf = max(s.AsOf, patch.Date)
		}
		if e.Next != nil && isVersion(e.Next.Release) {
			next := r.patch(c.Minor, *e.Next)
			c.Next = &next
		}
		first := release.Version{Major: c.Minor.Major, Minor: c.Minor.Minor}
		if _, listed := c.Patch(first); !listed && c.Released != "" && c.Minor.Major > 0 {
			c.Patches = append(c.Patches, Patch{Version: first, Date: c.Released})
		}
		s.Cycles = append(s.Cycles, c)
	}
	for _, p := range doc.Upcoming {
		s.Upcoming = append(s.Upcoming, PatchDay{r.date(p.TargetDate), r.date(p.CherryPickDeadline)})
	}
	return r.finish(s)
}

// ParseEndOfLife reads the website's eol.yaml, the minors past their end:
//
//	branches:
//	- release: "1.26"
//	  endOfLifeDate: "2024-02-28"
//	  finalPatchRelease: 1.26.15
//	  note: ...
//
// with the tolerance of [ParseSchedule]. A note speaks of the final patch. The
// final patch is not always the last that came out.
func ParseEndOfLife(data []byte) (*Schedule, error) {
	var doc struct {
		Branches []struct {
			Release           json.RawMessage `json:"release"`
			EndOfLifeDate     string          `json:"endOfLifeDate"`
			FinalPatchRelease json.RawMessage `json:"finalPatchRelease"`
			Note              string          `json:"note"`
		} `json:"branches"`
	}
	r := reader{document: endOfLifeName}
	r.decode(data, &doc)
	r.count("branches", len(doc.Branches), 1)
	s := &Schedule{Source: endOfLifeName}
	for _, e := range doc.Branches {
		c := Cycle{Minor: r.minor(e.Release), EndOfLife: r.date(e.EndOfLifeDate)}
		if isVersion(e.FinalPatchRelease) {
			c.Patches = []Patch{r.patch(c.Minor, rawPatch{Release: e.FinalPatchRelease, Note: e.Note})}
		}
		s.Cycles = append(s.Cycles, c)
	}
	return r.finish(s)
}

// reader keeps the first error of a document, so that reading it reads like
// the document.
type reader struct {
	document string
	err      error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{r.document, fmt.Sprintf(format, args...)}
	}
}

// decode reads YAML in which no field is given twice.
func (r *reader) decode(data []byte, into any) {
	if len(data) > maxDocument {
		r.fail("it has more than %d bytes", maxDocument)
		return
	}
	text, err := yaml.YAMLToJSONStrict(data)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		r.fail("%s", quote(err.Error()))
	}
}

func (r *reader) count(what string, n, least int) {
	if n < least || n > maxEntries {
		r.fail("%d %s; want %d to %d", n, what, least, maxEntries)
	}
}

// text reads a release that must be a string: YAML takes an unquoted 1.30 for
// the number 1.3.
func (r *reader) text(raw json.RawMessage) string {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || raw[0] != '"' {
		r.fail("release %s is not text", quote(string(raw)))
	}
	return s
}

func (r *reader) minor(raw json.RawMessage) Minor {
	m, err := ParseMinor(r.text(raw))
	if err != nil {
		r.fail("%v", err)
	}
	return m
}

// isVersion tells a version from "Not Planned" and from nothing.
func isVersion(raw json.RawMessage) bool {
	return bytes.ContainsAny(raw, "0123456789")
}

func (r *reader) patch(m Minor, p rawPatch) Patch {
	v, err := release.ParseVersion(r.text(p.Release))
	switch {
	case err != nil:
		r.fail("%v", err)
	case MinorOf(v) != m || v.Pre != "":
		r.fail("%s is no patch of %s", v, m)
	case len(p.Note) > maxNote:
		r.fail("the note on %s has more than %d bytes", v, maxNote)
	}
	return Patch{
		Version: v, Date: r.date(p.TargetDate), CherryPickDeadline: r.date(p.CherryPickDeadline),
		Note: strings.Join(strings.Fields(p.Note), " "),
	}
}

// date reads a day, or one of the words that stand for an unknown one.
func (r *reader) date(s string) Date {
	switch strings.ToUpper(s) {
	case "", "N/A", "TBD":
		return ""
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		r.fail("%s is no day", quote(s))
		return ""
	}
	return Date(s)
}

// finish sorts, and refuses what is listed twice.
func (r *reader) finish(s *Schedule) (*Schedule, error) {
	s.sort()
	for i, c := range s.Cycles {
		if i > 0 && c.Minor == s.Cycles[i-1].Minor {
			r.fail("%s is listed twice", c.Minor)
		}
		for j, p := range c.Patches {
			if j > 0 && p.Version == c.Patches[j-1].Version {
				r.fail("%s is listed twice", p.Version)
			}
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

func (s *Schedule) sort() {
	slices.SortStableFunc(s.Cycles, func(a, b Cycle) int { return b.Minor.Compare(a.Minor) })
	for _, c := range s.Cycles {
		slices.SortStableFunc(c.Patches, func(a, b Patch) int { return b.Version.Compare(a.Version) })
	}
	slices.SortStableFunc(s.Upcoming, func(a, b PatchDay) int { return cmp.Compare(a.Date, b.Date) })
}
