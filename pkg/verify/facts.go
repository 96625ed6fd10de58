package verify

import (
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// facts are a release's own documents, and how far each is to be believed.
type facts struct {
	run     *run
	version release.Version
	rel     *release.Release
	sbom    sbomFacts

	provenance provenanceFacts
}

type sbomFacts struct {
	signature, binding report.Check
	signed             bool // both hold: its claims are signed claims
	papers             papers
	bundle             []byte // that proves the signature; nil if it does not hold
}

// provenanceFacts are what was found out about a release's provenance.json. It
// is a document that claims, no subject: what is wrong with its signature takes
// the weight from its claims and nothing else.
type provenanceFacts struct {
	signed bool   // by whom the policy names, with all that rule 32 demands, beside a signed SBOM
	note   string // what a reader should know of it; empty for a plain statement
}

// usable says whether the SBOM can be read and speaks of this version, whoever
// signed it.
func (f *facts) usable() bool {
	return f != nil && f.rel != nil && f.rel.SBOM.Err == nil && f.sbom.binding.Verdict == report.Verified
}

// sbomStrength is the strength of what the SBOM says: it speaks through its
// signature only.
func (f *facts) sbomStrength() report.Strength {
	if f.sbom.signed {
		return report.Signed
	}
	return report.Carried
}

// signedSince says whether this version is one whose files are always signed.
func (f *facts) signedSince() bool {
	since, err := release.ParseVersion(f.run.Policy.Files.SignedSince)
	return err != nil || f.version.Compare(since) >= 0
}
