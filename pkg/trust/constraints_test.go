package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate below another one, or a root.
func issue(t *testing.T, name string, above *issued, change func(c *x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotBefore: day(1), NotAfter: day(28),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	change(c)
	parent, signer := c, key
	if above != nil {
		parent, signer = above.cert, above.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return &issued{c, key}
}

func day(n int) time.Time { return time.Date(2023, 6, n, 0, 0, 0, 0, time.UTC) }

// What an authority says of whom it may certify, and until when, holds whichever way a chain is
// verified: an authority that may not name somebody must not get a signature of theirs verified.
func TestConstraintsOfAnAuthority(t *testing.T) {
	as := func(*x509.Certificate) {}
	elsewhere, _ := url.Parse("https://example.com/x")
	for _, tt := range []struct {
		name         string
		root, middle func(c *x509.Certificate)
		from, to     time.Time // of the authority, in the trusted root
		days         string    // on which a certificate of 2023-06-01 to 28 is valid
	}{
		{"without limits", as, as, time.Time{}, time.Time{}, "all"},
		{"a root that may not name the signer", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"other.example"} }, as, time.Time{}, time.Time{}, "none"},
		{"a root that excludes the signer", func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"example.com"} }, as, time.Time{}, time.Time{}, "none"},
		{"an intermediate that may not", as, func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"other.example"} }, time.Time{}, time.Time{}, "none"},
		{"an intermediate that excludes", as, func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"example.com"} }, time.Time{}, time.Time{}, "none"},
		{"a root that excludes a URI", func(c *x509.Certificate) { c.ExcludedURIDomains = []string{"example.com"} }, as, time.Time{}, time.Time{}, "none"},
		{"a root that may name another URI", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"other.example"} }, as, time.Time{}, time.Time{}, "none"},
		{"a root that excludes a host", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"example.com"} }, as, time.Time{}, time.Time{}, "none"},
		{"a root that may name another host", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"other.example"} }, as, time.Time{}, time.Time{}, "none"},
		{"a root that may name another network", func(c *x509.Certificate) {
			c.PermittedIPRanges = []*net.IPNet{{IP: net.IPv4(192, 0, 2, 0).To4(), Mask: net.CIDRMask(24, 32)}}
		}, as, time.Time{}, time.Time{}, "none"},
		{"a root that excludes a network", func(c *x509.Certificate) {
			c.ExcludedIPRanges = []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}
		}, as, time.Time{}, time.Time{}, "none"},
		{"a root that ends first", func(c *x509.Certificate) { c.NotAfter = day(10) }, as, time.Time{}, time.Time{}, "before 10"},
		{"an intermediate that ends first", as, func(c *x509.Certificate) { c.NotAfter = day(10) }, time.Time{}, time.Time{}, "before 10"},
		{"a root that ends before its authority", func(c *x509.Certificate) { c.NotAfter = day(10) }, as, time.Time{}, day(20), "before 10"},
		{"an authority that ended", as, as, time.Time{}, day(10), "before 10"},
		{"an authority that began later", as, as, day(10), time.Time{}, "after 10"},
		{"a root that began later", func(c *x509.Certificate) { c.NotBefore = day(10) }, as, time.Time{}, time.Time{}, "after 10"},
		{"an intermediate that began later", as, func(c *x509.Certificate) { c.NotBefore = day(10) }, time.Time{}, time.Time{}, "after 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := issue(t, "root", nil, tt.root)
			middle := issue(t, "intermediate", top, tt.middle)
			leaf := issue(t, "leaf", middle, func(c *x509.Certificate) {
				c.IsCA, c.KeyUsage, c.EmailAddresses, c.URIs = false, x509.KeyUsageDigitalSignature, []string{"krel@example.com"}, []*url.URL{elsewhere}
				c.DNSNames, c.IPAddresses = []string{"a.example.com"}, []net.IP{net.IPv4(127, 0, 0, 1)}
			})
			f := &root.FulcioCertificateAuthority{Root: top.cert, Intermediates: []*x509.Certificate{middle.cert}, ValidityPeriodStart: tt.from, ValidityPeriodEnd: tt.to}
			// Limits are what only the whole chain shows; an end or a beginning is known with the intermediate.
			if fast := newAuthority(f).proved; (len(fast) == 1) != (tt.days != "none") {
				t.Errorf("%d intermediates are verified once", len(fast))
			}
			for _, d := range []int{5, 9, 11, 20} {
				want := tt.days == "all" || tt.days == "before 10" && d < 10 || tt.days == "after 10" && d > 10
				_, whole := f.Verify(leaf.cert, day(d))
				_, fast := newAuthority(f).Verify(leaf.cert, day(d))
				if (whole == nil) != want || (fast == nil) != want {
					t.Errorf("on the %d.: the whole authority says %v, and we %v; want valid: %v", d, whole, fast, want)
				}
			}
		})
	}
}
