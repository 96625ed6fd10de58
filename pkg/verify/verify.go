// Package verify decides. It joins what a registry serves, what a release's
// documents claim and what was signed into a [report.Report], under a
// [trust.Policy] and a [trust.Root], by the rules of docs/trust.md.
//
// It says how strong a claim is: signed (in a document whose signature was
// verified here), embedded (in the catalogue that is compiled in), published
// (read over https from its publisher's own host), vouched (published once, by
// the word of an operator) or carried (everything else, which can refute and
// never verify).
//
// A [Verifier] speaks to the world through the clients that it is given, so
// that the same code judges a live registry, a mirror directory without any
// network, and the worlds of the tests.
package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
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
	// nil where no mirror answers for the registry. See [Held].
	Sparse []Held

	// Checks, if not nil, are the checks to run instead of those that the policy
	// requires. Digest and signature cannot be left out.
	Checks []string
	// Require are checks to run in addition.
	Require []string

	Jobs     int              // subjects examined at once; below one means 64
	Tool     report.Tool      // named in the report
	Now      func() time.Time // for the report's date only, never for a verdict; nil means time.Now
	Progress *Progress        // nil means that nobody watches
}

// Progress counts the subjects of a run, for a progress bar to poll. The zero
// value is ready to use.
type Progress struct{ done, total atomic.Int64 }

// Counts returns how many subjects are done, and how many are known of so far.
func (p *Progress) Counts() (done, total int) { return int(p.done.Load()), int(p.total.Load()) }

// Begin counts subjects that somebody else than a Verifier examines; End counts
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

// UsageError reports a request that makes no sense, such as an image that the
// release cannot have. Nothing was judged.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// run is one call of Images or References.
type run struct {
	*Verifier
	cosign   *sigstore.SignatureVerifier
	required []string
	partial  bool
	omitted  []string
	payloads *sigstore.Payloads
	kept     *kept
	former   *former
	shared   *release.Shared // nil where one release is examined
	whole    bool            // every name of every image must be there, at a stand-in too
	held     bool            // what a request leaves out is absent, in the mirror that is judged
	absent   *absences
}

// start begins a run over images.
func (v *Verifier) start() (*run, error) {
	r, err := v.begin()
	if err == nil && r.needs(report.Anchor) {
		return nil, usagef("the check %q is of files; where images are examined, binding holds the SBOM against them", report.Anchor)
	}
	return r, err
}

func (v *Verifier) begin() (*run, error) {
	c := *v
	if c.Policy == nil {
		c.Policy = trust.EmbeddedPolicy()
	}
	if c.Root == nil {
		c.Root = trust.EmbeddedRoot()
	}
	if c.Catalogue == nil && c.Root.Shares(trust.EmbeddedRoot()) {
		c.Catalogue = trust.EmbeddedCatalogue()
	}
	if c.Jobs < 1 {
		c.Jobs = 64
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	r := &run{Verifier: &c, payloads: new(sigstore.Payloads), kept: new(kept), absent: new(absences)}
	r.required = slices.Clone(c.Policy.Required)
	if c.Checks != nil {
		r.required = slices.Clone(c.Checks)
	}
	r.required = append(r.required, c.Require...)
	for _, name := range r.required {
		if !slices.Contains(report.CheckNames, name) {
			return nil, usagef("there is no check %q; there are %s", name, strings.Join(report.CheckNames, ", "))
		}
	}
	for _, name := range []string{report.Digest, report.Signature} {
		if !r.needs(name) {
			return nil, usagef("the check %q cannot be left out", name)
		}
	}
	for _, name := range c.Policy.Required {
		if !r.needs(name) {
			r.omitted = append(r.omitted, name)
		}
	}
	for _, rule := range c.Policy.Rules {
		for _, name := range rule.Require {
			if c.Checks != nil && !r.needs(name) && !slices.Contains(r.omitted, name) {
				r.omitted = append(r.omitted, name)
			}
		}
	}
	r.partial = len(r.omitted) > 0
	// In report order, each once.
	r.required = slices.DeleteFunc(slices.Clone(report.CheckNames), func(n string) bool { return !r.needs(n) })
	var err error
	if r.former, err = newFormer(c.Policy, c.Root, c.Catalogue); err != nil {
		return nil, err
	}
	if r.cosign, err = sigstore.NewSignatureVerifier(c.Root, c.Policy.ImageIdentity()); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *run) needs(check string) bool { return slices.Contains(r.required, check) }

// documents says whether this run needs the release's own documents.
func (r *run) documents() bool {
	return r.needs(report.Inventory) || r.needs(report.Binding) || r.mayAsk(report.Contents)
}

// mayAsk says whether a check may be made of some image.
func (r *run) mayAsk(check string) bool {
	return r.needs(check) || r.Checks == nil && slices.ContainsFunc(r.Policy.Rules, func(rule trust.Rule) bool {
		return slices.Contains(rule.Require, check) || slices.Contains(rule.Report, check)
	})
}

func (r *run) check(name string, v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
	return report.Check{Name: name, Verdict: v, Required: r.needs(name), Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// explain adds what is on record of a result's bytes, if it explains one of its
// failures (rule 6).
func (r *run) explain(res *report.Result) {
	for _, i := range r.Policy.IncidentsOf(res.Digest) {
		if slices.ContainsFunc(res.Checks, func(c report.Check) bool {
			return c.Verdict != report.Verified && slices.Contains(i.Checks, c.Name)
		}) {
			res.Incidents = append(res.Incidents, i)
		}
	}
}

func (r *run) report(ctx context.Context, scope report.Scope, versions []release.Version, results []report.Result) report.Report {
	scope.Checks, scope.Partial, scope.Omitted = r.required, r.partial, r.omitted
	scope.Absent = r.absent.list()
	rep := report.Report{
		SchemaVersion: report.SchemaVersion, Tool: r.Tool, Time: r.Now().UTC().Truncate(time.Second), Scope: scope,
		Policy: r.Policy.Source(), TrustedRoot: r.Root.Source(),
		Interrupted: ctx.Err() != nil, Results: results,
	}
	if r.Vouched != nil {
		key := r.Vouched.Key()
		rep.OperatorKey = &key
	}
	for i := range rep.Results {
		r.explain(&rep.Results[i])
	}
	for _, v := range versions {
		if !slices.Contains(rep.Releases, v.String()) {
			rep.Releases = append(rep.Releases, v.String())
		}
	}
	return rep
}

// strengthOf says how much the word of a document counts that was read from
// url and has that digest.
func (r *run) strengthOf(url, digest string, o fetch.Origin) report.Strength {
	if s := strength(o); s == report.Published || !r.Vouched.Published(url, digest) {
		return s
	}
	return report.Vouched
}
