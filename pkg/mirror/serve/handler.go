// Package serve serves a mirror over HTTP, to clients that ask as if it were the
// outside world: [Handler] tells which host a request means, asks the mirror
// for its answer, withholds what a verification refuted, sends no block of a
// body that was not compared again, and counts and logs what it did.
package serve

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// Handler serves a mirror over HTTP as the outside world, all of its hosts on
// one port: registry.k8s.io by the read half of the OCI distribution
// specification (https://github.com/opencontainers/distribution-spec), the
// files of dl.k8s.io and sbom.k8s.io with ranges, and the kept entries of the
// transparency log. Which host a request means is told by its Host header,
// else by its path: /v2/ is the registry, /HOST/PATH is HOST.
//
//	/healthz   200 while it serves
//	/metrics   Prometheus' text format
//	/, /-/     Page
//	/MANIFEST.json, its signature and MANIFEST.sha256: the mirror's lists
//	/HOST/PATH/  Page, if it is a [Lister] and nothing else is there
//
// Every byte of a body that a digest describes is compared again before it is
// sent. What is not what it must be is refused, 500 with the reason; what
// becomes another while it is sent ends with the connection.
type Handler struct {
	Page http.Handler // answers / and what is below /-/; nil means 404
	Log  io.Writer    // gets a line for each request; nil means none
	Tool report.Tool  // named in the metrics

	dir     atomic.Pointer[mirror.Mirror]
	refuted atomic.Pointer[map[string]string]
	blocks  *blocks
	memory  layout.Memory
	metrics *metrics
	logging accessLog
}

// NewHandler serves d.
func NewHandler(d *mirror.Mirror) *Handler {
	h := &Handler{blocks: newBlocks(), metrics: newMetrics()}
	h.Swap(d)
	h.refuted.Store(&map[string]string{})
	return h
}

// Swap serves d from now on. What is being sent still is of the directory
// before, which must stay open until it has been. What was refuted stays so
// until the next [Handler.Judge].
func (h *Handler) Swap(d *mirror.Mirror) { h.dir.Store(d.Remembering(&h.memory)) }

// Judge takes the report of a verification of what is served. What it refutes
// is from then on answered with 403 and the reason: a file or document under
// every address, an image under its tags and digests, and with a platform of it
// the image, whose index names that platform. All else is served as before.
func (h *Handler) Judge(r report.Report) {
	refuted := map[string]string{}
	indexes := map[string]string{} // digest by name
	for _, res := range r.Results {
		if res.Kind == "image" && res.Platform == "" {
			indexes[res.Subject] = res.Digest
		}
	}
	image := func(name, digest, why string) {
		refuted[name] = why
		if repo, ok := repositoryOf(name); ok && digest != "" {
			refuted[repo+"@"+digest] = why
		}
	}
	for _, res := range r.Results {
		if res.Verdict() != report.Refuted {
			continue
		}
		why := reasonOf(res)
		for _, name := range append([]string{res.Subject}, res.SeenAs...) {
			if res.Kind == "image" {
				image(name, res.Digest, why)
				continue
			}
			refuted[name] = why
			if u, err := url.Parse(name); err == nil {
				if to := layout.Canonical(u.Host, u.Path); to != "" {
					refuted[to] = why
				}
			}
		}
		if res.Kind == "image" && res.Platform != "" {
			image(res.Subject, indexes[res.Subject], res.Platform+": "+why)
		}
	}
	h.refuted.Store(&refuted)
	h.metrics.recordVerdicts(r)
}

func reasonOf(res report.Result) string {
	for _, c := range res.Checks {
		if c.Required && c.Verdict == report.Refuted {
			return fmt.Sprintf("its verification here refuted it: %s: %s", c.Name, c.Detail)
		}
	}
	return "its verification here refuted it"
}

func repositoryOf(name string) (string, bool) {
	n, ok := layout.SplitName(name)
	return n.Host + "/" + n.Repo, ok
}

// maxBody caps what is read of a request: a look-up in the log is the only one
// with a body that matters.
const maxBody = mirror.MaxQuery + 1

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rec := &recorder{ResponseWriter: w, control: http.NewResponseController(w), conn: connOf(req), site: "none"}
	started := time.Now()
	h.metrics.requestBegan(1)
	defer func() {
		v := recover()
		took := time.Since(started)
		if rec.status == 0 {
			rec.status = http.StatusOK
			if v != nil {
				rec.status = http.StatusInternalServerError
			}
		}
		h.metrics.observe(requestKind{rec.site, methodOf(req), rec.status}, rec.sent, took)
		h.logging.write(h.Log, req, rec, started.Add(took), took, v)
		if v != nil {
			panic(v) // net/http ends the connection, so that no client takes what was sent for the whole
		}
	}()
	if req.Body != nil {
		req.Body = http.MaxBytesReader(rec, req.Body, maxBody)
	}
	rec.Header().Set("X-Content-Type-Options", "nosniff")
	h.serve(rec, req)
}

// methodOf keeps the label's values few.
func methodOf(req *http.Request) string {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return req.Method
	}
	return "other"
}

