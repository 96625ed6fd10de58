package trust

import (
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// Anchor is one thing that a trusted root trusts.
type Anchor struct {
	Kind string // "certificate authority", "transparency log", "certificate log", "timestamp authority"
	URI  string // as the root says; may be empty
	ID   string // hex: the id of a log, the subject key id of an authority's own certificate
	From time.Time
	To   time.Time // zero: still valid
}

// Anchors lists what the root trusts, by kind and then by time.
func (r *Root) Anchors() []Anchor {
	var out []Anchor
	keyID := func(certs ...*x509.Certificate) string {
		for _, c := range certs {
			if c != nil {
				return hex.EncodeToString(c.SubjectKeyId)
			}
		}
		return ""
	}
	for _, ca := range r.Material.FulcioCertificateAuthorities() {
		if a, ok := ca.(*authority); ok {
			ca = a.FulcioCertificateAuthority
		}
		if f, ok := ca.(*root.FulcioCertificateAuthority); ok {
			out = append(out, Anchor{"certificate authority", f.URI, keyID(append(slices.Clone(f.Intermediates), f.Root)...), f.ValidityPeriodStart, f.ValidityPeriodEnd})
		}
	}
	for id, l := range r.Material.RekorLogs() {
		out = append(out, Anchor{"transparency log", l.BaseURL, id, l.ValidityPeriodStart, l.ValidityPeriodEnd})
	}
	for id, l := range r.Material.CTLogs() {
		out = append(out, Anchor{"certificate log", l.BaseURL, id, l.ValidityPeriodStart, l.ValidityPeriodEnd})
	}
	for _, tsa := range r.Material.TimestampingAuthorities() {
		if t, ok := tsa.(*root.SigstoreTimestampingAuthority); ok {
			out = append(out, Anchor{"timestamp authority", t.URI, keyID(t.Leaf, t.Root), t.ValidityPeriodStart, t.ValidityPeriodEnd})
		}
	}
	kinds := []string{"certificate authority", "certificate log", "transparency log", "timestamp authority"}
	slices.SortFunc(out, func(a, b Anchor) int {
		if n := slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind); n != 0 {
			return n
		}
		if n := a.From.Compare(b.From); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
