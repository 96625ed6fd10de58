package files

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Verifier judges the files of one release by the bytes that were received, read
// or found of them: what they hash to is held against every document of the
// release, their signature and log entry are verified, and a strong claim must
// tie them to the version (rules 8 to 10). verify.Verifier.Files makes one.
//
// It may be used by several goroutines. Judging waits for the documents, which
// [Verifier.Load] reads.
type Verifier struct {
	Version release.Version

	session     *session.Session
	once        par.Once
	docs        *claims.Documents
	listing     *claims.Listing
	items       map[string]claims.Entry
	pathsByName map[string][]string // paths of what can be judged, by last element in lower case

	findAnchor func(context.Context, *claims.Documents) report.Check
	anchorOnce par.Once
	anchor     report.Check
}

// Checks are those that a file can be asked for.
var Checks = []string{report.Digest, report.Signature, report.Binding, report.Anchor}

// New begins to judge the files of a release in a session. anchor holds the
// release's SBOM against the images that it lists; it is called where that check is
// asked for, once.
func New(s *session.Session, version release.Version, anchor func(context.Context, *claims.Documents) report.Check) *Verifier {
	// What the policy demands of images has no meaning for a file.
	s.Drop(func(name string) bool { return !slices.Contains(Checks, name) })
	return &Verifier{session: s, Version: version, findAnchor: anchor}
}

// Of is New where the release's documents were read already.
func Of(s *session.Session, docs *claims.Documents, anchor func(context.Context, *claims.Documents) report.Check) *Verifier {
	f := New(s, docs.Version, anchor)
	f.once.Do(func() { f.learn(docs.In(s)) })
	return f
}

// Load reads the release's documents, once, and lists what it holds.
func (f *Verifier) Load(ctx context.Context) *claims.Listing {
	f.once.Do(func() {
		f.learn(claims.Load(ctx, f.session, f.Version,
			release.DocSBOM, release.DocChangelog, release.DocSHA256SUMS, release.DocSHA512SUMS, release.DocProvenance))
	})
	return f.listing
}

func (f *Verifier) learn(docs *claims.Documents) {
	f.docs, f.listing = docs, docs.Listing()
	f.items, f.pathsByName = map[string]claims.Entry{}, map[string][]string{}
	for _, it := range f.listing.Items {
		if !it.Image {
			f.items[it.Subject] = it
			if claims.IsSubject(it.Subject) {
				base := strings.ToLower(path.Base(it.Subject))
				f.pathsByName[base] = append(f.pathsByName[base], it.Subject)
			}
		}
	}
}

// Gone is the result of a release of which there is nothing, and whether it is one: it
// was never made, or a mirror does not hold it.
func (f *Verifier) Gone(ctx context.Context) (report.Result, bool) {
	gone := f.Load(ctx).Gone
	if gone == nil {
		return report.Result{}, false
	}
	c := f.session.Failed(report.Inventory, gone)
	c.Required = true
	return report.Result{Subject: f.Version.String(), Kind: report.KindRelease, Release: f.Version.String(), Checks: []report.Check{c}}, true
}

// NotHeld reports that a mirror was asked which holds nothing of the release, or nil.
func (f *Verifier) NotHeld(ctx context.Context) error {
	f.Load(ctx)
	return f.docs.NotHeld()
}

// Find returns the paths, sorted, that the documents say have that hash.
func (f *Verifier) Find(ctx context.Context, sums fetch.Sums) (paths []string) {
	f.Load(ctx)
	for p, it := range f.items {
		if claims.IsSubject(p) && slices.ContainsFunc(it.Claims, func(c claims.Claim) bool {
			return c.Digest.IsSum(sums.SHA256, sums.SHA512)
		}) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}
