package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// bind decides, for every image and platform, whether a claim that counts ties
// its digest to the version.
//
// It needs all images at once: that the layers of the SBOM are the config's
// diff_ids is inferred, so one image that matches in full calibrates the rule
// for the others (rule 13).
func (b *imageSet) bind() {
	if !b.run.needs(report.Binding) {
		return
	}
	calibrated := false
	layers := map[*platform]witness{}
	for _, im := range b.images {
		for _, p := range im.platforms {
			layers[p] = b.layerWitness(im, p)
			calibrated = calibrated || layers[p].stance == affirms
		}
	}
	for _, im := range b.images {
		index := b.indexWitnesses(im)
		im.boundTo = boundVersions(index)
		for _, p := range im.platforms {
			if t := &index[len(index)-1]; t.stance == affirms && layers[p].stance == contradicts {
				t.stance = silent // the signed SBOM must agree with a record (rule 11)
			}
		}
		for _, p := range im.platforms {
			p.binding = b.bindPlatform(im, p, layers[p], b.ownWitnesses(im, p), index, calibrated)
		}
		im.binding = b.bindImage(im, index)
	}
}

// indexWitnesses are what speaks of the digest of an image's index.
func (b *imageSet) indexWitnesses(im *image) []witness {
	return []witness{b.promotionWitness(im, im.name, im.digest), b.catalogueWitness(im, trust.IndexRow, im.digest), recordWitness(im)}
}

// ownWitnesses are what speaks of the digest of one platform by itself. What lists it
// under <image>-<arch> means that child of the image (rule 21).
func (b *imageSet) ownWitnesses(im *image, p *platform) []witness {
	if !p.linux() {
		return nil
	}
	return []witness{b.promotionWitness(im, im.name+"-"+p.arch, p.desc.Digest), b.catalogueWitness(im, "linux/"+p.arch, p.desc.Digest)}
}

// layerWitness holds the signed SBOM's layers of one image and architecture
// against the config's diff_ids.
func (b *imageSet) layerWitness(im *image, p *platform) witness {
	if !im.core || !p.linux() || !b.docs.Usable() {
		return witness{}
	}
	src := b.docs.Release.SBOM
	t := witness{source: src.URL, digest: src.Digest, strength: b.docs.SBOMStrength()}
	sums, err := release.SBOMLayers(src.Value, im.version, im.name, p.arch)
	if err != nil {
		t.detail = err.Error()
		return t
	}
	if p.diffIDs == nil {
		t.detail = "the image config could not be read"
		return t
	}
	listed := make([]oci.Digest, len(sums))
	for i, sum := range sums {
		listed[i] = oci.FromHex(sum)
	}
	if missing := compareLayers(p.diffIDs, p.layers, listed); missing != "" {
		t.stance, t.detail = contradicts, missing
		return t
	}
	t.stance, t.detail = affirms, fmt.Sprintf("its %d layers are those of %s %s in %s", len(p.diffIDs), im.name, p.arch, im.version)
	return t
}

// emptyLayer is the SHA-256 of nothing: how the SBOM records a repeated layer
// that was a link in the archive it was made from.
const emptyLayer = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// compareLayers compares complete lists: every layer of the image, by the hash
// of its content or by its own digest in the signed manifest, must stand in the
// SBOM, and every layer of the SBOM must be one of the image's. It returns what
// differs, or "".
func compareLayers(diffIDs, layers, listed []oci.Digest) string {
	for i, id := range diffIDs {
		if !slices.Contains(listed, id) && !slices.Contains(listed, layers[i]) {
			return fmt.Sprintf("layer %d, %s, is not among the %d that the SBOM lists", i+1, id.Short(), len(listed))
		}
	}
	distinct := slices.Clone(diffIDs)
	slices.Sort(distinct)
	repeats := len(slices.Compact(distinct)) < len(diffIDs)
	for _, id := range listed {
		if !slices.Contains(diffIDs, id) && !slices.Contains(layers, id) && !(id == emptyLayer && repeats) {
			return fmt.Sprintf("the SBOM lists a layer %s that the image does not have", id.Short())
		}
	}
	if len(listed) > len(diffIDs) || len(listed) == 0 {
		return fmt.Sprintf("the SBOM lists %d layers, the image has %d", len(listed), len(diffIDs))
	}
	return ""
}

