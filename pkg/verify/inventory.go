package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// inventory says whether everything that the release must hold, within the
// request, is there. What must be there is the union of the policy's minimum,
// the SBOM and the CHANGELOG (rule 2); a list that cannot be read leaves the
// union unknown.
func (b *imageSet) inventory() report.Result {
	res := report.Result{Subject: b.version.String(), Kind: report.KindRelease, Release: b.version.String()}
	res.Checks = []report.Check{b.inventoryCheck()}
	if p := b.docs.Release; p != nil && p.Promotion.Err != nil {
		res.Notes = append(res.Notes, fmt.Sprintf("the promotion manifest was not read: %v", p.Promotion.Err))
	}
	if b.docs.Release != nil && !b.docs.SignedSince() && b.docs.SBOM.Signature.Reason == report.Absent {
		res.Notes = append(res.Notes, fmt.Sprintf("files of %s are from before file signing (%s): its SBOM has no signature", b.version, b.run.session.Policy.Files.SignedSince))
	}
	return res
}

func (b *imageSet) inventoryCheck() report.Check {
	rel := b.docs.Release
	if rel == nil {
		return b.run.check(report.Inventory, report.Unknown, report.Internal, "%s", b.docs.SBOM.Signature.Detail)
	}
	if rel.Changelog.Err != nil {
		return b.run.failed(report.Inventory, fmt.Errorf("what the release holds is not known: %w", rel.Changelog.Err))
	}
	// An image whose row could not be read may be one that nothing else lists.
	if rows := rel.Changelog.Value.OddImages(); len(rows) > 0 {
		return b.run.failed(report.Inventory, fmt.Errorf("what the release holds is not known: %w", &release.OddRowError{Version: b.version, Rows: rows}))
	}
	if rel.SBOM.Err != nil && b.docs.SignedSince() {
		return b.run.failed(report.Inventory, fmt.Errorf("what the release holds is not known: %w", rel.SBOM.Err))
	}
	var missing []string
	platforms := 0
	for _, im := range b.images {
		if im.digest == "" {
			missing = append(missing, im.name)
			continue
		}
		for _, p := range im.platforms {
			platforms++
			if p.desc.Digest == "" {
				missing = append(missing, im.name+" "+p.name)
			}
		}
	}
	var c report.Check
	switch {
	case platforms == 0 && len(missing) == 0:
		c = b.run.check(report.Inventory, report.Unknown, report.Incomplete, "nothing of this release was found to examine")
	case len(missing) > 0:
		slices.Sort(missing)
		c = b.run.check(report.Inventory, report.Unknown, report.Incomplete, "missing: %s", strings.Join(missing, ", "))
	default:
		c = b.run.check(report.Inventory, report.Verified, "", "%d images with %d platforms, nothing missing", len(b.images), platforms)
	}
	if b.known {
		embedded := report.Embedded
		c.Evidence = c.Evidence.Add(report.Evidence{What: "image list", Source: "policy " + b.run.session.Policy.Name,
			Digest: b.run.session.Policy.Source().Digest, Strength: &embedded})
	}
	for _, l := range b.docs.ImageLists() {
		c.Evidence = c.Evidence.Add(l.Evidence)
	}
	return c
}
