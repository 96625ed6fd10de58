package trust_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

// Having verified the intermediate once must never change an answer.
func TestChainsAreThoseOfTheWholeAuthority(t *testing.T) {
	s := world.New(world.Options{}).Sigstore()
	text := s.TrustedRootJSON()
	fast, err := trust.ParseRoot(text)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	forged := func() *x509.Certificate {
		raw := append([]byte(nil), s.Sign([]byte("x"), world.Signing{}).Certificate.Raw...)
		raw[len(raw)-3] ^= 1
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}()
	chains := func(m root.TrustedMaterial, c *x509.Certificate, at time.Time) (n int) {
		for _, ca := range m.FulcioCertificateAuthorities() {
			if got, err := ca.Verify(c, at); err == nil {
				n += len(got[0])
			}
		}
		return n
	}
	genuine := s.Sign([]byte("x"), world.Signing{}).Certificate
	for name, tt := range map[string]struct {
		cert  *x509.Certificate
		chain int
	}{
		"genuine":    {genuine, 3},
		"forged":     {forged, 0},
		"another CA": {world.NewSigstore("evil").Sign([]byte("x"), world.Signing{}).Certificate, 0},
	} {
		for _, at := range []time.Time{tt.cert.NotBefore, tt.cert.NotAfter, tt.cert.NotBefore.Add(-time.Second), tt.cert.NotAfter.Add(time.Second),
			tt.cert.NotBefore.AddDate(-30, 0, 0), tt.cert.NotBefore.AddDate(30, 0, 0)} {
			want := chains(whole, tt.cert, at)
			if got := chains(fast.Material, tt.cert, at); got != want {
				t.Errorf("%s at %s: chain of %d, the whole authority says %d", name, at, got, want)
			}
			if at.Equal(tt.cert.NotBefore) && want != tt.chain {
				t.Errorf("%s: chain of %d, want %d", name, want, tt.chain)
			}
		}
	}
}
