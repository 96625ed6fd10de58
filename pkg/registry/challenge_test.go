package registry

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestChallengesByTheGrammar holds RFC 9110, 11.6.1: what is a token, what may stand behind a
// scheme alone, what a value is, and that what cannot be read takes no other challenge along.
func TestChallengesByTheGrammar(t *testing.T) {
	const realm = `Bearer realm="https://a/t"`
	for _, tt := range []struct{ in, want string }{
		{`Digest realm="https://a/t"`, ""}, // another scheme with a realm
		{`realm="x", Basic`, ""},           // a parameter of nothing
		{`Basic aAzZ09="1", realm="y"`, "basic map[aazz09:1 realm:y]"},
		{"Basic !#$%&'*+-.^_`|~=1", "basic map[!#$%&'*+-.^_`|~:1]"},
		{"!#Scheme-9 x=1, " + realm, "bearer map[realm:https://a/t]"},
		{"Basic a/=1, b=2", "basic map[]"}, // the bytes beside digits and letters are none
		{"Basic a:=1", "basic map[]"}, {"Basic a@=1", "basic map[]"}, {"Basic a[=1", "basic map[]"}, {"Basic a{=1", "basic map[]"},
		{"Negotiate aAzZ09-._~+/==, " + realm, "bearer map[realm:https://a/t]"},
		{"Negotiate -, " + realm, "bearer map[realm:https://a/t]"},
		{"Negotiate aA=\t,\t" + realm, "bearer map[realm:https://a/t]"},
		{"Basic aA==", "basic map[]"},
		{"Basic aA", "basic map[]"},
		{"Basic =, " + realm, ""},
		{"Basic a/=, " + realm, "bearer map[realm:https://a/t]"},
		{"Basic a*/=, " + realm, "basic map[]"}, // no token68
		{"Basic a= b", "basic map[a:b]"},
		{"Basic ab=c", "basic map[ab:c]"},
		{"Basic =x", ""},
		{"Basic ,=x", ""},
		{"Basic\ta=1", "basic map[a:1]"},
		{`Basic a="1`, ""},
		{`Negotiate a="1", ` + realm, "bearer map[realm:https://a/t]"},
		{`Basic a="1" b="2", c = 3 , d=4`, "basic map[a:1 b:2 c:3 d:4]"},
		{`Basic a="\"\\,b", c=2`, `basic map[a:"\,b c:2]`},
		{`Basic a="x\`, ""},
		{`Basic a=1, A=2`, "basic map[a:1]"},
		{`Basic a=1, Basic a=2`, "basic map[a:1]"},
		{`Bearer realm="http://a/t", Bearer realm="http://b/t"`, "bearer map[realm:http://a/t]"}, // the first, so that its refusal is told
		{`Bearer realm="http://b/t", ` + realm, "bearer map[realm:https://a/t]"},
		{`Bearer`, ""},
	} {
		ch, ok := challenge(http.Header{"Www-Authenticate": {tt.in}}, false)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %v", ch.scheme, ch.params)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestChallengesAreCounted holds that sixteen challenges of thirty-two parameters are read, of
// one line or of several, and no more.
func TestChallengesAreCounted(t *testing.T) {
	schemes := func(n int) string { return strings.TrimSuffix(strings.Repeat("Negotiate, ", n), ", ") }
	for name, tt := range map[string]struct {
		lines []string
		want  bool
	}{
		"sixteenth":                 {[]string{schemes(15) + ", Basic"}, true},
		"seventeenth":               {[]string{schemes(16) + ", Basic"}, false},
		"sixteenth of two lines":    {[]string{schemes(15), "Basic"}, true},
		"behind a line of sixteen":  {[]string{schemes(16), "Basic"}, false},
		"behind lines of seventeen": {[]string{schemes(9), schemes(8), "Basic"}, false},
	} {
		if _, ok := challenge(http.Header{"Www-Authenticate": tt.lines}, false); ok != tt.want {
			t.Errorf("%s: %v, want %v", name, ok, tt.want)
		}
	}
	params := "Basic "
	for i := range 40 {
		params += fmt.Sprintf("p%d=%d, ", i, i)
	}
	ch, _ := challenge(http.Header{"Www-Authenticate": {params}}, false)
	if _, last := ch.params["p31"]; !last || len(ch.params) != maxParams {
		t.Errorf("%d parameters: %v", len(ch.params), ch.params)
	}
}

// TestTokenServersByTheirURL holds which token servers may be sent credentials: https ones, and
// those on http where the registry itself is spoken to so.
func TestTokenServersByTheirURL(t *testing.T) {
	for _, tt := range []struct {
		realm       string
		plain, want bool
	}{
		{"https://a/t", false, true}, {"https://a/t", true, true}, {"http://a/t", true, true},
		{"http://a/t", false, false}, {"ftp://a/t", true, false}, {"ftp://a/t", false, false}, {"//a/t", true, false},
		{"https:///t", false, false}, {"https:a", false, false}, {"a", true, false}, {"", true, false},
		{"https://u@a/t", false, false}, {"https://u:p@a/t", true, false}, {"https://%zz/", false, false}, {"https://a b/", false, false},
	} {
		if u, err := checkRealm(tt.realm, tt.plain); (err == nil) != tt.want || (u != nil) != tt.want {
			t.Errorf("%q (plain %v): %v %v", tt.realm, tt.plain, u, err)
		}
	}
}
