package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/report"
)

const (
	// atOnce is how many lines one page shows: a release has some 130.
	atOnce = 250
	// atLength is how many lines have their evidence with them. In a longer list
	// it is one click away: it would be nine tenths of the page.
	atLength = 5
	// fewFindings is how many findings about the mirror are told before the rest is a link.
	fewFindings = 3
)

// view is what the template sees.
type view struct {
	Base     string // "http://host:port" of this server, as the reader knows it
	Host     string
	Filter   filter
	Newest   string
	Choices  struct{ Versions, Components, OSes, Arches, Verdicts []string }
	Status   string
	Why      string
	Tool     report.Tool
	Report   *report.Report
	Verdict  report.Verdict // of the version that is shown, or of the whole mirror
	Reason   string         // of it, in a sentence
	Warning  string         // what speaks against the version, whatever its verdict
	Schedule string         // the day up to which the schedule of releases is known
	Links    []releaseLink
	Wholes   []whole // the mirror, and the versions that are shown
	Findings []whole // single things that are wrong in the mirror
	More     int     // findings that are not shown
	Damage   []string
	Listed   bool // there is a MANIFEST.json
	Matrix   matrix
	Total    int // lines that match
	All      int // lines there are
	Counts   struct{ Verified, Refuted, Unknown, Open int }
	Sections []section
	Full     bool // evidence is with the lines
	From, To int
	Earlier  string // links to the lines before and after these
	Later    string
	Assets   map[string]string
}

// whole is what was found out about a version, the mirror, or something in it.
type whole struct {
	What    string
	Verdict report.Verdict
	Detail  string
}

type section struct {
	ID, Title string
	Items     []item
}

// newView is the page as a request asks for it.
func newView(s *state, tool report.Tool, now time.Time, req *http.Request) view {
	_, urls := assets()
	v := view{Status: s.status, Why: s.why, Tool: tool, Report: s.report, Damage: s.held.Damage, All: len(s.items), Assets: urls}
	v.Base, v.Host = base(req)
	if len(s.held.Versions) > 0 {
		v.Newest = s.held.Versions[0].String()
	}
	q := req.URL.Query()
	v.Filter = readFilter(q, v.Newest)
	v.choose(s)
	v.Matrix.Machine = machineOf(v.Filter, req.Header)
	v.Listed = s.held.HasManifest
	v.fillVerdict(s, now)
	v.find(s, q.Get("findings") == everything)
	v.list(s, q)
	return v
}

// choose fills in what the form offers.
func (v *view) choose(s *state) {
	for _, version := range s.held.Versions {
		v.Choices.Versions = append(v.Choices.Versions, version.String())
	}
	v.Choices.Components = choices(s.items, func(i item) []string { return []string{i.Component} }, strings.Compare)
	v.Choices.OSes = choices(s.items, func(i item) []string { return i.OS }, by(osOrder))
	v.Choices.Arches = choices(s.items, func(i item) []string { return i.Arch }, by(archOrder))
	v.Choices.Verdicts = []string{"verified", "refuted", "unknown"}
}

// fillVerdict fills in what is said of the version as a whole.
func (v *view) fillVerdict(s *state, now time.Time) {
	v.Verdict = verdictOf(s.report, v.Filter.Version)
	v.Links = releaseLinks(s, v.Filter.Version, now)
	v.Warning = warningOf(v.Filter.Version, now)
	v.Schedule = scheduleDay()
	ofVersion := filter{Version: v.Filter.Version}
	var list []item
	for _, i := range s.items {
		if !ofVersion.matches(i) {
			continue
		}
		list = append(list, i)
		switch {
		case !i.Judged:
			v.Counts.Open++
		case i.Verdict == report.Verified:
			v.Counts.Verified++
		case i.Verdict == report.Refuted:
			v.Counts.Refuted++
		default:
			v.Counts.Unknown++
		}
	}
	v.Reason = reasonFor(list, v.Verdict)
	if v.Filter.Version != "" {
		v.Matrix = newMatrix(list, v.Matrix.Machine)
	}
}

// find fills in what was found out about the mirror itself, and about the release.
func (v *view) find(s *state, all bool) {
	if s.report == nil {
		return
	}
	for i, res := range s.report.Results {
		switch version := v.Filter.Version; {
		case res.Kind == report.KindMirror && i == 0:
			v.Wholes = append(v.Wholes, whole{"this mirror", res.Verdict(), brief(res)})
		case res.Kind == report.KindRelease && (version == "" || version == res.Release || version == res.Subject):
			v.Wholes = append(v.Wholes, whole{res.Subject, res.Verdict(), brief(res)})
		}
	}
	findings := findingsOf(s.report)
	if !all && len(findings) > fewFindings {
		v.More = len(findings) - fewFindings
		findings = findings[:fewFindings]
	}
	for _, res := range findings {
		v.Findings = append(v.Findings, whole{res.Subject, res.Verdict(), brief(res)})
	}
}

// list fills in the lines.
func (v *view) list(s *state, q url.Values) {
	matching := slices.DeleteFunc(slices.Clone(s.items), func(i item) bool { return !v.Filter.matches(i) })
	slices.SortStableFunc(matching, func(a, b item) int { return trouble(a) - trouble(b) })
	v.Total = len(matching)
	v.Full = v.Total <= atLength
	from, _ := strconv.Atoi(q.Get("from"))
	if from < 0 || from >= len(matching) {
		from = 0
	}
	to := min(from+atOnce, len(matching))
	v.From, v.To = from+1, to
	if from > 0 {
		v.Earlier = link(q, max(0, from-atOnce))
	}
	if to < len(matching) {
		v.Later = link(q, to)
	}
	for _, sec := range []section{{ID: "attention", Title: "Refuted and unknown"}, {ID: "images", Title: "Images"}, {ID: "files", Title: "Files"}, {ID: "documents", Title: "Documents"}} {
		for _, i := range matching[from:to] {
			if i.Trouble() == (sec.ID == "attention") && (i.Trouble() || i.Section == sec.ID) {
				sec.Items = append(sec.Items, i)
			}
		}
		if len(sec.Items) > 0 {
			v.Sections = append(v.Sections, sec)
		}
	}
}

// trouble orders what is refuted before what is unknown before all else.
func trouble(i item) int {
	if !i.Trouble() {
		return int(report.Refuted) + 1
	}
	return worse(i.Verdict, report.Refuted)
}

// link is the page with the lines from another on.
func link(q url.Values, from int) string {
	out := url.Values{}
	for k, v := range q {
		out[k] = v
	}
	out.Set("from", strconv.Itoa(from))
	return "/?" + out.Encode()
}

// base is the address under which the reader knows this server. What no
// browser sends as a host is replaced.
func base(req *http.Request) (base, host string) {
	scheme := "http"
	if req.TLS != nil || req.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	host = strings.ToLower(req.Host)
	if host == "" || len(host) > 255 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		host = "localhost"
	}
	return scheme + "://" + host, host
}
