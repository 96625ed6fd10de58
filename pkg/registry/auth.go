package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/kverify/kverify/pkg/fetch"
)

// AuthError says that a registry's request for credentials could not be met.
type AuthError struct {
	Registry string // host
	Err      error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("%s: asked for credentials: %s; log in to it (docker login) or check what stands before it", e.Registry, oneLine(e.Err))
}

// Unwrap gives the cause.
func (e *AuthError) Unwrap() error { return e.Err }

func oneLine(err error) string {
	s := strconv.QuoteToASCII(err.Error())
	s = s[1 : len(s)-1]
	return s[:min(len(s), 300)]
}

// authorizer knows how each registry wants to be asked, once it has said so.
// Tokens are kept in the Client's memo, one for each registry and scope.
type authorizer struct {
	mu   sync.Mutex
	said map[string]transport.Challenge // by place.root
}

type token struct {
	header string
	until  time.Time
}

// known gives the Authorization header to begin with: none, until the registry
// has asked for one before.
func (a *authorizer) known(ctx context.Context, c *Client, at place, scopes string) (string, error) {
	a.mu.Lock()
	ch, ok := a.said[at.root]
	a.mu.Unlock()
	if !ok {
		return "", nil
	}
	return c.authorize(ctx, at, ch, scopes, "")
}

// answer gives the header that the registry asked for with status 401. refused
// is the one that it was just given, which is no good any more; scopes are what
// the request was foreseen to need.
func (a *authorizer) answer(ctx context.Context, c *Client, at place, scopes string, h http.Header, refused string) (string, error) {
	ch, ok := challenge(h)
	if !ok {
		return "", nil
	}
	ch.Insecure = at.plain
	scope := ch.Parameters["scope"]
	if scope == "" || sameScopes(scope, scopes) {
		scope = scopes
		// The next repository's scope can be foreseen: no 401 is needed.
		a.mu.Lock()
		if a.said == nil {
			a.said = map[string]transport.Challenge{}
		}
		a.said[at.root] = ch
		a.mu.Unlock()
	}
	return c.authorize(ctx, at, ch, scope, refused)
}

func pullScope(repo string) string { return "repository:" + repo + ":pull" }

// pushScope is what writing needs, and reading from is what mounting from there
// needs besides; from may be empty.
func pushScope(repo, from string) string {
	s := "repository:" + repo + ":pull,push"
	if from != "" {
		s += " " + pullScope(from)
	}
	return s
}

