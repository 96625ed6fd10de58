package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ParseEndpoint reads the base URL of a stand-in for a host, such as
// "https://mirror.example/k8s": http or https, with a host, without
// credentials, query or fragment. The slashes at its end are taken off.
func ParseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL; write http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]")
	}
	if err := checkURL(u); err != nil {
		return nil, fmt.Errorf("%w; write http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]", err)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.RawPath != "" {
		return nil, errors.New("a base URL has no query, fragment or escaped slash; write http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// Endpoints asks stand-ins instead of the hosts they stand for. What it
// answers is Carried: the response's TLS state is taken off, since a stand-in
// is not the publisher, whatever certificate it has.
type Endpoints struct {
	Next  http.RoundTripper
	Hosts map[string]*url.URL // "dl.k8s.io" -> as ParseEndpoint reads it
}

// RoundTrip sends requests for a mapped host to its stand-in, below the
// prefix, and others on as they are.
func (e *Endpoints) RoundTrip(req *http.Request) (*http.Response, error) {
	base, ok := e.Hosts[strings.ToLower(req.URL.Host)]
	if !ok {
		return e.Next.RoundTrip(req)
	}
	out := req.Clone(req.Context())
	out.URL.Scheme, out.URL.Host, out.Host = base.Scheme, base.Host, ""
	out.URL.Path = base.Path + req.URL.Path
	if req.URL.RawPath != "" {
		out.URL.RawPath = base.EscapedPath() + req.URL.RawPath
	}
	// They were meant for the real host.
	out.Header.Del("Authorization")
	out.Header.Del("Cookie")
	resp, err := e.Next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	resp.TLS = nil
	resp.Request = req
	if loc := resp.Header.Get("Location"); loc != "" {
		resp.Header = resp.Header.Clone()
		resp.Header.Set("Location", logical(loc, req.URL, out.URL, base))
	}
	return resp, nil
}

// logical maps a redirect that stays within the stand-in back to the name that
// it stands for, so that the next hop goes the same way.
func logical(loc string, asked, sent, base *url.URL) string {
	ref, err := url.Parse(loc)
	if err != nil {
		return loc // the client refuses it with a better message
	}
	to := sent.ResolveReference(ref)
	rest, within := strings.CutPrefix(to.Path, base.Path+"/")
	if to.User != nil || !within || hostPort(to) != hostPort(base) || to.RawPath != "" {
		return to.String()
	}
	to.Scheme, to.Host, to.Path = asked.Scheme, asked.Host, "/"+rest
	return to.String()
}
