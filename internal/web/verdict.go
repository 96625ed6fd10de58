package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
)

// verdictOf is the one verdict of a version: of everything that the report says
// of it, and of the mirror as far as that may be the version's. version "" is the
// whole mirror. No report, no verdict: unknown.
func verdictOf(r *report.Report, version string) report.Verdict {
	if r == nil {
		return report.Unknown
	}
	if version == "" {
		return r.Verdict()
	}
	about := report.Report{Interrupted: r.Interrupted}
	named := false
	findings := findingsOf(r)
	for i, res := range r.Results {
		switch {
		case res.Kind != report.KindMirror:
			named = named || res.Release == version
			if res.Release == version || res.Release == "" {
				about.Results = append(about.Results, res)
			}
		case i > 0:
			about.Results = append(about.Results, reaching(res, version, len(r.Releases) == 1)...)
		case len(findings) >= mirror.MaxFindings, len(findings) == 0: // more than are told, or none that explains it
			about.Results = append(about.Results, res)
		}
	}
	if !named {
		return report.Unknown
	}
	return about.Verdict()
}

// findingsOf are the results about single things that are wrong in the mirror; the
// mirror's own, which is the first result and sums them up, is not among them.
func findingsOf(r *report.Report) (list []report.Result) {
	if r == nil {
		return nil
	}
	for i, res := range r.Results {
		if i > 0 && res.Kind == report.KindMirror {
			list = append(list, res)
		}
	}
	slices.SortStableFunc(list, func(a, b report.Result) int { return worse(a.Verdict(), b.Verdict()) })
	return list
}

// worse orders refuted before unknown before verified.
func worse(a, b report.Verdict) int {
	order := []report.Verdict{report.Refuted, report.Unknown, report.Verified}
	return slices.Index(order, a) - slices.Index(order, b)
}

// reaching is a finding about the mirror as it counts for a version: as it is where
// it names the version, or where the mirror has no other; not at all where it names
// another, or is a leftover that belongs to none. Of anything else, such as a damaged
// blob, it is not known to which version it belongs: the version is unknown by it, and not refuted.
func reaching(res report.Result, version string, only bool) []report.Result {
	names := versionsIn(res.Subject)
	switch {
	case slices.Contains(names, version):
		return []report.Result{res}
	case len(names) > 0, isLeftover(res):
		return nil
	case only || res.Verdict() != report.Refuted:
		return []report.Result{res}
	}
	return []report.Result{{Subject: res.Subject, Kind: res.Kind}} // no check: unknown
}

// versionsIn are the versions that a path or name has as parts of it.
func versionsIn(name string) (list []string) {
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == ':' || r == '@' }) {
		if v, err := release.ParseVersion(part); err == nil {
			list = append(list, v.String())
		}
	}
	return list
}

// isLeftover says whether a finding is about something that is there and that nothing
// accounts for. A finding about the mirror as such (".") does not count.
func isLeftover(res report.Result) bool {
	return res.Verdict() == report.Unknown && res.Subject != "." && !slices.ContainsFunc(res.Checks, func(c report.Check) bool {
		return c.Required && c.Verdict != report.Verified && c.Reason != report.NoClaim
	})
}

// A releaseLink is a release of the mirror, as its list shows it.
type releaseLink struct {
	Version string
	Judged  bool
	Verdict report.Verdict
	Life    string // how long it is supported, in words; empty if that is not known
	Ended   bool
	Current bool // it is what the page shows
}

// releaseLinks lists the releases that a mirror holds, newest first.
func releaseLinks(s *state, shown string, now time.Time) (list []releaseLink) {
	for _, v := range s.held.Versions {
		l := releaseLink{Version: v.String(), Judged: s.report != nil, Verdict: verdictOf(s.report, v.String()), Current: v.String() == shown}
		l.Life, l.Ended = lifeOf(v, now)
		list = append(list, l)
	}
	return list
}

// lifeOf says how long a version is supported, by the schedule that is compiled in.
func lifeOf(v release.Version, now time.Time) (words string, ended bool) {
	c, ok := support.Embedded().Cycle(support.MinorOf(v))
	switch {
	case !ok || c.EndOfLife == "":
		return "", false
	case c.Phase(now) == support.Ended:
		return "support ended " + string(c.EndOfLife), true
	}
	return "supported until " + string(c.EndOfLife), false
}

// warningOf says what speaks against using a version today; "" if nothing does.
func warningOf(version string, now time.Time) string {
	v, err := release.ParseVersion(version)
	if err != nil {
		return ""
	}
	return support.Embedded().Warning(v, now)
}

// scheduleDay is the day up to which the schedule that is compiled in knows.
func scheduleDay() string { return string(support.Embedded().AsOf) }

// manyNames is how many names a sentence lists.
const manyNames = 3

// reasonFor says in one sentence why a version has its verdict, by the entries that
// have the same one.
func reasonFor(list []item, verdict report.Verdict) string {
	if verdict == report.Verified {
		return "Everything of it that this mirror holds is proved."
	}
	var names []string
	for _, i := range list {
		if i.Judged && i.Verdict == verdict {
			names = append(names, strings.TrimSpace(i.Name+" "+i.where()))
		}
	}
	says := "Not proved: "
	if verdict == report.Refuted {
		says = "Refuted, and withheld: "
	}
	switch n := len(names); {
	case n == 0:
		return "The reason is something in the mirror itself, below."
	case n > manyNames:
		return says + strings.Join(names[:manyNames], ", ") + fmt.Sprintf(" and %d more.", n-manyNames)
	case n > 1:
		return says + strings.Join(names[:n-1], ", ") + " and " + names[n-1] + "."
	}
	return says + names[0] + "."
}

// withoutPath is a report that does not say where the mirror, or the files that it was
// judged by, lie on the server: a reader of the page need not know.
func withoutPath(r report.Report) report.Report {
	paths := r.Scope.Subjects
	r.Policy.Path, r.TrustedRoot.Path = "", ""
	if r.OperatorKey != nil {
		key := *r.OperatorKey
		key.Path = ""
		r.OperatorKey = &key
	}
	clean := func(s string) string {
		for _, p := range paths {
			switch {
			case p == "":
			case s == p:
				return "mirror"
			default:
				s = strings.ReplaceAll(s, "mirror "+p+" ", "mirror ")
				s = strings.ReplaceAll(s, "mirror "+p+":", "mirror:")
			}
		}
		return s
	}
	each := func(list []string) []string {
		list = slices.Clone(list)
		for i := range list {
			list[i] = clean(list[i])
		}
		return list
	}
	r.Scope.Subjects = each(r.Scope.Subjects)
	r.Results = slices.Clone(r.Results)
	for i := range r.Results {
		res := &r.Results[i]
		res.Subject, res.Notes, res.Checks = clean(res.Subject), each(res.Notes), slices.Clone(res.Checks)
		for j := range res.Checks {
			res.Checks[j].Detail = clean(res.Checks[j].Detail)
		}
	}
	return r
}
