package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// TestReach holds how far each name and address is taken to be seen; each row is a rule's edge.
func TestReach(t *testing.T) {
	names := map[reachKind]string{public: "public", private: "private", linkLocal: "link-local"}
	for host, want := range map[string]reachKind{
		"auth.example.com": public, "8.8.8.8": public, "2606:4700::1111": public, "x0.example": public, "a.1b": public, "a.b9": public,
		"metadata": linkLocal, "Metadata.Google.Internal": linkLocal, "instance-data": linkLocal, "instance-data.ec2.internal.": linkLocal,
		"127.1": linkLocal, "0x7f.1": linkLocal, "2130706433": linkLocal, "a.0x1": linkLocal, "x..": linkLocal, "": linkLocal,
		"harbor": private, "localhost": private, "X.INTERNAL": private, "x.local": private, "x.localhost": private, "x.home.arpa": private, "x.y.svc": private,
		"x.corp": private, "x.home": private, "x.lan.": private, "x.intranet": private, "x.private": private, "local.example": public,
		"169.254.0.1": linkLocal, "224.0.0.1": linkLocal, "100.100.100.200": linkLocal, "168.63.129.16": linkLocal, "192.0.0.192": linkLocal,
		"0.1.2.3": linkLocal, "240.0.0.1": linkLocal, "255.255.255.255": linkLocal, "::": linkLocal, "ff02::1": linkLocal, "fe80::1%eth0": linkLocal, "fd00:ec2::254%x": linkLocal,
		"::ffff:169.254.169.254": linkLocal, "64:ff9b::a9fe:a9fe": linkLocal, "2002:a9fe:a9fe::1": linkLocal,
		"10.1.2.3": private, "172.16.0.1": private, "192.168.0.1": private, "127.0.0.1": private, "::1": private, "fd00::1": private, "100.64.0.1": private, "fec0::1%x": private,
		"::ffff:10.0.0.1": private, "64:ff9b::a00:1": private, "2002:a00:1::": private,
		"64:ff9b::808:808": public, "2002:808:808::": public, "100.63.255.255": public, "100.128.0.1": public, "192.0.0.191": public, "172.32.0.1": public,
	} {
		if got := reach(host); got != want {
			t.Errorf("%q is %s, want %s", host, names[got], names[want])
		}
	}
	if got := reachOf(netip.Addr{}); got != public {
		t.Errorf("no address is %s", names[got])
	}
}

// TestARegistryOfTheSameNetwork holds which registries are believed about private addresses.
func TestARegistryOfTheSameNetwork(t *testing.T) {
	for _, tt := range []struct {
		host, remote, realm string
		plain, want         bool
	}{
		{"harbor.example", "", "https://harbor.example/t", false, true},
		{"harbor.example", "10.0.0.1", "https://10.0.0.2/t", false, true},
		{"harbor.example", "8.8.8.8", "https://10.0.0.2/t", false, false},
		{"harbor.example", "169.254.1.1", "https://10.0.0.2/t", false, true},
		{"10.0.0.1", "8.8.8.8", "https://10.0.0.2/t", false, true},
		{"10.0.0.1", "10.0.0.1", "https://169.254.169.254/t", false, false},
		{"169.254.1.1:80", "", "http://169.254.1.1/t", true, true}, // its own host and port
		{"169.254.1.1:443", "", "http://169.254.1.1/t", true, false},
		{"169.254.1.1", "", "https://169.254.1.1:443/t", false, true},
		{"169.254.1.1", "", "https://169.254.1.1:80/t", false, false},
		{"[FE80::1]", "", "https://[fe80::1]/t", false, true},
	} {
		at := location{host: tt.host, plain: tt.plain}
		if tt.remote != "" {
			at.remote = netip.MustParseAddr(tt.remote)
		}
		if u, err := at.allowRealm(tt.realm); (err == nil) != tt.want || err == nil && u.String() != tt.realm {
			t.Errorf("%s (%s) names %s: %v %v", tt.host, tt.remote, tt.realm, u, err)
		}
	}
}

