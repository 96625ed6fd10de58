package registry

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
)

// TestTokenServersAtPrivateAddresses holds who may name which token server: a
// registry is believed about its own network, and nobody about the metadata
// service of a cloud.
func TestTokenServersAtPrivateAddresses(t *testing.T) {
	for _, tt := range []struct {
		host, remote string
		plain        bool
		realm        string
		says         string // empty: allowed
	}{
		{"10.0.0.4:5050", "", false, "https://10.0.0.4/token", ""},
		{"10.0.0.4:5050", "", false, "https://10.0.0.5:8443/token", ""},
		{"[fd00::1]:5000", "", false, "https://192.168.1.9/token", ""},
		{"harbor.corp", "", false, "https://10.0.0.4/token", ""},
		{"harbor", "", false, "https://10.0.0.4/token", ""},
		{"harbor.example.com", "10.0.0.4", false, "https://10.0.0.4/service/token", ""},
		{"harbor.example.com", "fd00::4", false, "https://10.0.0.4/service/token", ""},
		{"harbor.example.com", "", false, "https://auth.example.com/token", ""},
		{"harbor.example.com:8443", "", false, "https://harbor.example.com/token", ""},
		{"127.0.0.1:5000", "", true, "http://127.0.0.1:5001/token", ""},
		{"169.254.10.10:5000", "", false, "https://169.254.10.10:5000/token", ""}, // the user named it
		{"harbor.example.com", "", false, "https://10.0.0.4/service/token", "a private address"},
		{"harbor.example.com", "203.0.113.9", false, "https://10.0.0.4/service/token", "a private address"},
		{"ghcr.io", "140.82.121.33", false, "https://127.0.0.1/token", "a private address"},
		{"ghcr.io", "140.82.121.33", false, "https://localhost/token", "a private address"},
		{"ghcr.io", "140.82.121.33", false, "https://[::ffff:10.0.0.1]/token", "a private address"},
		{"ghcr.io", "140.82.121.33", false, "https://[64:ff9b::10.0.0.1]/token", "a private address"},
		{"ghcr.io", "140.82.121.33", false, "https://100.64.0.1/token", "a private address"},
		{"ghcr.io", "", false, "https://169.254.169.254/latest", "link-local"},
		{"10.0.0.4:5050", "10.0.0.4", true, "http://169.254.169.254/latest/meta-data", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://[fe80::1%25eth0]/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://[fd00:ec2::254]/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://[::ffff:169.254.169.254]/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://[64:ff9b::a9fe:a9fe]/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://[2002:a9fe:a9fe::1]/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://metadata.google.internal./", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://2852039166/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://0xa9fea9fe/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://0xa9.254.169.0xfe/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://169.254.43518/", "link-local"},
		{"127.0.0.1:5000", "127.0.0.1", true, "http://0.0.0.0/", "link-local"},
		{"harbor.corp", "10.0.0.4", false, "http://10.0.0.4/token", "not https"},
	} {
		at := location{host: tt.host, plain: tt.plain}
		if tt.remote != "" {
			at.remote = netip.MustParseAddr(tt.remote)
		}
		_, err := at.allowRealm(tt.realm)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s (%s) names %s: %v; want %q", tt.host, tt.remote, tt.realm, err, tt.says)
		}
	}
}

// A token server that redirects to where it may not be is not followed, and a
// redirect takes no password along.
func TestTokenServersThatRedirect(t *testing.T) {
	for _, tt := range []struct{ to, says string }{
		{"https://169.254.169.254/latest", "link-local"},
		{"https://10.0.0.9/token", "private address"},
		{"http://auth.example/token", "plain http"},
		{"https://other.example/token", ""},
	} {
		g := &guarded{inner: anyRepo(), realm: "https://auth.example/token"}
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": g.registry(), "https://other.example": g.tokens(), "https://10.0.0.9": g.tokens(), "https://169.254.169.254": g.tokens(),
			"https://auth.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, tt.to+"?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			})}}
		c := client(h)
		c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "hunter2"}}
		_, err := c.Manifest(t.Context(), proxy)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.to, err)
		}
		for _, cred := range g.creds {
			if cred != "" {
				t.Errorf("%s was shown %q", tt.to, cred)
			}
		}
	}
	// A refresh token stands in the body, and stays with its host.
	var seen []string
	h := &hosts{handlers: map[string]http.Handler{
		"https://registry.k8s.io": (&guarded{realm: "https://auth.example/token"}).registry(),
		"https://auth.example":    http.RedirectHandler("https://other.example/token", http.StatusPermanentRedirect),
		"https://other.example":   http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Method) }),
	}}
	c := client(h)
	c.Keychain = keychain{"registry.k8s.io": {IdentityToken: "hunter2"}}
	if _, err := c.Manifest(t.Context(), proxy); err == nil || strings.Contains(err.Error(), "hunter2") || len(seen) > 0 {
		t.Errorf("%v; the other host saw %q", err, seen)
	}
}

