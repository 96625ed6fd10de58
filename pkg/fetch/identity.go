package fetch

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/bounds"
)

// PublishedHost reports whether a host is one that Kubernetes or Sigstore
// publish on: nothing that belongs to a user is ever sent there, no credential
// and no client certificate.
func PublishedHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix((&url.URL{Host: host}).Hostname(), "."))
	if _, ok := publishers[host]; ok {
		return true
	}
	for _, domain := range []string{"k8s.io", "kubernetes.io", "sigstore.dev", "k8s.gcr.io"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// ParseCAs reads the certificates of one or more authorities in PEM.
func ParseCAs(text []byte) ([]*x509.Certificate, error) {
	text = bounds.WithoutBOM(text)
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("it holds something else than certificates; give those of the authority alone, in PEM")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a certificate in it cannot be read; give it in PEM")
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return list, nil
}

// Identity is a client's certificate with its key.
type Identity struct{ cert tls.Certificate }

// ParseIdentity reads a certificate, with those between it and its authority
// behind it, and its key, both in PEM. No error repeats anything of the key.
func ParseIdentity(cert, key []byte) (*Identity, error) {
	c, err := tls.X509KeyPair(bounds.WithoutBOM(cert), bounds.WithoutBOM(key))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &Identity{cert: c}, nil
}

// ownCA marks answers that the system's certificates alone would not have
// verified: their TLS state is taken off, so that they are Carried.
type ownCA struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool // by host and chain: the system verifies it
}

func (o *ownCA) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(req)
	if err == nil && resp.TLS != nil && !o.publicly(req.URL.Hostname(), resp.TLS) {
		resp.TLS = nil
	}
	return resp, err
}

func (o *ownCA) publicly(host string, state *tls.ConnectionState) bool {
	sum := sha256.New()
	sum.Write([]byte(host + "\n"))
	for _, c := range state.PeerCertificates {
		sum.Write(c.Raw)
	}
	key := [sha256.Size]byte(sum.Sum(nil))
	o.mu.Lock()
	defer o.mu.Unlock()
	ok, known := o.seen[key]
	if !known {
		ok = systemVerifies(host, state.PeerCertificates)
		if o.seen == nil {
			o.seen = map[[sha256.Size]byte]bool{}
		}
		o.seen[key] = ok
	}
	return ok
}

// systemVerifies verifies a server's certificate as a run without any flag would.
func systemVerifies(host string, chain []*x509.Certificate) bool {
	if len(chain) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	return err == nil
}

// withCAs is the system's pool and more.
func withCAs(extra []*x509.Certificate) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, c := range extra {
		pool.AddCert(c)
	}
	return pool
}
