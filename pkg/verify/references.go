package verify

import (
	"context"
	"slices"
	"strings"

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
	subjects, named := make([]string, 0, len(refs)), make(map[registry.Ref]bool, len(refs))
	for _, ref := range refs {
		if ref.Host != r.session.Policy.Images.Registry {
			return report.Report{}, session.Usagef("%s: the policy speaks of images of %s only; name the image as it is named there, and map its registry to where a copy lies",
				ref, r.session.Policy.Images.Registry)
		}
		if named[ref] {
			return report.Report{}, session.Usagef("%s is named twice", ref)
		}
		named[ref] = true
		subjects = append(subjects, ref.String())
	}
	sets, versions := r.joined(ctx, refs)
	atOnce := releasesAtOnce
	if !r.needs(report.Binding) { // none holds documents: as many as keep the network busy
		atOnce = max(atOnce, imagesAtOnce*len(sets)/len(refs)) // of the usual size
	}
	results := make([][]report.Result, len(sets))
	one := func(ctx context.Context, i int) {
		for _, p := range sets[i].named {
			sets[i].minimum = append(sets[i].minimum, r.imageOf(p))
		}
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
		p := placing{ref: ref, name: im.name}
		if byDigest(ref) {
			p.placed = im // documents were asked for it
		}
		b := of[im.version]
		if b == nil {
			b = &imageSet{run: r, version: im.version, oneByOne: true}
			of[im.version], sets = b, append(sets, b)
			if !im.version.IsZero() {
				versions = append(versions, im.version)
			}
		}
		b.named = append(b.named, p)
	}
	sets = inParts(sets)
	if len(sets) > 1 && r.session.Shared == nil {
		r.session.Shared = new(release.Shared)
	}
	return sets, versions
}

// imageOf makes an image when it is examined: a run may be over very many.
func (r *run) imageOf(p placing) *image {
	if p.placed != nil {
		return p.placed
	}
	im := r.imageNamed(p.ref)
	r.narrowReference(im)
	return im
}

// inParts splits sets of images that are of no release, which have nothing to say of one another:
// what is held of an image while it is examined is forgotten with its set.
func inParts(sets []*imageSet) (out []*imageSet) {
	for _, b := range sets {
		if !b.version.IsZero() || len(b.named) <= imagesAtOnce {
			out = append(out, b)
			continue
		}
		slices.SortStableFunc(b.named, func(x, y placing) int { return strings.Compare(x.name, y.name) })
		for part := range slices.Chunk(b.named, imagesAtOnce) {
			out = append(out, &imageSet{run: b.run, oneByOne: true, named: part})
		}
	}
	return out
}
