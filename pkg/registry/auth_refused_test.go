package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// TestSameScopes holds that neither the order of scopes nor that of their actions tells two apart.
func TestSameScopes(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"repository:a:pull,push", "repository:a:push,pull", true},
		{"repository:a:pull repository:b:pull", " repository:b:pull  repository:a:pull", true},
		{"repository:a:pull", "repository:a:pull,push", false},
		{"repository:a:pull", "repository:b:pull", false},
		{"repository:a:pull", "", false},
		{"repository:a,b:pull", "repository:b,a:pull", false},
		{"repository:a:pull", "repository:a:pull repository:b:pull", false},
		{"", " ", true},
	} {
		if got := sameScopes(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %v", tt.a, tt.b, got)
		}
	}
}

// TestChallengesAreForeseen holds when the next repository of a registry is asked for with its
// token at once: not where the scope that was wanted was another than could be foreseen.
func TestChallengesAreForeseen(t *testing.T) {
	for _, tt := range []struct {
		scope string
		want  string // the scopes that were asked for, of two repositories; 401 stands for a request without a header
	}{
		{`,scope="repository:%s:pull"`, "401 repository:a:pull repository:b:pull"},
		{``, "401 repository:a:pull repository:b:pull"},
		{`,scope="registry:catalog:*"`, "401 registry:catalog:* 401 registry:catalog:*"},
	} {
		var got []string
		h := &hosts{handlers: map[string]http.Handler{
			"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					got = append(got, "401")
					scope := tt.scope
					if strings.Contains(scope, "%s") {
						scope = fmt.Sprintf(scope, strings.Split(r.URL.Path, "/")[2])
					}
					w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example/t"`+scope)
					w.WriteHeader(401)
					return
				}
				anyRepo().ServeHTTP(w, r)
			}),
			"https://auth.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.URL.Query().Get("scope"))
				io.WriteString(w, `{"token":"t"}`)
			}),
		}}
		c := client(h)
		for _, repo := range []string{"a", "b"} {
			if _, err := c.Manifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: repo, Tag: "1"}); err != nil {
				t.Error(err)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.scope, got, tt.want)
		}
	}
}

