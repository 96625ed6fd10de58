package world

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

func (w *World) fault(pattern string, hop bool, apply func(*url.URL, *answer) (*answer, time.Duration, error)) *Fault {
	f := &Fault{pattern: asURL(pattern), hop: hop, apply: apply, left: -1}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, f)
	return f
}

// asURL lets a pattern be an image reference.
func asURL(pattern string) string {
	if !strings.Contains(pattern, "://") {
		return ManifestURL(pattern)
	}
	if _, after, ok := strings.Cut(pattern, "/blobs/"); ok && strings.Contains(pattern, HostRegistry) {
		return "https://" + HostRegistry + "/blobs/" + after
	}
	return pattern
}

// match compares a URL with a pattern in which * stands for anything.
func match(pattern, s string) bool {
	pattern, _, _ = strings.Cut(pattern, "?")
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// interfere lets every fault that concerns a request have its answer.
func (w *World) interfere(u *url.URL, a *answer) (*answer, time.Duration, error) {
	var wait time.Duration
	for _, f := range w.faults {
		concerned := match(f.pattern, u.Scheme+"://"+u.Host+u.Path)
		if !f.hop {
			concerned = false
			if a.header.Get("Location") == "" {
				for _, name := range names(u) {
					concerned = concerned || match(f.pattern, name)
				}
			}
		}
		if !concerned || !f.take() {
			continue
		}
		changed, late, err := f.apply(u, a)
		wait += late
		if err != nil {
			return nil, wait, err
		}
		a = changed
	}
	return a, wait, nil
}

func changed(a *answer, change func(*answer)) (*answer, time.Duration, error) {
	c := *a
	c.header = a.header.Clone()
	change(&c)
	return &c, 0, nil
}

// Tamper changes the body of a successful response, length and digest header
// with it. The pattern is a URL, by any address that leads to the document,
// with * for anything, or an image reference. The function runs while the world
// answers, and must not call its methods.
func (w *World) Tamper(pattern string, f func([]byte) []byte) *Fault {
	return w.fault(pattern, false, func(_ *url.URL, a *answer) (*answer, time.Duration, error) {
		if a.status/100 != 2 {
			return a, 0, nil
		}
		return changed(a, func(a *answer) {
			a.body = f(append([]byte(nil), a.body...))
			a.length = int64(len(a.body))
			if a.header.Get("Docker-Content-Digest") != "" {
				a.header.Set("Docker-Content-Digest", digestOf(a.body))
			}
		})
	})
}

// FlipBit changes one bit in the middle of a document.
func (w *World) FlipBit(pattern string) *Fault {
	return w.Tamper(pattern, func(b []byte) []byte {
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		return b
	})
}

// Header sets a header of the final response.
func (w *World) Header(pattern, key, value string) *Fault {
	return w.fault(pattern, false, func(_ *url.URL, a *answer) (*answer, time.Duration, error) {
		return changed(a, func(a *answer) { a.header.Set(key, value) })
	})
}

// Status answers a request, before any redirect, with a status and a little
// text: 404, 403, 500, or 429 with Retry-After.
func (w *World) Status(pattern string, status int) *Fault {
	return w.fault(pattern, true, func(*url.URL, *answer) (*answer, time.Duration, error) {
		a := reply(status, "text/plain; charset=utf-8", []byte(http.StatusText(status)+"\n"))
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			a.header.Set("Retry-After", "1")
		}
		return a, 0, nil
	})
}

// HTML answers a request with 200 and a page to log in, as networks do.
func (w *World) HTML(pattern string) *Fault {
	return w.fault(pattern, true, func(*url.URL, *answer) (*answer, time.Duration, error) {
		return reply(http.StatusOK, "text/html; charset=utf-8", []byte("<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Welcome to this network.</body></html>\n")), 0, nil
	})
}

// StorageError answers a request with 200 and what a bucket says of an object that
// it does not give, as some caches do.
func (w *World) StorageError(pattern string) *Fault {
	return w.fault(pattern, true, func(*url.URL, *answer) (*answer, time.Duration, error) {
		return reply(http.StatusOK, "application/octet-stream", []byte("<?xml version='1.0' encoding='UTF-8'?><Error><Code>InternalError</Code>"+
			"<Message>We encountered an internal error. Please try again.</Message></Error>")), 0, nil
	})
}

// Truncate ends a body after n bytes though more were announced.
func (w *World) Truncate(pattern string, n int) *Fault {
	return w.end(pattern, n, io.ErrUnexpectedEOF)
}

// Shorten ends a body after n bytes, and announces as many.
func (w *World) Shorten(pattern string, n int) *Fault {
	return w.Tamper(pattern, func(b []byte) []byte { return b[:min(n, len(b))] })
}

// Reset breaks the connection after n bytes of the body.
func (w *World) Reset(pattern string, n int) *Fault { return w.end(pattern, n, errReset) }

func (w *World) end(pattern string, n int, err error) *Fault {
	return w.fault(pattern, false, func(_ *url.URL, a *answer) (*answer, time.Duration, error) {
		return changed(a, func(a *answer) { a.cut, a.err = n, err })
	})
}

// Delay answers late.
func (w *World) Delay(pattern string, d time.Duration) *Fault {
	return w.fault(pattern, true, func(_ *url.URL, a *answer) (*answer, time.Duration, error) { return a, d, nil })
}

// Refuse refuses the connection.
func (w *World) Refuse(pattern string) *Fault {
	return w.fault(pattern, true, func(u *url.URL, _ *answer) (*answer, time.Duration, error) {
		return nil, 0, &net.OpError{Op: "dial", Net: "tcp", Err: errors.Join(errors.New("connect "+u.Host), syscall.ECONNREFUSED)}
	})
}

// NoSuchHost makes names not resolve.
func (w *World) NoSuchHost(pattern string) *Fault {
	return w.fault(pattern, true, func(u *url.URL, _ *answer) (*answer, time.Duration, error) {
		return nil, 0, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: u.Hostname(), IsNotFound: true}}
	})
}

// Redirect sends a request elsewhere: to another host (see [Elsewhere]), to
// plain http, to a file.
func (w *World) Redirect(pattern, location string) *Fault {
	return w.fault(pattern, true, func(*url.URL, *answer) (*answer, time.Duration, error) {
		return redirectTo(http.StatusFound, location), 0, nil
	})
}

// RedirectAbroad sends requests to the same document on the foreign host,
// where it is the same, byte for byte, and over https.
func (w *World) RedirectAbroad(pattern string) *Fault {
	return w.fault(pattern, true, func(u *url.URL, _ *answer) (*answer, time.Duration, error) {
		return redirectTo(http.StatusFound, Elsewhere(u.String())), 0, nil
	})
}

// HugeBody answers with n bytes that look like the beginning of an SBOM.
func (w *World) HugeBody(pattern string, n int64) *Fault {
	return w.fault(pattern, false, func(_ *url.URL, a *answer) (*answer, time.Duration, error) {
		return changed(a, func(a *answer) { a.status, a.endless, a.length = http.StatusOK, true, n })
	})
}

// EndlessBody answers with a body that has no length and does not end.
func (w *World) EndlessBody(pattern string) *Fault { return w.HugeBody(pattern, -1) }

// Distrust takes the verified certificate from a host, as a client that
// verifies nothing would see it.
func (w *World) Distrust(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.untrusted[host] = true
}

// AddForeign makes a host answer as [HostForeign] does.
func (w *World) AddForeign(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.foreign[host] = true
}

// Calm removes all faults.
func (w *World) Calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = nil
}
