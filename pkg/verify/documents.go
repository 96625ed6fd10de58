package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// load reads the documents of a release that say what its images are.
func (r *run) load(ctx context.Context, v release.Version) *facts {
	return r.loadDocuments(ctx, v, release.Options{Want: []release.Document{release.DocSBOM, release.DocChangelog, release.DocPromotion}, Shared: r.shared})
}

// loadDocuments reads documents of a release and judges its SBOM.
func (r *run) loadDocuments(ctx context.Context, v release.Version, o release.Options) *facts {
	o.Buckets = r.Policy.ProvenanceBuckets()
	f := &facts{run: r, version: v}
	err := guard(func() {
		var beside papers // asked for at once: a chain of redirects each
		par.Do(
			func() { f.rel = release.Load(ctx, r.Fetch, v, o) },
			func() { beside = r.papers(ctx, v.SBOMURL()) },
		)
		f.judgeSBOM(ctx, beside)
		f.judgeProvenance()
	})
	if err != nil {
		f.rel = nil
		f.sbom.signature, f.sbom.binding = r.failed(report.Signature, err), r.failed(report.Binding, err)
	}
	return f
}

// judgeSBOM proves the SBOM's own signature (krel-staging, logged) and that it
// speaks for exactly this version (rule 9).
func (f *facts) judgeSBOM(ctx context.Context, beside papers) {
	src := f.rel.SBOM
	if src.Body == nil {
		f.sbom.signature = f.run.failed(report.Signature, src.Err)
		f.sbom.binding = f.run.failed(report.Binding, src.Err)
		return
	}
	f.sbom.papers = beside
	f.sbom.signature, f.sbom.bundle = f.run.signatureOf(ctx, src.URL, sha256.Sum256(src.Body), beside)
	said := report.Evidence{What: "document", Source: src.URL, Digest: src.Digest}
	if src.Err != nil {
		f.sbom.binding = f.run.failed(report.Binding, src.Err)
	} else {
		f.sbom.binding = f.run.check(report.Binding, report.Verified, "", "its name, its namespace and every image in it say %s", f.version)
	}
	f.sbom.binding.Evidence = []report.Evidence{said}
	f.sbom.signed = f.sbom.signature.Verdict == report.Verified && f.sbom.binding.Verdict == report.Verified
}

// list is one document's list of the images of the release.
type list struct {
	evidence report.Evidence
	images   []release.Image
}

// maxListed caps the images that one document may list. A release has six.
const maxListed = 64

// lists returns what the documents list, as far as they can be read. A list
// only ever adds to what is examined.
func (f *facts) lists() []list {
	if f == nil || f.rel == nil {
		return nil
	}
	var out []list
	add := func(url, digest string, s report.Strength, images []release.Image) {
		images = images[:min(len(images), maxListed)]
		out = append(out, list{report.Evidence{What: "image list", Source: url, Digest: digest, Strength: &s,
			Fields: map[string]string{"images": fmt.Sprint(len(images))}}, images})
	}
	if f.usable() {
		if images, err := release.SBOMImages(f.rel.SBOM.Value, f.version); err == nil {
			add(f.rel.SBOM.URL, f.rel.SBOM.Digest, f.sbomStrength(), images)
		}
	}
	if c := f.rel.Changelog; c.Err == nil && c.Value != nil {
		add(c.URL, c.Digest, f.run.strengthOf(c.URL, c.Digest, c.Origin), c.Value.Images)
	}
	return out
}

// results reports the documents that were judged as subjects of their own. The
// SBOM of a release from before file signing is none, unless it is signed all
// the same: nothing rests on it then.
func (f *facts) results() []report.Result {
	if !f.run.needs(report.Binding) {
		return nil
	}
	if !f.signedSince() && f.sbom.signature.Reason == report.Absent && f.sbom.binding.Verdict != report.Refuted {
		return nil
	}
	res := report.Result{Subject: f.version.SBOMURL(), Kind: "document", Release: f.version.String(),
		Checks: []report.Check{f.sbom.signature, f.sbom.binding}}
	if f.rel != nil {
		res.Digest = f.rel.SBOM.Digest
	}
	if f.provenance.note != "" {
		res.Notes = append(res.Notes, f.provenance.note)
	}
	return []report.Result{res}
}

// neverReleased says whether every source agrees that there is no such version.
func (f *facts) neverReleased(images []*image) bool {
	if f.rel == nil || f.rel.NotReleased() == nil {
		return false
	}
	return !slices.ContainsFunc(images, func(im *image) bool { return im.digestCheck.Reason != report.Absent })
}

func (b *batch) neverReleased() report.Result {
	c := b.run.check(report.Inventory, report.Unknown, report.NotReleased,
		"%v; neither its SBOM nor any of its images exist", b.facts.rel.NotReleased())
	c.Required = true
	return report.Result{Subject: b.req.Version.String(), Kind: "release", Release: b.req.Version.String(), Checks: []report.Check{c}}
}

// readPromotions reads the promotion manifests of images that are not of the
// release itself, each once.
func (b *batch) readPromotions(ctx context.Context) {
	if !b.run.needs(report.Binding) {
		return
	}
	b.promotions = map[string]*release.Source[*release.Promotion]{}
	for _, im := range b.images {
		if im.core && b.facts != nil {
			continue
		}
		if url := release.PromotionURL(im.name); b.promotions[url] == nil {
			src := b.run.shared.LoadPromotion(ctx, b.run.Fetch, im.name)
			b.promotions[url] = &src
		}
	}
}

// promotion returns the promotion manifest that lists the image, or nil.
func (b *batch) promotion(im *image) *release.Source[*release.Promotion] {
	if im.core {
		if b.facts == nil || b.facts.rel == nil {
			return nil
		}
		return &b.facts.rel.Promotion
	}
	return b.promotions[release.PromotionURL(im.name)]
}