// promotionWitness asks the promotion manifest. It is another party's document
// than the registry's, so it counts when it was read from its publisher.
func (b *imageSet) promotionWitness(im *image, name string, digest oci.Digest) witness {
	src := b.promotion(im)
	if src == nil || src.Err != nil || digest == "" {
		return witness{}
	}
	t := witness{source: src.URL, digest: src.Digest, strength: b.run.session.StrengthOf(src.URL, src.Digest, src.Origin)}
	name = release.PromotionName(name)
	tags := src.Value.Tags(name, digest)
	if im.tag == "" {
		if len(tags) > 0 {
			t.stance, t.tags, t.detail = affirms, tags, fmt.Sprintf("the promotion manifest lists it as %s:%s", name, strings.Join(tags, ", "))
		}
		return t
	}
	switch want := src.Value.Digests(name, im.tag); {
	case len(want) > 1:
		t.detail = fmt.Sprintf("the promotion manifest gives %s:%s to %d digests", name, im.tag, len(want))
	case slices.Contains(want, digest):
		t.stance, t.detail = affirms, fmt.Sprintf("the promotion manifest lists it as %s:%s", name, im.tag)
	case len(want) > 0:
		t.stance, t.detail = contradicts, fmt.Sprintf("the promotion manifest says that %s:%s is %s", name, im.tag, want[0].Short())
	case len(tags) > 0:
		t.stance, t.detail = contradicts, fmt.Sprintf("the promotion manifest says that this digest is %s:%s", name, strings.Join(tags, ", "))
	}
	return t
}

func (b *imageSet) bindPlatform(im *image, p *platform, layers witness, own, index []witness, calibrated bool) report.Check {
	if p.desc.Digest == "" {
		return b.run.check(report.Binding, report.Unknown, report.Incomplete, "there is nothing to bind")
	}
	against, isAgainst := pick(contradicts, append(slices.Clone(own), index...)...)
	mine, isMine := pick(affirms, own...)
	above, isAbove := pick(affirms, index...)
	tied := cmp.Or(mine.detail, above.detail)
	var c report.Check
	switch {
	case isAgainst:
		c = b.refuted(im, against)
	case layers.stance == contradicts && (isMine || isAbove):
		c = b.run.check(report.Binding, report.Verified, "", "%s; but the SBOM differs: %s", tied, layers.detail)
	case layers.stance == contradicts && calibrated:
		c = b.refuted(im, layers)
	case layers.stance == contradicts:
		c = b.run.check(report.Binding, report.Unknown, report.NoClaim,
			"%s; no image of this release matches the SBOM, so that its layers may be recorded in another way", layers.detail)
	case layers.stance == affirms && layers.strong():
		c = b.run.check(report.Binding, report.Verified, "", "by layers: %s", layers.detail)
	case isMine:
		c = b.run.check(report.Binding, report.Verified, "", "%s", mine.detail)
	case isAbove:
		c = b.run.check(report.Binding, report.Verified, "", "named by the index; %s", above.detail)
	default:
		c = b.unbound(im, slices.Concat([]witness{layers}, own, index)...)
	}
	c.Evidence = evidenceOf(slices.Concat([]witness{layers}, own, index)...)
	return c
}

func (b *imageSet) bindImage(im *image, index []witness) report.Check {
	verified, refuted := 0, ""
	present := 0
	for _, p := range im.platforms {
		if p.desc.Digest == "" {
			continue
		}
		present++
		switch p.binding.Verdict {
		case report.Verified:
			verified++
		case report.Refuted:
			refuted = p.name
		}
	}
	against, isAgainst := pick(contradicts, index...)
	tied, isTied := pick(affirms, index...)
	var c report.Check
	switch {
	case im.digest == "":
		return b.run.check(report.Binding, report.Unknown, report.NoClaim, "there is nothing to bind")
	case isAgainst:
		c = b.refuted(im, against)
	case isTied:
		c = b.run.check(report.Binding, report.Verified, "", "%s", tied.detail)
	case refuted != "":
		c = b.run.check(report.Binding, report.Refuted, report.Mismatch, "its %s is not that of %s", refuted, im.tag)
	case present > 0 && verified == present && im.signed.signature.Verdict == report.Verified:
		c = b.run.check(report.Binding, report.Verified, "", "the signed index names %d platforms, each tied to %s", present, im.tag)
	default:
		c = b.unbound(im, index...)
	}
	c.Evidence = evidenceOf(index...)
	return c
}

func (b *imageSet) refuted(im *image, t witness) report.Check {
	return b.run.check(report.Binding, report.Refuted, report.Mismatch, "this is not %s: %s (%s)", cmp.Or(im.tag, string(im.pin)), t.detail, t.source)
}

// unbound says that nothing strong ties the digest, and what was there.
func (b *imageSet) unbound(im *image, ts ...witness) report.Check {
	what := cmp.Or(im.tag, "any release")
	var weak []string
	for _, t := range ts {
		if t.stance == affirms {
			weak = append(weak, t.source)
		}
	}
	slices.Sort(weak)
	switch weak = slices.Compact(weak); {
	case len(weak) > 0:
		return b.run.check(report.Binding, report.Unknown, report.NoClaim,
			"nothing strong ties this digest to %s: %s says so, but was carried here rather than signed or read from its publisher", what, strings.Join(weak, " and "))
	default:
		return b.run.check(report.Binding, report.Unknown, report.NoClaim,
			"nothing strong ties this digest to %s: no signed SBOM, no published promotion manifest and no row of the built-in catalogue names it", what)
	}
}

func evidenceOf(ts ...witness) report.EvidenceList {
	var out []report.Evidence
	for _, t := range ts {
		if t.stance != silent {
			out = append(out, t.evidence())
		}
	}
	return report.EvidenceOf(out...)
}
