package verify

import (
	"cmp"
	"context"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/report"
)

// anchor holds the SBOM of a release against the images that it lists (rule 9):
// the identity that signs files signs mock releases too, but not images. The check is one of s.
func (v *Verifier) anchor(ctx context.Context, s *session.Session, docs *claims.Documents) report.Check {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		return s.Check(report.Anchor, v, reason, format, args...)
	}
	if !docs.Usable() || docs.SBOMStrength() != report.Signed {
		return say(report.Unknown, report.NoClaim, "there is no signed SBOM of %s to hold against its images", docs.Version)
	}
	images := *v
	images.Checks, images.Require, images.Progress = []string{report.Digest, report.Signature, report.Reference, report.Binding}, nil, nil
	r, err := images.newRun()
	if err != nil {
		return s.Failed(report.Anchor, err)
	}
	b := newImageSet(r, docs.Version, nil, nil)
	if err := b.examineAll(ctx); err != nil {
		return s.Failed(report.Anchor, err)
	}
	if b.docs == nil || b.docs.Release.SBOM.Digest != docs.Release.SBOM.Digest {
		return say(report.Unknown, report.Mismatch, "the SBOM changed while it was read")
	}
	c := b.anchorCheck(say)
	if c.Verdict == report.Verified {
		c.Evidence = report.EvidenceOf(report.Evidence{What: "SBOM", Source: docs.Release.SBOM.URL, Digest: string(docs.Release.SBOM.Digest)})
	}
	return c
}

// anchorCheck counts the images whose layers are those of the SBOM.
func (b *imageSet) anchorCheck(say func(report.Verdict, report.Reason, string, ...any) report.Check) report.Check {
	matched, left, differs := 0, "", ""
	for _, im := range b.images {
		if im.core && len(im.platforms) == 0 {
			left = cmp.Or(left, b.run.subject(im)+": no platform of it could be examined: "+im.digestCheck.Detail)
		}
		for _, p := range im.platforms {
			if !im.core || !p.linux() {
				continue
			}
			name := b.run.subject(im) + " " + p.name
			t := b.layerWitness(im, p)
			switch {
			case !p.signed.holds():
				left = cmp.Or(left, name+": "+p.signed.missing())
			case t.stance == affirms:
				matched++
			case t.stance == contradicts:
				differs = cmp.Or(differs, name+": "+t.detail)
			default:
				left = cmp.Or(left, name+": "+t.detail)
			}
		}
	}
	switch {
	case differs != "" && matched > 0:
		return say(report.Refuted, report.Mismatch, "the SBOM is not of these images: %s", differs)
	case differs != "":
		return say(report.Unknown, report.NoClaim, "no image of %s matches the SBOM: %s", b.version, differs)
	case left != "" || matched == 0:
		return say(report.Unknown, report.Incomplete, "%d images match the SBOM, but not all could be examined: %s", matched, cmp.Or(left, "it names none"))
	}
	return say(report.Verified, "", "the SBOM's layers are those of all %d images, which %s signed", matched, b.run.session.Policy.Images.Identity)
}
