package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// hostile is a server with one path for each thing that can go wrong.
func hostile(w http.ResponseWriter, r *http.Request) {
	hijack := func(raw string) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(c, raw)
		c.Close()
	}
	switch p := r.URL.Path; p {
	case "/404", "/410", "/401", "/403", "/429", "/500", "/503", "/418", "/300":
		var n int
		fmt.Sscanf(p, "/%d", &n)
		w.WriteHeader(n)
	case "/endless":
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	case "/announced":
		w.Header().Set("Content-Length", "1000000")
	case "/short":
		hijack("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	case "/garbage":
		hijack("\x1b[2Jnot HTTP\r\n\r\n")
	case "/badheader":
		hijack("HTTP/1.1 200 OK\r\n\x1b[2Jbad\r\n\r\n")
	case "/closed":
		hijack("")
	case "/bigheader":
		w.Header().Set("X", strings.Repeat("x", 1<<20))
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(bytes.Repeat([]byte{'x'}, 1<<20))
		z.Close()
	case "/identity":
		w.Header().Set("Content-Encoding", "identity")
		io.WriteString(w, "fine")
	case "/html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "Please log in")
	case "/hiddenhtml":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "\ufeff \n<!DocType HTML><html>")
	case "/comment":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "<!-- BEGIN MUNGE: GENERATED_TOC -->\n# v1.27.2")
	case "/part":
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, "part")
	case "/loop":
		http.Redirect(w, r, "/loop2", 302)
	case "/loop2":
		http.Redirect(w, r, "/loop", 302)
	case "/nowhere":
		w.WriteHeader(302)
	case "/file":
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(302)
	case "/ftp":
		w.Header().Set("Location", "ftp://example/x")
		w.WriteHeader(302)
	case "/userinfo":
		w.Header().Set("Location", "http://user:hunter2@"+r.Host+"/ok")
		w.WriteHeader(302)
	case "/escape":
		w.Header().Set("Location", "http://[bad/")
		w.WriteHeader(302)
	case "/stall":
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case "/drip":
		for r.Context().Err() == nil {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	case "/ok":
		io.WriteString(w, "fine")
	default:
		if n := 0; strings.HasPrefix(p, "/hop") {
			fmt.Sscanf(p, "/hop%d", &n)
			if n > 0 {
				http.Redirect(w, r, fmt.Sprintf("/hop%d", n-1), 302)
				return
			}
			io.WriteString(w, "arrived")
		}
	}
}