// TestRefreshTokens holds the form of "OAuth2 Token", and the way back to the
// other one where a server lacks it.
func TestRefreshTokens(t *testing.T) {
	for _, lacks := range []bool{false, true} {
		g := &guarded{inner: anyRepo(), realm: "https://auth.example/token"}
		tokens := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost && lacks:
				w.WriteHeader(404)
			case r.Method == http.MethodPost:
				if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("refresh_token") != "refresh" {
					t.Errorf("%v %v", r.Form, err)
				}
				fmt.Fprintf(w, `{"access_token":"%s#0"}`, r.Form.Get("scope"))
			default:
				g.tokens().ServeHTTP(w, r)
			}
		})
		c := client(&hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": g.registry(), "https://auth.example": tokens}})
		c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "p", IdentityToken: "refresh"}}
		if _, err := c.Manifest(t.Context(), proxy); err != nil || lacks != (len(g.creds) == 1) {
			t.Errorf("lacks %v: %v, %q", lacks, err, g.creds)
		}
	}
}

// TestAPIBelowAPath holds which paths of a stand-in are where its API lies,
// which are a prefix of its repositories, and which are neither.
func TestAPIBelowAPath(t *testing.T) {
	for in, want := range map[string]string{
		"https://h.example":                                    "https://h.example/v2/kube-proxy/ kube-proxy",
		"https://h.example/":                                   "https://h.example/v2/kube-proxy/ kube-proxy",
		"https://h.example/k8s":                                "https://h.example/v2/k8s/kube-proxy/ k8s/kube-proxy",
		"https://h.example/v2":                                 "https://h.example/v2/kube-proxy/ kube-proxy",
		"https://h.example/v2/":                                "https://h.example/v2/kube-proxy/ kube-proxy",
		"https://h.example/artifactory/api/docker/REPO-1/v2/":  "https://h.example/artifactory/api/docker/REPO-1/v2/kube-proxy/ artifactory/api/docker/REPO-1/kube-proxy",
		"https://h.example/artifactory/api/docker/REPO-1/v2":   "https://h.example/artifactory/api/docker/REPO-1/v2/kube-proxy/ artifactory/api/docker/REPO-1/kube-proxy",
		"https://h.example/v2/k8s":                             "write /k8s",
		"https://h.example/artifactory/api/docker/REPO/v2/k8s": "write /artifactory/api/docker/REPO/v2/",
		"https://h.example/Upper":                              "lower case",
	} {
		c := &Client{Endpoints: map[string]string{"registry.k8s.io": in}}
		at, err := c.locate("registry.k8s.io", "kube-proxy")
		got := at.base + " " + at.target().Repository
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", in, got, want)
		}
		u, parseErr := url.Parse(in)
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		if bad := CheckBase(u); (bad == nil) != (err == nil) {
			t.Errorf("%s: CheckBase says %v", in, bad)
		}
	}
}

// TestRefusalsInTheRegistrysWords holds that what a registry says of a refusal
// is shown wherever it says it, escaped and clipped.
func TestRefusalsInTheRegistrysWords(t *testing.T) {
	for body, want := range map[string]string{
		`{"errors":[{"code":"DENIED","message":"unsigned images are withheld","detail":"set by policy \u001b[2J"}]}`: `(it says DENIED: unsigned images are withheld: set by policy \x1b[2J)`,
		`{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"no","detail":{"reason":"its CVEs"}}]}`:               "no: its CVEs",
		`{"errors":[{"message":"only words"},{"code":"TOOMANYREQUESTS"}]}`:                                           "TOOMANYREQUESTS: only words",
		`{"errors":[{"code":"UNSUPPORTED","message":"` + strings.Repeat("x", 5000) + `","detail":[1]}]}`:             "xxx)",
		`{"errors":[]}`: "status 412",
		`not JSON`:      "status 412",
	} {
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(412)
			fmt.Fprint(w, body)
		})}}
		c := client(h)
		digest := oci.DigestOf(nil)
		_, err := c.Manifest(t.Context(), proxy)
		_, err2 := c.Blob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: digest}, 10)
		_, err3 := c.OpenBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "kube-proxy"}, Descriptor{Digest: digest, Size: 10})
		_, err4 := c.Referrers(t.Context(), Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: digest})
		for i, err := range []error{err, err2, err3, err4} {
			if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1200 || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%d: %.60s: %v", i, body, err)
			}
		}
	}
}
