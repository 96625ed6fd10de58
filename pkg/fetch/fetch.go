// Package fetch is the only code of the project that speaks plain HTTP. It
// turns a URL into bytes under a cap, and says where those bytes came from.
//
// The network is a value here: a [Client] holds an [http.RoundTripper] and
// never looks for another one. A live run gives it a small stack
//
//	UserAgent -> Retry -> Limiter -> Preconnect -> NewTransport(Options{})
//
// an air-gapped run gives it a directory, and a test gives it either. Each
// layer has one file and one job, and only [Retry] ever sends anything twice.
//
// What the seam must not hide is whose bytes they are. Every [Response] has an
// [Origin]. It is Published only if the whole way from a publisher's URL was
// verified TLS between publishers' hosts; the zero value, Carried, is
// everything else. Whatever rewrites or invents responses (a mirror, an
// endpoint, a cache) leaves [http.Response.TLS] nil and is Carried by that
// alone.
//
// A Client follows redirects itself, because each hop counts for the origin
// and because credentials must stay with the host that they were meant for.
// Every failure is an [*Error] with a [Kind]; callers never match text.
package fetch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// DefaultLimit is the cap of a body when a Request names none: 4 MiB,
	// which the registries' own specification gives as the size that a
	// manifest must be able to have.
	DefaultLimit = 4 << 20

	// maxRedirects leaves room for the longest real chain (sbom.k8s.io needs
	// two, a registry one) and for a mirror's own.
	maxRedirects = 5

	// drainLimit is how much of an unwanted body is read so that the
	// connection can be used again; dl.k8s.io sends 138 bytes with a redirect.
	drainLimit = 16 << 10

	// maxErrorBody is how much is kept of what a server says with a status that
	// is not a success: registries' error documents are a few hundred bytes.
	maxErrorBody = 8 << 10

	// peekOfStream is how much of what goes into a writer is read before any of it is
	// handed over, in place of peekLimit: many of these may be under way at once.
	peekOfStream = 64 << 10
)

// Client asks for documents. It keeps no state and may be used by many
// goroutines at once.
type Client struct {
	// Transport carries every request. There is no default: a Client without
	// a Transport fails, so that nothing reaches a network by accident.
	Transport http.RoundTripper

	// Full, if not nil, says that no more may be held in memory. What would be
	// read whole is then not asked for: [Client.Do] fails with [ErrFull].
	Full func() bool
}

// Request says what to ask. Only URL is needed.
type Request struct {
	Method string      // empty is GET
	URL    string      // absolute, http or https, without credentials
	Header http.Header // Authorization and Cookie are dropped on the way to another host
	Body   []byte
	Limit  int64 // cap of the answer's body in bytes; zero or less is DefaultLimit

	// Repeatable marks a request other than GET that may be sent again: a look-up
	// in a transparency log, or a PUT of the same bytes under the same name.
	Repeatable bool

	// Open, if not nil, gives what is sent in place of Body: Size bytes, from the
	// first one each time it is called. It is called again only where a server has
	// said that it did nothing with a request (RFC 9113, 8.7); such a request is
	// never redirected. What it gave is closed however the request ends, which may
	// be after Do has returned.
	Open func() (io.ReadCloser, error)
	Size int64

	// Follow, if not nil, is asked before a redirect is followed; its error says
	// why it is not.
	Follow func(to *url.URL) error

	// Into, if not nil, takes the answer's body, which then is not kept.
	Into io.Writer

	// AllowHTML accepts an answer that is a web page, or a storage server's error
	// in XML. Without it that is NotDocument: a captive portal's login form is not a release.
	AllowHTML bool
}

// Response is a whole answer with a status of 200 to 299.
type Response struct {
	URL      string // as it was asked
	FinalURL string // after redirects; may hold secrets in its query: print Redact(FinalURL)
	Status   int
	Header   http.Header
	Body     []byte // at most Request.Limit bytes; exactly as long as announced
	Origin   Origin

	// Direct says that the very host that was asked answered, without a redirect
	// and over TLS with a certificate verified for it: no mirror, no endpoint, no cache.
	// It is for hosts that publish nothing, whose own word counts all the same.
	Direct bool
}

// Get asks for one document of at most limit bytes.
func (c *Client) Get(ctx context.Context, url string, limit int64) (*Response, error) {
	return c.Do(ctx, Request{URL: url, Limit: limit})
}

