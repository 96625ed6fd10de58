package command

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
)

// maxNetrc caps a .netrc; real ones have some lines.
const maxNetrc = 1 << 20

// login finds a user and a password for a stand-in of a file host: an entry of
// the files that registries' credentials are in, else one of .netrc.
func (a *App) login(chain registry.Keychain) func(context.Context, *url.URL) (string, string, error) {
	return func(ctx context.Context, base *url.URL) (user, password string, err error) {
		c, err := chain.Credentials(ctx, registry.Target{Host: strings.ToLower(base.Host), Repository: strings.Trim(base.Path, "/"), Plain: base.Scheme == "http"})
		if err != nil || c.Username != "" || c.Password != "" {
			return c.Username, c.Password, err
		}
		path := a.Getenv("NETRC")
		if path == "" {
			home := a.Getenv("HOME")
			if home == "" {
				return "", "", nil
			}
			path = filepath.Join(home, ".netrc")
		}
		text, err := firstFile(ctx, []string{path}, maxNetrc)
		if err != nil {
			return "", "", nil //nolint:nilerr // none, or not for this user: the server's refusal stands
		}
		user, password = netrc(string(text), strings.ToLower(base.Hostname()), strings.ToLower(base.Host))
		return user, password, nil
	}
}

// netrc finds the first entry of a machine by one of its names
// (curl's and GNU inetutils' .netrc). The entry "default", which is of
// whatever host, is passed over.
func netrc(text string, names ...string) (user, password string) {
	words := netrcWords(text)
	for i := 0; i < len(words); i++ {
		if words[i] != "machine" || i+1 >= len(words) {
			continue
		}
		ours := false
		for _, n := range names {
			ours = ours || n != "" && strings.EqualFold(words[i+1], n)
		}
		for i += 2; i+1 < len(words) && words[i] != "machine" && words[i] != "default"; i += 2 {
			switch {
			case !ours:
			case words[i] == "login":
				user = words[i+1]
			case words[i] == "password":
				password = words[i+1]
			}
		}
		if ours {
			return user, password
		}
		i--
	}
	return "", ""
}

// netrcWords splits a .netrc: comments and macros are passed over, and a word in
// quotes may hold spaces.
func netrcWords(text string) (words []string) {
	macro := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			macro = false // an empty line ends a macro
		}
		if macro {
			continue
		}
		for line != "" && line[0] != '#' {
			var word string
			if line[0] == '"' {
				word, line = quotedWord(line[1:])
			} else {
				end := strings.IndexAny(line, " \t")
				if end < 0 {
					end = len(line)
				}
				word, line = line[:end], line[end:]
			}
			if word == "macdef" {
				macro = true
				break
			}
			words = append(words, word)
			line = strings.TrimLeft(line, " \t")
		}
	}
	return words
}

func quotedWord(s string) (word, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
