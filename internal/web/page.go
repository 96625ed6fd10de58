// Package web is the page that a served mirror has for people: what it holds,
// each with its verdict and the evidence for it, and the lines to copy.
//
// The page is rendered here, by html/template, and filtered by a plain form;
// the script only spares a click. It names no foreign host, and its
// Content-Security-Policy allows none. Whatever comes from the mirror is
// escaped, for a browser and for whoever reads it: the names in a mirror are
// not to be trusted.
//
// A verdict on the page is one that [Page.Judge] was given, never one that the
// mirror's own MANIFEST.json claims.
package web

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

// Page is an http.Handler for "/" and what lies below "/-/". It may be used by
// many goroutines.
type Page struct {
	Tool report.Tool
	now  atomic.Pointer[state]
}

// state is what there is to show.
type state struct {
	held   mirror.Contents
	report *report.Report // nil if there is none
	status string         // "pending", "judged", "failed" or "off"
	why    string
	items  []item
}

// New makes the page of a mirror that was not verified.
func New(held mirror.Contents, tool report.Tool) *Page {
	p := &Page{Tool: tool}
	p.Show(held)
	return p
}

// Show shows what the mirror holds, of which nothing was verified.
func (p *Page) Show(held mirror.Contents) {
	p.now.Store(&state{held: held, status: "off", items: items(held, nil)})
}

// Pending says that what the mirror holds now is being verified.
func (p *Page) Pending(held mirror.Contents) {
	p.now.Store(&state{held: held, status: "pending", items: items(held, nil)})
}

// Judge shows the verdicts of a verification of what the mirror holds.
func (p *Page) Judge(held mirror.Contents, r report.Report) {
	p.now.Store(&state{held: held, status: "judged", report: &r, items: items(held, &r)})
}

// Failed says that the mirror could not be verified, and why.
func (p *Page) Failed(held mirror.Contents, why error) {
	p.now.Store(&state{held: held, status: "failed", why: why.Error(), items: items(held, nil)})
}

// policy is the page's Content-Security-Policy: everything from here, nothing
// from elsewhere, nothing in line.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers GET and HEAD.
func (p *Page) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if name, ok := strings.CutPrefix(req.URL.Path, "/-/"); ok {
		asset(w, req, name)
		return
	}
	var b bytes.Buffer
	if err := page().Execute(&b, p.view(req)); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Host")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes())
}

// atOnce is how many lines one page shows: a release has some 130.
const atOnce = 250

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
	Releases []whole // of the versions that are shown
	Damage   []string
	Total    int // lines that match
	All      int // lines there are
	Counts   struct{ Verified, Refuted, Unknown, Open int }
	Sections []section
	From, To int
	Earlier  string // links to the lines before and after these
	Later    string
	Assets   map[string]string
}

// whole is what was found out about a version as a whole.
type whole struct {
	Version string
	Verdict report.Verdict
	Detail  string
}

type section struct {
	ID, Title string
	Items     []item
}