// TestWhereATokenRequestMayBeSentOn holds that a refresh token stays with its host, its port and
// its scheme, and that no redirect leads where a registry could not have sent us.
func TestWhereATokenRequestMayBeSentOn(t *testing.T) {
	at := location{host: "registry.example"}
	for _, tt := range []struct {
		to     string
		secret bool
		want   bool
	}{
		{"https://auth.example/b", true, true}, {"https://AUTH.example/b", true, true}, {"https://other.example/a", true, false},
		{"http://auth.example/a", true, false}, {"https://auth.example:8443/a", true, false},
		{"https://other.example/a", false, true}, {"https://auth.example/b", false, true}, {"http://auth.example/a", false, true}, // fetch refuses it
		{"https://10.0.0.1/", false, false}, {"https://169.254.169.254/", false, false}, {"https://169.254.169.254/", true, false},
	} {
		from, to := mustURL(t, "https://auth.example/a"), mustURL(t, tt.to)
		if err := at.follow(from, tt.secret)(to); (err == nil) != tt.want {
			t.Errorf("to %s (secret %v): %v", tt.to, tt.secret, err)
		}
	}
	private := mustURL(t, "https://10.0.0.1/a") // what was allowed to be asked may stay where it is only by the same rule
	if err := at.follow(private, true)(private); err == nil {
		t.Error("a private address was followed")
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	must(t, err)
	return u
}

// TestReadToken holds the token specification's answer: which member is the token, what a token
// may hold, and how long it lasts.
func TestReadToken(t *testing.T) {
	for _, tt := range []struct {
		body, header, says string
		life               time.Duration
	}{
		{`{"token":"a"}`, "Bearer a", "", 55 * time.Second},
		{`{"access_token":"b"}`, "Bearer b", "", 55 * time.Second},
		{`{"token":"a","access_token":"b","expires_in":300}`, "Bearer a", "", 295 * time.Second},
		{`{"token":"a","expires_in":-5}`, "Bearer a", "", 55 * time.Second},
		{`{"token":"a","expires_in":1e12}`, "Bearer a", "", 86395 * time.Second},
		{`{"token":"!~"}`, "Bearer !~", "", 55 * time.Second},
		{`{}`, "", "gave no token", 0},
		{`{"token":"a","expires_in":true}`, "", "did not answer with a JSON document", 0},
		{`<html>`, "", "did not answer with a JSON document", 0},
		{`{"token":"a b"}`, "", "characters that no token has", 0},
		{`{"token":"a\u007f"}`, "", "characters that no token has", 0},
		{`{"token":"a\r\nX-Evil: 1"}`, "", "characters that no token has", 0},
		{`{"token":"ä"}`, "", "characters that no token has", 0},
	} {
		before := time.Now()
		got, err := readToken("https://u:hunter2@auth.example/", []byte(tt.body))
		if tt.says != "" {
			if err == nil || got != (token{}) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %+v %v", tt.body, got, err)
			}
			continue
		}
		if life := got.until.Sub(before); err != nil || got.header != tt.header || life < tt.life || life > tt.life+30*time.Second {
			t.Errorf("%s: %+v, for %s, %v", tt.body, got, life, err)
		}
	}
}

// TestTokenErrors holds that what a token server did is never taken for the registry's answer,
// and is told all the same.
func TestTokenErrors(t *testing.T) {
	realm := "https://auth.example/t?key=hunter2"
	for _, tt := range []struct {
		err  error
		says string
	}{
		{errors.New("hunter2"), "gave no token"},
		{&fetch.Error{Kind: fetch.BadRedirect, Status: 302, Err: errors.New("a loop")}, "redirected to where it must not go: a loop"},
		{&fetch.Error{Kind: fetch.NotFound, Status: 404, Body: []byte("hunter2")}, "answered 404"},
		{&fetch.Error{Kind: fetch.BadStatus, Status: 302}, "answered 302"},
		{&fetch.Error{Method: "GET", Kind: fetch.Unreachable, URL: realm, FinalURL: realm, Err: errors.New("no route")}, "cannot reach the token server"},
	} {
		err := tokenError(realm, tt.err)
		var fe *fetch.Error
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") || errors.As(err, &fe) {
			t.Errorf("%v: %v, want %q", tt.err, err, tt.says)
		}
		var status *tokenStatus
		if errors.As(err, &status) != strings.Contains(tt.says, "answered") {
			t.Errorf("%v: %T", tt.err, err)
		}
	}
}

// asking is a registry of one challenge, that is satisfied by any header, and its token server.
type asking struct {
	challenge string
	shown     []string // Authorization headers that the registry saw
	tokens    http.HandlerFunc
}

func (a *asking) client() (*Client, *hosts) {
	h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth := r.Header.Get("Authorization")
		a.shown = append(a.shown, auth)
		if auth == "" {
			w.Header().Set("WWW-Authenticate", a.challenge)
			w.WriteHeader(401)
			return
		}
		anyRepo().ServeHTTP(w, r)
	})}}
	if a.tokens != nil {
		h.handlers["https://auth.example"] = a.tokens
	}
	return client(h), h
}

