package trust

import (
	"bytes"
	"crypto/x509"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// material is a trusted root whose intermediate certificates were verified
// once, so that each signature costs one P-384 verification and not two.
type material struct {
	*root.TrustedRoot
	authorities []root.CertificateAuthority
}

// FulcioCertificateAuthorities replaces those of the TrustedRoot.
func (m *material) FulcioCertificateAuthorities() []root.CertificateAuthority { return m.authorities }

func newMaterial(r *root.TrustedRoot) *material {
	m := &material{TrustedRoot: r}
	for _, ca := range r.FulcioCertificateAuthorities() {
		if f, ok := ca.(*root.FulcioCertificateAuthority); ok {
			ca = newAuthority(f)
		}
		m.authorities = append(m.authorities, ca)
	}
	return m
}

// authority verifies leaf certificates against intermediates that are known to
// chain to the root. Whatever it does not verify that way is put to the whole
// authority, so that it can only be faster than that, and never laxer.
type authority struct {
	*root.FulcioCertificateAuthority
	proved []proved
}

// proved is an intermediate certificate that chains to the root, and when the
// whole chain above a leaf is valid.
type proved struct {
	cert     *x509.Certificate
	pool     *x509.CertPool // cert alone
	from, to time.Time
}

func newAuthority(f *root.FulcioCertificateAuthority) *authority {
	a := &authority{FulcioCertificateAuthority: f}
	// MaxPathLenZero: no intermediate may stand below the root (RFC 5280, 4.2.1.9).
	if f.Root == nil || constrained(f.Root) || f.Root.MaxPathLenZero {
		return a
	}
	for _, c := range f.Intermediates {
		if len(c.SubjectKeyId) == 0 || constrained(c) {
			continue
		}
		// An intermediate directly below the root; a longer chain takes the whole way each time.
		alone := *f
		alone.Intermediates = nil
		at := latest(c.NotBefore, f.Root.NotBefore, f.ValidityPeriodStart)
		if _, err := alone.Verify(c, at); err != nil {
			continue
		}
		p := proved{cert: c, pool: x509.NewCertPool(), from: at, to: earliest(c.NotAfter, f.Root.NotAfter, f.ValidityPeriodEnd)}
		p.pool.AddCert(c)
		a.proved = append(a.proved, p)
	}
	return a
}

// constrained says whether a certificate limits the names below it, or demands a policy
// of its whole chain, which only a verification of the whole chain honours (RFC 5280,
// 4.2.1.10 and 4.2.1.11).
func constrained(c *x509.Certificate) bool {
	return c.RequireExplicitPolicy > 0 || c.RequireExplicitPolicyZero || c.PermittedDNSDomainsCritical || len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+
		len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses)+len(c.PermittedURIDomains)+len(c.ExcludedURIDomains)+
		len(c.PermittedIPRanges)+len(c.ExcludedIPRanges) > 0
}

// Verify returns the chains of a leaf certificate at a time, as
// [root.FulcioCertificateAuthority.Verify] does.
func (a *authority) Verify(leaf *x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	for _, p := range a.proved {
		if !bytes.Equal(leaf.AuthorityKeyId, p.cert.SubjectKeyId) || leaf.IsCA || constrained(leaf) || at.Before(p.from) || at.After(p.to) {
			continue
		}
		_, err := leaf.Verify(x509.VerifyOptions{
			CurrentTime: at, Roots: p.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		})
		if err == nil {
			return [][]*x509.Certificate{{leaf, p.cert, a.Root}}, nil
		}
	}
	return a.FulcioCertificateAuthority.Verify(leaf, at)
}

func latest(ts ...time.Time) time.Time {
	var out time.Time
	for _, t := range ts {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// earliest ignores zero times, which mean no end.
func earliest(ts ...time.Time) time.Time {
	var out time.Time
	for _, t := range ts {
		if !t.IsZero() && (out.IsZero() || t.Before(out)) {
			out = t
		}
	}
	return out
}
