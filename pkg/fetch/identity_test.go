package fetch_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// TestAnAnswerThatNeededAnAuthorityOfOnesOwnIsCarried holds rule 7: the same
// host, certificate and bytes count as published only where the system's
// certificates say so.
func TestAnAnswerThatNeededAnAuthorityOfOnesOwnIsCarried(t *testing.T) {
	n := newInternet(t, true, []string{"dl.k8s.io", "cdn.dl.k8s.io"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "dl.k8s.io" && r.URL.Path == "/moved" {
			http.Redirect(w, r, "https://cdn.dl.k8s.io/there", http.StatusFound)
		}
	})
	own := n.options()
	own.TLS, own.CAs = nil, []*x509.Certificate{n.ca}
	for _, path := range []string{"/release/stable.txt", "/moved", "/again"} {
		resp, err := (&fetch.Client{Transport: fetch.NewTransport(own)}).Get(t.Context(), "https://dl.k8s.io"+path, 0)
		if err != nil || resp.Origin != fetch.Carried {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
	resp, err := n.client().Get(t.Context(), "https://dl.k8s.io/release/stable.txt", 0)
	if err != nil || resp.Origin != fetch.Published {
		t.Errorf("without a flag: %v %v", resp, err)
	}
}

func TestPublishedHosts(t *testing.T) {
	for host, want := range map[string]bool{"dl.k8s.io": true, "DL.k8s.io.": true, "dl.k8s.io:8443": true, "registry.k8s.io": true, "europe-west1-docker.registry.k8s.io": true,
		"rekor.sigstore.dev": true, "raw.githubusercontent.com": true, "k8s.gcr.io": true, "k8s.io": true, "notk8s.io": false, "dl.k8s.io.example.com": false, "127.0.0.1:5000": false, "[::1]:443": false} {
		if got := fetch.PublishedHost(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// TestHintsByCause holds that what to do fits what went wrong.
func TestHintsByCause(t *testing.T) {
	quiet := func(s *httptest.Server) *httptest.Server {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup(s.Close)
		return s
	}
	status := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[string]int{"/412": 412, "/415": 415, "/429": 429, "/407": 407}[r.URL.Path])
	})))
	secure := quiet(httptest.NewUnstartedServer(http.NotFoundHandler()))
	secure.StartTLS()
	wants := quiet(httptest.NewUnstartedServer(http.NotFoundHandler()))
	wants.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	wants.StartTLS()
	proxy := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(407) })))
	proxyURL, err := url.Parse(strings.Replace(proxy.URL, "http://", "http://u:hunter2@", 1))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	trusting := fetch.Options{TLS: &tls.Config{RootCAs: pool}, Proxy: noProxy}
	for _, tt := range []struct {
		name, url string
		o         fetch.Options
		says      string
	}{
		{"TLS to a plain port", strings.Replace(status.URL, "http:", "https:", 1), trusting, "it speaks plain HTTP there: write http://"},
		{"plain to a TLS port", strings.Replace(secure.URL, "https:", "http:", 1), trusting, "it speaks TLS there: write https://"},
		{"unknown authority", secure.URL, fetch.Options{Proxy: noProxy}, "--ca-file FILE"},
		{"another name", strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), trusting, "a name that its certificate has"},
		{"client certificate", wants.URL, trusting, "--client-cert and --client-key"},
		{"proxy that wants a password", "https://example.com/", fetch.Options{Proxy: http.ProxyURL(proxyURL)}, "user and a password: write them into HTTPS_PROXY"},
		{"proxy over plain HTTP", "http://example.com/407", fetch.Options{Proxy: http.ProxyURL(proxyURL)}, "user and a password: write them into HTTPS_PROXY"},
		{"412", status.URL + "/412", trusting, "a setting of the registry's project"},
		{"415", status.URL + "/415", trusting, "does not take this media type"},
		{"429", status.URL + "/429", trusting, "try later"},
	} {
		_, err := (&fetch.Client{Transport: fetch.NewTransport(tt.o)}).Get(t.Context(), tt.url, 0)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.says)
		}
	}
	// An address of a proxy that cannot be read is not repeated.
	bad := fetch.Options{Proxy: func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://u:hunter2@x y"`)
	}}
	if _, err := (&fetch.Client{Transport: fetch.NewTransport(bad)}).Get(t.Context(), "https://example.com/", 0); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// TestLoginsOfStandIns holds to whom a stand-in's user and password are shown:
// to the stand-in, once it has asked, and to nobody else.
func TestLoginsOfStandIns(t *testing.T) {
	shown := map[string][]string{}
	next := roundTrip(func(r *http.Request) (*http.Response, error) {
		who := r.URL.Scheme + "://" + r.URL.Host
		shown[who] = append(shown[who], r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") == "" {
			return answer(401, strings.NewReader(""), 0, "WWW-Authenticate", `Negotiate, Basic realm="files"`), nil
		}
		if strings.HasSuffix(r.URL.Path, "/away") {
			return answer(302, strings.NewReader(""), 0, "Location", "https://storage.example/x"), nil
		}
		return answer(200, strings.NewReader("ok"), 2), nil
	})
	base := func(s string) *url.URL {
		u, err := fetch.ParseEndpoint(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	asked := 0
	e := &fetch.Endpoints{Next: next, Hosts: map[string]*url.URL{"dl.k8s.io": base("https://nexus.example/k8s"), "sbom.k8s.io": base("https://cdn.dl.k8s.io/x"), "rekor.sigstore.dev": base("https://nexus.example:8443")},
		Login: func(_ context.Context, base *url.URL) (string, string, error) {
			asked++
			if base.Host == "nexus.example:8443" {
				return "", "", nil
			}
			return "u", "p", nil
		}}
	c := &fetch.Client{Transport: e}
	for _, path := range []string{"/a", "/b"} {
		if resp, err := c.Get(t.Context(), "https://dl.k8s.io"+path, 0); err != nil || string(resp.Body) != "ok" || resp.Origin != fetch.Carried {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
	if _, err := c.Get(t.Context(), "https://dl.k8s.io/away", 0); !fetch.Is(err, fetch.Forbidden) {
		t.Errorf("away: %v", err)
	}
	_, err := c.Get(t.Context(), "https://sbom.k8s.io/x", 0)
	if !fetch.Is(err, fetch.Forbidden) || !strings.Contains(err.Error(), "at the stand-in https://cdn.dl.k8s.io/x/x") {
		t.Errorf("a published host as a stand-in: %v", err)
	}
	resp, err := c.Do(t.Context(), fetch.Request{Method: http.MethodPost, URL: "https://rekor.sigstore.dev/api", Body: []byte("{}")})
	if !fetch.Is(err, fetch.Forbidden) {
		t.Errorf("no login: %v %v", resp, err)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("u:p"))
	if got := strings.Join(shown["https://nexus.example"], ","); got != ","+strings.Join([]string{want, want, want}, ",") || asked != 2 {
		t.Errorf("the stand-in was shown %q; asked %d", got, asked)
	}
	for who, list := range shown {
		if who != "https://nexus.example" && strings.Join(list, "") != "" {
			t.Errorf("%s was shown %q", who, list)
		}
	}
}
