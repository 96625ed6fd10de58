package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// maxToken caps a token server's answer; tokens have a few KiB.
const maxToken = 64 << 10

// exchange gets a token for scope from the server that the challenge names, as
// the distribution specification's "Token Authentication Specification" says:
// GET with Basic credentials, or the form of its "OAuth2" page where there is a
// refresh token. It goes over the same stack as everything else: that is where
// proxies, retries and budgets are.
func (c *Client) exchange(ctx context.Context, at location, ch challengeOf, scope string, creds Credentials) (token, error) {
	realm := ch.params["realm"]
	u, err := at.allowRealm(realm)
	if err != nil {
		return token{}, err
	}
	if creds.IdentityToken != "" {
		got, err := c.refresh(ctx, at, u, refreshForm(ch, scope, creds.IdentityToken))
		var status *tokenStatus
		if !errors.As(err, &status) || status.status != http.StatusNotFound || creds.Username == "" {
			return got, err
		}
		// Not every token server has that form: the other one, then.
	}
	q := u.Query()
	for _, s := range strings.Fields(scope) {
		q.Add("scope", s)
	}
	if service := ch.params["service"]; service != "" {
		q.Set("service", service)
	}
	u.RawQuery = q.Encode()
	req := fetch.Request{URL: u.String(), Limit: maxToken, AllowHTML: true, Header: http.Header{}, Follow: at.follow(u, false)}
	if creds.Username != "" || creds.Password != "" {
		req.Header.Set("Authorization", basic(creds))
	}
	resp, err := c.Fetch.Do(ctx, req)
	if err != nil {
		return token{}, tokenError(realm, err)
	}
	return readToken(realm, resp.Body)
}

func refreshForm(ch challengeOf, scope, identity string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {identity}, "client_id": {"kverify"}, "scope": {scope}}
	if service := ch.params["service"]; service != "" {
		form.Set("service", service)
	}
	return form
}

// refresh sends the refresh token, and to no other host than the realm's.
func (c *Client) refresh(ctx context.Context, at location, u *url.URL, form url.Values) (token, error) {
	realm := u.String()
	resp, err := c.Fetch.Do(ctx, fetch.Request{
		Method: http.MethodPost, URL: realm, Body: []byte(form.Encode()), Limit: maxToken, AllowHTML: true, Follow: at.follow(u, true),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	})
	if err != nil {
		return token{}, tokenError(realm, err)
	}
	return readToken(realm, resp.Body)
}

func readToken(realm string, body []byte) (token, error) {
	var said struct {
		Token       string      `json:"token"`
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"`
	}
	where := fetch.Redact(realm)
	if json.Unmarshal(body, &said) != nil {
		return token{}, fmt.Errorf("the token server %s did not answer with a JSON document", where)
	}
	raw := said.Token
	if raw == "" {
		raw = said.AccessToken
	}
	if raw == "" {
		return token{}, fmt.Errorf("the token server %s gave no token", where)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return token{}, errors.New("a token with characters that no token has")
	}
	// 60 seconds where nothing is said, by the token specification; a little
	// less, so that it does not end on the way.
	seconds, _ := said.ExpiresIn.Float64()
	life := time.Duration(min(max(seconds, 60), 86400)) * time.Second
	return token{header: "Bearer " + raw, until: time.Now().Add(life - 5*time.Second)}, nil
}

// tokenError keeps what failed and where. The token server's own answer is
// dropped but for the codes and words that a registry may use: it may repeat
// what it was shown.
func tokenError(realm string, err error) error {
	where := fetch.Redact(realm)
	var e *fetch.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("the token server %s gave no token", where)
	}
	switch {
	case e.Kind == fetch.BadRedirect:
		return fmt.Errorf("the request to the token server %s was redirected to where it must not go: %w", where, e.Err)
	case e.Status != 0:
		return &tokenStatus{where: where, status: e.Status}
	}
	// As text: what the token server did is not the answer to what was asked of
	// the registry. The request's URL, with whatever is in its query, is not repeated.
	short := &fetch.Error{Method: e.Method, URL: where, FinalURL: where, Kind: e.Kind, Err: e.Err}
	return fmt.Errorf("cannot reach the token server %s: %s", where, short.Error())
}

// tokenStatus is a token server's refusal.
type tokenStatus struct {
	where  string
	status int
}

func (e *tokenStatus) Error() string {
	return fmt.Sprintf("the token server %s answered %d", e.where, e.status)
}

