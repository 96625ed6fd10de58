package seen

import (
	"context"
	"slices"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/trust"
)

// maxCandidates caps the names that are asked about because one digest without a
// name may be theirs.
const maxCandidates = 3

// maxLate caps the digests under a name of ours that are looked up by themselves,
// because the table of their name does not have them.
const maxLate = 64

// identify finds names for digests that have none. They are hints, which prove
// nothing: the catalogue, the promotion manifest, and the release that the caller names.
func (s *run) identify(ctx context.Context) {
	var alone []oci.Digest
	for _, g := range s.groups {
		if g.claim == nil && g.seen == "" {
			alone = append(alone, g.digests...)
		}
	}
	for _, h := range s.containers {
		for _, c := range h.copies {
			digests := c.anonymous()
			alone = append(alone, digests...)
			if v := c.release(); len(digests) > 0 && !s.wantNamesOf(ctx, digests) && !v.IsZero() {
				s.wantRelease(v)
			}
		}
	}
	if len(alone) == 0 {
		return
	}
	if v := s.judge.Release; !v.IsZero() {
		s.wantRelease(v)
	}
	s.wantNamesOf(ctx, alone)
}

// wantNamesOf asks for the images that are said to have these digests, and says
// whether there are any.
func (s *run) wantNamesOf(ctx context.Context, digests []oci.Digest) (known bool) {
	if len(digests) == 0 {
		return false
	}
	promotion := s.promoted(ctx)
	for _, digest := range digests {
		for _, row := range first(s.catalogued(digest), maxCandidates) {
			known = true
			s.want(registry.Ref{Host: s.policy.Images.Registry, Repository: row.Image, Tag: row.Tag})
		}
		if promotion == nil {
			continue
		}
		n := 0
		for _, name := range promotion.Images() {
			for _, tag := range promotion.Tags(name, digest) {
				image, _ := s.policy.SplitArch(name)
				known = true
				if n++; n <= maxCandidates {
					s.want(registry.Ref{Host: s.policy.Images.Registry, Repository: orElse(image, name), Tag: tag})
				}
			}
		}
	}
	return known
}

// wantRelease asks for every image that a release and its kubeadm have.
func (s *run) wantRelease(v release.Version) {
	images, _, ok := s.policy.MinimumImages(v.Minor)
	if !ok {
		return
	}
	for _, name := range images {
		s.want(registry.Ref{Host: s.policy.Images.Registry, Repository: name, Tag: v.String()})
	}
	more, _ := release.KubeadmImages(v)
	for _, name := range more {
		if ref, err := registry.ParseRef(name); err == nil {
			s.want(ref)
		}
	}
}

// anonymous are digests by which a copy that has no name may be found.
func (c *heldCopy) anonymous() (digests []oci.Digest) {
	if len(c.claims) > 0 || len(c.Names) > 0 || len(c.wrong) > 0 {
		return nil
	}
	var walk func(n sight.Node)
	walk = func(n sight.Node) {
		for _, d := range []oci.Digest{n.Blob.Digest, n.Config.Digest} {
			if d != "" {
				digests = append(digests, d)
			}
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(c.Root)
	return digests
}

// release is the release that the tag of a copy without a name says, if it says one.
func (c *heldCopy) release() release.Version {
	v, err := release.ParseVersion(c.tag)
	if err != nil {
		return release.Version{}
	}
	return v
}

// isCore says whether a repository has an image of each release, tagged with its version.
func (s *run) isCore(repository string) bool {
	return slices.ContainsFunc(s.policy.Inventory, func(row trust.InventoryRule) bool { return slices.Contains(row.Images, repository) })
}