func (h *Handler) serve(w *recorder, req *http.Request) {
	var own http.HandlerFunc
	switch p := req.URL.Path; {
	case p == "/healthz":
		own = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "ok\n")
		}
	case p == "/metrics":
		own = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_ = h.metrics.write(w, h.Tool)
		}
	case (p == "/" || strings.HasPrefix(p, "/-/")) && h.Page != nil:
		own = h.Page.ServeHTTP
	case slices.Contains(lists, strings.TrimPrefix(p, "/")):
		own = func(_ http.ResponseWriter, req *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			h.answer(w, req, list(h.dir.Load(), req))
		}
	}
	if own != nil {
		h.own(w, req, own)
		return
	}
	d := h.dir.Load()
	site, in, a := outside(d, req)
	if path := listing(h.Page, in, a); path != "" {
		a.Close()
		asked := req.Clone(req.Context())
		asked.URL.Path, asked.URL.RawPath = path, ""
		h.own(w, asked, h.Page.ServeHTTP)
		return
	}
	if answersFor(d, site) {
		w.site = site
	}
	if strings.HasPrefix(in.URL.Path, "/v2/") {
		w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	}
	if why := h.withheld(in, a); a.Err == nil && why != "" {
		a.Close()
		h.metrics.refuse(refusedVerdict)
		w.why = errors.New(why)
		if !strings.HasPrefix(in.URL.Path, "/v2/") {
			why = in.URL.String() + ": " + why
		}
		a = mirror.Fail(in, http.StatusForbidden, layout.CodeDenied, why)
	}
	h.answer(w, req, a)
}

// own answers with what is this server's own, and no answer of the outside world.
func (h *Handler) own(w *recorder, req *http.Request, with http.HandlerFunc) {
	w.site = "self"
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h.send(w, req, mirror.NotAllowed(req))
		return
	}
	with(w, req)
}

// answer sends what the mirror answers, or why it refuses.
func (h *Handler) answer(w *recorder, req *http.Request, a *mirror.Answer) {
	if a.Err != nil {
		w.why = a.Err
		h.metrics.refuse(refusedCorrupt)
	}
	h.send(w, req, public(h.dir.Load(), a))
}

// withheld says why what was asked for is not handed out, or "".
func (h *Handler) withheld(in *http.Request, a *mirror.Answer) string {
	refuted := *h.refuted.Load()
	if len(refuted) == 0 || a.Status != http.StatusOK {
		return ""
	}
	rest, ok := strings.CutPrefix(in.URL.Path, "/v2/")
	if !ok {
		return refuted["https://"+in.URL.Host+in.URL.Path]
	}
	const kind = "/manifests/"
	at := strings.LastIndex(rest, kind) // a repository may have such a part too
	if at < 0 {
		return ""
	}
	name, ref := in.URL.Host+"/"+rest[:at], rest[at+len(kind):]
	if why := refuted[name+"@"+a.Header["Docker-Content-Digest"]]; why != "" {
		return why
	}
	return refuted[name+":"+ref]
}

// send writes an answer. The connection is cut where a body turns out to be
// another than it must be.
func (h *Handler) send(w *recorder, req *http.Request, a *mirror.Answer) {
	defer a.Close()
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	if a.Status != http.StatusOK || req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
		w.WriteHeader(a.Status)
		if req.Method != http.MethodHead {
			_, _ = io.Copy(w, a.Body)
		}
		return
	}
	var content io.ReadSeeker
	switch body := a.Body.(type) {
	case layout.InMemory:
		content = body.Reader
	case *layout.CheckedReader:
		var err error
		if content, err = h.blocks.checkedContent(req.Context(), body); err != nil {
			h.refuse(w, req, err)
			return
		}
	default:
		h.refuse(w, req, fmt.Errorf("a body of type %T", body))
		return
	}
	if a.SHA256 != "" {
		// What a digest names never changes; a name may.
		w.Header().Set("ETag", `"sha256:`+a.SHA256+`"`)
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasSuffix(req.URL.Path, "/"+string(oci.FromHex(a.SHA256))) {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
	}
	gathered := w.conn != nil && a.Size <= maxGathered
	if gathered {
		w.conn.gather()
		defer w.conn.flush()
	}
	http.ServeContent(w, oneRange(req), "", time.Time{}, content)
	if gathered && w.Header().Get("Content-Length") != "" { // else net/http ends the answer itself, at once too
		_ = w.control.Flush()
	}
	if checked, ok := content.(*blockReader); ok {
		_ = checked.Close()
		if err := checked.err; err != nil && req.Context().Err() == nil {
			w.why = err
			h.metrics.refuse(refusedAborted)
			panic(http.ErrAbortHandler)
		}
	}
}

// oneRange is a request for several ranges as one for the whole, which a server may answer in their
// place (RFC 9110, 14.2): net/http reads several in a goroutine that outlives the answer, and
// what is checked is sent from the memory in which it was.
func oneRange(req *http.Request) *http.Request {
	if !strings.Contains(req.Header.Get("Range"), ",") {
		return req
	}
	whole := req.WithContext(req.Context())
	whole.Header = req.Header.Clone()
	whole.Header.Del("Range")
	return whole
}

// refuse answers for content that was found to be wrong before any of it was sent.
func (h *Handler) refuse(w *recorder, req *http.Request, err error) {
	if req.Context().Err() != nil { // the client has gone
		panic(http.ErrAbortHandler)
	}
	h.metrics.refuse(refusedCorrupt)
	a := h.dir.Load().Refuse(req, err)
	w.why = a.Err
	w.Header().Del("Docker-Content-Digest")
	h.send(w, req, public(h.dir.Load(), a))
}
