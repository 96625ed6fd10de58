package support

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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
// It is written by hand, and every edition since 2021 is read. A value counts as
// it is written: an unquoted 1.30 is 1.30, and no number. Fields that are not
// known are passed over, for upstream adds some, and nothing rests on this
// document. A day may be absent, or be "", "N/A" or "TBD"; a next release may be
// absent, a text alone, or no version ("Not Planned"). The first release of a
// minor is mostly not listed, and added with the releaseDate.
//
// Anything else out of form is left out alone, and named in [Schedule.Odd]: a
// minor with a field that is given twice or a day that is invalid, a patch of
// another minor. Of a minor that is listed twice, the entry with the newest
// patch decides. Where nothing is left the error is a [*FormatError], as it is
// for what is not YAML at all.
func ParseSchedule(data []byte) (*Schedule, error) {
	r := nodeReader{document: scheduleName}
	root := r.root(data)
	s := &Schedule{Source: scheduleName}
	for _, n := range r.entries("schedules", root["schedules"]) {
		if c, ok := r.cycle(n); ok {
			s.Cycles = append(s.Cycles, c)
		}
	}
	for _, n := range r.entries("upcoming releases", root["upcoming_releases"]) {
		f, err := fieldsOf(n)
		day := PatchDay{Date: f.day("targetDate", &err), CherryPickDeadline: f.day("cherryPickDeadline", &err)}
		if err != nil {
			r.leaveOut(n, "an upcoming release", err)
			continue
		}
		s.Upcoming = append(s.Upcoming, day)
	}
	return r.finish(s, "schedules")
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
// final patch is not always the last that came out; of two, the newest counts,
// and both are patches that are out.
func ParseEndOfLife(data []byte) (*Schedule, error) {
	r := nodeReader{document: endOfLifeName}
	root := r.root(data)
	s := &Schedule{Source: endOfLifeName}
	for _, n := range r.entries("branches", root["branches"]) {
		f, err := fieldsOf(n)
		c := Cycle{Minor: f.minor("release", &err), EndOfLife: f.day("endOfLifeDate", &err)}
		if err != nil {
			r.leaveOut(n, f.name(), err)
			continue
		}
		if text, err := f.text("finalPatchRelease"); err != nil || isVersion(text) {
			c.Patches = r.patches(c.Minor, []*yaml.Node{f["finalPatchRelease"]})
			for i := range c.Patches {
				c.Patches[i].Note = r.note(c.Minor, f)
			}
		}
		s.Cycles = append(s.Cycles, c)
	}
	return r.finish(s, "branches")
}

// cycle reads a minor of schedule.yaml; false if it was left out.
func (r *nodeReader) cycle(n *yaml.Node) (Cycle, bool) {
	f, err := fieldsOf(n)
	c := Cycle{
		Minor: f.minor("release", &err), Released: f.day("releaseDate", &err),
		Maintenance: f.day("maintenanceModeStartDate", &err), EndOfLife: f.day("endOfLifeDate", &err),
	}
	if err != nil {
		r.leaveOut(n, f.name(), err)
		return Cycle{}, false
	}
	c.Patches = r.patches(c.Minor, r.entries("patches of "+c.Minor.String(), f["previousPatches"]))
	for _, n := range r.next(c.Minor, f["next"]) {
		next, err := r.patch(c.Minor, n)
		if err != nil {
			r.leaveOut(n, "the next patch of "+c.Minor.String(), err)
			continue
		}
		if n.Kind == yaml.ScalarNode { // until 2022 its days stood beside it
			var late error
			next.Date, next.CherryPickDeadline = f.day("targetDate", &err), f.day("cherryPickDeadline", &late)
			if err = first(err, late); err != nil {
				r.leaveOut(n, "a day of "+next.Version.String(), err)
			}
		}
		if c.Next == nil || next.Version.Compare(c.Next.Version) < 0 {
			c.Next = &next
		}
	}
	first := release.Version{Major: c.Minor.Major, Minor: c.Minor.Minor}
	if _, listed := c.Patch(first); !listed && c.Released != "" && c.Minor.Major > 0 {
		c.Patches = append(c.Patches, Patch{Version: first, Date: c.Released})
	}
	return c, true
}

// next returns what names the patch planned next: fields, a version alone, or
// either of them in a list. An entry that names no version does not count.
func (r *nodeReader) next(m Minor, n *yaml.Node) (list []*yaml.Node) {
	for _, n := range r.entries("next patches of "+m.String(), n) {
		named := n
		if f, err := fieldsOf(n); err == nil && n.Kind == yaml.MappingNode {
			named = f["release"]
		}
		if text, err := textOf(named); err != nil || isVersion(text) {
			list = append(list, n)
		}
	}
	return list
}

// patches reads what is out of a minor, each patch once; what is not a patch of it
// is left out.
func (r *nodeReader) patches(m Minor, nodes []*yaml.Node) (list []Patch) {
	for _, n := range nodes {
		p, err := r.patch(m, n)
		if err != nil {
			r.leaveOut(n, "a patch of "+m.String(), err)
			continue
		}
		i := slices.IndexFunc(list, func(q Patch) bool { return q.Version == p.Version })
		switch {
		case i < 0:
			list = append(list, p)
		case list[i] != p:
			r.leaveOut(n, p.Version.String(), fmt.Errorf("it is listed twice, and this is the second"))
		}
	}
	return list
}

// patch reads a patch: its fields, or a version alone.
func (r *nodeReader) patch(m Minor, n *yaml.Node) (Patch, error) {
	f, err := fieldsOf(n)
	if n != nil && n.Kind == yaml.ScalarNode {
		f, err = fields{"release": n}, nil
	}
	if err != nil {
		return Patch{}, err
	}
	text, err := f.text("release")
	if err != nil {
		return Patch{}, err
	}
	v, err := release.ParseVersion(text)
	if err != nil {
		return Patch{}, err
	}
	if MinorOf(v) != m || v.Pre != "" {
		return Patch{}, fmt.Errorf("%s is not a patch of %s", v, m)
	}
	p := Patch{Version: v, Date: f.day("targetDate", &err), CherryPickDeadline: f.day("cherryPickDeadline", &err), Note: r.note(m, f)}
	return p, err
}

// note reads upstream's words on a patch, on one line.
func (r *nodeReader) note(m Minor, f fields) string {
	text, err := f.text("note")
	if err == nil && len(text) > maxNote {
		err = fmt.Errorf("it has more than %d bytes", maxNote)
	}
	if err != nil {
		r.leaveOut(f["note"], "a note on "+m.String(), err)
		return ""
	}
	return strings.Join(strings.Fields(text), " ")
}

// isVersion tells a version from "Not Planned" and from nothing.
func isVersion(text string) bool { return strings.ContainsAny(text, "0123456789") }

// finish joins what is listed twice, and sorts.
func (r *nodeReader) finish(s *Schedule, what string) (*Schedule, error) {
	if len(s.Cycles) == 0 && r.err == nil {
		r.fail("0 %s; want 1 to %d", what, maxEntries)
		if len(r.leftOut) > 0 {
			r.err = &FormatError{r.document, "nothing of it is left: " + strings.TrimPrefix(r.leftOut[0], r.document+": ")}
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	var cycles []Cycle
	for _, c := range s.Cycles {
		slices.SortStableFunc(c.Patches, func(a, b Patch) int { return b.Version.Compare(a.Version) })
		i := slices.IndexFunc(cycles, func(d Cycle) bool { return d.Minor == c.Minor })
		if i < 0 {
			cycles = append(cycles, c)
		} else {
			cycles[i] = r.twice(cycles[i], c)
		}
	}
	s.Cycles, s.Odd = cycles, r.leftOut
	for _, c := range s.Cycles {
		for _, p := range c.Patches {
			if p.Version.Patch > 0 { // the first may be still to come
				s.AsOf = max(s.AsOf, p.Date)
			}
		}
	}
	s.sort()
	return s, nil
}

// twice joins two entries of one minor: that with the newest patch decides, or
// where neither has one, that which ends last. Patches are those of both.
func (r *nodeReader) twice(a, b Cycle) Cycle {
	newest := func(c Cycle) (v release.Version) {
		for _, p := range c.Patches {
			if p.Version.Compare(v) > 0 {
				v = p.Version
			}
		}
		return v
	}
	if order := cmp.Or(newest(b).Compare(newest(a)), cmp.Compare(b.EndOfLife, a.EndOfLife)); order > 0 {
		a, b = b, a
	}
	if a.EndOfLife != b.EndOfLife || a.Released != b.Released || a.Maintenance != b.Maintenance || newest(a) != newest(b) {
		r.remark("%s is listed twice; the entry that ends later was taken", a.Minor)
	}
	joined := Cycle{Minor: a.Minor}
	joined.update(b)
	joined.update(a)
	return joined
}

func (s *Schedule) sort() {
	slices.SortStableFunc(s.Cycles, func(a, b Cycle) int { return b.Minor.Compare(a.Minor) })
	for _, c := range s.Cycles {
		slices.SortStableFunc(c.Patches, func(a, b Patch) int { return b.Version.Compare(a.Version) })
	}
	slices.SortStableFunc(s.Upcoming, func(a, b PatchDay) int { return cmp.Compare(a.Date, b.Date) })
}
