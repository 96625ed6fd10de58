package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func authText(name, text string) AuthFile {
	return AuthFile{Name: name, Read: func() ([]byte, error) {
		if text == "" {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}}
}

// auths writes a file whose entries have their key as the user's name.
func auths(keys ...string) string {
	var list []string
	for _, k := range keys {
		list = append(list, fmt.Sprintf("%q:{\"auth\":%q}", k, base64.StdEncoding.EncodeToString([]byte("user of "+k[strings.LastIndexByte(k, ':')+1:]+":"+k))))
	}
	return `{"auths":{` + strings.Join(list, ",") + `}}`
}

// TestCredentialsOfAPartOfARegistry holds that the longest key counts that is a
// prefix at the boundary of a path, and never one of another path, host, port
// or scheme.
func TestCredentialsOfAPartOfARegistry(t *testing.T) {
	all := []string{"h.example", "h.example/org-a", "h.example/org-a/team", "h.example/org-b", "h.example:8443", "https://s.example/v1/", "http://p.example",
		"https://t.example/org-a/", "tls.example:443", "old.example:80", "https://index.docker.io/v1/", "[fd00::1]:5000", "10.0.0.4:5000/a", "UPPER.example"}
	for _, tt := range []struct {
		keys       []string
		host, repo string
		plain      bool
		want       string // the key
	}{
		{all, "h.example", "org-a/kube-proxy", false, "h.example/org-a"},
		{all, "h.example", "org-a/team/kube-proxy", false, "h.example/org-a/team"},
		{all, "h.example", "org-a", false, "h.example/org-a"},
		{all, "h.example", "org-ab/kube-proxy", false, "h.example"},
		{all, "h.example", "org-b/org-a/kube-proxy", false, "h.example/org-b"},
		{all, "h.example", "kube-proxy", false, "h.example"},
		{all, "h.example:443", "kube-proxy", false, "h.example"},
		{all, "h.example:8443", "org-a/kube-proxy", false, "h.example:8443"},
		{all, "h.example:9443", "org-a/kube-proxy", false, ""},
		{all, "sub.h.example", "org-a/kube-proxy", false, ""},
		{all, "xh.example", "org-a/kube-proxy", false, ""},
		{[]string{"h.example/org-a", "h.example/org-b"}, "h.example", "org-c/kube-proxy", false, ""},
		{[]string{"h.example/org-a", "h.example/org-b"}, "h.example", "org-b/kube-proxy", false, "h.example/org-b"},
		{[]string{"h.example/org-a/"}, "h.example", "org-a/kube-proxy", false, "h.example/org-a/"},
		{all, "s.example", "kube-proxy", false, "https://s.example/v1/"},
		{all, "s.example", "kube-proxy", true, ""},
		{all, "p.example", "kube-proxy", true, "http://p.example"},
		{all, "p.example", "kube-proxy", false, ""},
		{all, "t.example", "org-a/kube-proxy", false, "https://t.example/org-a/"},
		{all, "t.example", "org-b/kube-proxy", false, ""},
		{all, "tls.example", "kube-proxy", false, "tls.example:443"},
		{all, "tls.example", "kube-proxy", true, ""},
		{all, "old.example", "kube-proxy", true, "old.example:80"},
		{all, "old.example", "kube-proxy", false, ""},
		{all, "index.docker.io", "library/x", false, "https://index.docker.io/v1/"},
		{[]string{"docker.io"}, "index.docker.io", "library/x", false, "docker.io"},
		{all, "[fd00::1]:5000", "kube-proxy", false, "[fd00::1]:5000"},
		{all, "10.0.0.4:5000", "a/kube-proxy", true, "10.0.0.4:5000/a"},
		{all, "10.0.0.4:5000", "b/kube-proxy", true, ""},
		{all, "upper.example", "kube-proxy", false, "UPPER.example"},
		{[]string{"h.example", "https://h.example"}, "h.example", "x", false, "https://h.example"},
		{[]string{"h.example", "https://h.example"}, "h.example", "x", true, "h.example"},
	} {
		for range 4 { // the order of a map must not matter
			a := &AuthFiles{Files: []AuthFile{authText("f", auths(tt.keys...))}}
			c, err := a.Credentials(t.Context(), Target{Host: tt.host, Repository: tt.repo, Plain: tt.plain})
			if err != nil || c.Password != tt.want {
				t.Fatalf("%s/%s (plain %v): %q %v, want that of %q", tt.host, tt.repo, tt.plain, c.Password, err, tt.want)
			}
		}
	}
}

// TestFilesOfCredentialsInOrder holds that the first file which has something
// decides, and that one which lacks the host hides none behind it.
func TestFilesOfCredentialsInOrder(t *testing.T) {
	a := &AuthFiles{Files: []AuthFile{
		authText("absent", ""),
		authText("docker", `{"auths":{"other.example":{"auth":"eDp5"},"h.example":{}},"HttpHeaders":{"x":"y"}}`),
		authText("podman", auths("h.example/org-a")),
		authText("secret", auths("h.example", "h.example/org-a/team")),
	}}
	for repo, want := range map[string]string{"org-a/team/x": "h.example/org-a", "org-b/x": "h.example"} {
		if c, err := a.Credentials(t.Context(), Target{Host: "h.example", Repository: repo}); err != nil || c.Password != want {
			t.Errorf("%s: %q %v, want %q", repo, c.Password, err, want)
		}
	}
	if got := fmt.Sprint(a.Looked()); got != "[docker podman secret]" {
		t.Error(got)
	}
}

func TestFormsOfCredentials(t *testing.T) {
	for text, want := range map[string]Credentials{
		`{"auths":{"h.example":{"username":"u","password":"p"}}}`:                                {Username: "u", Password: "p"},
		`{"auths":{"h.example":{"auth":"dTpwOnE=","username":"other"}}}`:                         {Username: "u", Password: "p:q"},
		`{"auths":{"h.example":{"auth":"dTpwOnE","email":"x"}}}`:                                 {Username: "u", Password: "p:q"},
		`{"auths":{"h.example":{"auth":"dTo=","identitytoken":"i"}}}`:                            {Username: "u", IdentityToken: "i"},
		`{"auths":{"h.example":{"username":"<token>","password":"i"}}}`:                          {IdentityToken: "i"},
		`{"auths":{"h.example":{"registrytoken":"r"}}}`:                                          {RegistryToken: "r"},
		"\xef\xbb\xbf" + `{"auths":{"h.example":{"username":"u","password":"p"}},"extra":[1,2]}`: {Username: "u", Password: "p"},
		`{}`: {},
	} {
		a := &AuthFiles{Files: []AuthFile{authText("f", text)}}
		if c, err := a.Credentials(t.Context(), Target{Host: "h.example", Repository: "x"}); err != nil || c != want {
			t.Errorf("%s: %+v %v", text, c, err)
		}
	}
	for _, text := range []string{`{"auths":{"h.example":{"auth":"hunter2"}}}`, `{"auths":{"h.example":{"auth":"aHVudGVyMg=="}}}`, `{"auths":["hunter2"]}`, `hunter2`, `[]`, strings.Repeat(" ", MaxAuthFile+1)} {
		a := &AuthFiles{Files: []AuthFile{authText("/etc/auth\x1b.json", text)}}
		_, err := a.Credentials(t.Context(), Target{Host: "h.example", Repository: "x"})
		var fe *AuthFileError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), "/etc/auth") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// helperNamed puts a credential helper into PATH.
func helperNamed(t *testing.T, name, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a helper here is a shell script")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestCredentialHelpers(t *testing.T) {
	helperNamed(t, "known", `read server; case "$server" in
h.example|h.example/org-a) echo "{\"ServerURL\":\"$server\",\"Username\":\"u\",\"Secret\":\"of $server\"}";;
https://index.docker.io/v1/) echo '{"Username":"<token>","Secret":"refresh"}';;
broken.example) echo "hunter3 is locked"; exit 1;;
odd.example) echo "no JSON";;
*) echo "credentials not found in native keychain"; exit 1;; esac`)
	store := `{"credsStore":"known","auths":{"file.example":{"username":"f","password":"file"},"h.example/org-b":{"username":"f","password":"org-b"}}}`
	helpers := `{"credHelpers":{"h.example/org-a":"known","h.example":"absent-helper","broken.example":"known","bad.example":"../../bin/evil"},"auths":{"broken2.example":{}}}`
	for _, tt := range []struct{ text, host, repo, want, says string }{
		{store, "h.example", "x", "of h.example", ""},
		{store, "h.example", "org-b/x", "org-b", ""},
		{store, "h.example:9443", "x", "", ""},
		{store, "index.docker.io", "library/x", "refresh", ""},
		{store, "file.example", "x", "file", ""},
		{store, "nowhere.example", "x", "", ""},
		{store, "odd.example", "x", "", "did not answer with a JSON document"},
		{helpers, "h.example", "org-a/x", "of h.example/org-a", ""},
		{helpers, "h.example", "org-b/x", "", "docker-credential-absent-helper, which it names, is not installed; install it, or set DOCKER_CONFIG to a directory without it"},
		{helpers, "broken.example", "x", "", "docker-credential-known failed (exit status 1): hunter3 is locked"},
		{helpers, "bad.example", "x", "", "not a name of one"},
	} {
		a := &AuthFiles{Files: []AuthFile{authText("config.json", tt.text)}}
		c, err := a.Credentials(t.Context(), Target{Host: tt.host, Repository: tt.repo})
		if got := c.Password + c.IdentityToken; got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s/%s: %q %v, want %q %q", tt.host, tt.repo, got, err, tt.want, tt.says)
		}
	}
}

