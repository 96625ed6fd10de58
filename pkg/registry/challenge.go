package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
)

const (
	// maxChallenges and maxParams bound what a header may make us keep. Real ones
	// have one or two challenges of three parameters.
	maxChallenges = 16
	maxParams     = 32
)

// a challengeOf is one way in which a registry lets itself be asked.
type challengeOf struct {
	scheme string            // in lower case
	params map[string]string // keys in lower case
}

// challenge picks the one to meet from WWW-Authenticate headers: Bearer before
// Basic, and one whose token server cannot be asked only if there is no other.
func challenge(h http.Header, plain bool) (challengeOf, bool) {
	var all []challengeOf
	for _, line := range h.Values("WWW-Authenticate") {
		all = append(all, parseChallenges(line)...)
		if len(all) >= maxChallenges {
			break
		}
	}
	var basic, bearer *challengeOf
	for i, c := range all {
		switch {
		case c.scheme == "basic" && basic == nil:
			basic = &all[i]
		case c.scheme == "bearer" && c.params["realm"] != "":
			if _, err := checkRealm(c.params["realm"], plain); err == nil {
				return c, true
			}
			if bearer == nil {
				bearer = &all[i]
			}
		}
	}
	switch {
	case basic != nil:
		return *basic, true
	case bearer != nil:
		return *bearer, true
	}
	return challengeOf{}, false
}

// parseChallenges reads a list of challenges (RFC 9110, 11.6.1): schemes, each
// with a token68 or with parameters, commas between all of them alike. What
// cannot be read ends the list, and takes the challenge that it stands in along.
func parseChallenges(s string) (list []challengeOf) {
	for s = skipCommas(s); s != "" && len(list) < maxChallenges; s = skipCommas(s) {
		word, rest := cutToken(s)
		if word == "" {
			return drop(list)
		}
		if value, isParam := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "="); isParam && len(list) > 0 {
			val, after, ok := cutValue(value)
			if !ok {
				return drop(list)
			}
			// The first of two equal keys counts.
			params, key := list[len(list)-1].params, strings.ToLower(word)
			if _, twice := params[key]; !twice && len(params) < maxParams {
				params[key] = val
			}
			s = after
			continue
		}
		list = append(list, challengeOf{scheme: strings.ToLower(word), params: map[string]string{}})
		s = skipToken68(rest)
	}
	return list
}

// drop takes off the challenge that broke in its middle.
func drop(list []challengeOf) []challengeOf { return list[:max(0, len(list)-1)] }

func skipCommas(s string) string { return strings.TrimLeft(s, " \t,") }

// cutToken takes a token (RFC 9110, 5.6.2) off the front.
func cutToken(s string) (token, rest string) {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || strings.IndexByte("!#$%&'*+-.^_`|~", s[n]) >= 0) {
		n++
	}
	return s[:n], s[n:]
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// skipToken68 takes what stands alone behind a scheme, such as Negotiate's, off
// the front. A word with a value behind its "=" is a parameter, and stays.
func skipToken68(s string) string {
	rest := strings.TrimLeft(s, " \t")
	if len(rest) == len(s) {
		return s // nothing between: the scheme's name ended otherwise
	}
	n := 0
	for n < len(rest) && (isAlnum(rest[n]) || strings.IndexByte("-._~+/", rest[n]) >= 0) {
		n++
	}
	end := n
	for end < len(rest) && rest[end] == '=' {
		end++
	}
	if after := strings.TrimLeft(rest[end:], " \t"); n > 0 && (after == "" || after[0] == ',') {
		return after
	}
	return rest
}

// cutValue takes a token or a quoted string off the front. A string without an
// end is invalid.
func cutValue(s string) (val, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		val, rest, _ = strings.Cut(s, ",")
		return strings.TrimSpace(val), rest, true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// checkRealm refuses a token server that credentials must not be sent to: one
// without TLS, unless the registry itself has none.
func checkRealm(realm string, plain bool) (*url.URL, error) {
	u, err := url.Parse(realm)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return nil, errors.New("it names a token server that is not a URL")
	case u.Scheme == "https" || u.Scheme == "http" && plain:
		return u, nil
	}
	return nil, fmt.Errorf("it names the token server %s, which is not https; have it name its own https address", fetch.Redact(realm))
}
