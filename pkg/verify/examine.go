package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// examineAll examines what the policy expects, or was named, while the documents are
// read, and then what those add. The error is a [*UsageError] or a [*UnreadError].
func (b *imageSet) examineAll(ctx context.Context) error {
	if b.noImages {
		b.load(ctx)
		return nil
	}
	if err := b.chooseMinimum(); err != nil {
		return err
	}
	par.Do(func() { b.load(ctx) }, func() { b.examine(ctx, b.minimum) })
	if !b.oneByOne {
		remaining, err := b.remaining()
		if err != nil {
			return err
		}
		b.examine(ctx, remaining)
	}
	b.readPromotions(ctx)
	b.readRecords(ctx)
	b.contents(ctx)
	b.bind()
	return nil
}

// load reads the documents of the release, as far as they are needed and not there yet.
func (b *imageSet) load(ctx context.Context) {
	switch {
	case b.version.IsZero(), b.docs != nil:
	case b.everything:
		b.docs = claims.Load(ctx, b.run.session, b.version)
	case b.noImages, b.run.documents(), !b.oneByOne && !b.covers():
		b.docs = claims.Load(ctx, b.run.session, b.version, release.DocSBOM, release.DocChangelog, release.DocPromotion)
	}
}

// covers says whether the policy's minimum already names all that is asked for.
func (b *imageSet) covers() bool {
	for _, n := range b.names {
		if b.lists[n] == nil {
			return false
		}
	}
	for _, a := range b.arches {
		if !slices.ContainsFunc(slices.Collect(maps.Values(b.lists)), func(as []string) bool { return slices.Contains(as, a) }) {
			return false
		}
	}
	return b.known
}

// chooseMinimum chooses what can be examined before any document was read.
func (b *imageSet) chooseMinimum() error {
	for i, n := range b.names {
		if slices.Contains(b.names[:i], n) {
			return session.Usagef("%s is named twice", n)
		}
	}
	for name := range b.lists {
		if b.examines(name) {
			b.minimum = append(b.minimum, b.image(name))
		}
	}
	return nil
}

func (b *imageSet) image(name string) *image {
	im := &image{name: name, tag: b.version.String(), version: b.version, core: true, arches: b.arches}
	b.run.narrow(im, b.lists[name])
	for _, a := range b.lists[name] {
		if len(im.arches) == 0 || slices.Contains(im.arches, a) {
			im.expect = append(im.expect, a)
		} else if im.narrowed || b.run.held {
			b.run.session.Absent.Add(b.run.subject(im) + " linux/" + a)
		}
	}
	return im
}

// remaining adds what the release's documents list beyond the minimum, and says what
// the request names that this release cannot have.
func (b *imageSet) remaining() ([]*image, error) {
	for _, l := range b.docs.ImageLists() {
		for _, im := range l.Images {
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
		for _, n := range b.names {
			if !slices.Contains(names, n) {
				return nil, claims.NotFound(session.Usagef("%s has no image %q; it has %s%s", b.version, n, strings.Join(names, ", "), guess.DidYouMean(n, names)), b.docs.Unread())
			}
		}
		for _, a := range b.arches {
			if !slices.Contains(arches, a) {
				return nil, claims.NotFound(session.Usagef("%s has no architecture %q; it has %s%s", b.version, a, strings.Join(arches, ", "), guess.DidYouMean(a, arches)), b.docs.Unread())
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
			b.addMissingPlatforms(im)
		case b.examines(n):
			more = append(more, b.image(n))
		}
	}
	return more, nil
}

// addMissingPlatforms adds architectures that a document lists and that the index of an image
// examined already does not name.
func (b *imageSet) addMissingPlatforms(im *image) {
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

func (b *imageSet) examine(ctx context.Context, images []*image) {
	b.run.progress.add(len(images))
	par.Map(ctx, len(images), b.run.jobs, func(ctx context.Context, i int) {
		b.run.examine(ctx, images[i])
	}, func(i int) {
		images[i].digestCheck = b.run.check(report.Digest, report.Unknown, report.Interrupted, "the run was interrupted before this was examined")
		images[i].signed = b.run.notLookedAt()
	})
	b.images = append(b.images, images...)
	slices.SortStableFunc(b.images, func(x, y *image) int { return strings.Compare(x.name, y.name) })
}
