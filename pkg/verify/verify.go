// Package verify decides. It joins what a registry serves, what a release's
// documents claim (package claims) and what was signed into a [report.Report], under a
// [trust.Policy] and a [trust.Root], by the rules of docs/trust.md.
//
// Images are judged here: [Verifier.Images], [Verifier.Release] and
// [Verifier.References] examine sets of images in the same steps, and
// [Verifier.Admit] mints what lets them into a mirror. Files are judged by package
// files, whose verifiers [Verifier.Files] makes.
//
// A [Verifier] speaks to the world through the clients that it is given, so
// that the same code judges a live registry, a mirror directory without any
// network, and the worlds of the tests.
package verify

import (
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/vouch"
)

// Verifier verifies releases and images. Its fields are set before its first
// use and not changed after; it may be used by several goroutines.
type Verifier struct {
	Fetch    *fetch.Client
	Registry *registry.Client
	// Also is where signatures and bundles of images may lie besides, such as a mirror
	// beside a registry that stands in for the real one; nil is nowhere.
	Also   *Also
	Policy *trust.Policy // nil means the embedded one
	Root   *trust.Root   // nil means the embedded one

	// Catalogue is what past releases consisted of. Nil means the embedded one,
	// under a root that shares Sigstore's public instance with the embedded root;
	// under any other it is not asked, since it speaks of that instance's images.
	Catalogue *trust.Catalogue
	// Vouched is what an operator vouches for; nil is nothing. See [vouch.Read].
	Vouched *vouch.Word

	// Sparse is what the mirror that is read says it was made for, of each release;
	// nil where no mirror answers for the registry. See [MirrorScope].
	Sparse []MirrorScope

	// Checks, if not nil, are the checks to run instead of those that the policy
	// requires. Digest and signature cannot be left out.
	Checks []string
	// Require are checks to run in addition.
	Require []string

	// Hints are digests that names had before, as a lock has them: their signatures are asked
	// for while the names are. A wrong one costs requests; none has a part in a verdict.
	Hints []report.Locked

	Jobs     int              // subjects examined at once; below one means 64
	Tool     report.Tool      // named in the report
	Now      func() time.Time // for the report's date only, never for a verdict; nil means time.Now
	Progress *Progress        // nil means that no caller watches
}

// Progress counts the subjects of a run, for a progress bar to poll. The zero
// value is ready to use.
type Progress struct{ done, total atomic.Int64 }

// Counts returns how many subjects are done, and how many are known of so far.
func (p *Progress) Counts() (done, total int) { return int(p.done.Load()), int(p.total.Load()) }

// Begin counts subjects that the caller examines without a Verifier; End counts
// them as done.
func (p *Progress) Begin(n int) { p.add(n) }

// End counts subjects as done.
func (p *Progress) End(n int) { p.finish(n) }

func (p *Progress) add(n int) {
	if p != nil {
		p.total.Add(int64(n))
	}
}

func (p *Progress) finish(n int) {
	if p != nil {
		p.done.Add(int64(n))
	}
}

// run is one call: the session that it judges in, and where it reads images.
type run struct {
	session   *session.Session
	registry  *registry.Client
	also      *Also
	catalogue *trust.Catalogue // nil is not asked
	sparse    []MirrorScope
	jobs      int
	hints     hints
	progress  *Progress

	cosign   *sigstore.SignatureVerifier
	payloads *sigstore.Payloads
	legacy   *legacySigner // nil where the policy knows none
	whole    bool          // every name of every image must be there, at a stand-in too
	held     bool          // what a request leaves out is absent, in the mirror that is judged
}

// session begins one, by the policy, the root and the checks of v.
func (v *Verifier) session() (*session.Session, error) {
	policy := v.Policy
	if policy == nil {
		policy = trust.EmbeddedPolicy()
	}
	s, err := session.New(policy, v.Checks, v.Require)
	if err != nil {
		return nil, err
	}
	s.Fetch, s.Root, s.Vouched, s.Tool, s.Now = v.Fetch, v.Root, v.Vouched, v.Tool, v.Now
	if s.Root == nil {
		s.Root = trust.EmbeddedRoot()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s, nil
}

// newRun begins a run over images.
func (v *Verifier) newRun() (*run, error) {
	s, err := v.session()
	if err != nil {
		return nil, err
	}
	if s.Needs(report.Anchor) {
		return nil, session.Usagef("the check %q is of files; where images are examined, binding holds the SBOM against them", report.Anchor)
	}
	r := &run{session: s, registry: v.Registry, also: v.Also, catalogue: v.Catalogue, sparse: v.Sparse, jobs: v.Jobs, hints: newHints(v.Hints), progress: v.Progress,
		payloads: new(sigstore.Payloads)}
	if r.catalogue == nil && s.Root.SameInstance(trust.EmbeddedRoot()) {
		r.catalogue = trust.EmbeddedCatalogue()
	}
	if r.jobs < 1 {
		r.jobs = 64
	}
	if r.legacy, err = newLegacySigner(s.Policy, s.Root, r.catalogue); err != nil {
		return nil, err
	}
	r.cosign, err = sigstore.NewSignatureVerifier(s.Root, s.Policy.ImageIdentity())
	return r, err
}

// documents says whether this run needs the release's own documents.
func (r *run) documents() bool {
	return r.session.Needs(report.Inventory) || r.session.Needs(report.Binding) || r.session.MayAsk(report.Contents)
}

// check is the outcome of a check of that name.
func (r *run) check(name string, v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
	return r.session.Check(name, v, reason, format, args...)
}

// failed is the check that ended in err.
func (r *run) failed(name string, err error) report.Check { return r.session.Failed(name, err) }

func (r *run) needs(check string) bool { return r.session.Needs(check) }
