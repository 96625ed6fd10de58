package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKeysOfFilesOfCredentials holds what each form of key is good for: which host, which path,
// and with TLS or without.
func TestKeysOfFilesOfCredentials(t *testing.T) {
	for key, want := range map[string]string{
		"h.example": "h.example any", "H.Example/": "h.example any", "h.example/a/b/": "h.example/a/b any",
		"https://h.example": "h.example https", "http://h.example": "h.example http",
		"https://h.example/v1/": "h.example https", "https://h.example/v2": "h.example https", "http://h.example/a/v2/": "h.example/a http",
		"https://h.example/a/v1": "h.example/a https", "https://h.example//a/": "h.example/a https",
		"h.example/v1": "h.example/v1 any", "h.example/a/v2": "h.example/a/v2 any", // a path as good as any other
		"docker.io": "index.docker.io any", "index.docker.io/v1/": "index.docker.io any", "registry-1.docker.io/v2": "index.docker.io any",
		"registry.hub.docker.com": "index.docker.io any", "https://index.docker.io/v1/": "index.docker.io https", "docker.io/library": "index.docker.io/library any",
		"h.example:443": "h.example https", "https://h.example:443/": "h.example https", "http://h.example:443": "h.example:443 http",
		"h.example:80": "h.example http", "http://h.example:80": "h.example http", "https://h.example:80": "h.example:80 https",
		"h.example:5000": "h.example:5000 any", "http://h.example:5000": "h.example:5000 http", "[::1]:80": "[::1] http",
	} {
		name, scheme := keyName(key)
		if scheme == "" {
			scheme = "any"
		}
		if got := name + " " + string(scheme); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	for _, tt := range []struct {
		scheme keyScheme
		plain  bool
		want   bool
	}{{"", true, true}, {"", false, true}, {"http", true, true}, {"http", false, false}, {"https", true, false}, {"https", false, true}} {
		if got := tt.scheme.fits(tt.plain); got != tt.want {
			t.Errorf("%q, plain %v: %v", tt.scheme, tt.plain, got)
		}
	}
	for _, tt := range []struct {
		target Target
		want   string
	}{
		{Target{Host: "H.example:443", Repository: "a/b/c"}, "[h.example/a/b/c h.example/a/b h.example/a h.example]"},
		{Target{Host: "h.example:443", Plain: true}, "[h.example:443]"},
		{Target{Host: "h.example:80", Repository: "/a/", Plain: true}, "[h.example/a h.example]"},
		{Target{Host: "docker.io", Repository: "a"}, "[index.docker.io/a index.docker.io]"},
	} {
		if got := fmt.Sprint(prefixes(tt.target)); got != tt.want {
			t.Errorf("%+v: %s", tt.target, got)
		}
	}
}

// TestEntriesOfCredentials holds what an entry must be to be believed.
func TestEntriesOfCredentials(t *testing.T) {
	for entry, want := range map[string]Credentials{
		`{"auth":"dTpwAAA="}`:                                            {Username: "u", Password: "p"}, // padded by old clients
		`{"auth":" dTpw "}`:                                              {Username: "u", Password: "p"},
		`{"auth":"PHRva2VuPjpw"}`:                                        {IdentityToken: "p"},
		`{"auth":"PHRva2VuPjpw","identitytoken":"i"}`:                    {Username: "<token>", Password: "p", IdentityToken: "i"},
		`{"username":"u","password":"p","registrytoken":"r","email":""}`: {Username: "u", Password: "p", RegistryToken: "r"},
		`{"username":"u","password":"\u0000p"}`:                          {Username: "u", Password: "\x00p"},
		`{"password":"p"}`:                                               {Password: "p"},
	} {
		a := &AuthFiles{Files: []AuthFile{authText("f", `{"auths":{"h.example":`+entry+`}}`)}}
		if c, err := a.Credentials(t.Context(), Target{Host: "h.example"}); err != nil || c != want {
			t.Errorf("%s: %+v %v, want %+v", entry, c, err, want)
		}
	}
	for _, auth := range []string{"dTpw!", "dTpwOnE=!!", "dXA=", "dXA", ":"} {
		a := &AuthFiles{Files: []AuthFile{authText("f", `{"auths":{"h.example":{"auth":"`+auth+`"}}}`)}}
		for range 2 { // what is wrong once is so the second time
			if c, err := a.Credentials(t.Context(), Target{Host: "h.example"}); err == nil || c != (Credentials{}) {
				t.Errorf("%s: %+v %v", auth, c, err)
			}
		}
	}
	full := `{"auths":{"h.example":{"username":"u","password":"p"}}}`
	full += strings.Repeat(" ", MaxAuthFile-len(full))
	a := &AuthFiles{Files: []AuthFile{authText("f", full)}}
	if c, err := a.Credentials(t.Context(), Target{Host: "h.example"}); err != nil || c.Username != "u" {
		t.Errorf("a file of exactly the size that it may have: %+v %v", c, err)
	}
	a = &AuthFiles{Files: []AuthFile{authText("f", full+" ")}}
	if c, err := a.Credentials(t.Context(), Target{Host: "h.example"}); err == nil || c != (Credentials{}) {
		t.Errorf("a file of a byte more: %+v", c)
	}
	many := map[string]int{}
	for i := range 40 {
		many[fmt.Sprintf("%02d", i)] = i
	}
	if keys := sortedKeys(many); !slices.IsSorted(keys) || len(keys) != len(many) { // that two runs read one file alike
		t.Error(keys)
	}
}

// TestFilesOfCredentialsAreReadOnce holds how often a file is read, and which are told as looked at.
func TestFilesOfCredentialsAreReadOnce(t *testing.T) {
	reads := map[string]int{}
	denied := errors.New("denied")
	file := func(name, text string, named bool, err error) AuthFile {
		return AuthFile{Name: name, Named: named, Read: func() ([]byte, error) { reads[name]++; return []byte(text), err }}
	}
	a := &AuthFiles{Files: []AuthFile{file("absent", "", false, fs.ErrNotExist), file("named", "", true, fmt.Errorf("x: %w", fs.ErrNotExist)), file("empty", "{}", false, nil)}}
	for range 3 {
		if c, err := a.Credentials(t.Context(), Target{Host: "h.example"}); err != nil || c != (Credentials{}) {
			t.Errorf("%+v %v", c, err)
		}
	}
	if got := fmt.Sprint(reads); got != "map[absent:1 empty:1 named:1]" {
		t.Error(got)
	}
	if got := fmt.Sprint(a.Looked()); got != "[named (which is not there) empty]" {
		t.Error(got)
	}
	a = &AuthFiles{Files: []AuthFile{file("denied", auths("h.example"), false, denied), file("next", auths("h.example"), false, nil)}}
	var fe *AuthFileError
	if c, err := a.Credentials(t.Context(), Target{Host: "h.example"}); !errors.As(err, &fe) || fe.File != "denied" || !errors.Is(err, denied) || c != (Credentials{}) {
		t.Errorf("%+v %v", c, err)
	}
	if got := fmt.Sprint(a.Looked()); got != "[denied next]" {
		t.Error(got)
	}
}

// TestHelpersAndEntries holds which of a helper and an entry is believed, for which names a
// helper is asked, and that each is asked once.
func TestHelpersAndEntries(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	helperNamed(t, "known", `read server; echo "$server" >>"`+log+`"; case "$server" in
h.example|https://index.docker.io/v1/|https://s.example) echo '{"Username":"u","Secret":"helper"}';;
t.example) echo '{"Username":"<token>","Secret":"refresh"}';;
broken.example) echo "locked"; exit 1;;
*) echo "credentials not found in native keychain"; exit 1;; esac`)
	own := `{"username":"o","password":"own"}`
	user, file := Credentials{Username: "u", Password: "helper"}, Credentials{Username: "o", Password: "own"}
	for _, tt := range []struct {
		name, text, host, repo string
		plain                  bool
		want                   Credentials
		asked                  string
	}{
		{"a store before the file", `{"credsStore":"known","auths":{"h.example":` + own + `}}`, "h.example", "", false, user, "h.example"},
		{"the file where a store fails", `{"credsStore":"known","auths":{"broken.example":` + own + `}}`, "broken.example", "", false, file, "broken.example"},
		{"the file where a store knows nothing", `{"credsStore":"known","auths":{"x.example":` + own + `}}`, "x.example", "", false, file, "x.example"},
		{"a store knows hosts", `{"credsStore":"known"}`, "h.example", "a/b", false, user, "h.example"},
		{"the path's entry before the host's store", `{"credsStore":"known","auths":{"h.example/a":` + own + `}}`, "h.example", "a/b", false, file, ""},
		{"a helper of a path that knows nothing", `{"credHelpers":{"h.example/a":"known"},"auths":{"h.example":` + own + `}}`, "h.example", "a/b", false, file, "h.example/a"},
		{"a refresh token", `{"credHelpers":{"t.example":"known"}}`, "t.example", "", false, Credentials{IdentityToken: "refresh"}, "t.example"},
		{"Docker Hub by its own name", `{"credHelpers":{"docker.io":"known"}}`, "index.docker.io", "", false, user, "https://index.docker.io/v1/"},
		{"Docker Hub by a store", `{"credsStore":"known"}`, "docker.io", "", false, user, "https://index.docker.io/v1/"},
		{"a helper with a scheme", `{"credHelpers":{"https://s.example":"known"}}`, "s.example", "", false, user, "https://s.example"},
		{"a helper of another scheme", `{"credHelpers":{"https://s.example":"known"},"auths":{"s.example":` + own + `}}`, "s.example", "", true, file, ""},
		{"a helper without a name", `{"credHelpers":{"h.example":""},"auths":{"h.example":` + own + `}}`, "h.example", "", false, file, ""},
		{"a helper before the store", `{"credsStore":"absent","credHelpers":{"h.example":"known"}}`, "h.example", "", false, user, "h.example"},
		{"a helper of the path before the host's", `{"credHelpers":{"h.example":"absent","h.example/a":"known"},"auths":{"h.example/a":` + own + `}}`, "h.example", "a", false, file, "h.example/a"},
		{"the later of two keys for one name", `{"credHelpers":{"H.example":"absent","h.example":"known"}}`, "h.example", "", false, user, "h.example"},
	} {
		must(t, os.WriteFile(log, nil, 0o600))
		a := &AuthFiles{Files: []AuthFile{authText("config.json", tt.text)}}
		for range 2 {
			if c, err := a.Credentials(t.Context(), Target{Host: tt.host, Repository: tt.repo, Plain: tt.plain}); err != nil || c != tt.want {
				t.Errorf("%s: %+v %v, want %+v", tt.name, c, err, tt.want)
			}
		}
		asked := strings.Fields(string(read(t, log)))
		if strings.Contains(tt.name, "fails") && len(asked) == 2 { // a failure is not remembered
			asked = asked[:1]
		}
		if got := strings.Join(asked, " "); got != tt.asked {
			t.Errorf("%s: asked %q, want %q", tt.name, got, tt.asked)
		}
	}
}

// TestHelpersThatMisbehave holds that a helper is found in PATH alone, is bounded in what it
// says and in how long it takes, and that its failure is told.
func TestHelpersThatMisbehave(t *testing.T) {
	helperNamed(t, "floods", `head -c 300000 /dev/zero | tr '\0' ' '; echo '{"Username":"u","Secret":"s"}'`)
	helperNamed(t, "lingers", `sleep 6 & echo '{"Username":"u","Secret":"s"}'`)
	helperNamed(t, "errs", `echo '{"Username":"u","Secret":"s"}'; exit 3`)
	began := time.Now()
	for helper, says := range map[string]string{"floods": "says more than 262144 bytes", "lingers": "failed", "errs": "failed (exit status 3)", "x/y": "not a name of one", "": "not a name of one", "-x": "not a name of one"} {
		if c, err := runHelper(t.Context(), helper, "h.example"); err == nil || !strings.Contains(err.Error(), says) || c != (Credentials{}) {
			t.Errorf("%s: %+v %v, want %q", helper, c, err, says)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a program that a helper left behind was waited for, %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runHelper(ctx, "errs", "h.example"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	helperNamed(t, "here", `echo '{"Username":"u","Secret":"s"}'`)
	dir, _, _ := strings.Cut(os.Getenv("PATH"), string(os.PathListSeparator))
	t.Chdir(dir)
	t.Setenv("PATH", ".")
	if c, err := runHelper(t.Context(), "here", "h.example"); err == nil || !strings.Contains(err.Error(), "is not installed") {
		t.Errorf("a program of the directory that one stands in was run: %+v %v", c, err)
	}
	var out capped
	for _, n := range []int{maxHelper - 1, 1} {
		if got, err := out.Write(make([]byte, n)); got != n || err != nil || out.over {
			t.Error(got, err, out.over)
		}
	}
	if n, err := out.Write(make([]byte, 1)); n != 1 || err != nil || !out.over || out.buf.Len() != maxHelper {
		t.Error(n, err, out.over, out.buf.Len())
	}
}
