package mirror

import "github.com/kverify/kverify/pkg/verify"

// Verifier makes a verifier that reads this mirror and nothing else, under the
// policy and trusted root that are built in. Its fields may be changed before its
// first use.
func (d *Mirror) Verifier() *verify.Verifier {
	v := verify.New(d)
	v.Sparse = d.Sparse()
	return v
}
