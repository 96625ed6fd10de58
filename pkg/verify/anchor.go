package verify

import (
	"cmp"
	"context"
	"slices"

	"github.com/kverify/kverify/pkg/report"
)

// ofFiles are the checks that a file can be asked for. The policy's own
// requirements on images are passed over; what a caller asks for is not.
var ofFiles = []string{report.Digest, report.Signature, report.Binding, report.Anchor}

// anchored holds the release's SBOM against the images that it lists, once:
// whoever signs files signs mock releases too, but not images (rule 9).
func (f *Files) anchored(ctx context.Context) report.Check {
	f.anchorOnce.Do(func() {
		f.Load(ctx)
		if err := guard(func() { f.anchor = f.findAnchor(ctx) }); err != nil {
			f.anchor = f.run.failed(report.Anchor, err)
		}
	})
	return f.anchor
}

func (f *Files) findAnchor(ctx context.Context) report.Check {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		return f.run.check(report.Anchor, v, reason, format, args...)
	}
	if !f.facts.usable() || f.facts.sbomStrength() != report.Signed {
		return say(report.Unknown, report.NoClaim, "there is no signed SBOM of %s to hold against its images", f.Version)
	}
	v := *f.run.Verifier
	v.Checks, v.Require, v.Progress = []string{report.Digest, report.Signature, report.Reference, report.Binding}, nil, nil
	r, err := v.start()
	if err != nil {
		return f.run.failed(report.Anchor, err)
	}
	b := newBatch(r, Request{Version: f.Version})
	if err := b.start(); err != nil {
		return f.run.failed(report.Anchor, err)
	}
	if err := b.all(ctx); err != nil {
		return f.run.failed(report.Anchor, err)
	}
	if b.facts == nil || b.facts.rel.SBOM.Digest != f.facts.rel.SBOM.Digest {
		return say(report.Unknown, report.Mismatch, "the SBOM changed while it was read")
	}
	matched, left, differs := 0, "", ""
	for _, im := range b.images {
		if im.core && len(im.platforms) == 0 && left == "" {
			left = r.subject(im) + ": no platform of it could be examined: " + im.digestCheck.Detail
		}
		for _, p := range im.platforms {
			if !im.core || !p.linux() {
				continue
			}
			name := r.subject(im) + " " + p.name
			t := b.layerTie(im, p)
			switch signed := p.signed.signature.Verdict == report.Verified && p.signed.reference.Verdict == report.Verified; {
			case signed && t.says == affirms:
				matched++
			case signed && t.says == contradicts && differs == "":
				differs = name + ": " + t.detail
			case left == "":
				left = name + ": " + cmp.Or(t.detail, p.signed.signature.Detail)
			}
		}
	}
	switch {
	case differs != "" && matched > 0:
		return say(report.Refuted, report.Mismatch, "the SBOM is not of these images: %s", differs)
	case differs != "":
		return say(report.Unknown, report.NoClaim, "no image of %s matches the SBOM: %s", f.Version, differs)
	case left != "" || matched == 0:
		return say(report.Unknown, report.Incomplete, "%d images match the SBOM, but not all could be examined: %s", matched, cmp.Or(left, "there is none"))
	}
	c := say(report.Verified, "", "the SBOM's layers are those of all %d images, which %s signed", matched, f.run.Policy.Images.Identity)
	c.Evidence = []report.Evidence{{What: "SBOM", Source: f.facts.rel.SBOM.URL, Digest: f.facts.rel.SBOM.Digest}}
	return c
}

// askAnchor looks for it while the files travel, if it was asked for.
func (f *Files) askAnchor(ctx context.Context) {
	if f.run.needs(report.Anchor) {
		f.anchored(ctx)
	}
}

// OfFiles is v without the checks that only images can be asked for: for a run
// over both, where the images are asked for those.
func (v *Verifier) OfFiles() *Verifier {
	c := *v
	keep := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(ofFiles, n) })
	}
	c.Require = keep(c.Require)
	if c.Checks != nil {
		c.Checks = keep(c.Checks)
	}
	return &c
}

// forFiles refuses what can only be asked of images, rather than pass it over.
func (v *Verifier) forFiles() error {
	for _, name := range slices.Concat(v.Require, v.Checks) {
		if !slices.Contains(ofFiles, name) && !slices.Contains([]string{report.Inventory, report.Reference}, name) {
			return usagef("the check %q is of images; of files there are digest, signature, binding and anchor", name)
		}
	}
	return nil
}
