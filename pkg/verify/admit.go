package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/files"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// An Admission says that a name was verified, in this process, for exactly one
// digest: it is what lets a name into a mirror. Only this package makes one;
// the zero value admits nothing.
type Admission struct {
	ref       registry.Ref
	digest    oci.Digest
	mediaType string
	size      int64
	why       string
}

// Ref is the name: by a tag, or for a referrer by its digest.
func (a Admission) Ref() registry.Ref { return a.ref }

// Digest is the only content that the name is admitted for; empty in the zero value.
func (a Admission) Digest() oci.Digest { return a.digest }

// MediaType is that of the manifest.
func (a Admission) MediaType() string { return a.mediaType }

// Size is the manifest's, in bytes.
func (a Admission) Size() int64 { return a.size }

// Why says in a few words by what the name was admitted.
func (a Admission) Why() string { return a.why }

// AdmitRequest says what of a release is to be carried somewhere else.
type AdmitRequest struct {
	Version release.Version
	Images  bool     // images at all
	Names   []string // images such as "kube-proxy"; none means every image of the release
	Arches  []string // none means all
	OSes    []string // systems of images that have several, such as pause; none means all
	Also    []registry.Ref
	// Referrers asks for attestations too. A registry that does not answer what
	// refers to an image has none to give.
	Referrers bool
	Known     []oci.Digest // images whose referrers are carried already
	Files     bool         // read what is needed to judge files too
	// FromMirror says that Names, Arches and OSes are what a mirror says that it holds,
	// so that the rest of the release is reported as absent.
	FromMirror bool
}

// Admitted is what was found of an [AdmitRequest].
type Admitted struct {
	Report    report.Report
	Images    []AdmittedImage
	Documents []AdmittedDocument
	Files     *Files // nil unless asked for
}

// AdmittedImage is one image of a [Admitted]. It is admitted as a whole or not at
// all: one platform that could not be proved keeps out the index that names it.
type AdmittedImage struct {
	Ref        registry.Ref
	Release    release.Version // zero for an image that is of none
	Digest     oci.Digest      // of the index; empty if it could not be fetched
	MediaType  string
	Verdict    report.Verdict
	Detail     string // why it is not verified
	Admissions []Admission
	// Referrers is "" if they were not asked for, else "listed", "none", or
	// "not answered", which is what registries without that interface do.
	Referrers string
	Left      int // referrers that no identity of the policy signed, and that stay outside
}

// AdmittedDocument is a document that the verdicts rest on, as it was read.
type AdmittedDocument struct {
	URL      string // canonical: see release.Version.FileURL
	Origin   fetch.Origin
	Verdict  report.Verdict // Verified only if the document itself is signed
	Body     []byte
	Sidecars map[string][]byte // by suffix: ".sig", ".cert", ".sigstore.json", ...
}

// Admit verifies what is to be carried, and mints the admissions of all that
// was verified. A partial run is refused: it would admit what was not proved.
//
// The error is a [*UsageError].
func (v *Verifier) Admit(ctx context.Context, c AdmitRequest) (*Admitted, error) {
	r, err := v.newRun()
	if err != nil {
		return nil, err
	}
	if r.session.Partial() {
		return nil, session.Usagef("a mirror is made of what was proved in full; leave out --checks")
	}
	r.whole, r.sparse = true, nil // a mirror is not a stand-in, and must have every name
	r.held = c.FromMirror
	r.session.Shared = new(release.Shared) // pause stands in the manifest of the core images
	core := newImageSet(r, c.Version, c.Names, c.Arches)
	core.everything, core.noImages = c.Files, !c.Images
	scope := report.Scope{Subjects: []string{c.Version.String()}, Names: c.Names, Platforms: c.Arches}
	for _, ref := range c.Also {
		if ref.Host != r.session.Policy.Images.Registry || ref.Tag == "" {
			return nil, session.Usagef("%s: only tags of %s can be carried", ref, r.session.Policy.Images.Registry)
		}
		scope.Subjects = append(scope.Subjects, ref.String())
	}
	if err := core.examineAll(ctx); err != nil {
		return nil, err
	}
	if c.FromMirror {
		core.leftOut(c.Images)
	}
	also := r.alsoOf(c)
	for _, set := range also {
		if set.version == c.Version {
			set.docs = core.docs // what the release says is read once
		}
		if err := set.examineAll(ctx); err != nil {
			return nil, err
		}
	}
	results, outcomes := joinResults(core, also)
	out := &Admitted{}
	var unread []report.Result
	out.Images, unread = r.admitAll(ctx, outcomes, c)
	results = append(results, unread...)
	if c.Files && core.docs != nil {
		if out.Files, err = v.filesFromDocuments(core.docs); err != nil {
			return nil, err
		}
	}
	docs, more := core.admitDocuments(ctx, also)
	out.Documents = docs
	for i := range results { // the SBOM's result has the checksums beside it too
		if results[i].Kind == report.KindDocument && more.Name != "" {
			results[i].Checks = append([]report.Check{more}, results[i].Checks...)
		}
	}
	out.Report = r.session.Report(ctx, scope, []release.Version{c.Version}, results)
	return out, nil
}

