package claims

import (
	"github.com/kverify/kverify/internal/detached"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Documents are those that a release publishes about itself, as far as they were
// read, and how far each is to be believed. [Load] makes them.
type Documents struct {
	Version release.Version
	Release *release.Release // nil if reading them failed in this program
	SBOM    SBOMProof

	session    *session.Session
	provenance provenanceProof
}

// SBOMProof is what was found out about a release's SBOM.
type SBOMProof struct {
	Signature, Binding report.Check
	Signed             bool // both hold: its claims are signed claims
	Detached           detached.Signature
	Bundle             []byte // that proves the signature; nil if it does not hold
}

// provenanceProof is what was found out about a release's provenance.json. It
// is a document that claims, no subject: what is wrong with its signature takes
// the weight from its claims and nothing else.
type provenanceProof struct {
	signed bool   // by the identity that the policy names, with all that rule 32 demands, beside a signed SBOM
	note   string // what a reader should know of it; empty for a plain statement
}

// In returns the same documents, whose checks are those of another session.
func (d *Documents) In(s *session.Session) *Documents {
	own := *d
	own.session = s
	return &own
}

// NotReleased reports that the documents say there is no such version, or nil.
func (d *Documents) NotReleased() error {
	if d == nil || d.Release == nil {
		return nil
	}
	return d.Release.NotReleased()
}

// NotHeld reports that a mirror was asked which holds nothing of the version, or nil.
func (d *Documents) NotHeld() error {
	if d == nil || d.Release == nil {
		return nil
	}
	return d.Release.NotHeld()
}

// Usable says whether the SBOM can be read and speaks of this version. It does
// not say who signed it.
func (d *Documents) Usable() bool {
	return d != nil && d.Release != nil && d.Release.SBOM.Err == nil && d.SBOM.Binding.Verdict == report.Verified
}

// SBOMStrength is the strength of what the SBOM says: it speaks through its
// signature only.
func (d *Documents) SBOMStrength() report.Strength {
	if d.SBOM.Signed {
		return report.Signed
	}
	return report.Carried
}

// SignedSince says whether this version is one whose files are always signed.
func (d *Documents) SignedSince() bool {
	since, err := release.ParseVersion(d.session.Policy.Files.SignedSince)
	return err != nil || d.Version.Compare(since) >= 0
}
