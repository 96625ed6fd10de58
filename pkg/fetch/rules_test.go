package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func at(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// chain is a verified connection to a host of that name.
func chain(name string) *tls.ConnectionState {
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{DNSNames: []string{name}}}}}
}

// TestPublisher holds whose URL it is: exact hosts, https, the standard port, no user, a path that
// every server reads alike, below the publisher's own.
func TestPublisher(t *testing.T) {
	for s, want := range map[string]bool{
		"https://dl.k8s.io/a/b": true, "https://dl.k8s.io/": true, "https://DL.K8S.IO/a/": true, "https://dl.k8s.io:443/a": true, "https://cdn.dl.k8s.io/x?y": true,
		"https://raw.githubusercontent.com/kubernetes/x": true,
		"http://dl.k8s.io/a":                             false, "https://dl.k8s.io:8443/a": false, "https://u@dl.k8s.io/a": false, "https://evil.dl.k8s.io/a": false, "https://dl.k8s.io.evil/a": false, "https://k8s.io/a": false,
		"https://dl.k8s.io/a/../b": false, "https://dl.k8s.io/a//b": false, "https://dl.k8s.io/./a": false, `https://dl.k8s.io/a\b`: false, "https://dl.k8s.io/a%5Cb": false, "https://dl.k8s.io/a%2fb": false, "https://dl.k8s.io/a%5cb": false,
		"https://raw.githubusercontent.com/evil/x": false, "https://raw.githubusercontent.com/kubernetes": false, "https://raw.githubusercontent.com/": false, "https://raw.githubusercontent.com/kubernetes/../evil/x": false,
	} {
		if got := publisher(at(t, s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	for host, want := range map[string]bool{
		"dl.k8s.io": true, "DL.k8s.io.": true, "dl.k8s.io:443": true, "raw.githubusercontent.com": true, "registry.k8s.io": true, "k8s.io": true, "kubernetes.io": true, "x.kubernetes.io": true,
		"rekor.sigstore.dev": true, "k8s.gcr.io": true, "eu.k8s.gcr.io": true, "gcr.io": false, "xk8s.io": false, "k8s.io.evil": false, "githubusercontent.com": false, "": false, "[::1]": false,
	} {
		if got := PublishedHost(host); got != want {
			t.Errorf("%s is published: %v", host, got)
		}
	}
}

// TestVerified holds what a connection must be for its answer to be the host's own word.
func TestVerified(t *testing.T) {
	for name, tt := range map[string]struct {
		state *tls.ConnectionState
		want  bool
	}{
		"none": {nil, false}, "not verified": {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{DNSNames: []string{"a.example"}}}}, false},
		"an empty chain": {&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}, false},
		"verified":       {chain("a.example"), true}, "for another": {chain("b.example"), false}, "for all of a domain": {chain("*.example"), true},
	} {
		if got := verified(at(t, "https://A.example/x"), tt.state); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, tt := range []struct {
		asked, answered string
		state           *tls.ConnectionState
		want            bool
	}{
		{"https://a.example/x", "https://a.example/x", chain("a.example"), true}, {"https://a.example/x#y", "https://a.example/x", chain("a.example"), true},
		{"https://a.example/x", "https://a.example/y", chain("a.example"), false}, {"https://a.example/x", "https://a.example/x", nil, false},
		{"http://a.example/x", "http://a.example/x", chain("a.example"), false}, {"https://a.example/x", "https://a.example/x", chain("b.example"), false},
		{":", ":", chain("a.example"), false}, {"https://u@a.example/x", "https://u@a.example/x", chain("a.example"), false},
	} {
		if got := direct(tt.asked, tt.answered, tt.state); got != tt.want {
			t.Errorf("%s, answered by %s: %v", tt.asked, tt.answered, got)
		}
	}
}

// hop is one answer of a way, with the host that its certificate is for.
type hop struct {
	cert, to string // empty: not TLS; empty: the end
}

// TestAWayIsPublishedAsAWhole holds that one hop that is not the publisher's, wherever it stands,
// makes the answer carried.
func TestAWayIsPublishedAsAWhole(t *testing.T) {
	const a, b = "https://dl.k8s.io/a", "https://cdn.dl.k8s.io/b"
	for _, tt := range []struct {
		name string
		from string
		hops []hop
		want Origin
		own  bool // Direct
	}{
		{"one", a, []hop{{"dl.k8s.io", ""}}, Published, true},
		{"two", a, []hop{{"dl.k8s.io", b}, {"cdn.dl.k8s.io", ""}}, Published, false},
		{"the first not verified", a, []hop{{"", b}, {"cdn.dl.k8s.io", ""}}, Carried, false},
		{"the first of another name", a, []hop{{"evil.example", b}, {"cdn.dl.k8s.io", ""}}, Carried, false},
		{"the last not verified", a, []hop{{"dl.k8s.io", b}, {"", ""}}, Carried, false},
		{"in between another host", a, []hop{{"dl.k8s.io", "https://evil.example/"}, {"evil.example", b}, {"cdn.dl.k8s.io", ""}}, Carried, false},
		{"in between another path", a, []hop{{"dl.k8s.io", "https://dl.k8s.io/x%2fy"}, {"dl.k8s.io", b}, {"cdn.dl.k8s.io", ""}}, Carried, false},
		{"from another host", "https://evil.example/", []hop{{"evil.example", a}, {"dl.k8s.io", ""}}, Carried, false},
		{"another host", "https://evil.example/", []hop{{"evil.example", ""}}, Carried, true},
		{"plain", "http://dl.k8s.io/a", []hop{{"", ""}}, Carried, false},
	} {
		n := 0
		c := &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			h := tt.hops[n]
			n++
			resp := &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 1, Body: io.NopCloser(strings.NewReader("x"))}
			if h.to != "" {
				resp.StatusCode = 302
				resp.Header.Set("Location", h.to)
			}
			if h.cert != "" {
				resp.TLS = chain(h.cert)
			}
			return resp, nil
		})}
		resp, err := c.Get(t.Context(), tt.from, 0)
		if err != nil || resp.Origin != tt.want || resp.Direct != tt.own {
			t.Errorf("%s: %+v %v", tt.name, resp, err)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// slow is an error of a connection that took too long, or of one that did not.
type slow bool

func (slow) Error() string     { return "i/o" }
func (s slow) Timeout() bool   { return bool(s) }
func (s slow) Temporary() bool { return false }

// TestReadBody holds which bodies are whole, and how the others are called.
func TestReadBody(t *testing.T) {
	broken := errors.New("reset")
	for _, tt := range []struct {
		body   io.Reader
		length int64
		limit  int64
		want   string
	}{
		{strings.NewReader("four"), 4, 4, "ok"}, {strings.NewReader("four"), -1, 4, "ok"}, {strings.NewReader(""), 0, 4, "ok"}, {strings.NewReader(""), -1, 4, "ok"},
		{strings.NewReader("four"), 5, 4, "too large"}, {strings.NewReader("four"), 4, 3, "too large"}, {strings.NewReader("four"), -1, 3, "too large"}, {strings.NewReader("four"), 3, 3, "too large"},
		{strings.NewReader("four"), 3, 9, "truncated"}, {strings.NewReader("four"), 5, 9, "truncated"}, {strings.NewReader("four"), 0, 9, "truncated"},
		{io.MultiReader(strings.NewReader("fo"), iotest.ErrReader(broken)), 4, 4, "truncated"},
		{io.MultiReader(strings.NewReader("four"), iotest.ErrReader(broken)), -1, 4, "truncated"},
		{iotest.ErrReader(ErrStalled), 4, 4, "unreachable"}, {iotest.ErrReader(slow(true)), 4, 4, "unreachable"}, {iotest.ErrReader(slow(false)), 4, 4, "truncated"},
	} {
		for _, into := range []*strings.Builder{nil, new(strings.Builder)} {
			data, _ := io.ReadAll(tt.body)
			body := tt.body
			if s, ok := body.(*strings.Reader); ok {
				s.Reset(string(data)) // read once for each
				body = strings.NewReader(string(data))
			}
			resp := &http.Response{ContentLength: tt.length, Body: io.NopCloser(body)}
			var got []byte
			var kind Kind
			var err error
			if into == nil {
				got, kind, err = readBody(resp, tt.limit, nil)
			} else if got, kind, err = readBody(resp, tt.limit, into); len(got) > 0 {
				t.Errorf("kept %q", got)
			} else {
				got = []byte(into.String())
			}
			said := "ok"
			if err != nil {
				said = kind.String()
			}
			if said != tt.want || err == nil && !bytes.Equal(got, data) {
				t.Errorf("%q, announced %d, limit %d: %q %s %v, want %s", data, tt.length, tt.limit, got, said, err, tt.want)
			}
		}
	}
	for in, want := range map[string]bool{"text/html": true, "Text/HTML; charset=utf-8": true, "application/xhtml+xml": true, " TEXT/html": true, "text/html;": true, "text/html; a": false, "text/plain": false, "": false, " text/html/": false} {
		if got := htmlType(in); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

// TestRedirect holds where a redirect may lead, and what it must not make of a request.
func TestRedirect(t *testing.T) {
	for _, tt := range []struct {
		method, from string
		status       int
		loc, want    string
	}{
		{"GET", "https://a.example/x/y", 302, "z?q#f", "https://a.example/x/z?q"}, {"GET", "http://a.example/", 301, "https://b.example/", "https://b.example/"}, {"GET", "http://a.example/", 301, "http://b.example/", "http://b.example/"},
		{"HEAD", "https://a.example/", 303, "/b", "https://a.example/b"}, {"POST", "https://a.example/", 307, "/b", "https://a.example/b"}, {"PUT", "https://a.example/", 308, "/b", "https://a.example/b"},
		{"POST", "https://a.example/", 303, "/b", ""}, {"POST", "https://a.example/", 302, "/b", ""}, {"PUT", "https://a.example/", 301, "/b", ""},
		{"GET", "https://a.example/", 302, "", ""}, {"GET", "https://a.example/", 302, "http://a.example/", ""}, {"GET", "https://a.example/", 302, "ftp://a.example/", ""}, {"GET", "http://a.example/", 302, "ftp://a.example/", ""},
		{"GET", "https://a.example/", 302, "https://u:p@a.example/", ""}, {"GET", "https://a.example/", 302, "https:///x", ""}, {"GET", "https://a.example/", 302, "https:x", ""}, {"GET", "https://a.example/", 302, "http://[bad/", ""},
	} {
		to, err := redirect(tt.method, at(t, tt.from), &http.Response{StatusCode: tt.status, Header: http.Header{"Location": {tt.loc}}})
		if (err == nil) != (tt.want != "") || err == nil && to.String() != tt.want {
			t.Errorf("%s %s, %d to %s: %v %v", tt.method, tt.from, tt.status, tt.loc, to, err)
		}
	}
	for s, want := range map[string]string{"https://A.example/x": "https://a.example:443", "http://a.example": "http://a.example:80", "https://a.example:80/": "https://a.example:80", "https://[::1]/": "https://::1:443"} {
		if got := hostPort(at(t, s)); got != want {
			t.Errorf("%s: %s", s, got)
		}
	}
	for status := range 600 {
		if got, want := redirects(status), status == 301 || status == 302 || status == 303 || status == 307 || status == 308; got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	for s, want := range map[string]string{"https://a/x#y": "https://a/x", "http://a": "http://a", "ftp://a": "", "a": "", "": "", "https://": "", "https:a": "", "https://:443/": "", "https://u@a": "", "https://%zz": ""} {
		u, err := parseURL(s)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%s: %v %v", s, u, err)
		}
	}
}

// TestStatuses holds what each status means, and which answers of success hold what was asked for.
func TestStatuses(t *testing.T) {
	kinds := map[int]Kind{404: NotFound, 410: NotFound, 401: Forbidden, 403: Forbidden, 429: Throttled}
	for status := range 700 {
		want, named := kinds[status]
		switch {
		case status >= 500 && status < 600:
			want = ServerError
		case !named:
			want = BadStatus
		}
		if got := statusKind(status); got != want {
			t.Errorf("%d: %s", status, got)
		}
	}
	for status := 100; status < 600; status++ {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
			for _, ranged := range []bool{false, true} {
				want := method != "POST" && method != "PUT" && (status == 200 || status == 206 && ranged) || (method == "POST" || method == "PUT") && status != 206 && status >= 200 && status < 300
				r := Request{Method: method, URL: "https://a.example/", Header: http.Header{}}
				if ranged {
					r.Header.Set("Range", "bytes=0-")
				}
				closed, said := 0, strings.Repeat("s", maxErrorBody+100)
				body := strings.NewReader(said)
				c := &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: -1, Body: &closing{body, &closed}}, nil
				})}
				resp, err := c.Do(t.Context(), r)
				if body.Len() > 0 && !(method == "HEAD" && err == nil) { // so that the connection serves again
					t.Errorf("%s, %d: %d bytes were left", method, status, body.Len())
				}
				if (err == nil) != want || closed == 0 {
					t.Fatalf("%s, %d, range %v: %+v %v, closed %d times", method, status, ranged, resp, err, closed)
				}
				var e *Error
				switch {
				case err == nil:
				case !errors.As(err, &e) || e.Status != status:
					t.Errorf("%s, %d: %v", method, status, err)
				case status >= 200 && status < 300 && (e.Kind != BadStatus || len(e.Body) > 0 || e.Err == nil):
					t.Errorf("%s, %d: %s %q", method, status, e.Kind, e.Body)
				case (status < 200 || status > 299) && !redirects(status) && (e.Kind != statusKind(status) || string(e.Body) != said[:maxErrorBody]):
					t.Errorf("%s, %d: %s %q", method, status, e.Kind, e.Body)
				}
			}
		}
	}
}

