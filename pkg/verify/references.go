package verify

import (
	"context"
	"slices"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
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
	r, err := v.newRun()
	if err != nil {
		return report.Report{}, err
	}
	if len(refs) == 0 {
		return report.Report{}, session.Usagef("no image was named")
	}
	if slices.Contains(v.Require, report.Inventory) || slices.Contains(v.Checks, report.Inventory) {
		return report.Report{}, session.Usagef("the check %q is of a whole release; for one: kverify images VERSION", report.Inventory)
	}
	r.session.Drop(func(name string) bool { return name == report.Inventory })
	var subjects []string
	for i, ref := range refs {
		if ref.Host != r.session.Policy.Images.Registry {
			return report.Report{}, session.Usagef("%s: the policy speaks of images of %s only; name the image as it is named there, and map its registry to where a copy lies",
				ref, r.session.Policy.Images.Registry)
		}
		if slices.Contains(refs[:i], ref) {
			return report.Report{}, session.Usagef("%s is named twice", ref)
		}
		subjects = append(subjects, ref.String())
	}
	sets, versions := r.joined(ctx, refs)
	atOnce := releasesAtOnce
	if !r.needs(report.Binding) { // none holds documents: as many as keep the network busy
		atOnce = max(atOnce, imagesAtOnce*len(sets)/len(refs)) // of the usual size
	}
	results := make([][]report.Result, len(sets))
	one := func(ctx context.Context, i int) {
		_ = sets[i].examineAll(ctx) // no list adds to what was named, so that nothing is refused
		results[i] = sets[i].results()
		sets[i] = nil // what the report does not hold is not kept
	}
	// Once interrupted, one still says of each image that it was not looked at.
	par.Map(ctx, len(sets), min(atOnce, r.jobs), one, func(i int) { one(ctx, i) })
	return r.session.Report(ctx, report.Scope{Subjects: subjects}, versions, slices.Concat(results...)), nil
}

// joined makes sets of the images that are named: those of one release, or of none,
// are judged together.
func (r *run) joined(ctx context.Context, refs []registry.Ref) (sets []*imageSet, versions []release.Version) {
	if slices.ContainsFunc(refs, byDigest) {
		r.session.Shared = new(release.Shared) // what places a digest is read once
	}
	of := map[release.Version]*imageSet{}
	for _, ref := range refs {
		im := r.placed(ctx, ref)
		r.narrowReference(im)
		b := of[im.version]
		if b == nil {
			b = &imageSet{run: r, version: im.version, oneByOne: true}
			of[im.version], sets = b, append(sets, b)
			if !im.version.IsZero() {
				versions = append(versions, im.version)
			}
		}
		b.minimum = append(b.minimum, im)
	}
	if len(sets) > 1 && r.session.Shared == nil {
		r.session.Shared = new(release.Shared)
	}
	return sets, versions
}
