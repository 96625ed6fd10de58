package fetch

import (
	"crypto/tls"
	"net/url"
	"path"
	"strings"
)

// Origin says whose word a response is. The zero value is Carried.
type Origin uint8

const (
	// Carried came by a way that proves nothing about its publisher: a mirror,
	// an endpoint, a cache, plain HTTP, or a host that is not the publisher's.
	Carried Origin = iota

	// Published came over verified TLS from a publisher's own host, at every
	// hop from the first URL to the last.
	Published
)

// String returns "carried" or "published"; any other value is "carried" too.
func (o Origin) String() string {
	if o == Published {
		return "published"
	}
	return "carried"
}

// MarshalText writes the origin as its String.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// publishers are the hosts that Kubernetes publishes release documents on,
// with the path that is its own there. The list is compiled in and exact: no
// suffixes, no flag adds to it.
var publishers = map[string]string{
	"dl.k8s.io":                 "/",
	"cdn.dl.k8s.io":             "/",
	"sbom.k8s.io":               "/",
	"raw.githubusercontent.com": "/kubernetes/",
}

// publisher reports whether u is an https URL on a publisher's host, on the
// standard port, below the publisher's path.
func publisher(u *url.URL) bool {
	prefix, ok := publishers[strings.ToLower(u.Hostname())]
	if !ok || u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" {
		return false
	}
	// A path that a server may read in two ways ("..", an escaped slash, a
	// backslash) proves nothing about whose it is.
	p := u.Path
	if u.RawPath != "" || strings.Contains(p, `\`) || path.Clean("/"+p) != strings.TrimSuffix(p, "/") && p != "/" {
		return false
	}
	return strings.HasPrefix(p, prefix)
}

// verified reports whether the connection that answered for u was TLS whose
// certificate chain was verified, for the very host that u names. A transport
// that skips verification, or is told another server name, fails here.
func verified(u *url.URL, state *tls.ConnectionState) bool {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return false
	}
	return state.VerifiedChains[0][0].VerifyHostname(u.Hostname()) == nil
}

// direct reports whether the answer came from the URL that was asked, over verified TLS.
func direct(asked, answered string, state *tls.ConnectionState) bool {
	from, err := parseURL(asked)
	if err != nil || from.String() != answered {
		return false
	}
	return from.Scheme == "https" && verified(from, state)
}
