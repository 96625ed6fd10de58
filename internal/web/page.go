// Package web is the page that a served mirror has for people: what it holds,
// each with its verdict and the evidence for it, and the lines to copy.
//
// The page is rendered here, by html/template, and filtered by a plain form;
// the script only spares a click. It names no foreign host, and its
// Content-Security-Policy allows none. Whatever comes from the mirror is
// escaped, for a browser and for its reader: the names in a mirror are
// not to be trusted.
//
// A verdict on the page is one that [Page.Judge] was given, never one that the
// mirror's own MANIFEST.json claims.
package web

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

// Page is an http.Handler for "/" and what lies below "/-/". It may be used by
// many goroutines.
type Page struct {
	Tool report.Tool
	Now  func() time.Time // by which support has ended or not; nil means time.Now
	now  atomic.Pointer[state]
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
	r = withoutPath(r)
	p.now.Store(&state{held: held, status: "judged", report: &r, items: items(held, &r)})
}

// Failed says that the mirror could not be verified, and why.
func (p *Page) Failed(held mirror.Contents, why error) {
	p.now.Store(&state{held: held, status: "failed", why: why.Error(), items: items(held, nil)})
}

func (p *Page) clock() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// policy is the page's Content-Security-Policy: everything from here, nothing
// from elsewhere, nothing in line.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers GET and HEAD:
//
//	/               the page
//	/HOST/PATH/     what the mirror holds below a directory, see [Page.Lists]
//	/-/report.json  the report that the verdicts are from, as kverify report reads it
//	/-/NAME         what the page is made of
func (p *Page) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	switch name, below := strings.CutPrefix(req.URL.Path, "/-/"); {
	case name == "report.json" && below:
		p.report(w, req)
	case below:
		asset(w, req, name)
	case req.URL.Path != "/":
		p.list(w, req)
	default:
		h.Set("Accept-CH", hints)
		for _, name := range []string{"User-Agent", hintPlatform, hintArch, hintBits, "X-Forwarded-Proto"} {
			h.Add("Vary", name)
		}
		execute(w, req, "page.html", newView(p.now.Load(), p.Tool, p.clock(), req))
	}
}

// execute answers with a template.
func execute(w http.ResponseWriter, req *http.Request, name string, data any) {
	var b bytes.Buffer
	if err := page().ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, req, "text/html; charset=utf-8", body{plain: b.Bytes()})
}

// report answers with the report itself.
func (p *Page) report(w http.ResponseWriter, req *http.Request) {
	r := p.now.Load().report
	if r == nil {
		http.Error(w, "there is no report: the mirror was not verified, or is being verified now; ask again", http.StatusNotFound)
		return
	}
	var b bytes.Buffer
	if err := render.JSON(&b, *r); err != nil {
		http.Error(w, "the report could not be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, req, "application/json", body{plain: b.Bytes()})
}

// Lists says whether the mirror holds something below path, a directory such as
// "/dl.k8s.io/release/v1.27.2/". It is a question to the mirror's list of files: no
// directory is opened.
func (p *Page) Lists(path string) bool {
	return strings.Trim(path, "/") != "" && strings.HasSuffix(path, "/") && len(below(p.now.Load().held.Files, path)) > 0
}

// list answers with a listing.
func (p *Page) list(w http.ResponseWriter, req *http.Request) {
	if !p.Lists(req.URL.Path) {
		http.Error(w, "there is no such directory in this mirror", http.StatusNotFound)
		return
	}
	execute(w, req, "listing.html", newListing(p.now.Load(), req.URL.Path))
}