func (p *Page) view(req *http.Request) view {
	s := p.now.Load()
	_, urls := assets()
	v := view{Status: s.status, Why: s.why, Tool: p.Tool, Report: s.report, Damage: s.held.Damage, All: len(s.items), Assets: urls}
	v.Base, v.Host = base(req)
	if len(s.held.Versions) > 0 {
		v.Newest = s.held.Versions[0].String()
	}
	q := req.URL.Query()
	v.Filter = readFilter(q, v.Newest)
	for _, version := range s.held.Versions {
		v.Choices.Versions = append(v.Choices.Versions, version.String())
	}
	v.Choices.Components = choices(s.items, func(i item) []string { return []string{i.Component} }, strings.Compare)
	v.Choices.OSes = choices(s.items, func(i item) []string { return i.OS }, by(osOrder))
	v.Choices.Arches = choices(s.items, func(i item) []string { return i.Arch }, by(archOrder))
	v.Choices.Verdicts = []string{"verified", "refuted", "unknown"}

	matching := slices.DeleteFunc(slices.Clone(s.items), func(i item) bool { return !v.Filter.matches(i) })
	v.Total = len(matching)
	ofVersion := filter{Version: v.Filter.Version}
	for _, i := range s.items {
		switch {
		case !ofVersion.matches(i):
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
	for _, sec := range []section{{ID: "images", Title: "Images"}, {ID: "files", Title: "Files"}, {ID: "documents", Title: "Documents"}} {
		for _, i := range matching[from:to] {
			if i.Section == sec.ID {
				sec.Items = append(sec.Items, i)
			}
		}
		if len(sec.Items) > 0 {
			v.Sections = append(v.Sections, sec)
		}
	}
	v.Releases = wholes(s.report, v.Filter.Version)
	return v
}

// maxWholes is how many findings about the mirror itself one page shows.
const maxWholes = 20

// wholes are the results that are about no single file or image: the mirror's
// own, what is wrong in it, and the inventory of the version that is shown.
func wholes(r *report.Report, version string) (out []whole) {
	if r == nil {
		return nil
	}
	for i, res := range r.Results {
		switch {
		case len(out) == maxWholes:
			return append(out, whole{Version: "and more", Detail: "kverify verify says all of it"})
		case res.Kind == "mirror" && i == 0: // its path is nobody's business
			out = append(out, whole{"the mirror", res.Verdict(), brief(res)})
		case res.Kind == "mirror", res.Kind == "release" && (version == "" || version == res.Release || version == res.Subject):
			out = append(out, whole{res.Subject, res.Verdict(), brief(res)})
		}
	}
	return out
}

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

// brief is one sentence on a result: why it is not verified, or what proves it.
func brief(r report.Result) string {
	verdict := r.Verdict()
	if verdict != report.Verified {
		for _, c := range r.Checks {
			if c.Required && c.Verdict == verdict {
				return c.Name + ": " + c.Detail
			}
		}
		return ""
	}
	var says []string
	for _, name := range []string{report.Inventory, report.Signature, report.Binding, report.Digest} {
		c, ok := r.Check(name)
		if !ok || c.Verdict != report.Verified {
			continue
		}
		switch {
		case name == report.Binding:
			says = append(says, tie(r, c))
		case name == report.Signature:
			says = append(says, timeOfDay.ReplaceAllString(c.Detail, ""))
		case name == report.Inventory, r.Kind == "mirror":
			says = append(says, c.Detail)
		case r.Kind == "file":
			agree, _, _ := strings.Cut(c.Detail, ":")
			says = append(says, agree)
		}
	}
	return strings.Join(says, " · ")
}

// timeOfDay is what a line leaves to the details.
var timeOfDay = regexp.MustCompile(`T[0-9:]{8}Z`)

// tie says by what kind of claim a result is tied to its release.
func tie(r report.Result, c report.Check) string {
	most := report.Carried
	for _, e := range c.Evidence {
		if e.Strength != nil {
			most = max(most, *e.Strength)
		}
	}
	to := "tied to " + cmp.Or(r.Release, "its release") + " by "
	switch most {
	case report.Signed:
		return to + "a signed claim"
	case report.Embedded:
		return to + "the catalogue in kverify"
	case report.Published:
		return to + "a published claim"
	case report.Vouched:
		return to + "the word of this mirror's operator"
	}
	return c.Detail
}

// Summary is one sentence on an item.
func (i item) Summary() string {
	for _, want := range []report.Verdict{report.Refuted, report.Unknown, report.Verified} {
		for _, r := range i.Results {
			if r.Verdict() != want || i.Verdict != want {
				continue
			}
			if r.Platform != "" && want != report.Verified {
				return r.Platform + ": " + brief(r)
			}
			return brief(r)
		}
	}
	return ""
}

// moment writes a time for people, in UTC as the logs are.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