type closing struct {
	io.Reader
	n *int
}

func (c *closing) Close() error { *c.n++; return nil }

// TestWhatAnAnswerMustNotBe holds the rest of what is refused: encodings that were not asked for,
// pages and errors in a document's place; and that who asks for pages gets them.
func TestWhatAnAnswerMustNotBe(t *testing.T) {
	for _, tt := range []struct {
		name     string
		resp     http.Response
		body     string
		html, ok bool
	}{
		{"a document", http.Response{}, "x", false, true},
		{"not encoded", http.Response{Header: http.Header{"Content-Encoding": {"Identity"}}}, "x", false, true},
		{"encoded", http.Response{Header: http.Header{"Content-Encoding": {"gzip"}}}, "x", true, false},
		{"unpacked", http.Response{Uncompressed: true}, "x", true, false},
		{"a page by its type", http.Response{Header: http.Header{"Content-Type": {"text/html"}}}, "x", false, false},
		{"a page by its text", http.Response{}, "<html>", false, false},
		{"an error", http.Response{}, "<Error/>", false, false},
		{"a page by its type, wanted", http.Response{Header: http.Header{"Content-Type": {"text/html"}}}, "x", true, true},
		{"a page by its text, wanted", http.Response{}, "<html>", true, true},
	} {
		c := &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			resp := tt.resp
			resp.StatusCode, resp.ContentLength, resp.Body = 200, -1, io.NopCloser(strings.NewReader(tt.body))
			if resp.Header == nil {
				resp.Header = http.Header{}
			}
			return &resp, nil
		})}
		resp, err := c.Do(t.Context(), Request{URL: "https://a.example/", AllowHTML: tt.html})
		if (err == nil) != tt.ok || err != nil && !Is(err, NotDocument) || err == nil && (string(resp.Body) != tt.body || resp.Status != 200) {
			t.Errorf("%s: %+v %v", tt.name, resp, err)
		}
	}
}

