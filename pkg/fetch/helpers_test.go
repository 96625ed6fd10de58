package fetch_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// internet is every host at once on one real TLS listener: whatever name is
// dialled, it answers, with a certificate for the names it was made with.
type internet struct {
	tls, plain *httptest.Server
	roots      *x509.CertPool
	ca         *x509.Certificate
	conns      atomic.Int32 // TLS connections that were accepted
	asked      atomic.Int32
}

func newInternet(t *testing.T, h2 bool, names []string, handler http.HandlerFunc) *internet {
	t.Helper()
	n := &internet{roots: x509.NewCertPool()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, _ = x509.ParseCertificate(caDER)
	n.roots.AddCert(ca)
	n.ca = ca
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		handler(w, r)
	})
	n.tls = httptest.NewUnstartedServer(counting)
	n.tls.EnableHTTP2 = h2
	n.tls.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: key}}}
	n.tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	n.tls.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			n.conns.Add(1)
		}
	}
	n.tls.StartTLS()
	n.plain = httptest.NewServer(counting)
	t.Cleanup(n.tls.Close)
	t.Cleanup(n.plain.Close)
	return n
}

// options reach the internet by name: port 443 is its TLS side, all else the
// plain one.
func (n *internet) options() fetch.Options {
	return fetch.Options{
		TLS: &tls.Config{RootCAs: n.roots},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := n.plain.Listener.Addr().String()
			if _, port, _ := net.SplitHostPort(addr); port == "443" || port == "8443" {
				to = n.tls.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
		Proxy: noProxy,
	}
}

func (n *internet) client() *fetch.Client {
	return &fetch.Client{Transport: fetch.NewTransport(n.options())}
}

// roundTrip is a RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes a response as a RoundTripper would.
func answer(status int, body io.Reader, length int64, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Proto: "HTTP/1.1", Header: http.Header{}, ContentLength: length, Body: io.NopCloser(body)}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }
