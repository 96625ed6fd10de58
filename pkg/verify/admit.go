package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// An Admission says that a name was verified, in this process, for exactly one
// digest: it is what lets a name into a mirror. Only this package makes one;
// the zero value admits nothing.
type Admission struct {
	ref       registry.Ref
	digest    string
	mediaType string
	size      int64
	why       string
}

// Ref is the name: by a tag, or for a referrer by its digest.
func (a Admission) Ref() registry.Ref { return a.ref }

// Digest is the only content that the name is admitted for; empty in the zero value.
func (a Admission) Digest() string { return a.digest }

// MediaType is that of the manifest.
func (a Admission) MediaType() string { return a.mediaType }

// Size is the manifest's, in bytes.
func (a Admission) Size() int64 { return a.size }

// Why says in a few words by what the name was admitted.
func (a Admission) Why() string { return a.why }

// Carry says what of a release is to be carried somewhere else.
type Carry struct {
	Version release.Version
	Images  bool     // images at all
	Names   []string // images such as "kube-proxy"; none means every image of the release
	Arches  []string // none means all
	OSes    []string // systems of images that have several, such as pause; none means all
	Also    []registry.Ref
	// Referrers asks for attestations too. A registry that does not answer what
	// refers to an image has none to give.
	Referrers bool
	Known     []string // digests of images whose referrers are carried already
	Files     bool     // read what is needed to judge files too
	// Held says that Names, Arches and OSes are what a mirror says that it holds,
	// so that the rest of the release is reported as absent.
	Held bool
}

// Carried is what was found of it.
type Carried struct {
	Report    report.Report
	Images    []CarriedImage
	Documents []CarriedDocument
	Files     *Files // nil unless asked for
}

// CarriedImage is one image of a [Carried]. It is admitted as a whole or not at
// all: one platform that could not be proved keeps out the index that names it.
type CarriedImage struct {
	Ref        registry.Ref
	Release    release.Version // zero for an image that is of none
	Digest     string          // of the index; empty if it could not be had
	MediaType  string
	Verdict    report.Verdict
	Detail     string // why it is not verified
	Admissions []Admission
	// Referrers is "" if they were not asked for, else "listed", "none", or
	// "not answered", which is what registries without that interface do.
	Referrers string
	Left      int // referrers that nobody of the policy signed, and that stay outside
}

// CarriedDocument is a document that the verdicts rest on, as it was read.
type CarriedDocument struct {
	URL     string // canonical: see release.Version.FileURL
	Origin  fetch.Origin
	Verdict report.Verdict // Verified only if the document itself is signed
	Body    []byte
	Beside  map[string][]byte // by suffix: ".sig", ".cert", ".sigstore.json", ...
}

