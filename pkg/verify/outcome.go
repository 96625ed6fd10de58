package verify

import (
	"slices"

	"github.com/kverify/kverify/pkg/report"
)

// outcome is one image as it was examined, with the results that the report has of
// it: of the index first, then of its platforms in the order of image.platforms. The
// genuine digests of a verified image are image.digest and, of each platform, its
// manifest (desc.Digest), its config and the layers of both.
type outcome struct {
	image   *image
	results []report.Result
}

// outcomes are those of the images that were examined.
func (b *imageSet) outcomes() []outcome {
	out := make([]outcome, len(b.images))
	for i, im := range b.images {
		out[i] = outcome{im, b.run.imageResults(im)}
	}
	return out
}

// results turns everything found into the report's results: the release, its
// documents, then each image with its platforms.
func (b *imageSet) results() []report.Result {
	out, never := b.documentResults()
	if never {
		return out
	}
	for _, o := range b.outcomes() {
		out = append(out, o.results...)
	}
	return out
}

// documentResults are those of the release and of its documents. never says that
// there is no such release here, and nothing else to report.
func (b *imageSet) documentResults() (out []report.Result, never bool) {
	switch {
	case b.docs == nil:
		return nil, false
	case b.neverReleased():
		return []report.Result{b.run.releaseResult(b.version, report.NotReleased,
			"%v; neither its SBOM nor any of its images exist", b.docs.NotReleased())}, true
	case b.notHeld():
		return []report.Result{b.run.releaseResult(b.version, report.Absent, "%v", b.docs.NotHeld())}, true
	case !b.oneByOne && !b.noImages && b.run.needs(report.Inventory):
		out = append(out, b.inventory())
	}
	return append(out, b.docs.Results()...), false
}

// neverReleased says whether every source agrees that there is no such version: its
// documents, and the registry that has none of its images.
func (b *imageSet) neverReleased() bool {
	return b.docs.NotReleased() != nil && b.allImages(report.Absent)
}

// notHeld says whether a mirror was asked which holds nothing of the version. One that
// was made without images is asked for them all the same, and has no such host.
func (b *imageSet) notHeld() bool {
	return b.docs.NotHeld() != nil && b.allImages(report.Absent, report.Unreachable)
}

// allImages says whether a whole release was asked for, and every image of it ended in
// one of the reasons.
func (b *imageSet) allImages(reasons ...report.Reason) bool {
	return !b.oneByOne && !slices.ContainsFunc(b.images, func(im *image) bool { return !slices.Contains(reasons, im.digestCheck.Reason) })
}

// found are the checks of one digest: of an index, or of a platform.
type found struct {
	digest            report.Check
	signed            signed
	binding, contents report.Check
	attested          []report.Check
}

func (r *run) imageResults(im *image) []report.Result {
	if im.stray {
		im.digestCheck = r.strayCheck(im)
	}
	res := r.imageResult(im, found{im.digestCheck, im.signed, im.binding, im.contents, im.attested})
	res.Digest, res.Notes = string(im.digest), im.notes()
	out := []report.Result{res}
	for _, p := range im.platforms {
		attested := im.attested // those of the index that names it, unless it was asked for itself
		if p.attested != nil {
			attested = p.attested
		}
		res := r.imageResult(im, found{p.digestCheck, p.signed, p.binding, p.contents, attested})
		res.Platform, res.Digest, res.SeenAs = p.name, string(p.desc.Digest), p.seenAs
		out = append(out, res)
	}
	return out
}

// imageResult chooses of what was found the checks that were asked for.
func (r *run) imageResult(im *image, f found) report.Result {
	res := report.Result{Subject: r.subject(im), Kind: report.KindImage, Checks: []report.Check{f.digest, f.signed.signature}}
	if !im.version.IsZero() {
		res.Release = im.version.String()
	}
	if r.needs(report.Reference) {
		res.Checks = append(res.Checks, f.signed.reference)
	}
	if r.needs(report.Binding) {
		res.Checks = append(res.Checks, f.binding)
	}
	if required, made := r.asks(im, report.Contents); made {
		f.contents.Required = required
		res.Checks = append(res.Checks, f.contents)
	}
	for _, c := range f.attested {
		required, made := r.asks(im, c.Name)
		if c.Required = required; made {
			res.Checks = append(res.Checks, c)
		}
	}
	return res
}
