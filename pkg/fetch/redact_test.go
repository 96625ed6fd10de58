package fetch_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/kverify/kverify/pkg/fetch"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"https://dl.k8s.io/v1.27.2/x":                                  "https://dl.k8s.io/v1.27.2/x",
		"https://s3.example/b?X-Amz-Signature=hunter2&digest=sha256:a": "https://s3.example/b?X-Amz-Signature=xxxxx&digest=sha256:a",
		"https://u:hunter2@h/x":                                        "https://xxxxx@h/x",
		"https://h/?hunter2":                                           "https://h/?xxxxx",
		"https://h/#hunter2":                                           "https://h/",
		"https://auth.example/token?scope=repository:a:pull&service=s": "https://auth.example/token?scope=repository:a:pull&service=s",
		"https://h/\x1b[2J?hunter2":                                    "(unreadable URL)",
		"https://h/?scope=\u202ehunter":                                `https://h/?scope=\u202ehunter`,
	} {
		if got := fetch.Redact(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"https://u:hunter2@h/x?a=hunter2&b#hunter2", "//h?=hunter2", "https://h/?a=1;b=hunter2", "mailto:a?x=hunter2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := fetch.Redact(s)
		if i := strings.IndexFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q: %q is not printable at %d", s, out, i)
		}
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		if pw, ok := u.User.Password(); ok && len(pw) > 5 && !strings.Contains(strings.Replace(s, pw, "", 1), pw) && strings.Contains(out, pw) {
			t.Errorf("%q: %q shows the password", s, out)
		}
	})
}

func TestTraceShowsNoSecrets(t *testing.T) {
	var out bytes.Buffer
	var agent string
	c := &fetch.Client{Transport: &fetch.UserAgent{Name: "kverify/test", Next: &fetch.Trace{W: &out, Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		agent = r.UserAgent()
		switch r.URL.Path {
		case "/x":
			return answer(307, strings.NewReader(""), 0, "Location", "https://b.example/y?sig=hunter2"), nil
		case "/y":
			return answer(200, strings.NewReader("fine"), 4), nil
		}
		return nil, errors.New("broken\x1b[2J")
	})}}}
	h := http.Header{"Authorization": {"Bearer hunter2"}}
	if _, err := c.Do(t.Context(), fetch.Request{URL: "https://a.example/x?token=hunter2", Header: h}); err != nil {
		t.Fatal(err)
	}
	c.Get(t.Context(), "https://a.example/z", 10)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{
		"GET https://a.example/x?token=xxxxx: 307 HTTP/1.1 0 bytes -> https://b.example/y?sig=xxxxx (",
		"GET https://b.example/y?sig=xxxxx: 200 HTTP/1.1 4 bytes (",
		`GET https://a.example/z: broken\u001b[2J (`,
	}
	for i := range want {
		if len(lines) != len(want) || !strings.HasPrefix(lines[i], want[i]) {
			t.Fatalf("trace:\n%s", out.String())
		}
	}
	if agent != "kverify/test" {
		t.Errorf("User-Agent %q", agent)
	}
}

func TestSplit(t *testing.T) {
	name := func(s string) roundTrip {
		return func(*http.Request) (*http.Response, error) { return answer(200, strings.NewReader(s), -1), nil }
	}
	c := &fetch.Client{Transport: &fetch.ByHost{Hosts: map[string]http.RoundTripper{"a.example": name("a"), "b.example:8080": name("b")}, Else: name("else")}}
	for u, want := range map[string]string{"https://A.example/": "a", "http://b.example:8080/": "b", "http://b.example/": "else", "https://c.example/": "else"} {
		if resp, err := c.Get(t.Context(), u, 10); err != nil || string(resp.Body) != want {
			t.Errorf("%s: %v %v", u, resp, err)
		}
	}
	c.Transport = &fetch.ByHost{Hosts: map[string]http.RoundTripper{"a.example": name("a")}}
	if _, err := c.Get(t.Context(), "https://c.example/", 10); !fetch.Is(err, fetch.Unreachable) || !strings.Contains(err.Error(), "c.example") {
		t.Error(err)
	}
}
