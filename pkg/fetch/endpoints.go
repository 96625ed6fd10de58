package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
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

	// Login gives a user and a password for a stand-in that has asked for some
	// (Basic, RFC 7617); nil means that there are none, and so does an empty user. It is not asked
	// for a [PublishedHost], and what it gives goes to the stand-in alone, never
	// along a redirect.
	Login func(ctx context.Context, base *url.URL) (user, password string, err error)

	mu    sync.Mutex
	known map[string]string // header by scheme and host of a stand-in that asked before
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
	stoodIn(req.Context(), out.URL.String())
	resp, err := e.send(out, base)
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

// send asks a stand-in, and once more with credentials if it demands them.
func (e *Endpoints) send(req *http.Request, base *url.URL) (*http.Response, error) {
	key := base.Scheme + "://" + strings.ToLower(base.Host) + base.Path
	e.mu.Lock()
	header := e.known[key]
	e.mu.Unlock()
	if header != "" {
		req.Header.Set("Authorization", header)
	}
	resp, err := e.Next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || header != "" || e.Login == nil || PublishedHost(base.Host) || !offersBasic(resp.Header) {
		return resp, err
	}
	again := req.Clone(req.Context())
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return resp, nil
		}
		if again.Body, err = req.GetBody(); err != nil {
			drain(resp.Body)
			return nil, err
		}
	}
	user, password, err := e.Login(req.Context(), base)
	if err != nil {
		drain(resp.Body)
		return nil, fmt.Errorf("it asks for credentials: %w", err)
	}
	if user == "" && password == "" {
		return resp, nil
	}
	again.SetBasicAuth(user, password)
	drain(resp.Body)
	resp, err = e.Next.RoundTrip(again)
	if err == nil && resp.StatusCode != http.StatusUnauthorized {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.known == nil {
			e.known = map[string]string{}
		}
		e.known[key] = again.Header.Get("Authorization")
	}
	return resp, err
}

// offersBasic says whether a 401 can be met by a user and a password. Some
// servers name no way at all.
func offersBasic(h http.Header) bool {
	lines := h.Values("WWW-Authenticate")
	return len(lines) == 0 || strings.Contains(strings.ToLower(strings.Join(lines, ",")), "basic")
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