// alsoOf makes sets of the images that are named beside the release: those of one
// release are judged by its documents, as [Verifier.References] judges them. The name
// that an architecture has for itself stays one of its own, since it is carried alone.
func (r *run) alsoOf(c AdmitRequest) (sets []*imageSet) {
	of := map[release.Version]*imageSet{}
	for _, ref := range c.Also {
		im := r.imageNamed(ref)
		if im.own {
			im = &image{name: ref.Repository, tag: ref.Tag, pin: ref.Digest}
		}
		im.arches, im.oses = c.Arches, c.OSes
		if len(c.Arches) > 0 {
			im.expect = slices.DeleteFunc(slices.Clone(im.expect), func(arch string) bool { return !slices.Contains(c.Arches, arch) })
		}
		b := of[im.version]
		if b == nil {
			b = &imageSet{run: r, version: im.version, oneByOne: true}
			of[im.version], sets = b, append(sets, b)
		}
		b.minimum = append(b.minimum, im)
	}
	return sets
}

// joinResults are the results of a release and of other images, and the outcomes of
// all images, whether or not the release exists.
func joinResults(core *imageSet, also []*imageSet) (results []report.Result, outcomes []outcome) {
	results, never := core.documentResults()
	outcomes = core.outcomes()
	for _, o := range outcomes {
		if !never {
			results = append(results, o.results...)
		}
	}
	if never { // nothing of it is proved, whatever the registry has
		for i := range outcomes {
			outcomes[i].results = nil
		}
	}
	for _, set := range also {
		if set.version != core.version {
			more, _ := set.documentResults()
			results = append(results, more...)
		}
		for _, o := range set.outcomes() {
			if never && set.version == core.version {
				o.results = nil
			}
			results, outcomes = append(results, o.results...), append(outcomes, o)
		}
	}
	return results, outcomes
}

// admitAll mints what each image is admitted for. unread are results of referrers that
// the registry lists and does not give.
func (r *run) admitAll(ctx context.Context, all []outcome, c AdmitRequest) (images []AdmittedImage, unread []report.Result) {
	images = make([]AdmittedImage, len(all))
	missing := make([][]error, len(all))
	par.Map(ctx, len(all), r.jobs, func(ctx context.Context, i int) {
		err := session.Guard(func() {
			images[i], missing[i] = r.admitImage(ctx, all[i], c.Referrers && !slices.Contains(c.Known, all[i].image.digest))
		})
		if err != nil {
			images[i] = AdmittedImage{Ref: r.refOf(all[i].image), Detail: err.Error()}
		}
	}, func(i int) { images[i] = AdmittedImage{Ref: r.refOf(all[i].image), Detail: "interrupted"} })
	for i, errs := range missing {
		im := all[i].image
		for _, err := range errs {
			ch := r.failed(report.Digest, fmt.Errorf("what refers to it: %w", err))
			ch.Required = true
			unread = append(unread, report.Result{Subject: r.subject(im), Kind: report.KindImage, Digest: string(im.digest), Checks: []report.Check{ch}})
		}
	}
	return images, unread
}

// Compose makes a report of results that were found by others, and by this
// verifier's policy and trusted root. The error is a [*UsageError].
func (v *Verifier) Compose(ctx context.Context, subjects []string, versions []release.Version, results []report.Result) (report.Report, error) {
	r, err := v.newRun()
	if err != nil {
		return report.Report{}, err
	}
	return r.session.Report(ctx, report.Scope{Subjects: subjects}, versions, results), nil
}