// Length asks how many bytes a document has, without fetching it: what the server
// announces to a HEAD, -1 if that is nothing. It is a hint. Errors are those of [Client.Do].
func (c *Client) Length(ctx context.Context, url string) (int64, error) {
	r := Request{Method: http.MethodHead, URL: url}
	resp, e, _, err := c.open(ctx, &r)
	if err != nil {
		return -1, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return -1, e.because(statusKind(resp.StatusCode), nil)
	}
	if length := resp.Header.Get("Content-Length"); resp.ContentLength <= 0 && length != "" { // of a body that did not come along
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil || n < 0 {
			return -1, nil //nolint:nilerr // it announces nothing
		}
		return n, nil
	}
	return resp.ContentLength, nil
}

// Do sends r, follows at most five redirects, and reads the answer. Any status
// outside 200 to 299, and any doubt about the body, is an [*Error].
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if r.Limit <= 0 {
		r.Limit = DefaultLimit
	}
	if c.Full != nil && r.Into == nil && c.Full() {
		e := &Error{Method: cmp.Or(r.Method, http.MethodGet), URL: r.URL, FinalURL: r.URL}
		return nil, e.because(TooLarge, ErrFull)
	}
	ahead := r.Limit
	if r.Into != nil {
		ahead = min(ahead, peekOfStream) // it is not held, and is repeated by whoever asked
	}
	resp, e, published, err := c.open(withLimit(ctx, ahead), &r)
	if err != nil {
		return nil, err
	}
	return finish(ctx, r, resp, e, published)
}

// open sends r and follows redirects to the first answer that is not one. It returns
// that answer unread, the error that it would be if something is wrong with
// it, and whether every hop so far was a publisher's.
func (c *Client) open(ctx context.Context, r *Request) (resp *http.Response, e *Error, published bool, err error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	e = &Error{Method: r.Method, URL: r.URL, FinalURL: r.URL}
	fail := func(e *Error) (*http.Response, *Error, bool, error) { return nil, e, false, e }
	u, err := parseURL(r.URL)
	if err == nil && c.Transport == nil {
		err = errNoTransport
	}
	if err != nil {
		if errors.Is(err, errNoTransport) {
			return fail(e.because(Unreachable, err))
		}
		return fail(e.because(BadURL, err))
	}
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	// Also switches off net/http's own decompression, under which neither the
	// length nor the digest would be that of the bytes that were sent.
	header.Set("Accept-Encoding", "identity")
	if r.Repeatable {
		// net/http's own sign for "may be sent again"; nil is never sent.
		header["Idempotency-Key"] = nil
	}

	published = publisher(u)
	seen := map[string]bool{u.String(): true}
	for hops := 0; ; hops++ {
		where := &remote{}
		resp, err := c.send(where.watch(ctx), r, u, header)
		e.FinalURL = u.String()
		e.Remote, e.StandIn = where.get()
		e.Mirror, e.Holds = where.mirror()
		if err != nil {
			return fail(e.transport(ctx, err))
		}
		published = published && publisher(u) && verified(u, resp.TLS)
		e.Status, e.Header = resp.StatusCode, resp.Header
		if !redirects(resp.StatusCode) {
			return resp, e, published, nil
		}
		drain(resp.Body)
		if r.Open != nil {
			return fail(e.because(BadRedirect, errors.New("an upload is not sent a second time")))
		}
		if hops == maxRedirects {
			return fail(e.because(BadRedirect, fmt.Errorf("more than %d redirects", maxRedirects)))
		}
		next, err := redirect(r.Method, u, resp)
		if err != nil {
			return fail(e.because(BadRedirect, err))
		}
		if r.Follow != nil {
			if err := r.Follow(next); err != nil {
				return fail(e.because(BadRedirect, err))
			}
		}
		if seen[next.String()] {
			return fail(e.because(BadRedirect, fmt.Errorf("a loop: it leads back to %s", Redact(next.String()))))
		}
		seen[next.String()] = true
		if hostPort(next) != hostPort(u) {
			for _, secret := range secrets {
				header.Del(secret)
			}
		}
		u = next
	}
}

