package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Images verifies the images of a release: each index, each of its platforms,
// and the per-architecture repositories. The results stand in a fixed order,
// whatever came first over the network.
//
// The only error is a [*UsageError]: whatever goes wrong with a subject is that
// subject's verdict, and hides nobody else's.
func (v *Verifier) Images(ctx context.Context, req Request) (report.Report, error) {
	r, err := v.start()
	if err != nil {
		return report.Report{}, err
	}
	b := newBatch(r, req)
	if err := b.start(); err != nil {
		return report.Report{}, err
	}
	if err := b.all(ctx); err != nil {
		return report.Report{}, err
	}
	scope := report.Scope{Subjects: []string{req.Version.String()}, Names: req.Names, Platforms: req.Arches}
	return r.report(ctx, scope, []release.Version{req.Version}, b.results()), nil
}

// all examines what the policy expects while the documents are read, and then
// what those add.
func (b *batch) all(ctx context.Context) error {
	needed := b.run.documents() || !b.covers()
	par.Do(
		func() {
			switch {
			case b.everything:
				b.facts = b.run.loadAll(ctx, b.req.Version)
			case needed:
				b.facts = b.run.load(ctx, b.req.Version)
			}
		},
		func() { b.examine(ctx, b.least) },
	)
	rest, err := b.rest()
	if err != nil {
		return err
	}
	b.examine(ctx, rest)
	b.readPromotions(ctx)
	b.readRecords(ctx)
	b.contents(ctx)
	return nil
}

// covers says whether the policy's minimum already names all that is asked for.
func (b *batch) covers() bool {
	for _, n := range b.req.Names {
		if b.lists[n] == nil {
			return false
		}
	}
	for _, a := range b.req.Arches {
		if !slices.ContainsFunc(slices.Collect(maps.Values(b.lists)), func(as []string) bool { return slices.Contains(as, a) }) {
			return false
		}
	}
	return b.known
}

// start chooses what can be examined before any document was read.
func (b *batch) start() error {
	for i, n := range b.req.Names {
		if slices.Contains(b.req.Names[:i], n) {
			return usagef("%s is named twice", n)
		}
	}
	for name := range b.lists {
		if b.wanted(name) && (b.mine == nil || b.mine(name)) {
			b.least = append(b.least, b.image(name))
		}
	}
	return nil
}

func (b *batch) image(name string) *image {
	im := &image{name: name, tag: b.req.Version.String(), version: b.req.Version, core: true, arches: b.req.Arches}
	b.run.narrow(im, b.lists[name])
	for _, a := range b.lists[name] {
		if len(im.arches) == 0 || slices.Contains(im.arches, a) {
			im.expect = append(im.expect, a)
		} else if im.narrowed || b.run.held {
			b.run.absent.add(b.run.subject(im) + " linux/" + a)
		}
	}
	return im
}

// rest adds what the release's documents list beyond the least, and says what
// the request names that this release cannot have.
func (b *batch) rest() ([]*image, error) {
	for _, l := range b.facts.lists() {
		for _, im := range l.images {
			b.expect(im.Name, im.Arches()...)
		}
	}
	var names, arches []string
	for n, as := range b.lists {
		names = append(names, n)
		arches = append(arches, as...)
	}
	slices.Sort(names)
	slices.Sort(arches)
	arches = slices.Compact(arches)
	if len(names) > 0 {
		for _, n := range b.req.Names {
			if !slices.Contains(names, n) {
				return nil, notFound(usagef("%s has no image %q; it has %s", b.req.Version, n, strings.Join(names, ", ")), b.facts.unread())
			}
		}
		for _, a := range b.req.Arches {
			if !slices.Contains(arches, a) {
				return nil, notFound(usagef("%s has no architecture %q; it has %s", b.req.Version, a, strings.Join(arches, ", ")), b.facts.unread())
			}
		}
	}
	have := map[string]*image{}
	for _, im := range b.images {
		have[im.name] = im
	}
	var more []*image
	for _, n := range names {
		switch im := have[n]; {
		case im != nil:
			b.late(im)
		case b.wanted(n) && (b.mine == nil || b.mine(n)):
			more = append(more, b.image(n))
		}
	}
	return more, nil
}

// late adds architectures that a document lists and that the index of an image
// examined already does not name.
func (b *batch) late(im *image) {
	if im.digest == "" || im.single {
		return
	}
	for _, a := range b.image(im.name).expect {
		if !slices.ContainsFunc(im.platforms, func(p *platform) bool { return p.arch == a && p.linux() }) {
			p := &platform{arch: a, name: "linux/" + a, signed: b.run.notLookedAt()}
			p.digestCheck = b.run.check(report.Digest, report.Unknown, report.Incomplete,
				"the index does not name linux/%s, which the release's own lists do", a)
			im.platforms = append(im.platforms, p)
		}
	}
}

func (b *batch) examine(ctx context.Context, images []*image) {
	b.run.Progress.add(len(images))
	par.Map(ctx, len(images), b.run.Jobs, func(ctx context.Context, i int) {
		b.run.examine(ctx, images[i])
	}, func(i int) {
		images[i].digestCheck = b.run.check(report.Digest, report.Unknown, report.Interrupted, "the run was interrupted before this was looked at")
		images[i].signed = b.run.notLookedAt()
	})
	b.images = append(b.images, images...)
	slices.SortStableFunc(b.images, func(x, y *image) int { return strings.Compare(x.name, y.name) })
}

// results turns everything found into the report's results: the release, its
// documents, then each image with its platforms.
func (b *batch) results() []report.Result {
	var out []report.Result
	if b.facts != nil {
		if b.facts.neverReleased(b.images) {
			return []report.Result{b.neverReleased()}
		}
		if b.run.needs(report.Inventory) {
			out = append(out, b.inventory())
		}
		out = append(out, b.facts.results()...)
	}
	bound := b.bind()
	for _, im := range b.images {
		out = append(out, b.run.imageResults(im, bound)...)
	}
	return out
}

func (r *run) imageResults(im *image, bound map[any]report.Check) []report.Result {
	within, contents := r.asks(im, report.Contents)
	one := func(platform, digest string, seenAs []string, d report.Check, s signed, inside report.Check, key any) report.Result {
		res := report.Result{
			Subject: r.subject(im), Kind: "image", Platform: platform, Digest: digest, SeenAs: seenAs,
			Checks: []report.Check{d, s.signature},
		}
		if !im.version.IsZero() {
			res.Release = im.version.String()
		}
		if r.needs(report.Reference) {
			res.Checks = append(res.Checks, s.reference)
		}
		if c, ok := bound[key]; ok {
			res.Checks = append(res.Checks, c)
		}
		if contents {
			inside.Required = within
			res.Checks = append(res.Checks, inside)
		}
		for _, c := range im.attestedOf(key) {
			required, made := r.asks(im, c.Name)
			if c.Required = required; made {
				res.Checks = append(res.Checks, c)
			}
		}
		return res
	}
	if im.stray {
		im.digestCheck = r.strayCheck(im, bound)
	}
	out := []report.Result{one("", im.digest, nil, im.digestCheck, im.signed, im.contents, im)}
	out[0].Notes = im.notes()
	for _, p := range im.platforms {
		out = append(out, one(p.name, p.desc.Digest, p.seenAs, p.digestCheck, p.signed, p.contents, p))
	}
	return out
}
