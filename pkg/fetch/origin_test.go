package fetch_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

func TestOrigin(t *testing.T) {
	names := []string{"dl.k8s.io", "cdn.dl.k8s.io", "sbom.k8s.io", "raw.githubusercontent.com", "evil.example"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("v1.27.2"))
	}
	to := func(u string) string { return "?to=" + url.QueryEscape(u) }
	const end = "https://cdn.dl.k8s.io/release/v1.27.2/x"
	for _, tt := range []struct {
		name, url string
		want      fetch.Origin
	}{
		{"direct", "https://dl.k8s.io/release/stable.txt", fetch.Published},
		{"upper case", "https://DL.k8s.io/release/stable.txt", fetch.Published},
		{"redirect to a publisher", "https://dl.k8s.io/v1.27.2/x" + to(end), fetch.Published},
		{"two redirects", "https://sbom.k8s.io/v1.27.2/release" + to("https://dl.k8s.io/a"+to(end)), fetch.Published},
		{"kubernetes on GitHub", "https://raw.githubusercontent.com/kubernetes/kubernetes/master/C.md", fetch.Published},
		{"standard port, written", "https://dl.k8s.io:443/release/stable.txt", fetch.Published},

		{"plain http", "http://dl.k8s.io/release/stable.txt", fetch.Carried},
		{"plain http, then https", "http://dl.k8s.io/x" + to(end), fetch.Carried},
		{"another port", "https://dl.k8s.io:8443/release/stable.txt", fetch.Carried},
		{"foreign host", "https://evil.example/release/stable.txt", fetch.Carried},
		{"redirect to a foreign host", "https://dl.k8s.io/x" + to("https://evil.example/x"), fetch.Carried},
		{"through a foreign host and back", "https://dl.k8s.io/x" + to("https://evil.example/x"+to(end)), fetch.Carried},
		{"from a foreign host", "https://evil.example/x" + to(end), fetch.Carried},
		{"somebody else on GitHub", "https://raw.githubusercontent.com/evil/kubernetes/master/C.md", fetch.Carried},
		{"a name that begins alike", "https://raw.githubusercontent.com/kubernetes-evil/x", fetch.Carried},
		{"dots", "https://raw.githubusercontent.com/kubernetes/../evil/C.md", fetch.Carried},
		{"escaped dots", "https://raw.githubusercontent.com/kubernetes/%2e%2e/evil/C.md", fetch.Carried},
		{"escaped slash", "https://raw.githubusercontent.com/kubernetes%2Fx/../evil", fetch.Carried},
		{"redirect to somebody else on GitHub", "https://dl.k8s.io/x" + to("https://raw.githubusercontent.com/evil/x"), fetch.Carried},
	} {
		for _, h2 := range []bool{true, false} {
			n := newInternet(t, h2, names, handler)
			resp, err := n.client().Get(t.Context(), tt.url, 100)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if resp.Origin != tt.want || string(resp.Body) != "v1.27.2" {
				t.Errorf("%s (HTTP/2 %t): %s %q, want %s", tt.name, h2, resp.Origin, resp.Body, tt.want)
			}
		}
	}
}

func TestOriginNeedsTheHostsOwnCertificate(t *testing.T) {
	ok := func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "dl.k8s.io" && r.URL.Path == "/away" {
			http.Redirect(w, r, "https://cdn.dl.k8s.io/x", http.StatusFound)
			return
		}
		w.Write([]byte("x"))
	}
	t.Run("a wildcard holds for one label", func(t *testing.T) {
		n := newInternet(t, true, []string{"*.k8s.io"}, ok)
		resp, err := n.client().Get(t.Context(), "https://dl.k8s.io/x", 10)
		if err != nil || resp.Origin != fetch.Published {
			t.Fatalf("dl.k8s.io: %v %v", resp, err)
		}
		if _, err = n.client().Get(t.Context(), "https://dl.k8s.io/away", 10); !fetch.Is(err, fetch.Unreachable) {
			t.Fatalf("cdn.dl.k8s.io under *.k8s.io: %v", err)
		}
	})
	t.Run("not verified", func(t *testing.T) {
		n := newInternet(t, true, []string{"dl.k8s.io"}, ok)
		o := n.options()
		o.TLS.RootCAs, o.TLS.InsecureSkipVerify = nil, true
		c := &fetch.Client{Transport: fetch.NewTransport(o)}
		resp, err := c.Get(t.Context(), "https://dl.k8s.io/x", 10)
		if err != nil || resp.Origin != fetch.Carried {
			t.Fatalf("%+v %v", resp, err)
		}
	})
	t.Run("verified for another name", func(t *testing.T) {
		n := newInternet(t, true, []string{"evil.example"}, ok)
		o := n.options()
		o.TLS.ServerName = "evil.example"
		c := &fetch.Client{Transport: fetch.NewTransport(o)}
		resp, err := c.Get(t.Context(), "https://dl.k8s.io/x", 10)
		if err != nil || resp.Origin != fetch.Carried {
			t.Fatalf("%+v %v", resp, err)
		}
	})
	t.Run("unknown CA", func(t *testing.T) {
		n, other := newInternet(t, true, []string{"dl.k8s.io"}, ok), newInternet(t, true, nil, ok)
		o := n.options()
		o.TLS.RootCAs = other.roots
		c := &fetch.Client{Transport: &fetch.Retry{Next: fetch.NewTransport(o)}}
		if _, err := c.Get(t.Context(), "https://dl.k8s.io/x", 10); !fetch.Is(err, fetch.Unreachable) {
			t.Fatal(err)
		}
		if got := n.conns.Load(); got != 1 {
			t.Errorf("%d connections: a certificate that does not verify is no accident", got)
		}
	})
}

