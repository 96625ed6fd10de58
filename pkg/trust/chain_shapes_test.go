package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// explicitPolicy demands a policy of every certificate from here down (RFC 5280, 4.2.1.11).
var explicitPolicy = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 36}, Critical: true, Value: []byte{0x30, 3, 0x80, 1, 0}}

// aPolicy names one.
var aPolicy = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3}}

// Whatever stands in an authority's list and however long its chains are, an intermediate that was
// verified once makes no chain valid that the whole authority refuses, and is used where it may be.
func TestChainsOfOtherShapes(t *testing.T) {
	as := func(*x509.Certificate) {}
	extra := func(e ...pkix.Extension) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, e...) }
	}
	leaf := func(change func(c *x509.Certificate)) func(c *x509.Certificate) {
		return func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage, c.EmailAddresses = false, x509.KeyUsageDigitalSignature, []string{"krel@example.com"}
			change(c)
		}
	}
	for _, tt := range []struct {
		name string
		make func() (top *issued, middles []*issued, signer *issued)
		days string // as in TestConstraintsOfAnAuthority
		fast int    // how many of the intermediates are verified once
	}{
		{"one below the root", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, as)
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "all", 1},
		{"below the root itself", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			return top, []*issued{issue(t, "middle", top, as)}, issue(t, "leaf", top, leaf(as))
		}, "all", 1},
		{"an intermediate of another root of the same name", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", issue(t, "root", nil, as), as)
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "none", 0},
		{"a stranger's intermediate before the genuine one", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, as)
			return top, []*issued{issue(t, "middle", issue(t, "root", nil, as), as), middle}, issue(t, "leaf", middle, leaf(as))
		}, "all", 1},
		{"an intermediate that limits before one that does not", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, as)
			limits := issue(t, "other", top, func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"example.com"} })
			return top, []*issued{limits, middle}, issue(t, "leaf", middle, leaf(as))
		}, "all", 1},
		{"two below the root", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			upper := issue(t, "upper", top, as)
			lower := issue(t, "lower", upper, as)
			return top, []*issued{lower, upper}, issue(t, "leaf", lower, leaf(as))
		}, "all", 1},
		{"two, of which the upper one ends first", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			upper := issue(t, "upper", top, func(c *x509.Certificate) { c.NotAfter = day(10) })
			lower := issue(t, "lower", upper, as)
			return top, []*issued{lower, upper}, issue(t, "leaf", lower, leaf(as))
		}, "before 10", 1},
		{"two, of which the upper one excludes the signer", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			upper := issue(t, "upper", top, func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"example.com"} })
			lower := issue(t, "lower", upper, as)
			return top, []*issued{lower, upper}, issue(t, "leaf", lower, leaf(as))
		}, "none", 0},
		{"a root that may have no intermediate", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, func(c *x509.Certificate) { c.MaxPathLenZero = true })
			middle := issue(t, "middle", top, as)
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "none", 0},
		{"an intermediate that may have none below it", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, func(c *x509.Certificate) { c.MaxPathLen = 1 })
			middle := issue(t, "middle", top, func(c *x509.Certificate) { c.MaxPathLenZero = true })
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "all", 1},
		{"an intermediate that demands a policy", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, extra(aPolicy, explicitPolicy))
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "none", 0},
		{"an intermediate that demands a policy from its signers on", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			later := explicitPolicy
			later.Value = []byte{0x30, 3, 0x80, 1, 1}
			middle := issue(t, "middle", top, extra(aPolicy, later))
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "none", 0},
		{"a signer that demands a policy, which its authority does not have", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, as)
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(extra(aPolicy, explicitPolicy)))
		}, "none", 1},
		{"an intermediate for other purposes", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
			middle := issue(t, "middle", top, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping} })
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(as))
		}, "none", 0},
		{"a signer for other purposes", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, as)
			return top, []*issued{middle}, issue(t, "leaf", middle, leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))
		}, "none", 1},
		{"an intermediate of the first version, which says nowhere that it is an authority", func() (top *issued, middles []*issued, signer *issued) {
			top = issue(t, "root", nil, as)
			middle := issue(t, "middle", top, as)
			signer = issue(t, "leaf", middle, leaf(as))
			middle.cert.Version, middle.cert.BasicConstraintsValid, middle.cert.IsCA, middle.cert.SubjectKeyId, signer.cert.AuthorityKeyId = 1, false, false, nil, nil
			return top, []*issued{middle}, signer
		}, "none", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top, middles, signer := tt.make()
			f := &root.FulcioCertificateAuthority{Root: top.cert}
			for _, m := range middles {
				f.Intermediates = append(f.Intermediates, m.cert)
			}
			a := newAuthority(f)
			if len(a.proved) != tt.fast {
				t.Errorf("%d intermediates are verified once, want %d", len(a.proved), tt.fast)
			}
			for _, d := range []int{5, 9, 11, 20} {
				want := tt.days == "all" || tt.days == "before 10" && d < 10
				_, whole := f.Verify(signer.cert, day(d))
				_, fast := a.Verify(signer.cert, day(d))
				if (whole == nil) != want || (fast == nil) != want {
					t.Errorf("on the %d.: the whole authority says %v, and we %v; want valid: %v", d, whole, fast, want)
				}
			}
		})
	}
}