// TestErrorsOfTheTransport holds that an end of one's own is called so, whatever came of it.
func TestErrorsOfTheTransport(t *testing.T) {
	cause, other := errors.New("cause"), errors.New("other")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	plain, stop := context.WithCancel(t.Context())
	stop()
	for name, tt := range map[string]struct {
		ctx  context.Context
		kind Kind
		is   []error
	}{
		"none": {t.Context(), Unreachable, []error{other}}, "ended": {plain, Cancelled, []error{context.Canceled}}, "ended for a cause": {ended, Cancelled, []error{context.Canceled, cause}},
	} {
		e := (&Error{}).transport(tt.ctx, other)
		for _, want := range tt.is {
			if e.Kind != tt.kind || !errors.Is(e, want) {
				t.Errorf("%s: %s %v", name, e.Kind, e.Err)
			}
		}
	}
	if Is(nil, Unreachable) || Is(other, Unreachable) || !Is(fmt.Errorf("x: %w", &Error{Kind: NotFound}), NotFound) || Is(&Error{Kind: NotFound}, Forbidden) {
		t.Error("kinds are mistaken")
	}
	if !errors.Is(&Error{Err: os.ErrExist}, os.ErrExist) {
		t.Error("the cause is lost")
	}
}

// TestOwnAuthoritiesPublishNothing holds that what the system alone would not have verified is
// carried, and that what was found of one host or one chain is not taken for another's.
func TestOwnAuthoritiesPublishNothing(t *testing.T) {
	failed := errors.New("failed")
	one, other := []*x509.Certificate{{Raw: []byte("one")}}, []*x509.Certificate{{Raw: []byte("other")}}
	var state *tls.ConnectionState
	var err error
	o := &ownCA{next: tripper(func(*http.Request) (*http.Response, error) {
		if err != nil {
			return nil, err
		}
		return &http.Response{TLS: state}, nil
	})}
	trip := func(host string, chain []*x509.Certificate) (*http.Response, error) {
		if state = nil; chain != nil {
			state = &tls.ConnectionState{PeerCertificates: chain}
		}
		return o.RoundTrip(&http.Request{URL: at(t, "https://"+host+":443/")})
	}
	if resp, err := trip("a.example", nil); err != nil || resp.TLS != nil || len(o.seen) != 0 {
		t.Errorf("without TLS: %+v %v", resp, err)
	}
	if resp, err := trip("a.example", one); err != nil || resp.TLS != nil || len(o.seen) != 1 {
		t.Errorf("an authority of one's own: %+v %v", resp, err)
	}
	for key := range o.seen {
		o.seen[key] = true // as if the system verified it
	}
	for _, tt := range []struct {
		host  string
		chain []*x509.Certificate
		want  bool
	}{{"a.example", one, true}, {"b.example", one, false}, {"a.example", other, false}, {"a.example", append(one[:1:1], other...), false}, {"a.example", one, true}} {
		if resp, err := trip(tt.host, tt.chain); err != nil || (resp.TLS != nil) != tt.want {
			t.Errorf("%s with %d certificates: %+v %v", tt.host, len(tt.chain), resp, err)
		}
	}
	if len(o.seen) != 4 {
		t.Errorf("%d findings are kept", len(o.seen))
	}
	err = failed
	if resp, err := trip("a.example", one); resp != nil || !errors.Is(err, failed) {
		t.Error(resp, err)
	}
	if systemVerifies("a.example", nil) {
		t.Error("no certificate is verified")
	}
}
