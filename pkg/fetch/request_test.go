package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

// sent is what a transport saw of a request.
type sent struct {
	method, url, body, auth, cookie, proxy, encoding string
	length                                           int64
	repeatable, again                                bool
}

// served is one answer of a server.
type served struct {
	status int
	length int64 // announced; -1 for none
	header string
	body   string
	err    error  // in place of the body's end
	cert   string // empty: not TLS
}

func (s served) response() *http.Response {
	resp := &http.Response{StatusCode: s.status, Header: http.Header{}, ContentLength: s.length}
	for line := range strings.Lines(s.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		resp.Header.Set(name, value)
	}
	body := io.Reader(strings.NewReader(s.body))
	if s.err != nil {
		body = io.MultiReader(body, iotest.ErrReader(s.err))
	}
	if resp.Body = io.NopCloser(body); s.cert != "" {
		resp.TLS = chain(s.cert)
	}
	return resp
}

// watching answers in order, and notes what was sent.
func watching(t *testing.T, list *[]sent, answers ...http.Response) *Client {
	t.Helper()
	n := 0
	return &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		s := sent{method: r.Method, url: r.URL.String(), auth: r.Header.Get("Authorization"), cookie: r.Header.Get("Cookie"), proxy: r.Header.Get("Proxy-Authorization"), encoding: r.Header.Get("Accept-Encoding"), length: r.ContentLength, again: r.GetBody != nil}
		_, s.repeatable = r.Header["Idempotency-Key"]
		if r.Body != nil {
			b, _ := io.ReadAll(r.Body)
			s.body = string(b)
		}
		*list = append(*list, s)
		resp := answers[min(n, len(answers)-1)]
		n++
		if resp.Body == nil {
			resp.Body = io.NopCloser(strings.NewReader("x"))
		}
		if resp.Header == nil {
			resp.Header = http.Header{}
		}
		return &resp, nil
	})}
}

func to(status int, loc string) http.Response {
	return http.Response{StatusCode: status, ContentLength: -1, Header: http.Header{"Location": {loc}}}
}

var fine = http.Response{StatusCode: 200, ContentLength: -1}