func TestKinds(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(hostile))
	defer s.Close()
	c := &fetch.Client{Transport: fetch.NewTransport(fetch.Options{StallTimeout: 50 * time.Millisecond})}
	for _, tt := range []struct {
		path string
		kind fetch.Kind
		says string
	}{
		{"/404", fetch.NotFound, "status 404 Not Found; check that the name and version exist"},
		{"/410", fetch.NotFound, "status 410"},
		{"/401", fetch.Forbidden, "status 401"},
		{"/403", fetch.Forbidden, "check the credentials"},
		{"/429", fetch.Throttled, "status 429"},
		{"/500", fetch.ServerError, "status 500"},
		{"/503", fetch.ServerError, "status 503"},
		{"/418", fetch.BadStatus, "status 418"},
		{"/300", fetch.BadStatus, "status 300"},
		{"/part", fetch.BadStatus, "a part, where the whole was asked for"},
		{"/endless", fetch.TooLarge, "more than 100 bytes"},
		{"/announced", fetch.TooLarge, "1000000 bytes announced, at most 100"},
		{"/short", fetch.Truncated, "cut after 4 bytes"},
		{"/garbage", fetch.Unreachable, "cannot reach 127.0.0.1"},
		{"/badheader", fetch.Unreachable, "cannot reach 127.0.0.1"},
		{"/bigheader", fetch.Unreachable, "header"},
		{"/closed", fetch.Unreachable, "EOF"},
		{"/gzip", fetch.NotDocument, `Content-Encoding "gzip"`},
		{"/html", fetch.NotDocument, "a web page"},
		{"/hiddenhtml", fetch.NotDocument, "a web page"},
		{"/loop", fetch.BadRedirect, "a loop"},
		{"/nowhere", fetch.BadRedirect, "without a Location"},
		{"/file", fetch.BadRedirect, `scheme "file"; only http and https`},
		{"/ftp", fetch.BadRedirect, `scheme "ftp"`},
		{"/userinfo", fetch.BadRedirect, "a user or a password"},
		{"/escape", fetch.BadRedirect, "not a URL"},
		{"/hop6", fetch.BadRedirect, "more than 5 redirects"},
		{"/stall", fetch.Unreachable, "stalled"},
		{"/drip", fetch.Unreachable, "stalled"},
	} {
		resp, err := c.Get(t.Context(), s.URL+tt.path, 100)
		var e *fetch.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, %v", tt.path, resp, err)
			continue
		}
		if e.Kind != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %s: %v; want %s, %q", tt.path, e.Kind, err, tt.kind, tt.says)
		}
		if strings.ContainsAny(err.Error(), "\x1b\n\x7f") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q must not be printed", tt.path, err)
		}
		if tt.kind == fetch.Forbidden && e.Header == nil {
			t.Errorf("%s: the header is needed to answer a challenge", tt.path)
		}
	}
	for path, want := range map[string]string{"/ok": "fine", "/identity": "fine", "/hop5": "arrived", "/comment": "<!-- BEGIN MUNGE: GENERATED_TOC -->\n# v1.27.2"} {
		resp, err := c.Get(t.Context(), s.URL+path, int64(len(want)))
		if err != nil || string(resp.Body) != want || resp.Origin != fetch.Carried {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
	if resp, err := c.Do(t.Context(), fetch.Request{URL: s.URL + "/html", AllowHTML: true}); err != nil || string(resp.Body) != "Please log in" {
		t.Errorf("a page that was asked for: %v %v", resp, err)
	}
}

// What no real transport lets through, a hand-made one may.
func TestLengthsOfOtherTransports(t *testing.T) {
	for _, tt := range []struct {
		body   string
		length int64
		ok     bool
	}{{"four", 4, true}, {"four", -1, true}, {"four", 3, false}, {"four", 5, false}, {"four", 0, false}, {"", 0, true}} {
		c := &fetch.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return answer(200, strings.NewReader(tt.body), tt.length), nil
		})}
		_, err := c.Get(t.Context(), "https://dl.k8s.io/x", 10)
		if (err == nil) != tt.ok || err != nil && !fetch.Is(err, fetch.Truncated) {
			t.Errorf("%q announced as %d: %v", tt.body, tt.length, err)
		}
	}
	none := roundTrip(func(*http.Request) (*http.Response, error) { return nil, nil })
	for _, c := range []*fetch.Client{{}, {Transport: none}, {Transport: &fetch.ByHost{}}} {
		if _, err := c.Get(t.Context(), "https://dl.k8s.io/x", 10); !fetch.Is(err, fetch.Unreachable) {
			t.Errorf("no transport: %v", err)
		}
	}
}

func TestBadURL(t *testing.T) {
	c := &fetch.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was sent", r.URL)
		return nil, errors.New("no")
	})}
	for _, u := range []string{"", "dl.k8s.io/x", "file:///etc/passwd", "https:///x", "https://user:hunter2@dl.k8s.io/", "mailto:x", "https://dl.k8s.io/%zz?hunter2", "https://a b/?hunter2"} {
		_, err := c.Get(t.Context(), u, 10)
		if !fetch.Is(err, fetch.BadURL) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

func TestNoWayDownFromHTTPS(t *testing.T) {
	n := newInternet(t, true, []string{"dl.k8s.io", "a.example", "b.example"}, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			http.Redirect(w, r, "http://dl.k8s.io/x?token=hunter2", 302)
			return
		}
		t.Error("asked over plain HTTP")
	})
	_, err := n.client().Get(t.Context(), "https://dl.k8s.io/x", 10)
	if !fetch.Is(err, fetch.BadRedirect) || !strings.Contains(err.Error(), "from https to plain http") {
		t.Fatal(err)
	}
}

