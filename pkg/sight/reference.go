package sight

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
)

// ReadName reads a reference as container runtimes complete it
// (distribution/reference, ParseDockerRef): a name without a host is docker.io's,
// one of a single word there is in library/, one without tag and digest has the
// tag "latest", and letters of a host have no case. The error is a
// [*registry.RefError].
func ReadName(s string) (registry.Ref, error) {
	host, rest, found := strings.Cut(s, "/")
	lower := lowerHost(host)
	switch {
	case !found:
		host, rest = "docker.io", "library/"+s
	case !strings.ContainsAny(host, ".:") && host != "localhost" && lower == host:
		host, rest = "docker.io", s
	case lower == "index.docker.io":
		host = "docker.io"
	default:
		host = lower
	}
	full := host + "/" + rest
	if !strings.ContainsAny(rest[strings.LastIndexByte(rest, '/')+1:], ":@") {
		full += ":latest"
	}
	ref, err := registry.ParseRef(full)
	var bad *registry.RefError
	if errors.As(err, &bad) {
		return ref, &registry.RefError{Input: s, Why: bad.Why, Hint: bad.Hint} // of what was written, not of what was made of it
	}
	return ref, err
}

// lowerHost writes the letters of ASCII small, and no other: U+212A would become a k.
func lowerHost(host string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, host)
}

// quoted is what stands in the input, for a message.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "..."
	}
	return fmt.Sprintf("%+q", s)
}