// TestRequestsAsTheyAreSent holds method, body, length and headers of the first request and of
// those behind a redirect.
func TestRequestsAsTheyAreSent(t *testing.T) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("upload")), nil }
	secrets := http.Header{"Authorization": {"a"}, "Cookie": {"c"}, "Proxy-Authorization": {"p"}}
	const u = "https://a.example/"
	get := sent{method: "GET", url: u, encoding: "identity"}
	with := func(s sent, change func(*sent)) sent { change(&s); return s }
	shown := with(get, func(s *sent) { s.auth, s.cookie, s.proxy = "a", "c", "p" })
	for name, tt := range map[string]struct {
		r       Request
		answers []http.Response
		want    []sent
		kind    string // empty: it succeeds
	}{
		"plain":                 {Request{URL: u}, []http.Response{fine}, []sent{get}, ""},
		"without a fragment":    {Request{URL: u + "#x"}, []http.Response{fine}, []sent{get}, ""},
		"its own encoding":      {Request{URL: u, Header: http.Header{"Accept-Encoding": {"gzip"}}}, []http.Response{fine}, []sent{get}, ""},
		"a body":                {Request{Method: "POST", URL: u, Body: []byte("{}")}, []http.Response{fine}, []sent{with(get, func(s *sent) { s.method, s.body, s.length, s.again = "POST", "{}", 2, true })}, ""},
		"repeatable":            {Request{Method: "POST", URL: u, Repeatable: true}, []http.Response{fine}, []sent{with(get, func(s *sent) { s.method, s.repeatable = "POST", true })}, ""},
		"an upload":             {Request{Method: "PUT", URL: u, Open: open, Size: 6}, []http.Response{fine}, []sent{with(get, func(s *sent) { s.method, s.body, s.length, s.again = "PUT", "upload", 6, true })}, ""},
		"an upload of naught":   {Request{Method: "PUT", URL: u, Open: open}, []http.Response{fine}, []sent{with(get, func(s *sent) { s.method = "PUT" })}, ""},
		"a size alone":          {Request{Method: "PUT", URL: u, Size: 6}, []http.Response{fine}, []sent{with(get, func(s *sent) { s.method = "PUT" })}, ""},
		"an upload sent on":     {Request{Method: "PUT", URL: u, Open: open, Size: 6}, []http.Response{to(307, "/b"), fine}, []sent{with(get, func(s *sent) { s.method, s.body, s.length, s.again = "PUT", "upload", 6, true })}, "bad redirect"},
		"an upload not opened":  {Request{Method: "PUT", URL: u, Open: func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }, Size: 6}, []http.Response{fine}, nil, "unreachable"},
		"a method that is none": {Request{Method: "A B", URL: u}, []http.Response{fine}, nil, "unreachable"},
		"sent on with its body": {Request{Method: "POST", URL: u, Body: []byte("{}")}, []http.Response{to(308, "/b"), fine}, []sent{
			with(get, func(s *sent) { s.method, s.body, s.length, s.again = "POST", "{}", 2, true }), with(get, func(s *sent) { s.method, s.url, s.body, s.length, s.again = "POST", u+"b", "{}", 2, true })}, ""},
		"secrets": {Request{URL: u, Header: secrets}, []http.Response{to(302, "/b"), to(302, "https://A.example:443/c"), to(302, "https://b.example/"), to(302, u+"d"), fine}, []sent{
			shown, with(shown, func(s *sent) { s.url = u + "b" }), with(shown, func(s *sent) { s.url = "https://A.example:443/c" }), with(get, func(s *sent) { s.url = "https://b.example/" }), with(get, func(s *sent) { s.url = u + "d" })}, ""},
		"to another port":   {Request{URL: u, Header: secrets}, []http.Response{to(302, "https://a.example:8443/"), fine}, []sent{shown, with(get, func(s *sent) { s.url = "https://a.example:8443/" })}, ""},
		"from plain http":   {Request{URL: "http://a.example/", Header: secrets}, []http.Response{to(302, "https://a.example/"), fine}, []sent{with(shown, func(s *sent) { s.url = "http://a.example/" }), get}, ""},
		"to itself":         {Request{URL: u}, []http.Response{to(302, u)}, []sent{get}, "bad redirect"},
		"in a circle":       {Request{URL: u}, []http.Response{to(302, "/b"), to(302, u)}, []sent{get, with(get, func(s *sent) { s.url = u + "b" })}, "bad redirect"},
		"in a later circle": {Request{URL: u}, []http.Response{to(302, "/b"), to(302, "/c"), to(302, "/b")}, []sent{get, with(get, func(s *sent) { s.url = u + "b" }), with(get, func(s *sent) { s.url = u + "c" })}, "bad redirect"},
	} {
		var got []sent
		c := watching(t, &got, tt.answers...)
		before := fmt.Sprint(tt.r.Header)
		resp, err := c.Do(t.Context(), tt.r)
		kind := ""
		var e *Error
		if errors.As(err, &e) {
			kind = e.Kind.String()
		} else if err != nil || resp.Status != 200 || resp.URL != tt.r.URL || resp.FinalURL != got[len(got)-1].url {
			t.Errorf("%s: %+v %v", name, resp, err)
		}
		if kind != tt.kind || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %q\n sent %+v\n want %+v", name, kind, got, tt.want)
		}
		if fmt.Sprint(tt.r.Header) != before {
			t.Errorf("%s: the caller's header was changed: %v", name, tt.r.Header)
		}
	}
}

// TestRedirectsAreFew holds how many are followed, and that who asked has a say in each.
func TestRedirectsAreFew(t *testing.T) {
	hops := func(n int) (list []http.Response) {
		for i := range n {
			list = append(list, to(302, fmt.Sprintf("/%d?secret=x", i)))
		}
		return append(list, fine)
	}
	var got []sent
	if resp, err := watching(t, &got, hops(maxRedirects)...).Get(t.Context(), "https://a.example/", 0); err != nil || len(got) != maxRedirects+1 || !strings.HasSuffix(resp.FinalURL, "/4?secret=x") {
		t.Errorf("%+v %v", resp, err)
	}
	got = nil
	_, err := watching(t, &got, hops(maxRedirects+1)...).Get(t.Context(), "https://a.example/", 0)
	var e *Error
	if !errors.As(err, &e) || e.Kind != BadRedirect || e.Status != 302 || !strings.HasSuffix(e.FinalURL, "/4?secret=x") || e.Header.Get("Location") == "" || len(got) != maxRedirects+1 || strings.Contains(err.Error(), "secret=x") && !strings.Contains(err.Error(), "secret=xxxxx") {
		t.Errorf("%v", err)
	}
	refuses := errors.New("not there")
	var asked []string
	got = nil
	_, err = watching(t, &got, hops(3)...).Do(t.Context(), Request{URL: "https://a.example/", Follow: func(to *url.URL) error {
		asked = append(asked, to.Path)
		if to.Path == "/1" {
			return refuses
		}
		return nil
	}})
	if !Is(err, BadRedirect) || !errors.Is(err, refuses) || fmt.Sprint(asked) != "[/0 /1]" || len(got) != 2 {
		t.Errorf("%v, asked %q, sent %d", err, asked, len(got))
	}
}