// admitImage mints what one image is admitted for. The errors are of referrers that
// the registry lists and does not give.
func (r *run) admitImage(ctx context.Context, o outcome, referrers bool) (AdmittedImage, []error) {
	im := o.image
	out := AdmittedImage{Ref: r.refOf(im), Release: im.version, Digest: im.digest, MediaType: im.mediaType, Verdict: report.Verified}
	for _, res := range o.results {
		v := res.Verdict()
		if v == report.Verified || v == out.Verdict || out.Verdict == report.Refuted {
			continue
		}
		out.Verdict = v
		for _, c := range slices.Backward(res.Checks) {
			if c.Required && c.Verdict == v {
				out.Detail = strings.TrimSpace(res.Platform + " " + c.Name + ": " + c.Detail)
			}
		}
	}
	if out.Verdict == report.Verified && (len(o.results) == 0 || im.digest == "" || im.single && im.core) {
		out.Verdict = report.Unknown
	}
	if out.Verdict != report.Verified {
		return out, nil
	}
	m, err := r.registry.Manifest(ctx, registry.Ref{Host: out.Ref.Host, Repository: im.name, Digest: im.digest})
	if err != nil { // it was read by its tag before
		out.Verdict, out.Detail = report.Unknown, err.Error()
		return out, nil
	}
	name := out.Ref
	name.Digest = ""
	out.Admissions = append(out.Admissions, Admission{name, im.digest, im.mediaType, int64(len(m.Body)), "verified"})
	out.paper(im.signed)
	for _, p := range im.platforms {
		for _, seen := range p.seenAs {
			ref, err := registry.ParseRef(seen)
			if err == nil && p.desc.Digest != "" {
				out.Admissions = append(out.Admissions, Admission{ref, p.desc.Digest, p.desc.MediaType, p.desc.Size, "verified"})
			}
		}
		out.paper(p.signed)
	}
	if !referrers {
		return out, nil
	}
	errs := r.admitReferrers(ctx, im, &out)
	return out, errs
}

// paper admits the manifest of a signature that was verified.
func (out *AdmittedImage) paper(s signed) {
	if s.manifest != "" && s.signature.Verdict == report.Verified && s.reference.Verdict != report.Refuted {
		out.Admissions = append(out.Admissions, Admission{s.at, s.manifest, s.mediaType, s.size, "the signature of an image that was verified"})
	}
}

// admitReferrers admits the attestations of an index and of its platforms that
// an identity of the policy signed. Others are left outside, and counted.
func (r *run) admitReferrers(ctx context.Context, im *image, out *AdmittedImage) []error {
	out.Referrers = "none"
	digests := []oci.Digest{im.digest}
	for _, p := range im.platforms {
		if p.desc.Digest != "" {
			digests = append(digests, p.desc.Digest)
		}
	}
	var errs []error
	for _, digest := range digests {
		ref := registry.Ref{Host: out.Ref.Host, Repository: im.name, Digest: digest}
		list, err := r.registry.Referrers(ctx, ref)
		if err != nil {
			if c := r.failed(report.Digest, err); c.Reason == report.Absent {
				if out.Referrers == "none" {
					out.Referrers = "not answered"
				}
				break // its platforms are in the same registry
			}
			errs = append(errs, err)
			continue
		}
		if len(list) == 0 {
			continue
		}
		out.Referrers = "listed"
		of := *im
		of.digest, of.single = digest, digest != im.digest
		seen := &attestations{run: r, im: &of}
		seen.fetchListed(ctx, ref, r.sources()[0].list(list), attestationChecks)
		errs = append(errs, seen.unread...)
		good := 0
		for _, at := range seen.bundles {
			a, err := r.admitReferrer(ctx, seen, at)
			if err != nil {
				errs = append(errs, err)
			} else if a.digest != "" {
				good++
				out.Admissions = append(out.Admissions, a)
			}
		}
		out.Left += len(list) - good
	}
	return errs
}

