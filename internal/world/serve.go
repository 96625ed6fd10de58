package world

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/world/sigstore"
)

// ServeHTTP implements [http.Handler]: the host is the request's own.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	u := &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	a, wait, err := w.answer(r, u, body)
	if e := pause(r.Context(), wait); e != nil || err != nil {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	for key, values := range a.header {
		rw.Header()[key] = values
	}
	if a.length >= 0 {
		rw.Header().Set("Content-Length", big.NewInt(a.length).String())
	}
	rw.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	for sent := int64(0); r.Context().Err() == nil; {
		rest, end := a.rest(sent)
		n, err := rw.Write(rest)
		sent += int64(n)
		if err != nil {
			return
		}
		if errors.Is(end, io.EOF) {
			return
		}
		if end != nil {
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

// Server is a world behind a real listener, on the loopback interface.
type Server struct {
	Addr string // host:port

	http *http.Server
	wg   sync.WaitGroup
}

// Serve starts a TLS listener with HTTP/2 that has a certificate for all
// hosts. The caller closes it.
func (w *World) Serve() (*Server, error) {
	l, err := loopback()
	if err != nil {
		return nil, err
	}
	return serve(l, w, w.TLSConfig()), nil
}

func loopback() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// ServeAny is [World.Serve] for whatever else answers: it has a certificate for
// every name that a client asks for.
func ServeAny(h http.Handler) (*Server, error) {
	l, err := loopback()
	if err != nil {
		return nil, err
	}
	return ServeOn(l, h), nil
}

// ServeOn is [ServeAny] on a listener, which it closes.
func ServeOn(l net.Listener, h http.Handler) *Server {
	return serve(l, h, &tls.Config{
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificateFor("tls leaf "+hello.ServerName, []string{hello.ServerName}), nil
		},
	})
}

func serve(l net.Listener, h http.Handler, c *tls.Config) *Server {
	s := &Server{Addr: l.Addr().String(), http: &http.Server{
		Handler:           h,
		TLSConfig:         c,
		ReadHeaderTimeout: time.Minute,
	}}
	s.wg.Go(func() { _ = s.http.ServeTLS(l, "", "") })
	return s
}

// Close stops the server and its connections.
func (s *Server) Close() {
	_ = s.http.Close()
	s.wg.Wait()
}

// Transport returns a client's transport that trusts the server's CA and finds
// every host at the listener.
func (s *Server) Transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(serverCA().cert)
	var d net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.DialContext(ctx, network, s.Addr)
		},
		TLSClientConfig:     &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		DisableCompression:  true,
	}
}

// Proxy starts an HTTP proxy that tunnels a CONNECT to any host to the
// listener, and returns its URL. With HTTPS_PROXY set to it and SSL_CERT_FILE
// to a file with [CAPEM], a program of its own takes the world for the world.
func (s *Server) Proxy() (*url.URL, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	proxy := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(rw, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		up, err := net.Dial("tcp", s.Addr)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		down, buf, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			_ = up.Close()
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		s.wg.Go(func() { tunnel(up, down, buf.Reader) })
		s.wg.Go(func() { tunnel(down, up, nil) })
	})}
	s.wg.Go(func() { _ = proxy.Serve(l) })
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, func() { _ = proxy.Close() }, nil
}

func tunnel(to, from net.Conn, buffered *bufio.Reader) {
	var src io.Reader = from
	if buffered != nil {
		src = buffered
	}
	_, _ = io.Copy(to, src)
	_ = to.Close()
	_ = from.Close()
}

// TLSConfig is for a listener: a certificate for all [Hosts].
func (w *World) TLSConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*serverCertificate()}, NextProtos: []string{"h2", "http/1.1"}}
}

// CAPEM is the certificate of the CA that made the listener's.
func CAPEM() []byte { return sigstore.CertificatePEM(serverCA().cert.Raw) }

// CertificatePEM is the listener's certificate with its CA, and its key, for a
// server of another make.
func CertificatePEM() (cert, key []byte, err error) {
	c := serverCertificate()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	cert = append(sigstore.CertificatePEM(c.Certificate[0]), sigstore.CertificatePEM(c.Certificate[1])...)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serverCA = sync.OnceValue(func() authority {
	key := sigstore.DeriveKey(elliptic.P256(), "tls ca")
	t := &x509.Certificate{
		SerialNumber:          sigstore.Serial("tls ca"),
		Subject:               pkix.Name{CommonName: "kverify test world TLS CA"},
		NotBefore:             Opened,
		NotAfter:              Opened.AddDate(30, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	return authority{sigstore.MustCertificate(x509.CreateCertificate(nil, t, t, &key.PublicKey, key)), key}
})

var serverCertificate = sync.OnceValue(func() *tls.Certificate {
	return certificateFor("tls leaf", append(slices.Clone(Hosts), HostPackages, HostPackagesCDN))
})

// certificateFor makes a server's certificate; the seed is of its key and serial number.
func certificateFor(seed string, names []string) *tls.Certificate {
	ca := serverCA()
	key := sigstore.DeriveKey(elliptic.P256(), seed)
	leaf := sigstore.MustCertificate(x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber: sigstore.Serial(seed),
		NotBefore:    Opened,
		NotAfter:     Opened.AddDate(30, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
	}, ca.cert, &key.PublicKey, ca.key))
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}
}
