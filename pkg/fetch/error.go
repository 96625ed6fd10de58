package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Kind says how a request failed, in the terms that a verdict needs.
type Kind uint8

const (
	Unreachable Kind = iota // no answer: name, connection, TLS, time-out, stall
	NotFound                // 404, 410
	Forbidden               // 401, 403
	Throttled               // 429
	ServerError             // 5xx
	TooLarge                // more bytes than the limit
	Truncated               // fewer or more bytes than announced, or cut on the way
	NotDocument             // a web page, or an encoding that was not asked for
	BadRedirect             // a redirect that is not followed
	BadStatus               // any other status that is not a success
	Cancelled               // the context ended; Err says whether by deadline
	BadURL                  // the request itself cannot be sent
)

var kindNames = [...]string{"unreachable", "not found", "forbidden", "throttled", "server error", "too large",
	"truncated", "not a document", "bad redirect", "bad status", "cancelled", "bad URL"}

// String names the kind in lower case, such as "not found".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unreachable"
}

func statusKind(status int) Kind {
	switch {
	case status == 404 || status == 410:
		return NotFound
	case status == 401 || status == 403:
		return Forbidden
	case status == 429:
		return Throttled
	case status >= 500 && status <= 599:
		return ServerError
	}
	return BadStatus
}

// Error is how every request fails. Its text has three parts (what was asked
// of whom, what came, what to do), hides the secrets that a URL may hold, and
// contains nothing that a terminal would obey.
type Error struct {
	Method    string
	URL       string   // as asked
	FinalURL  string   // the hop that failed
	StandIn   string   // what was asked in its place; empty if nothing was
	Mirror    string   // the mirror that was asked, and no network; empty if none was
	Holds     []string // the releases that Mirror holds, by its lists, newest first; nil where they do not say
	Kind      Kind
	Status    int         // of the last answer; 0 if there was none
	Header    http.Header // of the last answer; nil if there was none
	Body      []byte      // the beginning of what came with a status that is not a success; never shown
	KeptBytes int64       // bytes of a file that are kept as a part, from which the next run goes on; only from [Client.Save]
	Remote    netip.Addr  // who answered, where no proxy stood between; else the zero value
	Err       error       // the cause; may be nil where Status says it all
}

// ErrFull is the cause of a TooLarge where all answers that are held at once are
// too large, and not one of them.
var ErrFull = errors.New("what is held of other answers takes all the memory that is allowed, so that it was not asked for")

// Is reports that a Kind inside err is k; it stands for errors.As and a
// comparison.
func Is(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error reads "GET URL: what came; what to do".
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, Redact(e.URL))
	if e.FinalURL != "" && e.FinalURL != e.URL {
		fmt.Fprintf(&b, "at %s: ", Redact(e.FinalURL))
	}
	if e.StandIn != "" {
		fmt.Fprintf(&b, "at the stand-in %s: ", Redact(e.StandIn))
	}
	b.WriteString(e.what())
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

func (e *Error) what() string {
	cause := ""
	if e.Err != nil {
		cause = ": " + printable(causeText(e.Err))
	}
	switch e.Kind {
	case Unreachable:
		if e.Mirror != "" && e.Err != nil {
			return printable(causeText(e.Err))
		}
		return "cannot reach " + hostOf(cmp.Or(e.StandIn, e.FinalURL)) + cause
	case Cancelled:
		return "given up" + cause
	case NotFound:
		if e.Mirror != "" {
			return "the mirror " + printable(e.Mirror) + " does not hold it" + cause
		}
		return strings.TrimSpace(fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))) + cause
	case Forbidden, Throttled, ServerError, BadStatus:
		return strings.TrimSpace(fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))) + cause
	}
	return e.Kind.String() + cause
}

// What to do where nothing more is known than the kind.
var hints = [...]string{
	Unreachable: "check the network and proxy settings, or use a mirror (--mirror DIR)",
	NotFound:    "check that the name and version exist",
	Forbidden:   "check the credentials for this host, or whether a proxy refuses it",
	Throttled:   "try later, or with fewer --jobs",
	ServerError: "try later, or use a mirror (--mirror DIR)",
	TooLarge:    "nothing was kept; this is not the document that was asked for",
	Truncated:   "nothing was kept; try again",
	NotDocument: "look for a proxy, a login page or a cache in between, or try later",
	BadRedirect: "it was not followed; check the server or the --endpoint",
	BadStatus:   "check the URL or the --endpoint",
	Cancelled:   "",
	BadURL:      "write it as https://HOST/PATH",
}

// because completes e and returns it as an error.
func (e *Error) because(k Kind, err error) *Error {
	e.Kind, e.Err = k, err
	return e
}

// transport completes e for an error that came instead of an answer.
func (e *Error) transport(ctx context.Context, err error) *Error {
	if why := ctx.Err(); why != nil {
		if cause := context.Cause(ctx); errors.Is(cause, why) {
			why = cause // who ended it says so in its own words
		} else {
			why = fmt.Errorf("%w: %w", why, cause)
		}
		return e.because(Cancelled, why)
	}
	return e.because(Unreachable, err)
}

// causeText shortens the errors of package net, which repeat what the message
// has said already.
func causeText(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "lookup failed: " + dns.Err
	}
	return err.Error()
}

func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return printable(u.Host)
	}
	return "the host"
}