// admitReferrer admits an attestation that holds. One that says that the image
// failed is admitted too, and one that might say so and cannot be judged: to leave
// it out would hide it.
func (r *run) admitReferrer(ctx context.Context, seen *attestations, at attestation) (Admission, error) {
	for _, class := range attestationChecks {
		rule := r.session.Policy.Attestations[class]
		if !slices.Contains(rule.PredicateTypes, at.bundle.Statement().PredicateType) || at.bundle.Identity() != r.session.Policy.Identities[rule.Identity] {
			continue
		}
		c := seen.verified(class, rule, at)
		// One that is signed and cannot be read leaves the class open, inside too.
		if c.Reason == report.Forged || c.Verdict == report.Unknown && c.Reason != report.Malformed && !seen.mightFail(class, rule, at) {
			continue
		}
		ref, err := registry.ParseRef(at.source)
		if err != nil {
			return Admission{}, err
		}
		m, err := r.registry.Manifest(ctx, ref)
		if err != nil {
			return Admission{}, err
		}
		return Admission{ref, m.Digest, m.MediaType, int64(len(m.Body)), class}, nil
	}
	return Admission{}, nil
}

// admitDocuments takes along what the verdicts rest on. The check is of the
// checksums beside the SBOM, which are not part of its own verdict elsewhere.
func (b *imageSet) admitDocuments(ctx context.Context, also []*imageSet) (docs []AdmittedDocument, beside report.Check) {
	of := b.docs
	if of == nil || of.Release == nil {
		return nil, beside
	}
	if src := of.Release.SBOM; src.Body != nil && of.SBOM.Binding.Verdict == report.Verified && of.SBOM.Signature.Verdict != report.Refuted {
		d := AdmittedDocument{URL: of.Version.FileURL("kubernetes-release.spdx"), Origin: src.Origin, Body: src.Body, Sidecars: map[string][]byte{}}
		if of.SBOM.Signed {
			d.Verdict = report.Verified
			d.Sidecars[".sig"], d.Sidecars[".cert"] = of.SBOM.Detached.Sig, of.SBOM.Detached.Cert
			d.Sidecars[files.BundleSuffix] = append(slices.Clone(of.SBOM.Bundle), '\n')
		}
		beside = b.run.checksums(ctx, &d)
		docs = append(docs, d)
	}
	if src := of.Release.Changelog; src.Err == nil && src.Body != nil {
		docs = append(docs, AdmittedDocument{URL: src.URL, Origin: src.Origin, Body: src.Body})
	}
	seen := map[string]bool{}
	add := func(src release.Source[*release.Promotion]) {
		if src.Err == nil && src.Body != nil && !seen[src.URL] {
			seen[src.URL] = true
			docs = append(docs, AdmittedDocument{URL: src.URL, Origin: src.Origin, Body: src.Body})
		}
	}
	for _, list := range []release.Source[*release.Checksums]{of.Release.SHA256SUMS, of.Release.SHA512SUMS} {
		if list.Err == nil && list.Body != nil {
			docs = append(docs, AdmittedDocument{URL: list.URL, Origin: list.Origin, Body: list.Body})
		}
	}
	if p := of.Release.Provenance; p.Err == nil && p.Body != nil {
		docs = append(docs, AdmittedDocument{URL: p.URL, Origin: p.Origin, Body: p.Body})
	}
	add(of.Release.Promotion)
	for _, set := range also {
		for _, p := range set.promotions {
			add(*p)
		}
	}
	slices.SortFunc(docs, func(x, y AdmittedDocument) int { return strings.Compare(x.URL, y.URL) })
	return docs, beside
}

// checksums reads the two checksums beside a document, which must be its own.
func (r *run) checksums(ctx context.Context, d *AdmittedDocument) report.Check {
	sums := fetch.Sum(d.Body)
	for _, s := range [][2]string{{".sha256", sums.SHA256}, {".sha512", sums.SHA512}} {
		resp, err := r.session.Fetch.Get(ctx, d.URL+s[0], files.MaxChecksum)
		switch {
		case fetch.Is(err, fetch.NotFound):
			continue
		case err != nil:
			return r.failed(report.Digest, fmt.Errorf("a checksum beside it: %w", err))
		}
		said, _, _ := strings.Cut(strings.TrimSpace(string(resp.Body)), " ")
		if said != s[1] {
			if _, err := hex.DecodeString(said); err != nil || len(said) != len(s[1]) {
				return r.check(report.Digest, report.Unknown, report.Malformed, "%s%s is not a checksum", d.URL, s[0])
			}
			return r.check(report.Digest, report.Refuted, report.Mismatch, "%s%s says %s, but the document is %s", d.URL, s[0], brief(said), brief(s[1]))
		}
		d.Sidecars[s[0]] = resp.Body
	}
	return r.check(report.Digest, report.Verified, "", "the checksums beside it are its own")
}
