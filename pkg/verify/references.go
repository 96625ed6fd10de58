package verify

import (
	"context"
	"slices"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// imagesAtOnce is how many images of different releases are examined side by
// side. Each asks for some ten things at once: more of them would only wait for
// the budget of requests, and hold memory.
const imagesAtOnce = 32

// References verifies images by name, such as registry.k8s.io/pause:3.10, a
// per-architecture name, or a digest. An image of a release is held against
// that release's documents as [Verifier.Images] does; there is no inventory,
// because nothing says what else was meant.
//
// The only error is a [*UsageError].
func (v *Verifier) References(ctx context.Context, refs []registry.Ref) (report.Report, error) {
	r, err := v.start()
	if err != nil {
		return report.Report{}, err
	}
	if len(refs) == 0 {
		return report.Report{}, usagef("no image was named")
	}
	if slices.Contains(v.Require, report.Inventory) || slices.Contains(v.Checks, report.Inventory) {
		return report.Report{}, usagef("the check %q is of a whole release; for one: kverify images VERSION", report.Inventory)
	}
	no := func(name string) bool { return name == report.Inventory }
	r.required, r.omitted = slices.DeleteFunc(r.required, no), slices.DeleteFunc(r.omitted, no)
	r.partial = len(r.omitted) > 0

	if slices.ContainsFunc(refs, byDigest) {
		r.shared = new(release.Shared) // what places a digest is read once
	}
	var batches []*batch
	var versions []release.Version
	var subjects []string
	named, joined := map[string]bool{}, map[release.Version]*batch{}
	for _, ref := range refs {
		if ref.Host != r.Policy.Images.Registry {
			return report.Report{}, usagef("%s: the policy speaks of images of %s only; name the image as it is named there, and map its registry to where a copy lies",
				ref, r.Policy.Images.Registry)
		}
		name := ref.String()
		if named[name] {
			return report.Report{}, usagef("%s is named twice", ref)
		}
		named[name] = true
		subjects = append(subjects, name)
		im := r.placed(ctx, ref)
		r.narrowReference(im)
		// The images of one release, or of none, are judged together.
		b := joined[im.version]
		if b == nil {
			b = &batch{run: r, req: Request{Version: im.version}}
			joined[im.version], batches = b, append(batches, b)
			if !im.version.IsZero() {
				versions = append(versions, im.version)
			}
		}
		b.least = append(b.least, im)
	}
	atOnce := releasesAtOnce
	if !r.needs(report.Binding) { // none holds documents: as many as keep the network busy
		atOnce = max(atOnce, imagesAtOnce*len(batches)/len(refs)) // of the usual size
	}
	if len(batches) > 1 && r.shared == nil {
		r.shared = new(release.Shared)
	}
	results := make([][]report.Result, len(batches))
	one := func(ctx context.Context, i int) {
		b := batches[i]
		par.Do(
			func() {
				if (b.run.needs(report.Binding) || b.run.mayAsk(report.Contents)) && !b.req.Version.IsZero() {
					b.facts = b.run.load(ctx, b.req.Version)
				}
			},
			func() { b.examine(ctx, b.least) },
		)
		b.readPromotions(ctx)
		b.readRecords(ctx)
		b.contents(ctx)
		if b.facts != nil {
			results[i] = b.facts.results()
		}
		bound := b.bind()
		for _, im := range b.images {
			results[i] = append(results[i], b.run.imageResults(im, bound)...)
		}
		batches[i] = nil // what the report does not hold is not kept
	}
	// Once interrupted, one still says of each image that it was not looked at.
	par.Map(ctx, len(batches), min(atOnce, r.Jobs), one, func(i int) { one(ctx, i) })
	return r.report(ctx, report.Scope{Subjects: subjects}, versions, slices.Concat(results...)), nil
}
