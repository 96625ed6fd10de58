package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestParseEndpoint holds what a base URL is, and how it is written down.
func TestParseEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"https://h.example": "https://h.example", "https://h.example/a//": "https://h.example/a", "http://h.example:80/a": "http://h.example:80/a", "http://h.example/a%20b": "http://h.example/a%20b",
		"https://h.example/?": "", "https://h.example/?a": "", "https://h.example/#a": "", "https://h.example/a%2fb": "", "https://u@h.example/": "", "ftp://h.example": "", "h.example": "", "": "", "https://%zz": "",
	} {
		u, err := ParseEndpoint(in)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%s: %v %v", in, u, err)
		}
	}
}

// TestWhatAStandInIsAsked holds which URL a stand-in is asked, that it is shown nothing that was
// meant for the host, and that its answer is that of the request that was made.
func TestWhatAStandInIsAsked(t *testing.T) {
	for _, tt := range []struct {
		base, url, want string
		loc, back       string // a redirect of the stand-in, and what it becomes
	}{
		{"https://m.example/k8s", "https://dl.k8s.io/a/b?c=d", "https://m.example/k8s/a/b?c=d", "", ""},
		{"http://m.example:5000", "https://DL.k8s.io/a", "http://m.example:5000/a", "", ""},
		{"https://m.example/k8s", "https://dl.k8s.io/a%2fb", "https://m.example/k8s/a%2fb", "", ""},
		{"https://m.example/k%20s", "https://dl.k8s.io/a%2fb", "https://m.example/k%20s/a%2fb", "", ""},
		{"https://m.example/k8s", "https://sbom.k8s.io/a", "https://sbom.k8s.io/a", "/x", "/x"},
		{"https://m.example/k8s", "https://dl.k8s.io/a/b", "https://m.example/k8s/a/b", "c", "https://dl.k8s.io/a/c"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "https://M.example:443/k8s/c?d", "https://dl.k8s.io/c?d"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "/k8sx/c", "https://m.example/k8sx/c"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "https://m.example:8443/k8s/c", "https://m.example:8443/k8s/c"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "http://m.example/k8s/c", "http://m.example/k8s/c"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "https://cdn.dl.k8s.io/k8s/c", "https://cdn.dl.k8s.io/k8s/c"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "/k8s/c%2fd", "https://m.example/k8s/c%2fd"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "https://u:p@m.example/k8s/c", "https://u:p@m.example/k8s/c"},
		{"https://m.example/k8s", "https://dl.k8s.io/a", "https://m.example/k8s/a", "https://%zz/", "https://%zz/"},
		{"https://m.example", "https://dl.k8s.io/a", "https://m.example/a", "/c", "https://dl.k8s.io/c"},
	} {
		header := http.Header{}
		if tt.loc != "" {
			header.Set("Location", tt.loc)
		}
		var asked *http.Request
		e := &Endpoints{Hosts: map[string]*url.URL{}, Next: tripper(func(r *http.Request) (*http.Response, error) {
			asked = r
			return &http.Response{StatusCode: 302, Header: header, Body: http.NoBody, TLS: chain("m.example"), Request: r}, nil
		})}
		base, err := ParseEndpoint(tt.base)
		if err != nil {
			t.Fatal(err)
		}
		e.Hosts["dl.k8s.io"] = base
		where := &remote{}
		req, err := http.NewRequestWithContext(where.watch(t.Context()), http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "secret")
		req.Header.Set("Cookie", "secret")
		req.Host = req.URL.Host
		resp, err := e.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		mapped := !strings.Contains(tt.url, "sbom")
		if got := asked.URL.String(); got != tt.want || resp.Header.Get("Location") != tt.back || header.Get("Location") != tt.loc {
			t.Errorf("%s for %s: asked %s, sent on to %s", tt.base, tt.url, got, resp.Header.Get("Location"))
		}
		if mapped != (resp.TLS == nil) || resp.Request != req || mapped && asked.Host != "" || mapped != (asked.Header.Get("Authorization")+asked.Header.Get("Cookie") == "") {
			t.Errorf("%s for %s: shown %v as %q; TLS %v", tt.base, tt.url, asked.Header, asked.Host, resp.TLS)
		}
		if _, stand := where.get(); mapped && stand != tt.want || !mapped && stand != "" {
			t.Errorf("%s: told as %q", tt.url, stand)
		}
		if req.URL.String() != tt.url || req.Header.Get("Authorization") != "secret" {
			t.Errorf("the caller's request was changed: %s %v", req.URL, req.Header)
		}
	}
	failed := errors.New("failed")
	e := &Endpoints{Hosts: map[string]*url.URL{"dl.k8s.io": at(t, "https://m.example")}, Next: tripper(func(*http.Request) (*http.Response, error) { return nil, failed })}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://dl.k8s.io/", nil)
	if resp, err := e.RoundTrip(req); resp != nil || !errors.Is(err, failed) {
		t.Error(resp, err)
	}
}