// What a registry said of a private network it is believed for the next repository too, whose
// token is foreseen.
func TestTheNextRepositoryOfAPrivateRegistry(t *testing.T) {
	var a authorizer
	c := &Client{Fetch: &fetch.Client{Transport: &hosts{handlers: map[string]http.Handler{
		"https://10.0.0.4": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"token":"t"}`) }),
	}}}}
	at := location{root: "https://harbor.example/v2/", host: "harbor.example", repo: "a"}
	e := &fetch.Error{Header: http.Header{"Www-Authenticate": {`Bearer realm="https://10.0.0.4/t"`}}, Remote: netip.MustParseAddr("10.0.0.3")}
	if got, err := a.answer(t.Context(), c, at, pullScope("a"), e, ""); got != "Bearer t" || err != nil {
		t.Fatal(got, err)
	}
	at.repo = "b"
	if got, err := a.known(t.Context(), c, at, pullScope("b")); got != "Bearer t" || err != nil {
		t.Error(got, err)
	}
	at.root = "https://other.example/v2/"
	if got, err := a.known(t.Context(), c, at, pullScope("b")); got != "" || err != nil {
		t.Errorf("another registry: %q %v", got, err)
	}
	e.Remote = netip.MustParseAddr("8.8.8.8")
	if got, err := new(authorizer).answer(t.Context(), c, location{root: "https://x.example/v2/", host: "x.example", repo: "a"}, "s", e, ""); got != "" || err == nil {
		t.Errorf("a public registry names a private token server: %q %v", got, err)
	}
}

// A token that has run out is not shown again.
func TestTokensRunOut(t *testing.T) {
	n := 0
	c := client(&hosts{handlers: map[string]http.Handler{"https://auth.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		fmt.Fprintf(w, `{"token":"t%d"}`, n)
	})}})
	at := location{root: "https://h.example/v2/", host: "h.example", repo: "a"}
	ch := challengeOf{"bearer", map[string]string{"realm": "https://auth.example/t"}}
	ask := func(refused string) string {
		t.Helper()
		got, err := c.authorize(t.Context(), at, ch, "s", refused)
		must(t, err)
		return got
	}
	if got := ask("") + ask("") + ask("Bearer t0"); got != "Bearer t1Bearer t1Bearer t1" {
		t.Error(got)
	}
	if got := ask("Bearer t1") + ask("Bearer t1"); got != "Bearer t2Bearer t2" {
		t.Errorf("after a refusal: %s", got)
	}
	for e := range c.memo.kept {
		c.memo.kept[e].Value.(*entry).val = token{header: "Bearer old", until: time.Now().Add(-time.Second)}
	}
	if got := ask(""); got != "Bearer t3" {
		t.Errorf("after its end: %s", got)
	}
	for e := range c.memo.kept {
		if got := c.memo.kept[e].Value.(*entry).size; got < int64(len("Bearer t3")) {
			t.Errorf("a token counts for %d bytes", got)
		}
	}
}

// TestRefusalsSayWhereCredentialsWereLookedFor holds that a 401, and nothing else, is told with
// the files that were read, beside the registry's own words.
func TestRefusalsSayWhereCredentialsWereLookedFor(t *testing.T) {
	none, some := &AuthFiles{}, &AuthFiles{Files: []AuthFile{authText("f\x1b.json", `{}`)}}
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		keychain Keychain
		want     []string
		lacks    string
	}{
		{"no file", 401, "", none, []string{"no file of credentials was found"}, "it says"},
		{"a file", 401, "", some, []string{`credentials were looked for in f\x1b.json, for registry.k8s.io/kube-proxy`}, "no file"},
		{"with words", 401, `{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}`, some, []string{"it says UNAUTHORIZED: log in", "credentials were looked for"}, "no file"},
		{"another status", 403, `{"errors":[{"code":"DENIED"}]}`, some, []string{"it says DENIED"}, "credentials were looked for"},
		{"a keychain that tells nothing", 401, `{"errors":[{"code":"UNAUTHORIZED"}]}`, keychain{}, []string{"it says UNAUTHORIZED"}, "looked for"},
		{"none at all", 401, "", nil, []string{"401"}, "looked for"},
	} {
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})}}
		c := client(h)
		c.Keychain = tt.keychain
		_, err := c.Manifest(t.Context(), proxy)
		_, err2 := c.OpenBlob(t.Context(), proxy, Descriptor{Digest: someDigest, Size: 1})
		for _, err := range []error{err, err2} {
			var r *RefusedError
			if errors.As(err, &r) && (len(r.Codes) > 0) != (tt.body != "") {
				t.Errorf("%s: codes %q", tt.name, r.Codes)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), tt.lacks) || strings.Contains(err.Error(), "\x1b") || !fetch.Is(err, fetch.Forbidden) {
					t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
				}
			}
		}
	}
	other := errors.New("other")
	if err := new(Client).denied(location{}, other); !errors.Is(err, other) {
		t.Error(err)
	}
	if err := new(Client).denied(location{}, nil); err != nil {
		t.Error(err)
	}
}

// TestRefusals holds what is taken of a registry's error document, and how much.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ body, codes, words string }{
		{`{"errors":[{"code":"AZ_az09-é","message":" m "}]}`, "[AZ_]", "m"},
		{`{"errors":[{"code":"a"},{"code":"B"}]}`, "[B]", ""},
		{`{"errors":[{"code":"` + strings.Repeat("A", 65) + `"}]}`, "[" + strings.Repeat("A", 64) + "]", ""},
		{`{"errors":[` + strings.Repeat(`{"code":"A"},`, 15) + `{"code":"B"},{"code":"C"}]}`, "[" + strings.Repeat("A ", 15) + "B]", ""},
		{`{"errors":[{"message":"m","detail":"d"},{"message":"n"}]}`, "[]", "m: d"},
		{`{"errors":[{"message":"m of d","detail":" d "}]}`, "[]", "m of d"},
		{`{"errors":[{"detail":{"x":1,"name":"N","detail":""}}]}`, "[]", "N"},
		{`{"errors":[{"message":"m","detail":{"reason":5}}]}`, "[]", "m"},
		{`{"errors":[{"message":"` + strings.Repeat("x", maxWords+1) + `"}]}`, "[]", strings.Repeat("x", maxWords)},
		{`{"errors":[]}`, "", ""}, {`[]`, "", ""}, {``, "", ""},
	} {
		in := &fetch.Error{Method: "GET", Kind: fetch.BadStatus, Status: 412, Body: []byte(tt.body)}
		err := refused(in)
		var r *RefusedError
		if !errors.As(err, &r) {
			if tt.codes != "" || !errors.Is(err, in) {
				t.Errorf("%s: %v", tt.body, err)
			}
			continue
		}
		if fmt.Sprint(r.Codes) != tt.codes || r.Words != tt.words || !errors.Is(err, in) {
			t.Errorf("%s: %q %q, want %s %q", tt.body, r.Codes, r.Words, tt.codes, tt.words)
		}
		if again := refused(err); again != err { //nolint:errorlint // the very same
			t.Errorf("%s: told twice: %v", tt.body, again)
		}
	}
}
