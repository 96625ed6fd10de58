package verify

import (
	"context"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sbom"
)

// SBOM is the SBOM of a release, and what was found out about it.
type SBOM struct {
	// Document is nil where there is none that can be read and speaks for the
	// version; Binding says why.
	Document *sbom.Document
	Source   release.Source[*sbom.Document]
	// Signature says who signed it, Binding whether it speaks for the version.
	Signature, Binding report.Check
	// Expected says that a release of this version always has a signed one.
	Expected bool
}

// Verdict joins what was found out. Without a signature nobody vouches for an
// SBOM, also in the years when none had one.
func (s *SBOM) Verdict() report.Verdict {
	checks := []report.Check{s.Binding, s.Signature}
	for i := range checks {
		checks[i].Required = true
	}
	return report.Result{Checks: checks}.Verdict()
}

// SBOM reads the SBOM of a release, and judges its signature and its binding to
// the version. The only error is a [*UsageError].
func (v *Verifier) SBOM(ctx context.Context, version release.Version) (*SBOM, error) {
	r, err := v.start()
	if err != nil {
		return nil, err
	}
	f := r.loadDocuments(ctx, version, release.Options{Want: []release.Document{release.DocSBOM}})
	s := &SBOM{Signature: f.sbom.signature, Binding: f.sbom.binding, Expected: f.signedSince()}
	if f.rel != nil {
		s.Source = f.rel.SBOM
	}
	if f.usable() {
		s.Document = s.Source.Value
	}
	return s, nil
}
