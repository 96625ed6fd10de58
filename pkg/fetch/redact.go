package fetch

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText caps what an error repeats of words that came from outside.
const maxText = 300

// public are the query keys whose values are never secrets and help to read a
// trace. Everything else is hidden: signed URLs have no common key.
var public = []string{"artifactType", "digest", "from", "last", "mount", "n", "scope", "service"}

// Redact gives a URL that can be shown: without a password, with the values of
// its query hidden, and with nothing in it that a terminal would obey.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	u.Fragment, u.RawFragment = "", ""
	if u.RawQuery != "" {
		var parts []string
		for _, part := range strings.Split(u.RawQuery, "&") {
			key, _, ok := strings.Cut(part, "=")
			switch {
			case ok && slices.Contains(public, key):
			case ok:
				part = key + "=xxxxx"
			default:
				part = "xxxxx"
			}
			parts = append(parts, part)
		}
		u.RawQuery = strings.Join(parts, "&")
	}
	return printable(u.String())
}

// printable replaces everything that is not a plain printable character, and
// cuts what is too long.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		if b.Len() > maxText {
			b.WriteString("...")
			break
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				fmt.Fprintf(&b, `\x%02x`, s[i])
				continue
			}
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func quote(s string) string { return `"` + printable(s) + `"` }