// A stand-in is never the publisher, not even with the publisher's own name in
// a certificate that verifies.
func TestEndpointIsCarried(t *testing.T) {
	var host, auth string
	n := newInternet(t, true, []string{"dl.k8s.io", "sbom.k8s.io", "cdn.dl.k8s.io", "mirror.example"}, func(w http.ResponseWriter, r *http.Request) {
		host, auth = r.Host, r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/k8s/relative":
			w.Header().Set("Location", "/k8s/x")
			w.WriteHeader(302)
		case "/k8s/absolute":
			http.Redirect(w, r, "https://mirror.example/k8s/x", 302)
		case "/k8s/outside":
			http.Redirect(w, r, "/elsewhere", 302)
		case "/k8s/real":
			http.Redirect(w, r, "https://cdn.dl.k8s.io/x", 302)
		default:
			w.Write([]byte(r.Host + r.URL.Path))
		}
	})
	base, err := fetch.ParseEndpoint("https://mirror.example/k8s/")
	if err != nil {
		t.Fatal(err)
	}
	same, _ := fetch.ParseEndpoint("https://sbom.k8s.io")
	c := &fetch.Client{Transport: &fetch.Endpoints{Next: fetch.NewTransport(n.options()),
		Hosts: map[string]*url.URL{"dl.k8s.io": base, "sbom.k8s.io": same}}}
	for _, tt := range []struct{ url, body, final string }{
		{"https://dl.k8s.io/x", "mirror.example/k8s/x", "https://dl.k8s.io/x"},
		{"https://dl.k8s.io/relative", "mirror.example/k8s/x", "https://dl.k8s.io/x"},
		{"https://dl.k8s.io/absolute", "mirror.example/k8s/x", "https://dl.k8s.io/x"},
		{"https://dl.k8s.io/outside", "mirror.example/elsewhere", "https://mirror.example/elsewhere"},
		{"https://dl.k8s.io/real", "cdn.dl.k8s.io/x", "https://cdn.dl.k8s.io/x"},
		{"https://sbom.k8s.io/x", "sbom.k8s.io/x", "https://sbom.k8s.io/x"},
	} {
		resp, err := c.Do(t.Context(), fetch.Request{URL: tt.url, Header: http.Header{"Authorization": {"secret"}}})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Origin != fetch.Carried || string(resp.Body) != tt.body || resp.FinalURL != tt.final {
			t.Errorf("%s: %s %s %q", tt.url, resp.Origin, resp.FinalURL, resp.Body)
		}
		if host == "mirror.example" && auth != "" {
			t.Errorf("%s: the stand-in was sent the host's credentials", tt.url)
		}
	}
	if resp, err := c.Get(t.Context(), "https://cdn.dl.k8s.io/x", 100); err != nil || resp.Origin != fetch.Published {
		t.Errorf("a host without stand-in: %v %v", resp, err)
	}
	for _, bad := range []string{"", "mirror.example", "ftp://x", "https://", "https://u:p@x", "https://x/?a", "https://x/#a", "http://x/a%2fb", "\x00"} {
		if u, err := fetch.ParseEndpoint(bad); err == nil {
			t.Errorf("endpoint %q was taken as %v", bad, u)
		}
	}
}