// sameScopes compares two lists of scopes in whatever order they and their
// actions stand.
func sameScopes(a, b string) bool {
	norm := func(s string) []string {
		list := strings.Fields(s)
		for i, scope := range list {
			if at := strings.LastIndexByte(scope, ':'); at >= 0 {
				actions := strings.Split(scope[at+1:], ",")
				slices.Sort(actions)
				list[i] = scope[:at+1] + strings.Join(actions, ",")
			}
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(norm(a), norm(b))
}

// authorize turns a challenge into a header, by Basic credentials or by a
// token, which is fetched once for each scope.
func (c *Client) authorize(ctx context.Context, at place, ch transport.Challenge, scope, refused string) (string, error) {
	fail := func(err error) (string, error) {
		if ctx.Err() != nil {
			return "", waited(ctx, "token", at.host, ctx.Err())
		}
		return "", &AuthError{Registry: at.host, Err: err}
	}
	options := []name.Option{name.StrictValidation}
	if at.plain {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(at.host+"/"+at.repo, name.WeakValidation)
	if err != nil {
		return fail(err)
	}
	reg, err := name.NewRegistry(at.host, options...)
	if err != nil {
		return fail(err)
	}
	keychain := c.Keychain
	if keychain == nil {
		keychain = authn.NewMultiKeychain()
	}
	key := strings.Join([]string{"token", at.root, ch.Parameters["realm"], ch.Parameters["service"], scope}, "\n")
	if kept, ok := c.memo.get(key); ok {
		if t := kept.(token); t.header == refused || time.Now().After(t.until) {
			c.memo.forget(key)
		}
	}
	got, err := c.memo.do(ctx, key, func() (any, error) {
		creds, err := authn.Resolve(ctx, keychain, repo)
		if err != nil {
			return nil, err
		}
		conf, err := authn.Authorization(ctx, creds)
		if err != nil {
			return nil, err
		}
		t := token{until: time.Now().Add(24 * time.Hour)}
		if ch.Scheme == "basic" {
			// Anonymous has nothing to say: the 401 stands.
			if conf.Username != "" || conf.Auth != "" {
				t.header = basic(conf)
			}
		} else if conf.RegistryToken != "" {
			t.header = "Bearer " + conf.RegistryToken
		} else if err := checkRealm(ch.Parameters["realm"], at.plain); err != nil {
			return nil, err
		} else {
			// Over the same stack as everything else: that is where proxies,
			// retries and budgets are.
			tok, err := transport.Exchange(ctx, reg, creds, c.Fetch.Transport, strings.Fields(scope), &ch)
			if err != nil {
				return nil, tokenError(ch.Parameters["realm"], err)
			}
			raw := tok.Token
			if raw == "" {
				raw = tok.AccessToken
			}
			if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return nil, errors.New("a token with characters that no token has")
			}
			t.header = "Bearer " + raw
			// 60 seconds where nothing is said, by the token specification;
			// a little less, so that it does not end on the way.
			life := time.Duration(min(max(tok.ExpiresIn, 60), 86400)) * time.Second
			t.until = time.Now().Add(life - 5*time.Second)
		}
		c.memo.put(key, t, int64(len(t.header)))
		return t, nil
	})
	if err != nil {
		return fail(err)
	}
	return got.(token).header, nil
}

func basic(conf *authn.AuthConfig) string {
	if conf.Auth != "" {
		return "Basic " + conf.Auth
	}
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(conf.Username, conf.Password)
	return r.Header.Get("Authorization")
}

// checkRealm refuses a token server that credentials must not be sent to: one
// without TLS, unless the registry itself has none. The library refuses
// literal private addresses in addition.
func checkRealm(realm string, plain bool) error {
	u, err := url.Parse(realm)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return errors.New("it names a token server that is no URL")
	case u.Scheme == "https" || u.Scheme == "http" && plain:
		return nil
	}
	return fmt.Errorf("it names the token server %s, which is not https", fetch.Redact(realm))
}

// tokenError keeps what failed and where. What the library says is dropped: it
// repeats the token server's answer, and URLs with all of their query.
func tokenError(realm string, err error) error {
	where := fetch.Redact(realm)
	var status *transport.Error
	var ue *url.Error
	var net net.Error
	switch {
	case errors.As(err, &status):
		return fmt.Errorf("the token server %s answered %d", where, status.StatusCode)
	case errors.As(err, &ue) && errors.As(ue.Err, &net):
		return fmt.Errorf("cannot reach the token server %s: %w", where, ue.Err)
	case errors.As(err, &ue):
		return fmt.Errorf("the request to the token server %s failed, or was redirected to where it must not go", where)
	}
	return fmt.Errorf("the token server %s is refused, or gave no token", where)
}

// challenge picks the first challenge that can be met from WWW-Authenticate
// headers (RFC 9110, 11.6.1).
func challenge(h http.Header) (transport.Challenge, bool) {
	for _, line := range h.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		scheme = strings.ToLower(scheme)
		params := challengeParams(rest)
		if scheme == "basic" || scheme == "bearer" && params["realm"] != "" {
			return transport.Challenge{Scheme: scheme, Parameters: params}, true
		}
	}
	return transport.Challenge{}, false
}

// challengeParams reads key="value" pairs. The first of two equal keys counts.
func challengeParams(s string) map[string]string {
	params := map[string]string{}
	for s = strings.TrimLeft(s, " \t,"); s != ""; s = strings.TrimLeft(s, " \t,") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		key = strings.ToLower(strings.TrimSpace(key))
		rest = strings.TrimLeft(rest, " \t")
		var val string
		if strings.HasPrefix(rest, `"`) {
			var b strings.Builder
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' && i+1 < len(rest) {
					i++
				}
				b.WriteByte(rest[i])
			}
			val, s = b.String(), rest[min(i+1, len(rest)):]
		} else {
			val, s, _ = strings.Cut(rest, ",")
			val = strings.TrimSpace(val)
		}
		if _, twice := params[key]; !twice {
			params[key] = val
		}
	}
	return params
}
