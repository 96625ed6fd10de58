package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// narrow takes over the architectures that a mirror says it has of an image of a
// release. Who asks for some by a flag is asked for exactly those.
func (r *run) narrow(im *image, expected []string) {
	if len(im.arches) > 0 || im.own {
		return
	}
	arches, _ := heldArches(r.sparse, func(h MirrorScope) bool {
		return h.Images && h.Release == im.version.String() && (len(h.Names) == 0 || slices.Contains(h.Names, im.name))
	})
	if slices.ContainsFunc(arches, func(a string) bool { return slices.Contains(expected, a) }) {
		im.arches, im.narrowed = arches, true
	}
}

// heldArches joins what the lists that speak of an image narrow it to. One that
// names no architecture has them all, and so has an image that none speaks of.
func heldArches(list []MirrorScope, of func(MirrorScope) bool) (arches []string, narrowed bool) {
	for _, h := range list {
		if !of(h) {
			continue
		}
		if len(h.Arches) == 0 {
			return nil, false
		}
		arches, narrowed = append(arches, h.Arches...), true
	}
	return arches, narrowed
}

// narrowReference is narrow for an image that is named by itself.
func (r *run) narrowReference(im *image) {
	if im.core {
		all := im.expect
		r.narrow(im, all)
		if im.narrowed {
			im.expect = nil
			for _, a := range all {
				if slices.Contains(im.arches, a) {
					im.expect = append(im.expect, a)
				} else {
					r.session.Absent.Add(r.subject(im) + " linux/" + a)
				}
			}
		}
		return
	}
	name := registry.Ref{Host: r.session.Policy.Images.Registry, Repository: im.name, Tag: im.tag}.String()
	arches, narrowed := heldArches(r.sparse, func(h MirrorScope) bool { return slices.Contains(h.Also, name) })
	var oses []string
	for _, h := range r.sparse {
		if !slices.Contains(h.Also, name) {
			continue
		}
		if oses = append(oses, h.OSes...); len(h.OSes) == 0 {
			oses = nil
			break
		}
	}
	if narrowed || len(oses) > 0 {
		im.arches, im.oses, im.narrowed = arches, oses, true
	}
}

// reallyAbsent looks for what a mirror's own list leaves out, under the name that
// an architecture has for itself: another image there is one that the list hides.
func (r *run) reallyAbsent(ctx context.Context, im *image) {
	for _, p := range im.left {
		if !im.narrowed || !im.core || im.tag == "" || !p.linux() {
			continue
		}
		own := r.own(im, p.arch)
		m, err := r.registry.Manifest(ctx, own)
		switch {
		case fetch.Is(err, fetch.NotFound) || im.other.Verdict == report.Refuted:
		case err != nil:
			im.other = r.failed(report.Digest, fmt.Errorf("the mirror's list leaves it out, and something is there: %w", err))
		case m.Digest != p.desc.Digest:
			im.other = r.check(report.Digest, report.Refuted, report.Mismatch, "the mirror's list leaves out %s, and has %s under that name, but the index of %s says %s for %s",
				own, m.Digest, r.subject(im), p.desc.Digest, p.name)
		}
	}
}

// widen drops what a mirror's list leaves nothing of.
func (im *image) widen(idx *registry.Index) {
	if im.narrowed && !slices.ContainsFunc(idx.Manifests, func(d registry.Descriptor) bool { return isPlatform(d) && im.asksFor(d) }) {
		im.arches, im.oses, im.narrowed = nil, nil, false
	}
}

// asksFor says whether a platform of the index is to be examined.
func (im *image) asksFor(d registry.Descriptor) bool {
	return (len(im.arches) == 0 || slices.Contains(im.arches, d.Platform.Architecture)) &&
		(len(im.oses) == 0 || slices.Contains(im.oses, d.Platform.OS))
}

// leftOut notes the images that a mirror was not made for. Those that another
// part of its list names are there all the same.
func (b *imageSet) leftOut(images bool) {
	for name := range b.lists {
		if !images || !b.wanted(name) {
			b.run.session.Absent.Add(fmt.Sprintf("%s/%s:%s", b.run.session.Policy.Images.Registry, name, b.version))
		}
	}
}
