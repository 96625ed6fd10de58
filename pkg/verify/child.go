package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// byDigest says whether a reference names bytes alone.
func byDigest(ref registry.Ref) bool { return ref.Tag == "" && ref.Digest != "" }

// placed makes an image out of a name. For a digest alone that some document
// gives to one architecture of the image, it is that child of the index which
// has the same tag (rules 20, 21). The document is a hint: whether the index
// names the digest, and what ties the index to the tag, is proved afterwards.
func (r *run) placed(ctx context.Context, ref registry.Ref) *image {
	if !byDigest(ref) {
		return r.imageNamed(ref)
	}
	return r.placeDigest(ctx, ref, r.needs(report.Binding))
}

// placeLate is placed where nothing is bound: what gives a digest to an architecture
// is read only for one that is not an index. No version is taken from it then.
func (r *run) placeLate(ctx context.Context, im *image, m *registry.Manifest) {
	if im.tag != "" || im.child != "" || !r.session.Chosen || r.needs(report.Binding) || m.IsIndex() {
		return
	}
	if late := r.placeDigest(ctx, r.refOf(im), true); late.tag != "" {
		late.version = release.Version{}
		*im = *late
	}
}

// placeDigest is placed for a digest alone. It reads the promotion manifest if read is set.
func (r *run) placeDigest(ctx context.Context, ref registry.Ref, read bool) *image {
	var hints []*release.Promotion
	if read {
		if src := r.session.Shared.LoadPromotion(ctx, r.session.Fetch, ref.Repository); src.Value != nil {
			hints = append(hints, src.Value)
		}
	}
	name := release.PromotionName(ref.Repository)
	for _, p := range hints {
		if len(p.Tags(name, ref.Digest)) > 0 {
			return r.imageNamed(ref) // an index, or an image without one
		}
		for _, arch := range release.Arches {
			for _, tag := range p.Tags(name+"-"+arch, ref.Digest) {
				if index := p.Digests(name, tag); len(index) == 1 {
					return r.childOf(ref, tag, arch, index[0])
				}
			}
		}
	}
	if r.catalogue != nil {
		for _, arch := range release.Arches {
			for _, tag := range r.catalogue.Tags(ref.Repository, "linux/"+arch, ref.Digest) {
				return r.childOf(ref, tag, arch, "")
			}
		}
	}
	return r.imageNamed(ref)
}

// childOf is the image of which a digest is said to be one architecture.
func (r *run) childOf(ref registry.Ref, tag, arch string, index oci.Digest) *image {
	tagged := ref
	tagged.Tag = tag
	im := r.imageNamed(tagged)
	im.askedFor, im.index = ref, index
	if slices.Contains(im.expect, arch) {
		im.expect = []string{arch}
	}
	return im
}

// maybeChild says whether what a digest beside a tag gave may be one of the
// platforms of the tag's index: it is not an index itself.
func (im *image) maybeChild(m *registry.Manifest, err error) bool {
	if im.tag == "" || im.pin == "" || im.child != "" {
		return false
	}
	return err == nil && !m.IsIndex() || fetch.Is(err, fetch.NotFound)
}

// examineChild judges the index of the tag in full, and of its platforms the one
// that was asked for (rule 20). alone is what its digest gave, if anything.
func (r *run) examineChild(ctx context.Context, im *image, alone *registry.Manifest) {
	pinned := r.refOf(im)
	if im.askedFor.Repository == "" {
		im.askedFor = pinned
	}
	im.child, im.pin = im.pin, im.index
	ref := r.refOf(im)
	m, err := r.registry.Manifest(ctx, ref)
	switch {
	case err != nil:
		im.digestCheck = r.failed(report.Digest, fmt.Errorf("the index that %s would be of: %w", im.child.Short(), err))
		im.signed = r.notLookedAt()
		if alone == nil && im.digestCheck.Reason == report.Absent {
			im.digestCheck = r.notRead(ctx, im, err)
		}
	case m.IsIndex(), im.core:
		r.examineManifest(ctx, im, ref, m)
	case alone != nil: // an image without an index, under whatever tag
		im.child, im.pin = "", im.child
		r.examineManifest(ctx, im, pinned, alone)
	default:
		im.digest, im.mediaType, im.single, im.stray = m.Digest, m.MediaType, true, true
		im.digestCheck = r.check(report.Digest, report.Verified, "", "")
		if img, err := m.Image(); err == nil && img.Config.Digest == im.child {
			im.digestCheck = r.imageID(im.child, "only platform")
		}
		im.signed = r.imageSignature(ctx, im.name, m.Digest, im.name, "")
	}
}

