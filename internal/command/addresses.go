package command

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
)

// imageHost is the registry whose names kverify verifies. A stand-in for it is
// mapped at the image's name, by the registry's client; stand-ins for other
// hosts are mapped at the URL.
const ImageHost = "registry.k8s.io"

func Endpoint(s string) (host string, base *url.URL, err error) {
	const form = "write --endpoint HOST=URL, such as registry.k8s.io=http://127.0.0.1:5000"
	host, raw, ok := strings.Cut(s, "=")
	if !ok || raw == "" {
		return "", nil, Usagef("--endpoint %q names no host and URL; %s", withoutSecrets(s), form)
	}
	if host = strings.ToLower(host); host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return "", nil, Usagef("--endpoint %q: %q is not a host; %s", withoutSecrets(s), withoutSecrets(host), form)
	}
	if base, err = fetch.ParseEndpoint(raw); err != nil {
		return "", nil, Usagef("--endpoint %q: %w%s", withoutSecrets(s), err, passwordHint(raw))
	}
	if host == ImageHost {
		if err := registry.CheckBase(base); err != nil {
			return "", nil, Usagef("--endpoint %q: %w", s, err)
		}
	}
	return host, base, nil
}

// askedHosts are those that kverify asks by itself, of what it verifies.
var askedHosts = []string{ImageHost, "dl.k8s.io", "cdn.dl.k8s.io", "sbom.k8s.io", "raw.githubusercontent.com", "rekor.sigstore.dev", "tuf-repo-cdn.sigstore.dev"}

// meantHost words which host was most likely meant by one that --endpoint names; empty for
// one that kverify asks, or if none is near. Any other may be one that a reference or
// a redirect names, or stand in an environment for other commands.
func meantHost(host string) string {
	if slices.Contains(askedHosts, host) {
		return ""
	}
	name, _, _ := strings.Cut(host, ":")
	near := guess.Nearest(name, askedHosts)
	switch {
	case slices.Contains(askedHosts, name): // with a port, which no request names
		near = name
	case len(near) > len(name)+2: // it begins like one, as many a name inside does
		near = ""
	}
	if near == "" {
		return ""
	}
	return fmt.Sprintf("--endpoint: kverify asks no host %q, so that nothing was read from its stand-in; did you mean %q?", host, near)
}

// RegistryURL reads REGISTRY[/PREFIX]: https, unless plain HTTP was asked for
// or never leaves the machine.
func RegistryURL(arg string, plain bool) (*url.URL, error) {
	const form = "write HOST[:PORT][/PREFIX], such as registry.example.com/k8s"
	raw := arg
	if scheme, rest, ok := strings.Cut(arg, "://"); ok {
		if plain && scheme != "http" {
			return nil, Usagef("%s and --plain-http contradict each other; give one of them", withoutSecrets(arg))
		}
		arg = rest
	} else {
		host, _, _ := strings.Cut(arg, "/")
		scheme = "https"
		if plain || registry.PlainHTTP(strings.ToLower(host)) {
			scheme = "http"
		}
		raw = scheme + "://" + arg
	}
	base, err := fetch.ParseEndpoint(raw)
	if err != nil {
		return nil, Usagef("%q is not a registry: %w; %s%s", withoutSecrets(arg), err, form, passwordHint(arg))
	}
	base.Host = strings.ToLower(base.Host)
	if err := registry.CheckBase(base); err != nil {
		return nil, Usagef("%q is not a registry with a prefix of repositories: %w; %s", arg, err, form)
	}
	if _, err := registry.ParseRef(base.Host + "/name:tag"); err != nil {
		return nil, Usagef("%q is not a registry; %s", arg, form)
	}
	if base.Host == "docker.io" {
		base.Host = "index.docker.io" // the name that the API and credentials go by
	}
	return base, nil
}

// withoutSecrets hides what may be a user and a password, or a token, in words
// that were meant as an address. It takes anything, URL or not: a password may
// have any character in it, and be cut by the comma of a list.
func withoutSecrets(s string) string {
	const hidden = "xxxxx"
	begin := 0 // of what is not HOST= or a scheme
	if i := strings.Index(s, "://"); i >= 0 && !strings.ContainsAny(s[:i], ":@/") {
		begin = i + len("://")
	} else if i := strings.IndexByte(s, '='); i >= 0 && !strings.ContainsAny(s[:i], ":@/") {
		begin = i + 1
	}
	head, rest := s[:begin], s[begin:]
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		head, rest = head+hidden+"@", rest[at+1:]
	}
	authority, _, _ := strings.Cut(rest, "/")
	if _, port, ok := strings.Cut(authority, ":"); ok && !strings.HasPrefix(authority, "[") && strings.Trim(port, "0123456789") != "" {
		return head + hidden // USER:PASSWORD, cut off
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		return head + rest[:i+1] + hidden
	}
	return head + rest
}

// passwordHint says where credentials go instead.
func passwordHint(s string) string {
	if !strings.Contains(s, "@") {
		return ""
	}
	return "; credentials are read from files (kverify help environment)"
}