// TestWhatATokenServerIsAsked holds the two forms of request, by the credentials there are.
func TestWhatATokenServerIsAsked(t *testing.T) {
	const get, post = "GET ", "POST "
	for _, tt := range []struct {
		name    string
		creds   Credentials
		service string
		lacks   int // the status by which the server refuses the form of a refresh token
		want    string
	}{
		{"anonymous", Credentials{}, "s", 0, get + "a=b scope=[repository:kube-proxy:pull] service=s "},
		{"no service", Credentials{}, "", 0, get + "a=b scope=[repository:kube-proxy:pull] service=- "},
		{"a user", Credentials{Username: "u"}, "s", 0, get + "a=b scope=[repository:kube-proxy:pull] service=s " + basic(Credentials{Username: "u"})},
		{"a password", Credentials{Password: "p"}, "s", 0, get + "a=b scope=[repository:kube-proxy:pull] service=s " + basic(Credentials{Password: "p"})},
		{"a refresh token", Credentials{IdentityToken: "i"}, "s", 0, post + "refresh_token i kverify scope=[repository:kube-proxy:pull] service=s "},
		{"a refresh token, no service", Credentials{IdentityToken: "i"}, "", 0, post + "refresh_token i kverify scope=[repository:kube-proxy:pull] service=- "},
		{"not known", Credentials{Username: "u", Password: "p", IdentityToken: "i"}, "s", 404, get + "a=b scope=[repository:kube-proxy:pull] service=s " + basic(Credentials{Username: "u", Password: "p"})},
		{"not known, and no user", Credentials{IdentityToken: "i"}, "s", 404, ""},
		{"refused", Credentials{Username: "u", Password: "p", IdentityToken: "i"}, "s", 403, ""},
		{"down", Credentials{Username: "u", Password: "p", IdentityToken: "i"}, "s", 503, ""},
	} {
		a := &asking{challenge: `Bearer realm="https://auth.example/token?a=b"`}
		if tt.service != "" {
			a.challenge += `,service="` + tt.service + `"`
		}
		var got string
		a.tokens = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && tt.lacks != 0 {
				w.WriteHeader(tt.lacks)
				return
			}
			must(t, r.ParseForm())
			service := "-"
			if r.Form.Has("service") {
				service = r.Form.Get("service")
			}
			if got = r.Method + " "; r.Method == http.MethodPost {
				got += r.PostForm.Get("grant_type") + " " + r.PostForm.Get("refresh_token") + " " + r.PostForm.Get("client_id")
			} else {
				got += "a=" + r.Form.Get("a")
			}
			got += fmt.Sprintf(" scope=%s service=%s %s", r.Form["scope"], service, r.Header.Get("Authorization"))
			w.Header().Set("Content-Type", "text/html") // as some have it
			io.WriteString(w, `{"token":"t"}`)
		}
		c, _ := a.client()
		c.Keychain = keychain{"registry.k8s.io": tt.creds}
		_, err := c.Manifest(t.Context(), proxy)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: asked %q, want %q: %v", tt.name, got, tt.want, err)
		}
		if tt.want != "" && a.shown[len(a.shown)-1] != "Bearer t" {
			t.Errorf("%s: the registry was shown %q", tt.name, a.shown)
		}
	}
}

// TestWhatARegistryIsShown holds which header meets which challenge, and that none is made up.
func TestWhatARegistryIsShown(t *testing.T) {
	bearer, plainly := `Bearer realm="https://auth.example/t"`, `Basic realm="x"`
	for _, tt := range []struct {
		challenge string
		creds     Credentials
		want      string // after the first, which is empty
	}{
		{bearer, Credentials{RegistryToken: "r"}, "[ Bearer r]"},
		{bearer, Credentials{RegistryToken: "r", Username: "u", Password: "p"}, "[ Bearer r]"},
		{plainly, Credentials{Username: "u"}, "[ " + basic(Credentials{Username: "u"}) + "]"},
		{plainly, Credentials{Password: "p"}, "[ " + basic(Credentials{Password: "p"}) + "]"},
		{plainly, Credentials{}, "[]"},
		{plainly, Credentials{RegistryToken: "r"}, "[]"},
		{"Negotiate", Credentials{Username: "u", Password: "p"}, "[]"},
	} {
		a := &asking{challenge: tt.challenge}
		c, h := a.client()
		c.Keychain = keychain{"registry.k8s.io": tt.creds}
		_, err := c.Manifest(t.Context(), proxy)
		if got := fmt.Sprint(a.shown); got != tt.want || (err == nil) != (len(tt.want) > 2) || err != nil && !fetch.Is(err, fetch.Forbidden) || h.count("auth.example") > 0 {
			t.Errorf("%s, %+v: shown %q, want %q; %v", tt.challenge, tt.creds, got, tt.want, err)
		}
	}
}

type brokenKeychain struct{ err error }

func (k brokenKeychain) Credentials(context.Context, Target) (Credentials, error) {
	return Credentials{Username: "u", Password: "p"}, k.err
}

// Without the credentials that were asked for, nobody is asked as somebody else.
func TestCredentialsThatCannotBeRead(t *testing.T) {
	a := &asking{challenge: `Bearer realm="https://auth.example/t"`, tokens: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"token":"t"}`) }}
	c, h := a.client()
	cause := errors.New("locked")
	c.Keychain = brokenKeychain{cause}
	var ae *AuthError
	if _, err := c.Manifest(t.Context(), proxy); !errors.As(err, &ae) || !errors.Is(err, cause) || h.count("auth.example") > 0 {
		t.Errorf("%v; asked %q", err, h.asked)
	}
}

// An end of one's own while a token is fetched is no refusal of the registry.
func TestGivenUpWhileATokenIsFetched(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := &asking{challenge: `Bearer realm="https://auth.example/t"`, tokens: func(w http.ResponseWriter, _ *http.Request) { cancel(); w.WriteHeader(500) }}
	c, _ := a.client()
	_, err := c.OpenBlob(ctx, proxy, Descriptor{Digest: someDigest, Size: 1})
	var ae *AuthError
	if !fetch.Is(err, fetch.Cancelled) || errors.As(err, &ae) {
		t.Errorf("%v", err)
	}
}
