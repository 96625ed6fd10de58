package claims

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/kverify/kverify/internal/detached"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Load reads documents of a release, all of them where none is named, and judges its
// SBOM and its provenance. It does not fail: each document keeps its error.
func Load(ctx context.Context, s *session.Session, v release.Version, want ...release.Document) *Documents {
	d := &Documents{session: s, Version: v}
	err := session.Guard(func() {
		var beside detached.Signature // asked for at once: a chain of redirects each
		par.Do(
			func() {
				d.Release = release.Load(ctx, s.Fetch, v, release.Options{Want: want, Shared: s.Shared, Buckets: s.Policy.ProvenanceBuckets()})
			},
			func() { beside = detached.Fetch(ctx, s, v.SBOMURL()) },
		)
		d.judgeSBOM(ctx, beside)
		d.judgeProvenance()
	})
	if err != nil {
		d.Release = nil
		d.SBOM.Signature, d.SBOM.Binding = s.Failed(report.Signature, err), s.Failed(report.Binding, err)
	}
	return d
}

// judgeSBOM proves the SBOM's own signature (krel-staging, logged) and that it
// speaks for exactly this version (rule 9).
func (d *Documents) judgeSBOM(ctx context.Context, beside detached.Signature) {
	src := d.Release.SBOM
	if src.Body == nil {
		d.SBOM.Signature = d.session.Failed(report.Signature, src.Err)
		d.SBOM.Binding = d.session.Failed(report.Binding, src.Err)
		return
	}
	d.SBOM.Detached = beside
	d.SBOM.Signature, d.SBOM.Bundle = beside.Verify(ctx, d.session, src.URL, sha256.Sum256(src.Body))
	said := report.Evidence{What: "document", Source: src.URL, Digest: string(src.Digest)}
	if src.Err != nil {
		d.SBOM.Binding = d.session.Failed(report.Binding, src.Err)
	} else {
		d.SBOM.Binding = d.session.Check(report.Binding, report.Verified, "", "its name, its namespace and every image in it say %s", d.Version)
	}
	d.SBOM.Binding.Evidence = report.EvidenceOf(said)
	d.SBOM.Signed = d.SBOM.Signature.Verdict == report.Verified && d.SBOM.Binding.Verdict == report.Verified
}

// ImageList is one document's list of the images of the release.
type ImageList struct {
	Evidence report.Evidence
	Images   []release.Image
}

// maxListed caps the images that one document may list. A release has six.
const maxListed = 64

// ImageLists returns what the documents list, as far as they can be read. A list
// only ever adds to what is examined.
func (d *Documents) ImageLists() []ImageList {
	if d == nil || d.Release == nil {
		return nil
	}
	var out []ImageList
	add := func(url string, digest oci.Digest, s report.Strength, images []release.Image) {
		images = images[:min(len(images), maxListed)]
		out = append(out, ImageList{report.Evidence{What: "image list", Source: url, Digest: string(digest), Strength: &s,
			Fields: map[string]string{"images": fmt.Sprint(len(images))}}, images})
	}
	if d.Usable() {
		if images, err := release.SBOMImages(d.Release.SBOM.Value, d.Version); err == nil {
			add(d.Release.SBOM.URL, d.Release.SBOM.Digest, d.SBOMStrength(), images)
		}
	}
	if c := d.Release.Changelog; c.Err == nil && c.Value != nil {
		add(c.URL, c.Digest, d.session.StrengthOf(c.URL, c.Digest, c.Origin), c.Value.Images)
	}
	return out
}

// Results reports the documents that were judged as subjects of their own. The
// SBOM of a release from before file signing is not a subject, unless it is signed all
// the same: nothing rests on it then.
func (d *Documents) Results() []report.Result {
	if !d.session.Needs(report.Binding) {
		return nil
	}
	if !d.SignedSince() && d.SBOM.Signature.Reason == report.Absent && d.SBOM.Binding.Verdict != report.Refuted {
		return nil
	}
	res := report.Result{Subject: d.Version.SBOMURL(), Kind: report.KindDocument, Release: d.Version.String(),
		Checks: []report.Check{d.SBOM.Signature, d.SBOM.Binding}}
	if d.Release != nil {
		res.Digest = string(d.Release.SBOM.Digest)
	}
	if d.provenance.note != "" {
		res.Notes = append(res.Notes, d.provenance.note)
	}
	return []report.Result{res}
}