func TestSecretsStayWithTheirHost(t *testing.T) {
	seen := map[string]string{}
	n := newInternet(t, true, []string{"a.example", "b.example"}, func(w http.ResponseWriter, r *http.Request) {
		seen[r.Host+r.URL.Path] = r.Header.Get("Authorization") + r.Header.Get("Cookie")
		switch r.Host + r.URL.Path {
		case "a.example/1":
			http.Redirect(w, r, "https://a.example/2", 307)
		case "a.example/2":
			http.Redirect(w, r, "https://b.example/3", 307)
		case "b.example/3":
			http.Redirect(w, r, "https://a.example/4", 307)
		case "a.example/port":
			http.Redirect(w, r, "https://a.example:8443/5", 307)
		}
	})
	for _, path := range []string{"/1", "/port"} {
		_, err := n.client().Do(t.Context(), fetch.Request{URL: "https://a.example" + path,
			Header: http.Header{"Authorization": {"s3"}, "Cookie": {"cret"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"a.example/1": "s3cret", "a.example/2": "s3cret", "b.example/3": "", "a.example/4": "",
		"a.example/port": "s3cret", "a.example:8443/5": ""}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("secrets went to %v", seen)
	}
}

func TestPost(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, ok := r.Header["Idempotency-Key"]; ok {
			t.Error("the mark for Retry was sent")
		}
		switch r.URL.Path {
		case "/307":
			http.Redirect(w, r, "/echo", 307)
		case "/302":
			http.Redirect(w, r, "/echo", 302)
		default:
			fmt.Fprintf(w, "%s %s", r.Method, body)
		}
	}))
	defer s.Close()
	c := &fetch.Client{Transport: &fetch.Retry{Next: fetch.NewTransport(fetch.Options{})}}
	resp, err := c.Do(t.Context(), fetch.Request{Method: "POST", URL: s.URL + "/307", Body: []byte("{}"), Repeatable: true})
	if err != nil || string(resp.Body) != "POST {}" {
		t.Fatalf("%v %v", resp, err)
	}
	if _, err = c.Do(t.Context(), fetch.Request{Method: "POST", URL: s.URL + "/302"}); !fetch.Is(err, fetch.BadRedirect) {
		t.Fatal(err)
	}
	if resp, err = c.Do(t.Context(), fetch.Request{Method: "HEAD", URL: s.URL + "/echo"}); err != nil || len(resp.Body) != 0 {
		t.Fatalf("%v %v", resp, err)
	}
}

func TestCancelled(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(hostile))
	defer s.Close()
	stack := &fetch.Retry{Next: &fetch.Limiter{Next: fetch.NewTransport(fetch.Options{})}}
	for _, c := range []*fetch.Client{{Transport: fetch.NewTransport(fetch.Options{})}, {Transport: stack}} {
		for _, path := range []string{"/stall", "/503"} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			_, err := c.Get(ctx, s.URL+path, 100)
			if path == "/stall" && (!fetch.Is(err, fetch.Cancelled) || !errors.Is(err, context.Canceled)) {
				t.Errorf("cancelled in mid-body: %v", err)
			}
			if _, err := c.Get(ctx, s.URL+path, 100); ctx.Err() != nil && !fetch.Is(err, fetch.Cancelled) {
				t.Errorf("cancelled before: %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if _, err := c.Get(ctx, s.URL+"/stall", 100); !fetch.Is(err, fetch.Cancelled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		cancel()
	}
}

func TestUnreachable(t *testing.T) {
	c := &fetch.Client{Transport: fetch.NewTransport(fetch.Options{Proxy: noProxy})}
	_, err := c.Get(t.Context(), "https://no-such-host.invalid/x?sig=hunter2", 10)
	if !fetch.Is(err, fetch.Unreachable) || strings.Contains(err.Error(), "hunter2") ||
		!strings.HasPrefix(err.Error(), "GET https://no-such-host.invalid/x?sig=xxxxx: cannot reach no-such-host.invalid: lookup failed: ") {
		t.Error(err)
	}
	_, err = c.Get(t.Context(), "http://127.0.0.1:1/x", 10)
	if !fetch.Is(err, fetch.Unreachable) || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}
