package verify

import (
	"context"
	"slices"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/files"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Files begins to judge the files of a release. The only error is a
// [*UsageError].
func (v *Verifier) Files(version release.Version) (*Files, error) {
	s, err := v.fileSession()
	if err != nil {
		return nil, err
	}
	return files.New(s, version, v.anchorOf(s)), nil
}

// filesFromDocuments is Files where the release's documents were read already.
func (v *Verifier) filesFromDocuments(docs *claims.Documents) (*Files, error) {
	s, err := v.WithFileChecks().fileSession()
	if err != nil {
		return nil, err
	}
	return files.Of(s, docs, v.WithFileChecks().anchorOf(s)), nil
}

func (v *Verifier) fileSession() (*session.Session, error) {
	if err := v.refuseImageChecks(); err != nil {
		return nil, err
	}
	return v.session()
}

func (v *Verifier) anchorOf(s *session.Session) func(context.Context, *claims.Documents) report.Check {
	return func(ctx context.Context, docs *claims.Documents) report.Check { return v.anchor(ctx, s, docs) }
}

// LocalFiles verifies files on disk: which file of which release they are, and
// that they are that. version names the release; the zero value takes what a
// path or the file itself says, which is a hint that chooses whom to ask and
// proves nothing. The only error is a [*UsageError].
func (v *Verifier) LocalFiles(ctx context.Context, list []LocalFile, version release.Version) (report.Report, error) {
	return files.VerifyLocal(ctx, v.Files, list, version)
}

// List reads everything that a release publishes about itself. The only error
// is a [*UsageError].
func (v *Verifier) List(ctx context.Context, version release.Version) (*Listing, error) {
	r, err := v.newRun()
	if err != nil {
		return nil, err
	}
	return claims.Load(ctx, r.session, version).Listing(), nil
}

// SBOM reads the SBOM of a release, and judges its signature and its binding to
// the version. The only error is a [*UsageError].
func (v *Verifier) SBOM(ctx context.Context, version release.Version) (*claims.SBOM, error) {
	r, err := v.newRun()
	if err != nil {
		return nil, err
	}
	return claims.LoadSBOM(ctx, r.session, version), nil
}

// WithFileChecks is v without the checks that only images can be asked for: for a run
// over both, where the images are asked for those.
func (v *Verifier) WithFileChecks() *Verifier {
	c := *v
	keep := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(files.Checks, n) })
	}
	c.Require = keep(c.Require)
	if c.Checks != nil {
		c.Checks = keep(c.Checks)
	}
	return &c
}

// refuseImageChecks refuses what can only be asked of images, rather than pass it over.
func (v *Verifier) refuseImageChecks() error {
	for _, name := range slices.Concat(v.Require, v.Checks) {
		if !slices.Contains(files.Checks, name) && !slices.Contains([]string{report.Inventory, report.Reference}, name) {
			return session.Usagef("the check %q is of images; of files there are digest, signature, binding and anchor", name)
		}
	}
	return nil
}