// allowRealm says whether a token server may be asked at all. A registry chooses
// it, and could have us ask what only we can reach: the metadata service of a
// cloud, or a machine of this network. So a link-local address is refused
// always, and a private one unless the registry is private itself. Either is
// allowed where it is the registry's own host and port. What a name resolves to
// is not looked at.
func (p location) allowRealm(realm string) (*url.URL, error) {
	u, err := checkRealm(realm, p.plain)
	if err != nil {
		return nil, err
	}
	return u, p.allowHost(u)
}

func (p location) allowHost(u *url.URL) error {
	own := withoutPort(strings.ToLower(u.Host), u.Scheme == "http") == withoutPort(strings.ToLower(p.host), p.plain)
	if own {
		return nil
	}
	where := fetch.Redact(u.Scheme + "://" + u.Host)
	switch reach(u.Hostname()) {
	case linkLocal:
		return fmt.Errorf("the token server %s is refused: it is a link-local or metadata address, which no token server has", where)
	case private:
		if !p.private() {
			return fmt.Errorf("the token server %s is refused: a private address, named by a registry that is not known to be private; have the registry name its token server by a host name, or reach the registry by its private address", where)
		}
	}
	return nil
}

// follow is asked before each redirect of a request for a token. What carries a
// refresh token in its body stays with its host.
func (p location) follow(from *url.URL, secret bool) func(*url.URL) error {
	return func(to *url.URL) error {
		if secret && (!strings.EqualFold(to.Host, from.Host) || to.Scheme != from.Scheme) {
			return errors.New("a refresh token is sent to no other host")
		}
		return p.allowHost(to)
	}
}

// private says whether the registry itself is known to lie in a private network:
// by the address or name that it is spoken to by, or by the address that
// answered where no proxy stood between.
func (p location) private() bool {
	return reachOf(p.remote) != public || reach(hostname(p.host)) != public
}

// hostname is a host without its port and brackets.
func hostname(host string) string {
	return (&url.URL{Host: host}).Hostname()
}

type reachKind uint8

const (
	public reachKind = iota
	private
	linkLocal
)

// reach says how far a host can be seen, by what it is called.
func reach(host string) reachKind {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return reachOf(addr)
	}
	if slices.Contains([]string{"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}, host) {
		return linkLocal
	}
	// Resolvers of the C library read "127.1", "0x7f.1" and 2130706433 as addresses.
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return linkLocal
	}
	if !strings.Contains(host, ".") {
		return private
	}
	// Names that are not delegated in the public DNS (RFC 6762, RFC 6761, RFC 8375;
	// ICANN's .internal; Kubernetes' services), and those that networks use alike.
	for _, suffix := range []string{".internal", ".local", ".localhost", ".home.arpa", ".svc", ".corp", ".home", ".lan", ".intranet", ".private"} {
		if strings.HasSuffix(host, suffix) {
			return private
		}
	}
	return public
}

// Addresses that net/netip does not tell apart.
var (
	cgnat     = netip.MustParsePrefix("100.64.0.0/10")  // RFC 6598
	nat64     = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052: an IPv4 address in its last 32 bits
	metadata6 = netip.MustParseAddr("fd00:ec2::254")    // AWS
	metadata4 = netip.MustParseAddr("100.100.100.200")  // Alibaba
	wire      = netip.MustParseAddr("168.63.129.16")    // Azure
	thisNet   = netip.MustParsePrefix("0.0.0.0/8")      // RFC 1122
	reserved4 = netip.MustParsePrefix("240.0.0.0/4")    // RFC 1112
	oracle    = netip.MustParsePrefix("192.0.0.192/32") // Oracle
	siteLocal = netip.MustParsePrefix("fec0::/10")      // RFC 3879
	sixToFour = netip.MustParsePrefix("2002::/16")      // RFC 3056: an IPv4 address behind the prefix
)

// reachOf says how far an address can be seen; the zero value is public.
func reachOf(addr netip.Addr) reachKind {
	addr = addr.Unmap().WithZone("")
	raw := addr.As16()
	switch {
	case nat64.Contains(addr):
		return reachOf(netip.AddrFrom4([4]byte(raw[12:16])))
	case sixToFour.Contains(addr):
		return reachOf(netip.AddrFrom4([4]byte(raw[2:6])))
	case addr.IsLinkLocalUnicast(), addr.IsMulticast(), addr == metadata4, addr == metadata6, addr == wire,
		oracle.Contains(addr), thisNet.Contains(addr), reserved4.Contains(addr), addr.IsUnspecified():
		return linkLocal
	case addr.IsPrivate(), addr.IsLoopback(), cgnat.Contains(addr), siteLocal.Contains(addr):
		return private
	}
	return public
}
