package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// AuthError says that a registry's request for credentials could not be met.
type AuthError struct {
	Registry string // host
	Err      error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("%s: asked for credentials: %s; log in to it (docker login) or check what stands before it (kverify help environment)", e.Registry, oneLine(e.Err))
}

// Unwrap gives the cause.
func (e *AuthError) Unwrap() error { return e.Err }

// authorizer knows how each registry wants to be asked, once it has said so.
// Tokens are kept in the Client's memo, one for each registry and scope.
type authorizer struct {
	mu         sync.Mutex
	challenges map[string]offer // by place.root
}

// offer is what a registry asked for, and from where.
type offer struct {
	challengeOf
	remote netip.Addr // see place
}

type token struct {
	header string
	until  time.Time
}

// known gives the Authorization header to begin with: none, until the registry
// has asked for one before.
func (a *authorizer) known(ctx context.Context, c *Client, at location, scopes string) (string, error) {
	a.mu.Lock()
	ch, ok := a.challenges[at.root]
	a.mu.Unlock()
	if !ok {
		return "", nil
	}
	at.remote = ch.remote
	return c.authorize(ctx, at, ch.challengeOf, scopes, "")
}

// answer gives the header that the registry asked for with status 401. refused
// is the one that it was just given, which is no good any more; scopes are what
// the request was foreseen to need.
func (a *authorizer) answer(ctx context.Context, c *Client, at location, scopes string, e *fetch.Error, refused string) (string, error) {
	ch, ok := challenge(e.Header, at.plain)
	if !ok {
		return "", nil
	}
	at.remote = e.Remote
	scope := ch.params["scope"]
	if scope == "" || sameScopes(scope, scopes) {
		scope = scopes
		// The next repository's scope can be foreseen: no 401 is needed.
		a.mu.Lock()
		if a.challenges == nil {
			a.challenges = map[string]offer{}
		}
		a.challenges[at.root] = offer{ch, at.remote}
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
			at := strings.LastIndexByte(scope, ':')
			actions := strings.Split(scope[at+1:], ",")
			slices.Sort(actions)
			list[i] = scope[:at+1] + strings.Join(actions, ",")
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(norm(a), norm(b))
}

// authorize turns a challenge into a header, by Basic credentials or by a
// token, which is fetched once for each scope and repository.
func (c *Client) authorize(ctx context.Context, at location, ch challengeOf, scope, refused string) (string, error) {
	// The repository, too: credentials are of a part of a registry, and a scope is
	// the registry's word.
	key := strings.Join([]string{"token", at.root, at.repo, ch.scheme, ch.params["realm"], ch.params["service"], scope}, "\n")
	if kept, ok := c.memo.get(key); ok {
		if t := kept.(token); t.header == refused || time.Now().After(t.until) {
			c.memo.drop(key)
		}
	}
	got, err := c.memo.do(ctx, key, func() (any, error) {
		t, err := c.newToken(ctx, at, ch, scope)
		if err == nil {
			c.memo.put(key, t, int64(len(t.header)))
		}
		return t, err
	})
	if err != nil {
		if ctx.Err() != nil {
			return "", cutShort(ctx, "token", at.host, ctx.Err())
		}
		return "", &AuthError{Registry: at.host, Err: err}
	}
	return got.(token).header, nil
}

func (c *Client) newToken(ctx context.Context, at location, ch challengeOf, scope string) (token, error) {
	var creds Credentials
	if c.Keychain != nil {
		var err error
		if creds, err = c.Keychain.Credentials(ctx, at.target()); err != nil {
			return token{}, err
		}
	}
	t := token{until: time.Now().Add(24 * time.Hour)}
	switch {
	case ch.scheme == "basic":
		// Anonymous has nothing to say: the 401 stands.
		if creds.Username != "" || creds.Password != "" {
			t.header = basic(creds)
		}
		return t, nil
	case creds.RegistryToken != "":
		t.header = "Bearer " + creds.RegistryToken
		return t, nil
	}
	return c.exchange(ctx, at, ch, scope, creds)
}

// target is what credentials are looked up for.
func (p location) target() Target {
	return Target{Host: p.host, Repository: strings.TrimPrefix(p.below+"/"+p.repo, "/"), Plain: p.plain}
}

func basic(c Credentials) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(c.Username, c.Password)
	return r.Header.Get("Authorization")
}

// denied adds to a refusal for want of credentials where none were found.
func (c *Client) denied(at location, err error) error {
	err = refused(err)
	var e *fetch.Error
	if !errors.As(err, &e) || e.Status != 401 {
		return err
	}
	looker, ok := c.Keychain.(interface{ Looked() []string })
	if !ok {
		return err
	}
	note := "no file of credentials was found: log in to it (docker login), or see kverify help environment"
	if names := looker.Looked(); len(names) > 0 {
		note = fmt.Sprintf("credentials were looked for in %s, for %s/%s", quoted(strings.Join(names, ", ")), at.host, at.repo)
	}
	var r *RefusedError
	if errors.As(err, &r) {
		again := *r
		again.Note = note
		return &again
	}
	return &RefusedError{Err: err, Note: note}
}