// choose finds the child that was asked for among the platforms of its index.
func (im *image) choose(idx *registry.Index) {
	if im.child == "" {
		return
	}
	im.stray, im.carriedAlong = true, false
	for _, d := range idx.Manifests {
		if d.Digest == im.child {
			im.carriedAlong = im.carriedAlong || !isPlatform(d)
			im.stray = im.stray && !isPlatform(d)
		}
	}
	im.arches, im.oses, im.narrowed = nil, nil, false // exactly this one was asked for
	if !im.stray {
		im.expect = nil
	}
}

// strayCheck says of a digest beside a tag that it is none of the platforms of
// the tag's index, which contradicts it if that index is verified.
func (r *run) strayCheck(im *image) report.Check {
	if im.digestCheck.Verdict != report.Verified {
		return im.digestCheck
	}
	proved := im.signed.signature.Verdict == report.Verified
	for _, p := range im.platforms {
		if p.config == im.child {
			return r.imageID(im.child, p.name)
		}
		proved = proved && p.digestCheck.Verdict == report.Verified // its config may be the one
	}
	proved = proved && (!r.needs(report.Reference) || im.signed.reference.Verdict == report.Verified)
	proved = proved && (!r.needs(report.Binding) || im.binding.Verdict == report.Verified)
	tagged := im.ref()
	tagged.Host, tagged.Digest = r.session.Policy.Images.Registry, ""
	what := fmt.Sprintf("is none of the %d platforms that %s names (%s)", len(im.platforms), tagged, im.digest.Short())
	switch {
	case im.carriedAlong:
		what = fmt.Sprintf("is carried along by the index of %s (%s), and is none of its platforms", tagged, im.digest.Short())
	case im.single:
		what = fmt.Sprintf("could not be read, and %s is one manifest (%s)", tagged, im.digest.Short())
	}
	c := r.check(report.Digest, report.Unknown, report.NoClaim, "%s %s, which is not verified itself", im.child.Short(), what)
	switch {
	case proved && im.askedFor.Tag == "": // only a hint named the tag
		c.Detail = fmt.Sprintf("%s %s, though a document gives it to one of them", im.child.Short(), what)
	case proved:
		c = r.check(report.Digest, report.Refuted, report.Mismatch, "%s %s", im.child.Short(), what)
	}
	c.Evidence = im.digestCheck.Evidence
	return c
}

// notRead is the check of a digest or tag that could not be read. The digest of
// a config, which some tools show as an image's id, is told apart from one that
// is nowhere.
func (r *run) notRead(ctx context.Context, im *image, err error) report.Check {
	c := r.failed(report.Digest, err)
	if c.Reason != report.Absent {
		return c
	}
	digest := cmp.Or(im.child, im.pin) // of a tag alone there is none, and no such blob
	body, blobErr := r.registry.Blob(ctx, r.in(im.name).At(digest), maxConfig)
	if blobErr != nil {
		return c
	}
	config, parseErr := registry.ParseConfig(body)
	if parseErr != nil {
		return c
	}
	return r.imageID(digest, config.Platform().String())
}

// imageID says that a digest is that of a config. It identifies the image to
// some tools, and to a registry it names no image.
func (r *run) imageID(digest oci.Digest, platform string) report.Check {
	return r.check(report.Digest, report.Unknown, report.NoClaim,
		"%s is an image id: the digest of the config of its %s, and of no manifest; name the manifest's digest, as RepoDigests has it", digest.Short(), platform)
}

// imageNamed makes an image out of a name. One of a release is known by its tag and
// by the policy's inventory.
func (r *run) imageNamed(ref registry.Ref) *image {
	im := &image{name: ref.Repository, tag: ref.Tag, pin: ref.Digest}
	v, ok := versionOf(ref.Tag)
	if !ok {
		return im
	}
	images, arches, _ := r.session.Policy.MinimumImages(v.Minor) // none of a minor that is not known
	name, arch := ref.Repository, ""
	for _, a := range arches {
		if base, ok := strings.CutSuffix(name, "-"+a); ok && slices.Contains(images, base) {
			name, arch = base, a
		}
	}
	if !slices.Contains(images, name) {
		return im
	}
	im.version, im.core, im.expect = v, true, arches
	if arch != "" { // the same manifest as the index names for that architecture
		im.name, im.arches, im.expect = name, []string{arch}, []string{arch}
		im.pin, im.platformPin, im.own = "", ref.Digest, true
	}
	return im
}