// What is known of an intermediate is not verified again, as long as it holds: then the root is not asked, which
// another one shows that stands in its place.
func TestIntermediateIsVerifiedOnce(t *testing.T) {
	as := func(*x509.Certificate) {}
	leaf := func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }
	top, stranger := issue(t, "root", nil, as), issue(t, "stranger", nil, as)
	first, second := issue(t, "first", top, as), issue(t, "second", top, func(c *x509.Certificate) { c.NotAfter = day(20) })
	a := newAuthority(&root.FulcioCertificateAuthority{Root: top.cert, Intermediates: []*x509.Certificate{first.cert, second.cert}, ValidityPeriodStart: day(5), ValidityPeriodEnd: day(25)})
	endless := newAuthority(&root.FulcioCertificateAuthority{Root: top.cert, Intermediates: a.Intermediates})
	a.FulcioCertificateAuthority = &root.FulcioCertificateAuthority{Root: stranger.cert}
	endless.FulcioCertificateAuthority = a.FulcioCertificateAuthority
	if _, err := endless.Verify(issue(t, "leaf", first, leaf).cert, day(28)); err != nil {
		t.Errorf("of an authority without an end: %v", err)
	}
	nameless := issue(t, "leaf", first, leaf)
	nameless.cert.AuthorityKeyId = nil
	for _, tt := range []struct {
		name string
		cert *x509.Certificate
		day  int
		want bool
	}{
		{"of the first", issue(t, "leaf", first, leaf).cert, 10, true}, {"of the second", issue(t, "leaf", second, leaf).cert, 10, true},
		{"on the first day", issue(t, "leaf", first, leaf).cert, 5, true}, {"on the last day", issue(t, "leaf", first, leaf).cert, 25, true},
		{"on the last day of the second", issue(t, "leaf", second, leaf).cert, 20, true}, {"after it", issue(t, "leaf", second, leaf).cert, 21, false},
		{"before the authority began", issue(t, "leaf", first, leaf).cert, 4, false}, {"after it ended", issue(t, "leaf", first, leaf).cert, 26, false},
		{"without the key's id", nameless.cert, 10, false}, {"an authority", issue(t, "leaf", first, as).cert, 10, false}, {"of a stranger's intermediate", issue(t, "leaf", issue(t, "first", stranger, as), leaf).cert, 10, false},
	} {
		chains, err := a.Verify(tt.cert, day(tt.day))
		if (err == nil) != tt.want || err == nil && (len(chains) != 1 || len(chains[0]) != 3 || chains[0][0] != tt.cert) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