// Carry verifies what is to be carried, and mints the admissions of all that
// was verified. A partial run is refused: it would admit what was not proved.
//
// The error is a [*UsageError].
func (v *Verifier) Carry(ctx context.Context, c Carry) (*Carried, error) {
	r, err := v.start()
	if err != nil {
		return nil, err
	}
	if r.partial {
		return nil, usagef("a mirror is made of what was proved in full; leave out --checks")
	}
	r.whole, r.Sparse = true, nil // a mirror is no stand-in, and must have every name
	r.held = c.Held
	r.shared = new(release.Shared) // pause stands in the manifest of the core images
	b := newBatch(r, Request{Version: c.Version, Names: c.Names, Arches: c.Arches})
	b.everything = c.Files
	var also []*image
	for _, ref := range c.Also {
		if ref.Host != r.Policy.Images.Registry || ref.Tag == "" {
			return nil, usagef("%s: only tags of %s can be carried", ref, r.Policy.Images.Registry)
		}
		also = append(also, &image{name: ref.Repository, tag: ref.Tag, pin: ref.Digest, arches: c.Arches, oses: c.OSes})
	}
	out := &Carried{}
	var results []report.Result
	if c.Images {
		if err := b.start(); err != nil {
			return nil, err
		}
		if err := b.all(ctx); err != nil {
			return nil, err
		}
		results = b.results()
	} else {
		if c.Files {
			b.facts = b.run.loadAll(ctx, c.Version)
		} else {
			b.facts = b.run.load(ctx, c.Version)
		}
		results = b.facts.results()
		if b.facts.neverReleased(nil) {
			results = []report.Result{b.neverReleased()}
		}
	}
	if c.Held {
		b.leftOut(c.Images)
	}
	other := &batch{run: r}
	if len(also) > 0 {
		other.examine(ctx, also)
		other.readPromotions(ctx)
		bound := other.bind()
		for _, im := range other.images {
			results = append(results, r.imageResults(im, bound)...)
		}
	}
	images := other.images
	if c.Images {
		images = append(slices.Clone(b.images), images...)
	}
	out.Images = make([]CarriedImage, len(images))
	missing := make([][]error, len(images))
	par.Map(ctx, len(images), r.Jobs, func(ctx context.Context, i int) {
		err := guard(func() {
			out.Images[i], missing[i] = r.carry(ctx, images[i], results, c.Referrers && !slices.Contains(c.Known, images[i].digest))
		})
		if err != nil {
			out.Images[i] = CarriedImage{Ref: r.refOf(images[i]), Detail: err.Error()}
		}
	}, func(i int) { out.Images[i] = CarriedImage{Ref: r.refOf(images[i]), Detail: "interrupted"} })
	for i, errs := range missing {
		for _, err := range errs {
			ch := r.failed(report.Digest, fmt.Errorf("what refers to it: %w", err))
			ch.Required = true
			results = append(results, report.Result{Subject: r.subject(images[i]), Kind: "image", Digest: images[i].digest, Checks: []report.Check{ch}})
		}
	}
	if c.Files && b.facts != nil {
		if out.Files, err = v.filesOf(c.Version, b.facts); err != nil {
			return nil, err
		}
	}
	docs, more := b.carryDocuments(ctx, other)
	out.Documents = docs
	for i := range results { // the SBOM's result has the checksums beside it too
		if results[i].Kind == "document" && more.Name != "" {
			results[i].Checks = append([]report.Check{more}, results[i].Checks...)
		}
	}
	scope := report.Scope{Subjects: []string{c.Version.String()}, Names: c.Names, Platforms: c.Arches}
	for _, ref := range c.Also {
		scope.Subjects = append(scope.Subjects, ref.String())
	}
	out.Report = r.report(ctx, scope, []release.Version{c.Version}, results)
	return out, nil
}

// Compose makes a report of results that were found by others, and by this
// verifier's policy and trusted root. The error is a [*UsageError].
func (v *Verifier) Compose(ctx context.Context, subjects []string, versions []release.Version, results []report.Result) (report.Report, error) {
	r, err := v.start()
	if err != nil {
		return report.Report{}, err
	}
	return r.report(ctx, report.Scope{Subjects: subjects}, versions, results), nil
}

// carry mints what one image is admitted for. The errors are of referrers that
// the registry lists and does not give.
func (r *run) carry(ctx context.Context, im *image, results []report.Result, referrers bool) (CarriedImage, []error) {
	out := CarriedImage{Ref: r.refOf(im), Release: im.version, Digest: im.digest, MediaType: im.mediaType, Verdict: report.Verified}
	subject, any := r.subject(im), false
	for _, res := range results {
		if res.Subject != subject || res.Kind != "image" {
			continue
		}
		any = true
		if v := res.Verdict(); v != report.Verified {
			if out.Verdict != report.Refuted {
				out.Verdict = v
			}
			for _, c := range res.Checks {
				if c.Required && c.Verdict == v && out.Detail == "" {
					out.Detail = strings.TrimSpace(res.Platform + " " + c.Name + ": " + c.Detail)
				}
			}
		}
	}
	if out.Verdict == report.Verified && (!any || im.digest == "" || im.single && im.core) {
		out.Verdict = report.Unknown
	}
	if out.Verdict != report.Verified {
		return out, nil
	}
	m, err := r.Registry.Manifest(ctx, registry.Ref{Host: out.Ref.Host, Repository: im.name, Digest: im.digest})
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
	errs := r.carryReferrers(ctx, im, &out)
	return out, errs
}

// paper admits the manifest of a signature that was verified.
func (out *CarriedImage) paper(s signed) {
	if s.manifest != "" && s.signature.Verdict == report.Verified && s.reference.Verdict != report.Refuted {
		out.Admissions = append(out.Admissions, Admission{s.at, s.manifest, s.mediaType, s.size, "the signature of an image that was verified"})
	}
}

