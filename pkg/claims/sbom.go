package claims

import (
	"context"

	"github.com/kverify/kverify/internal/session"
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

// Verdict joins what was found out. Without a signature no party vouches for an
// SBOM, also in the years when none had one.
func (s *SBOM) Verdict() report.Verdict {
	checks := []report.Check{s.Binding, s.Signature}
	for i := range checks {
		checks[i].Required = true
	}
	return report.Result{Checks: checks}.Verdict()
}

// LoadSBOM reads the SBOM of a release, and judges its signature and its binding to
// the version.
func LoadSBOM(ctx context.Context, s *session.Session, version release.Version) *SBOM {
	d := Load(ctx, s, version, release.DocSBOM)
	out := &SBOM{Signature: d.SBOM.Signature, Binding: d.SBOM.Binding, Expected: d.SignedSince()}
	if d.Release != nil {
		out.Source = d.Release.SBOM
	}
	if d.Usable() {
		out.Document = out.Source.Value
	}
	return out
}