// TestLoginsStepByStep holds when a stand-in is shown a user and a password: once it has asked
// for them, never a publisher's host, and not a second time what it has refused.
func TestLoginsStepByStep(t *testing.T) {
	const basic = `Basic realm="x"`
	failed := errors.New("failed")
	for _, tt := range []struct {
		name      string
		base      string
		status    int    // without the right header
		challenge string // "-" for none
		takes     bool   // any header
		user, pw  string
		err       error
		body      string // "-" for one that cannot be sent again; "!" for one that fails to
		noLogin   bool
		breaks    bool   // the second time
		want      string // headers shown in two requests (n: none, y: some), logins, the last status or error
	}{
		{"asked", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "", false, false, "nyy 1 200"},
		{"by no name", "https://m.example/k8s", 401, "-", true, "u", "p", nil, "", false, false, "nyy 1 200"},
		{"beside others", "https://m.example/k8s", 401, "Negotiate, bAsic", true, "u", "p", nil, "", false, false, "nyy 1 200"},
		{"another way", "https://m.example/k8s", 401, "Bearer", true, "u", "p", nil, "", false, false, "nn 0 401"},
		{"not asked", "https://m.example/k8s", 403, basic, true, "u", "p", nil, "", false, false, "nn 0 403"},
		{"a publisher", "https://cdn.dl.k8s.io/k8s", 401, basic, true, "u", "p", nil, "", false, false, "nn 0 401"},
		{"nobody to ask", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "", true, false, "nn 0 401"},
		{"none there", "https://m.example/k8s", 401, basic, true, "", "", nil, "", false, false, "nn 2 401"},
		{"a user alone", "https://m.example/k8s", 401, basic, true, "u", "", nil, "", false, false, "nyy 1 200"},
		{"a password alone", "https://m.example/k8s", 401, basic, true, "", "p", nil, "", false, false, "nyy 1 200"},
		{"refused", "https://m.example/k8s", 401, basic, false, "u", "p", nil, "", false, false, "nyny 2 401"},
		{"refused later", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "", false, false, "nyy 1 401"},
		{"cannot be read", "https://m.example/k8s", 401, basic, true, "", "", failed, "", false, false, "nn 2 failed"},
		{"with a body", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "body", false, false, "nyy 1 200"},
		{"with a body that is gone", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "-", false, false, "nn 0 401"},
		{"with a body that fails", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "!", false, false, "nn 0 failed"},
		{"broken", "https://m.example/k8s", 401, basic, true, "u", "p", nil, "", false, true, "nyny 2 failed"},
	} {
		shown, logins, open := "", 0, 0
		e := &Endpoints{Hosts: map[string]*url.URL{"dl.k8s.io": at(t, tt.base)}, Next: tripper(func(r *http.Request) (*http.Response, error) {
			header := r.Header.Get("Authorization")
			if list, there := r.Header["Authorization"]; there && header == "" {
				t.Errorf("%s: shown %q", tt.name, list)
			}
			if r.Body != nil {
				if b, _ := io.ReadAll(r.Body); tt.body == "body" && string(b) != "body" {
					t.Errorf("%s: sent %q", tt.name, b)
				}
			}
			n := 0
			resp := &http.Response{StatusCode: tt.status, Header: http.Header{}, Body: &closing{strings.NewReader("x"), &n}}
			if header == "" {
				shown += "n"
				if tt.challenge != "-" {
					resp.Header.Set("WWW-Authenticate", tt.challenge)
				}
				open++
				resp.Body = &closesOnce{Reader: strings.NewReader("x"), open: &open}
				return resp, nil
			}
			shown += "y"
			if user, pw, ok := r.BasicAuth(); !ok || user != tt.user || pw != tt.pw {
				t.Errorf("%s: shown %q", tt.name, header)
			}
			if tt.breaks {
				return nil, failed
			}
			if tt.takes && (tt.name != "refused later" || strings.Count(shown, "y") == 1) {
				resp.StatusCode = 200
			}
			return resp, nil
		})}
		if !tt.noLogin {
			e.Login = func(_ context.Context, base *url.URL) (string, string, error) {
				logins++
				if base.String() != tt.base {
					t.Errorf("%s: asked for %s", tt.name, base)
				}
				return tt.user, tt.pw, tt.err
			}
		}
		last := ""
		for range 2 {
			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader("body")
			} else if tt.name == "asked" {
				body = http.NoBody
			}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://dl.k8s.io/a", body)
			switch tt.body {
			case "":
				req.GetBody = nil
			case "-":
				req.GetBody = nil
			case "!":
				req.GetBody = func() (io.ReadCloser, error) { return nil, failed }
			}
			resp, err := e.RoundTrip(req)
			switch {
			case errors.Is(err, failed):
				last = "failed"
			case err != nil:
				last = err.Error()
			default:
				last = map[int]string{200: "200", 401: "401", 403: "403"}[resp.StatusCode]
				_ = resp.Body.Close()
			}
		}
		if got := shown + " " + string(rune('0'+logins)) + " " + last; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if open != 0 {
			t.Errorf("%s: %d answers were left open", tt.name, open)
		}
	}
	// What one stand-in takes is not shown to another, nor to another of the same host.
	var shown []string
	e := &Endpoints{Hosts: map[string]*url.URL{"dl.k8s.io": at(t, "https://m.example/a"), "sbom.k8s.io": at(t, "https://m.example/b"), "x.example": at(t, "http://m.example/a")},
		Login: func(_ context.Context, base *url.URL) (string, string, error) {
			return base.Scheme + base.Path, "p", nil
		},
		Next: tripper(func(r *http.Request) (*http.Response, error) {
			user, _, ok := r.BasicAuth()
			if !ok {
				return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody}, nil
			}
			shown = append(shown, user)
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
		})}
	for range 2 {
		for _, host := range []string{"dl.k8s.io", "sbom.k8s.io", "x.example"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
			if _, err := e.RoundTrip(req); err != nil || shown[len(shown)-1] != e.Hosts[host].Scheme+e.Hosts[host].Path {
				t.Errorf("%s: shown %q", host, shown)
			}
		}
	}
}

type closesOnce struct {
	io.Reader
	open   *int
	closed bool
}

func (c *closesOnce) Close() error {
	if !c.closed {
		c.closed = true
		*c.open--
	}
	return nil
}