// TestAPasswordStaysWithItsNamespace holds that the registry cannot have the
// password of one namespace sent for another by giving both the same scope.
func TestAPasswordStaysWithItsNamespace(t *testing.T) {
	for _, scheme := range []string{`Basic realm="x"`, `Basic realm="x",scope="same"`, `Bearer realm="https://auth.example/token",scope="same"`} {
		shown := map[string]string{}
		wants := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if auth := r.Header.Get("Authorization"); auth != "" {
				shown[r.URL.Path] = auth
				anyRepo().ServeHTTP(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", scheme)
			w.WriteHeader(401)
		})
		tokens := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"token":%q}`, base64.StdEncoding.EncodeToString([]byte(r.Header.Get("Authorization"))))
		})
		h := &hosts{handlers: map[string]http.Handler{"https://h.example": wants, "https://auth.example": tokens}}
		c := client(h)
		c.Keychain = &AuthFiles{Files: []AuthFile{authText("f", auths("h.example/org-a", "h.example/org-b", "auth.example"))}}
		for _, repo := range []string{"org-a/x", "org-b/x", "org-a/y"} {
			if _, err := c.Manifest(t.Context(), Ref{Host: "h.example", Repository: repo, Tag: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		for _, org := range []string{"org-a", "org-b"} {
			want := basic(Credentials{Username: "user of h.example/" + org, Password: "h.example/" + org})
			if strings.HasPrefix(scheme, "Bearer") {
				want = "Bearer " + base64.StdEncoding.EncodeToString([]byte(want))
			}
			if got := shown["/v2/"+org+"/x/manifests/1"]; got != want {
				t.Errorf("%s: %s was shown %q", scheme, org, got)
			}
		}
		_, _ = c.Manifest(t.Context(), Ref{Host: "h.example", Repository: "org-c/x", Tag: "1"})
		if got := shown["/v2/org-c/x/manifests/1"]; strings.HasPrefix(got, "Basic") || strings.Contains(got, base64.StdEncoding.EncodeToString([]byte("Basic"))[:6]) {
			t.Errorf("%s: org-c was shown %q", scheme, got)
		}
	}
}

func FuzzAuthFile(f *testing.F) {
	f.Add(auths("h.example", "https://h.example/v1/", "h.example/org-a"), "h.example", "org-a/x", false)
	f.Add(`{"credHelpers":{"h":"x"},"credsStore":"y"}`, "h", "x", true)
	f.Fuzz(func(t *testing.T, text, host, repo string, plain bool) {
		doc, err := parseAuths([]byte(text))
		if err != nil {
			return
		}
		for _, name := range prefixes(Target{Host: host, Repository: repo, Plain: plain}) {
			if full := canonicalHost(host) + "/" + strings.Trim(repo, "/"); len(doc.entries[name]) > 0 && !strings.HasPrefix(full+"/", withoutPort(name, plain)) && !strings.Contains(host, ":") {
				t.Errorf("%q is not a prefix of %q", name, full)
			}
		}
	})
}
