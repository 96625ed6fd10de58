package verify

import (
	"sync"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// legacySigner is an identity that once signed in the place of the one that the policy
// demands, and what it counts for (rule 18).
type legacySigner struct {
	rule      *trust.FormerRule
	catalogue *trust.Catalogue
	identity  trust.Identity
	cosign    *sigstore.SignatureVerifier
	children  sync.Map // digests that a catalogued index names
}

// newLegacySigner returns nil where the policy knows no such identity, or no catalogue is at hand.
func newLegacySigner(policy *trust.Policy, root *trust.Root, catalogue *trust.Catalogue) (*legacySigner, error) {
	rule := policy.Images.Formerly
	if rule == nil || catalogue == nil {
		return nil, nil
	}
	l := &legacySigner{rule: rule, catalogue: catalogue, identity: policy.Identities[rule.Identity]}
	var err error
	l.cosign, err = sigstore.NewSignatureVerifier(root, l.identity)
	return l, err
}

// inherit takes over the children of an index that is in the catalogue, by their
// digests: what it names is catalogued with it.
func (l *legacySigner) inherit(name string, index oci.Digest, children []oci.Digest) {
	if l == nil || len(l.catalogue.Tags(name, trust.IndexRow, index)) == 0 {
		return
	}
	for _, digest := range children {
		l.children.Store(name+"@"+string(digest), true)
	}
}

// counts says whether a signature of this identity may count for the digest of
// an image, or of one of its architectures. When it was made is asked later.
func (l *legacySigner) counts(id trust.Identity, name, arch string, digest oci.Digest) bool {
	if l == nil || id != l.identity {
		return false
	}
	if arch == "" {
		return len(l.catalogue.Tags(name, trust.IndexRow, digest)) > 0
	}
	_, child := l.children.Load(name + "@" + string(digest))
	return child || len(l.catalogue.Tags(name, "linux/"+arch, digest)) > 0
}