// carryReferrers admits the attestations of an index and of its platforms that
// somebody of the policy signed. Others are left outside, and counted.
func (r *run) carryReferrers(ctx context.Context, im *image, out *CarriedImage) []error {
	out.Referrers = "none"
	digests := []string{im.digest}
	for _, p := range im.platforms {
		if p.desc.Digest != "" {
			digests = append(digests, p.desc.Digest)
		}
	}
	var errs []error
	for _, digest := range digests {
		ref := registry.Ref{Host: out.Ref.Host, Repository: im.name, Digest: digest}
		list, err := r.Registry.Referrers(ctx, ref)
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
		seen.take(ctx, ref, r.sources()[0].list(list), attestationChecks)
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
		rule := r.Policy.Attestations[class]
		if !slices.Contains(rule.PredicateTypes, at.bundle.Statement().PredicateType) || at.bundle.Identity() != r.Policy.Identities[rule.Identity] {
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
		m, err := r.Registry.Manifest(ctx, ref)
		if err != nil {
			return Admission{}, err
		}
		return Admission{ref, m.Digest, m.MediaType, int64(len(m.Body)), class}, nil
	}
	return Admission{}, nil
}

// carryDocuments takes along what the verdicts rest on. The check is of the
// checksums beside the SBOM, which are no part of its own verdict elsewhere.
func (b *batch) carryDocuments(ctx context.Context, other *batch) (docs []CarriedDocument, beside report.Check) {
	f := b.facts
	if f == nil || f.rel == nil {
		return nil, beside
	}
	if src := f.rel.SBOM; src.Body != nil && f.sbom.binding.Verdict == report.Verified && f.sbom.signature.Verdict != report.Refuted {
		d := CarriedDocument{URL: f.version.FileURL("kubernetes-release.spdx"), Origin: src.Origin, Body: src.Body, Beside: map[string][]byte{}}
		if f.sbom.signed {
			d.Verdict = report.Verified
			d.Beside[".sig"], d.Beside[".cert"] = f.sbom.papers.sig, f.sbom.papers.cert
			d.Beside[BundleSuffix] = append(slices.Clone(f.sbom.bundle), '\n')
		}
		beside = f.checksums(ctx, &d)
		docs = append(docs, d)
	}
	if src := f.rel.Changelog; src.Err == nil && src.Body != nil {
		docs = append(docs, CarriedDocument{URL: src.URL, Origin: src.Origin, Body: src.Body})
	}
	seen := map[string]bool{}
	add := func(src release.Source[*release.Promotion]) {
		if src.Err == nil && src.Body != nil && !seen[src.URL] {
			seen[src.URL] = true
			docs = append(docs, CarriedDocument{URL: src.URL, Origin: src.Origin, Body: src.Body})
		}
	}
	for _, list := range []release.Source[*release.Checksums]{f.rel.SHA256SUMS, f.rel.SHA512SUMS} {
		if list.Err == nil && list.Body != nil {
			docs = append(docs, CarriedDocument{URL: list.URL, Origin: list.Origin, Body: list.Body})
		}
	}
	if p := f.rel.Provenance; p.Err == nil && p.Body != nil {
		docs = append(docs, CarriedDocument{URL: p.URL, Origin: p.Origin, Body: p.Body})
	}
	add(f.rel.Promotion)
	for _, p := range other.promotions {
		add(*p)
	}
	slices.SortFunc(docs, func(x, y CarriedDocument) int { return strings.Compare(x.URL, y.URL) })
	return docs, beside
}

// checksums reads the two checksums beside a document, which must be its own.
func (f *facts) checksums(ctx context.Context, d *CarriedDocument) report.Check {
	sums := fetch.Sum(d.Body)
	for _, s := range [][2]string{{".sha256", sums.SHA256}, {".sha512", sums.SHA512}} {
		resp, err := f.run.Fetch.Get(ctx, d.URL+s[0], maxChecksum)
		switch {
		case fetch.Is(err, fetch.NotFound):
			continue
		case err != nil:
			return f.run.failed(report.Digest, fmt.Errorf("a checksum beside it: %w", err))
		}
		said, _, _ := strings.Cut(strings.TrimSpace(string(resp.Body)), " ")
		if said != s[1] {
			if _, err := hex.DecodeString(said); err != nil || len(said) != len(s[1]) {
				return f.run.check(report.Digest, report.Unknown, report.Malformed, "%s%s is no checksum", d.URL, s[0])
			}
			return f.run.check(report.Digest, report.Refuted, report.Mismatch, "%s%s says %s, but the document is %s", d.URL, s[0], brief(said), brief(s[1]))
		}
		d.Beside[s[0]] = resp.Body
	}
	return f.run.check(report.Digest, report.Verified, "", "the checksums beside it are its own")
}
