package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// keychain holds credentials by registry host.
type keychain map[string]Credentials

func (k keychain) Credentials(_ context.Context, t Target) (Credentials, error) {
	return k[t.Host], nil
}

// guarded is a registry that wants a token from realm, and its token server.
// Tokens name their scope, and hold until they are revoked.
type guarded struct {
	inner  http.Handler
	realm  string
	mu     sync.Mutex
	epoch  int // older tokens are refused
	scopes []string
	creds  []string
	token  string // instead of a good one, if not empty
	status int    // of the token server, if not 0
}

func (g *guarded) registry() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repo, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
		scope := "repository:" + repo + ":pull"
		g.mu.Lock()
		want := fmt.Sprintf("Bearer %s#%d", scope, g.epoch)
		g.mu.Unlock()
		if r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="registry",scope="%s"`, g.realm, scope))
			w.WriteHeader(401)
			return
		}
		g.inner.ServeHTTP(w, r)
	})
}

func (g *guarded) tokens() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.scopes = append(g.scopes, r.URL.Query().Get("scope"))
		g.creds = append(g.creds, r.Header.Get("Authorization"))
		if g.status != 0 {
			w.WriteHeader(g.status)
			io.WriteString(w, "hunter2\x1b[2J")
			return
		}
		token := g.token
		if token == "" {
			token = fmt.Sprintf("%s#%d", r.URL.Query().Get("scope"), g.epoch)
		}
		fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, token)
	})
}

func anyRepo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", DockerIndex)
		io.WriteString(w, oneIndex)
	})
}

func TestTokens(t *testing.T) {
	g := &guarded{inner: anyRepo(), realm: "https://auth.example/token"}
	h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": g.registry(), "https://auth.example": g.tokens()}}
	c := client(h)
	c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "p"}, "auth.example": {Username: "never", Password: "this"}}
	get := func(repo, tag string) {
		t.Helper()
		if _, err := c.Manifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: repo, Tag: tag}); err != nil {
			t.Fatal(err)
		}
	}
	get("kube-proxy", "1")
	if len(h.asked) != 3 { // 401, token, manifest
		t.Errorf("asked: %q", h.asked)
	}
	get("kube-proxy", "2")
	if len(h.asked) != 4 { // the token is kept
		t.Errorf("asked: %q", h.asked[3:])
	}
	get("kube-scheduler", "1")
	if len(h.asked) != 6 { // the next repository's challenge is foreseen
		t.Errorf("asked: %q", h.asked[4:])
	}
	// A burst over one more repository fetches one token.
	par.Map(t.Context(), 20, 20, func(ctx context.Context, i int) {
		if _, err := c.Manifest(ctx, Ref{Host: "registry.k8s.io", Repository: "pause", Tag: fmt.Sprint(i)}); err != nil {
			t.Error(err)
		}
	}, nil)
	want := []string{"repository:kube-proxy:pull", "repository:kube-scheduler:pull", "repository:pause:pull"}
	if fmt.Sprint(g.scopes) != fmt.Sprint(want) {
		t.Errorf("tokens for %v, want %v", g.scopes, want)
	}
	for _, cred := range g.creds {
		if cred != "Basic dTpw" {
			t.Errorf("the token server was shown %q", cred)
		}
	}
	// A token that has run out is replaced, once for all who notice.
	g.epoch++
	par.Map(t.Context(), 20, 20, func(ctx context.Context, i int) {
		if _, err := c.Manifest(ctx, Ref{Host: "registry.k8s.io", Repository: "pause", Tag: fmt.Sprint("again", i)}); err != nil {
			t.Error(err)
		}
	}, nil)
	if len(g.scopes) != 4 {
		t.Errorf("tokens for %v", g.scopes)
	}
	if n := h.count("/v2/ "); n != 0 || h.count("HEAD") != 0 {
		t.Errorf("asked: %q", h.asked)
	}
}

func TestTokenServersThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, realm, token string
		status             int
		says               string
	}{
		{"plain http", "http://auth.example/token", "", 0, "which is not https"},
		{"no URL", "::", "", 0, "not a URL"},
		{"with a password", "https://u:hunter2@auth.example/", "", 0, "not a URL"},
		{"this machine", "https://127.0.0.1/token", "", 0, "is refused"},
		{"metadata service", "https://169.254.169.254/latest", "", 0, "is refused"},
		{"down", "https://auth.example/token?key=hunter2", "", 503, "answered 503"},
		{"refuses", "https://auth.example/token", "", 403, "answered 403"},
		{"is not there", "https://auth.example/token", "", 404, "answered 404"},
		{"unreachable", "https://nowhere.example/token", "", 0, "nowhere.example"},
		{"a header in a token", "https://auth.example/token", "hunter2 x", 0, "characters that no token has"},
	} {
		g := &guarded{inner: anyRepo(), realm: tt.realm, token: tt.token, status: tt.status}
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": g.registry(), "https://auth.example": g.tokens(), "http://auth.example": g.tokens(),
			"https://127.0.0.1": g.tokens(), "https://169.254.169.254": g.tokens()}}
		c := client(h)
		c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "hunter2"}}
		_, err := c.Manifest(t.Context(), proxy)
		var ae *AuthError
		if !errors.As(err, &ae) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.says)
		}
		if fe := (*fetch.Error)(nil); errors.As(err, &fe) {
			t.Errorf("%s: what the token server did passes for the registry's answer: %v", tt.name, fe)
		}
		if tt.says == "which is not https" && len(g.creds) > 0 {
			t.Errorf("%s: credentials were sent", tt.name)
		}
	}
	// A token that does not help: the registry's answer stands.
	g := &guarded{inner: anyRepo(), realm: "https://auth.example/token", token: "wrong"}
	h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": g.registry(), "https://auth.example": g.tokens()}}
	if _, err := client(h).Manifest(t.Context(), proxy); !fetch.Is(err, fetch.Forbidden) {
		t.Error(err)
	}
	if len(h.asked) > 4 {
		t.Errorf("asked: %q", h.asked)
	}
}

// With an endpoint, credentials and scopes are those of the stand-in, and the
// real registry's are never shown to it.
func TestCredentialsBelongToTheRealHost(t *testing.T) {
	g := &guarded{inner: anyRepo(), realm: "http://127.0.0.1:5000/token"}
	mux := http.NewServeMux()
	mux.Handle("/token", g.tokens())
	mux.Handle("/", g.registry())
	h := &hosts{handlers: map[string]http.Handler{"http://127.0.0.1:5000": mux}}
	c := client(h)
	c.Endpoints = map[string]string{"registry.k8s.io": "http://127.0.0.1:5000/k8s"}
	c.Keychain = keychain{"registry.k8s.io": {Username: "real", Password: "secret"}}
	if _, err := c.Manifest(t.Context(), proxy); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(g.scopes) != "[repository:k8s/kube-proxy:pull]" || fmt.Sprint(g.creds) != "[]" {
		t.Errorf("scopes %q, credentials %q", g.scopes, g.creds)
	}
}

// Another host that is reached by a redirect asks in vain.
func TestChallengeOfAnotherHost(t *testing.T) {
	g := &guarded{inner: anyRepo(), realm: "https://evil.example/token"}
	h := &hosts{handlers: map[string]http.Handler{"https://evil.example": g.registry(),
		"https://registry.k8s.io": http.RedirectHandler("https://evil.example/v2/kube-proxy/manifests/v1.27.2", 307)}}
	c := client(h)
	c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "p"}, "evil.example": {Username: "u", Password: "p"}}
	if _, err := c.Manifest(t.Context(), proxy); !fetch.Is(err, fetch.Forbidden) {
		t.Error(err)
	}
	if h.count("token") != 0 || h.auth["evil.example"] != ";" {
		t.Errorf("asked %q with %v", h.asked, h.auth)
	}
}

func TestChallenge(t *testing.T) {
	for in, want := range map[string]string{
		`Bearer realm="https://a/t",service="s",scope="repository:a:pull,push"`: "bearer map[realm:https://a/t scope:repository:a:pull,push service:s]",
		`bearer  realm = "https://a/\"t" , service=s`:                           `bearer map[realm:https://a/"t service:s]`,
		`Basic realm="x"`: "basic map[realm:x]",
		`Basic`:           "basic map[]",
		`Bearer realm="https://a",realm="second"`:     "bearer map[realm:https://a]",
		`Negotiate, Basic realm="x"`:                  "basic map[realm:x]",
		`Negotiate,Basic realm="x, Bearer", NTLM`:     "basic map[realm:x, Bearer]",
		`Negotiate YII=, Basic realm="x"`:             "basic map[realm:x]",
		`Negotiate YII/+==`:                           "",
		`Basic realm="x", Bearer realm="https://a/t"`: "bearer map[realm:https://a/t]",
		`Bearer realm="https://a/t", Basic realm="x"`: "bearer map[realm:https://a/t]",
		`Basic realm="x", Bearer realm="http://a/t"`:  "basic map[realm:x]", // whose token server may not be asked
		`Digest realm="x", nonce=abc=, Basic realm=x`: "basic map[realm:x]",
		`NTLM, Negotiate, , ,Basic realm="x",,`:       "basic map[realm:x]",
		`Basic charset="UTF-8" realm="x"`:             "basic map[charset:UTF-8 realm:x]",
		`Bearer realm="open`:                          "",
		`Basic realm="x", Bearer realm="https://open`: "basic map[realm:x]",
		`Bearer service="s"`:                          "",
		`Negotiate`:                                   "",
		`=x, Basic`:                                   "",
		``:                                            "",
	} {
		ch, ok := challenge(http.Header{"Www-Authenticate": {"Negotiate", in}}, false)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %v", ch.scheme, ch.params)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestHostileChallenges holds that a header costs no more than it has bytes, and
// leaves no more than a few parameters.
func TestHostileChallenges(t *testing.T) {
	many := "Bearer "
	for i := range 4000 {
		many += fmt.Sprintf("p%d=%d,", i, i)
	}
	for name, in := range map[string]string{
		"parameters": many + `realm="https://evil.example"`,
		"schemes":    strings.Repeat("Negotiate, ", 6000) + "Basic",
		"quotes":     "Bearer realm=" + strings.Repeat(`"`, 60000),
		"escapes":    `Bearer realm="` + strings.Repeat(`\`, 60000),
		"commas":     strings.Repeat(",", 60000),
		"bytes":      "Bearer realm=\x00\xff\x1b[2J",
	} {
		for _, c := range parseChallenges(in) {
			if len(c.params) > maxParams {
				t.Errorf("%s: %d parameters", name, len(c.params))
			}
		}
		if list := parseChallenges(in); len(list) > maxChallenges {
			t.Errorf("%s: %d challenges", name, len(list))
		}
		challenge(http.Header{"Www-Authenticate": {in, in}}, false)
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://a/t",service="s"`)
	f.Add(`Bearer realm="\`)
	f.Add(`Negotiate YII=, Basic realm="x", Bearer realm=https://a`)
	f.Fuzz(func(t *testing.T, s string) {
		if ch, ok := challenge(http.Header{"Www-Authenticate": {s}}, true); ok && ch.scheme != "basic" && ch.params["realm"] == "" {
			t.Errorf("%q: %+v", s, ch)
		}
	})
}