func (c *Client) send(ctx context.Context, r *Request, u *url.URL, header http.Header) (*http.Response, error) {
	var rd io.Reader
	if len(r.Body) > 0 {
		rd = bytes.NewReader(r.Body) // NewRequest makes GetBody from it
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), rd)
	if err != nil {
		return nil, err
	}
	if r.Open != nil && r.Size > 0 { // net/http takes a body of length 0 for one of unknown length
		if req.Body, err = r.Open(); err != nil {
			return nil, err
		}
		req.GetBody, req.ContentLength = r.Open, r.Size
	}
	req.Header = header.Clone()
	resp, err := c.Transport.RoundTrip(req)
	if err == nil && (resp == nil || resp.Body == nil) {
		return nil, errors.New("the transport gave no answer")
	}
	return resp, err
}

// finish reads the body of the last hop.
func finish(ctx context.Context, r Request, resp *http.Response, e *Error, published bool) (*Response, error) {
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		drain(resp.Body)
		return nil, e.because(statusKind(resp.StatusCode), nil)
	}
	if !whole(&r, resp.StatusCode) {
		drain(resp.Body)
		return nil, e.because(BadStatus, notWhole(resp.StatusCode))
	}
	if err := encoded(resp); err != nil {
		return nil, e.because(NotDocument, err)
	}
	if !r.AllowHTML && htmlType(resp.Header.Get("Content-Type")) {
		return nil, e.because(NotDocument, errors.New("a web page (Content-Type text/html)"))
	}
	var body []byte
	if r.Method != http.MethodHead {
		var kind Kind
		var err error
		if body, kind, err = readBody(resp, r.Limit, r.Into); err != nil {
			if ctx.Err() != nil {
				return nil, e.transport(ctx, err)
			}
			return nil, e.because(kind, err)
		}
	}
	if what := Instead(body); !r.AllowHTML && what != "" {
		return nil, e.because(NotDocument, errors.New(what))
	}
	out := &Response{URL: r.URL, FinalURL: e.FinalURL, Status: resp.StatusCode, Header: resp.Header, Body: body,
		Direct: direct(r.URL, e.FinalURL, resp.TLS)}
	if published {
		out.Origin = Published
	}
	return out, nil
}

func notWhole(status int) error {
	if status == http.StatusPartialContent {
		return errors.New("a part, where the whole was asked for")
	}
	return errors.New("no content that is the document which was asked for")
}

// whole says whether an answer of 200 to 299 holds what was asked for. To a GET
// only 200 does, and 206 where a part was wanted: 204 and 205 have no content,
// and 203 is some proxy's version of it (RFC 9110, 15.3). Their bytes are not
// the document, and refute nothing.
func whole(r *Request, status int) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return status != http.StatusPartialContent
	}
	return status == http.StatusOK || status == http.StatusPartialContent && r.Header.Get("Range") != ""
}

// encoded says that an answer is in an encoding that this client did not ask for: what
// it unpacks to would not be what was hashed, and has no bounds.
func encoded(resp *http.Response) error {
	if enc := resp.Header.Get("Content-Encoding"); resp.Uncompressed || enc != "" && !strings.EqualFold(enc, "identity") {
		return fmt.Errorf("Content-Encoding %s, which was not asked for", quote(enc))
	}
	return nil
}

func redirects(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect gives the URL that resp leads to, or why it is not followed.
func redirect(method string, from *url.URL, resp *http.Response) (*url.URL, error) {
	loc := resp.Header.Get("Location")
	if loc == "" {
		return nil, fmt.Errorf("status %d without a Location", resp.StatusCode)
	}
	if method != http.MethodGet && method != http.MethodHead && resp.StatusCode < 307 {
		return nil, fmt.Errorf("status %d would turn %s into a GET", resp.StatusCode, method)
	}
	ref, err := url.Parse(loc)
	if err != nil {
		return nil, errors.New("a Location that is not a URL")
	}
	to := from.ResolveReference(ref)
	to.Fragment, to.RawFragment = "", ""
	if err := checkURL(to); err != nil {
		return nil, err
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, fmt.Errorf("from https to plain http at %s", quote(to.Host))
	}
	return to, nil
}

// secrets are the headers that stay with the host that they were meant for.
var secrets = []string{"Authorization", "Cookie", "Proxy-Authorization"}

// hostPort is the host in lower case with its port, given or implied, and the
// scheme: what credentials belong to.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, drainLimit) //nolint:errcheck // only so that the connection can be used again
	body.Close()
}

type limitKey struct{}

// withLimit tells the layers below how much of a body is wanted at all.
func withLimit(ctx context.Context, n int64) context.Context {
	return context.WithValue(ctx, limitKey{}, n)
}