// TestLimits holds how much is read where nothing else is said, what is told below, and that
// what is full asks for nothing that would be held.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		size  int
		ok    bool
	}{{0, DefaultLimit, true}, {0, DefaultLimit + 1, false}, {-1, DefaultLimit, true}, {3, 3, true}, {3, 4, false}, {1, 1, true}} {
		below := int64(0)
		c := &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			below, _ = r.Context().Value(limitKey{}).(int64)
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", tt.size)))}, nil
		})}
		want := tt.limit
		if want <= 0 {
			want = DefaultLimit
		}
		if _, err := c.Get(t.Context(), "https://a.example/", tt.limit); (err == nil) != tt.ok || err != nil && !Is(err, TooLarge) || below != want {
			t.Errorf("limit %d, %d bytes: %v; told %d", tt.limit, tt.size, err, below)
		}
	}
	for name, tt := range map[string]struct {
		full func() bool
		into io.Writer
		ok   bool
	}{
		"full": {func() bool { return true }, nil, false}, "not full": {func() bool { return false }, nil, true}, "full, and not held": {func() bool { return true }, io.Discard, true}, "nobody says": {nil, nil, true},
	} {
		var got []sent
		c := watching(t, &got, fine)
		c.Full = tt.full
		_, err := c.Do(t.Context(), Request{URL: "https://a.example/", Into: tt.into})
		var e *Error
		if (err == nil) != tt.ok || err != nil && (!errors.As(err, &e) || e.Kind != TooLarge || !errors.Is(err, ErrFull) || e.Method != "GET" || e.URL != "https://a.example/") || (len(got) > 0) != tt.ok {
			t.Errorf("%s: %v, sent %v", name, err, got)
		}
	}
}

// TestLength holds what is announced of a document that is not fetched.
func TestLength(t *testing.T) {
	for name, tt := range map[string]struct {
		resp http.Response
		want int64
		kind string
	}{
		"a length":              {http.Response{StatusCode: 200, ContentLength: 7}, 7, ""},
		"a length, and another": {http.Response{StatusCode: 200, ContentLength: 7, Header: http.Header{"Content-Length": {"8"}}}, 7, ""},
		"of a body that stays":  {http.Response{StatusCode: 200, ContentLength: 0, Header: http.Header{"Content-Length": {"8"}}}, 8, ""},
		"unknown":               {http.Response{StatusCode: 200, ContentLength: -1}, -1, ""},
		"unknown, but said":     {http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{"Content-Length": {"8"}}}, 8, ""},
		"empty":                 {http.Response{StatusCode: 200, ContentLength: 0}, 0, ""},
		"said to be empty":      {http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{"Content-Length": {"0"}}}, 0, ""},
		"below nought":          {http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{"Content-Length": {"-8"}}}, -1, ""},
		"no number":             {http.Response{StatusCode: 200, ContentLength: 0, Header: http.Header{"Content-Length": {"x"}}}, -1, ""},
		"not there":             {http.Response{StatusCode: 404, ContentLength: 7}, -1, "not found"},
		"a part":                {http.Response{StatusCode: 206, ContentLength: 7}, -1, "bad status"},
	} {
		var got []sent
		closed := 0
		tt.resp.Body = &closing{strings.NewReader(""), &closed}
		n, err := watching(t, &got, tt.resp).Length(t.Context(), "https://a.example/")
		kind := ""
		var e *Error
		if errors.As(err, &e) {
			kind = e.Kind.String()
		}
		if n != tt.want || kind != tt.kind || len(got) != 1 || got[0].method != "HEAD" || closed != 1 {
			t.Errorf("%s: %d %v", name, n, err)
		}
	}
	if _, err := new(Client).Get(t.Context(), "a.example", 0); !Is(err, BadURL) {
		t.Error(err)
	}
	c := &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		FromMirror(r.Context(), "the mirror")
		return nil, errors.New("gone")
	})}
	var e *Error
	if _, err := c.Get(t.Context(), "https://a.example/", 0); !errors.As(err, &e) || e.Mirror != "the mirror" || e.StandIn != "" {
		t.Error(err)
	}
	if n, err := new(Client).Length(t.Context(), "https://a.example/"); n != -1 || !Is(err, Unreachable) {
		t.Error(n, err)
	}
}
