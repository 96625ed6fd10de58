package world

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxRequestBody is far more than any look-up needs.
const maxRequestBody = 1 << 20

// RoundTrip implements [http.RoundTripper]. A response over https has the TLS
// state of a verified connection to a host of that name.
func (w *World) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		b, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		body = b
	}
	u := *r.URL
	a, wait, err := w.answer(r, &u, body)
	if e := pause(r.Context(), wait); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	resp := &http.Response{
		Status:        fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode:    a.status,
		Proto:         "HTTP/2.0",
		ProtoMajor:    2,
		Header:        a.header,
		ContentLength: a.length,
		Body:          http.NoBody,
		Request:       r,
		TLS:           w.tlsState(&u),
	}
	if a.length >= 0 {
		resp.Header.Set("Content-Length", fmt.Sprint(a.length))
	}
	if r.Method != http.MethodHead {
		resp.Body = &bodyReader{ctx: r.Context(), a: a}
	}
	return resp, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer routes a request, lets the attacker have it, and counts it.
func (w *World) answer(r *http.Request, u *url.URL, body []byte) (a *answer, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait = w.roundTrip
	seen := Request{Method: r.Method, URL: u.Scheme + "://" + u.Host + u.Path, Authorization: r.Header.Get("Authorization")}
	if !w.known(u.Host) {
		err = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: u.Hostname(), IsNotFound: true}}
	} else {
		a = w.route(r, u, body)
		if rng := r.Header.Get("Range"); rng != "" && a.status == http.StatusOK && u.Host != HostRegistry {
			a.ranged(rng)
		}
		var late time.Duration
		a, late, err = w.interfere(u, a)
		wait += late
	}
	if err == nil {
		seen.Status = a.status
		a.header = a.header.Clone()
	}
	w.requests = append(w.requests, seen)
	return a, wait, err
}

func (w *World) known(host string) bool {
	if _, ok := w.standIns[host]; ok || slices.Contains(Hosts, host) || w.foreign[host] || host == HostPackages {
		return true
	}
	for key := range w.files {
		if strings.HasPrefix(key, host+"/") {
			return true
		}
	}
	return false
}

// tlsState is that of a connection whose certificate was verified for the
// host: every attacker can have one for a name of their own.
func (w *World) tlsState(u *url.URL) *tls.ConnectionState {
	if u.Scheme != "https" {
		return nil
	}
	leaf := &x509.Certificate{DNSNames: []string{u.Hostname()}}
	if slices.Contains(Hosts, u.Host) {
		leaf = serverCertificate().Leaf
	}
	state := &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: u.Hostname(), PeerCertificates: []*x509.Certificate{leaf}}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.untrusted[u.Host] {
		state.VerifiedChains = [][]*x509.Certificate{{leaf, serverCA().cert}}
	}
	return state
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}

// Requests are those seen since the world was made or cloned, in order.
func (w *World) Requests() []Request {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return slices.Clone(w.requests)
}

// Count is the number of requests whose URL matches: see [World.Tamper] for patterns.
func (w *World) Count(pattern string) int {
	n := 0
	for _, r := range w.Requests() {
		if match(asURL(pattern), r.URL) {
			n++
		}
	}
	return n
}

// SetRoundTrip makes every request take at least this long.
func (w *World) SetRoundTrip(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roundTrip = d
}

// RequireToken makes the registry answer 401 with a Bearer challenge, on /v2/
// and everything below, to who has no token.
func (w *World) RequireToken(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token = on
}

// HaveReferrers makes the registry answer the referrers API with an empty index
// instead of 404. What [World.PutFile] stored for
// https://registry.k8s.io/v2/REPO/referrers/DIGEST is answered either way.
func (w *World) HaveReferrers(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.referrers = on
}
