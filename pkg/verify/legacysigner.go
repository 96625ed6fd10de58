package verify

import (
	"sync"

	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// legacySigner is an identity that once signed in the place of the one that the policy
// demands, and what it counts for (rule 18).
type legacySigner struct {
	*trust.FormerRule
	*trust.Catalogue
	identity trust.Identity
	cosign   *sigstore.SignatureVerifier
	children sync.Map // digests that a catalogued index names
}

// newLegacySigner returns nil where the policy knows no such identity, or no catalogue is at hand.
func newLegacySigner(policy *trust.Policy, root *trust.Root, catalogue *trust.Catalogue) (*legacySigner, error) {
	rule := policy.Images.Formerly
	if rule == nil || catalogue == nil {
		return nil, nil
	}
	f := &legacySigner{FormerRule: rule, Catalogue: catalogue, identity: policy.Identities[rule.Identity]}
	var err error
	f.cosign, err = sigstore.NewSignatureVerifier(root, f.identity)
	return f, err
}

// inherit takes over the children of an index that is in the catalogue, by their
// digests: what it names is catalogued with it.
func (f *legacySigner) inherit(name, index string, children []string) {
	if f == nil || len(f.Tags(name, trust.IndexRow, index)) == 0 {
		return
	}
	for _, digest := range children {
		f.children.Store(name+"@"+digest, true)
	}
}

// counts says whether a signature of this identity may count for the digest of
// an image, or of one of its architectures. When it was made is asked later.
func (f *legacySigner) counts(id trust.Identity, name, arch, digest string) bool {
	if f == nil || id != f.identity {
		return false
	}
	if arch == "" {
		return len(f.Tags(name, trust.IndexRow, digest)) > 0
	}
	_, child := f.children.Load(name + "@" + digest)
	return child || len(f.Tags(name, "linux/"+arch, digest)) > 0
}
