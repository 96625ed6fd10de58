package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

const (
	// maxAttestations caps how many bundles of one image are read: the promoter
	// writes about a dozen. Hostile thousands end as Unknown.
	maxAttestations = 32
	// maxAttestation caps one of them. The largest real ones are under 1 MB.
	maxAttestation = 4 << 20

	predicateAnnotation = "dev.sigstore.bundle.predicateType" // unsigned: it may order what is read, and says nothing
	bundleArtifact      = "application/vnd.dev.sigstore.bundle"
)

// attestationChecks are the checks that are made on request, each a class of
// its own: none stands for another, and none for the signature.
var attestationChecks = []string{report.Promotion, report.VSA, report.Provenance}

// attest makes the checks of one image that were asked for and that the hot
// path does not need: attestations and the staging signature.
func (r *run) attest(ctx context.Context, im *image) {
	var names []string
	for _, n := range append([]string{report.Staging}, attestationChecks...) {
		if _, made := r.asks(im, n); made {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return
	}
	if im.digest == "" {
		for _, n := range names {
			im.attested = append(im.attested, r.check(n, report.Unknown, report.NoClaim, "there is no manifest to look it up for"))
		}
		return
	}
	checks := make([]report.Check, len(names))
	seen := &attestations{run: r, im: im}
	par.Do(func() { seen.fetchBundles(ctx, names) }, func() {
		if names[0] == report.Staging {
			if err := session.Guard(func() { checks[0] = r.staging(ctx, im) }); err != nil {
				checks[0] = r.failed(report.Staging, err)
			}
		}
	})
	for i, n := range names {
		if n == report.Staging {
			continue
		}
		if err := session.Guard(func() { checks[i] = seen.decide(n) }); err != nil {
			checks[i] = r.failed(n, err)
		}
	}
	im.attested = checks
	if i := slices.Index(names, report.Promotion); i >= 0 && checks[i].Verdict == report.Verified {
		im.records = seen.records
	}
}

// attestChild makes the same checks of a platform that was asked for by its own
// digest. What refers to the index stands for it only where nothing refers to the
// platform itself: what does, and does not hold, is not covered up.
func (r *run) attestChild(ctx context.Context, im *image) {
	if im.child == "" || im.stray || len(im.attested) == 0 {
		return
	}
	of := *im
	of.digest, of.single, of.attested, of.records = im.child, true, nil, nil
	r.attest(ctx, &of)
	checks := slices.Clone(im.attested)
	for i, c := range of.attested {
		if c.Name != report.Staging && c.Reason != report.Absent {
			checks[i] = c
		}
	}
	for _, p := range im.platforms {
		if p.desc.Digest == im.child {
			p.attested = checks
		}
	}
}

// attestations are the Sigstore bundles that refer to one image.
type attestations struct {
	run     *run
	im      *image
	err     error // the first list that could not be read
	lists   int   // that could
	listed  int
	bundles []attestation
	unread  []error   // of those that could not be fetched, which might be anything
	broken  []string  // predicate types, as listed, of those that are malformed; "" for none
	more    bool      // there are more than are read
	records []*record // of the promotions that were verified
}

type attestation struct {
	source string
	from   source
	bundle *sigstore.Bundle
}

// referrer is one that is listed, and where.
type referrer struct {
	registry.Descriptor
	from source
}

func (s source) list(all []registry.Descriptor) (out []referrer) {
	for _, d := range all {
		out = append(out, referrer{d, s})
	}
	return out
}

// fetchBundles fetches the bundles that refer to the image, from every source: what any of
// them lists counts. Those whose annotation names a class that was asked for come first,
// but what a bundle is, its signed statement says.
func (a *attestations) fetchBundles(ctx context.Context, names []string) {
	if !slices.ContainsFunc(names, func(n string) bool { return n != report.Staging }) {
		return
	}
	ref := registry.Ref{Host: a.run.session.Policy.Images.Registry, Repository: a.im.name, Digest: a.im.digest}
	var all []referrer
	for _, from := range a.run.sources() {
		list, err := from.client.Referrers(ctx, ref)
		_, reason := session.Classify(err)
		switch {
		case err == nil, from.name != "" && reason == report.Absent: // it has none, and that is all that it says
			a.lists++
		case a.err == nil:
			a.err = err
		}
		for _, d := range from.list(list) {
			// What one of them lists as something else may be a bundle by the other's word.
			if !slices.ContainsFunc(all, func(o referrer) bool { return o.Digest == d.Digest && mayBeBundle(o) == mayBeBundle(d) }) {
				all = append(all, d)
			}
		}
	}
	a.fetchListed(ctx, ref, all, names)
}

// mayBeBundle says whether a referrer is listed as a bundle, or as nothing.
func mayBeBundle(d referrer) bool {
	return strings.HasPrefix(d.ArtifactType, bundleArtifact) || d.ArtifactType == ""
}

func (a *attestations) fetchListed(ctx context.Context, ref registry.Ref, list []referrer, names []string) {
	a.listed = len(list)
	var wanted []string
	for _, n := range names {
		wanted = append(wanted, a.run.session.Policy.Attestations[n].PredicateTypes...)
	}
	var these []referrer
	for _, d := range list {
		if mayBeBundle(d) {
			these = append(these, d)
		}
	}
	slices.SortStableFunc(these, func(x, y referrer) int {
		rank := func(d referrer) int {
			if slices.Contains(wanted, d.Annotations[predicateAnnotation]) {
				return 0
			}
			return 1
		}
		return rank(x) - rank(y)
	})
	if a.more = len(these) > maxAttestations; a.more {
		these = these[:maxAttestations]
	}
	type found struct {
		attestation
		err    error
		broken bool
	}
	got := make([]found, len(these))
	par.Map(ctx, len(these), 8, func(ctx context.Context, i int) {
		if err := session.Guard(func() { got[i].attestation, got[i].broken, got[i].err = a.one(ctx, ref, these[i]) }); err != nil {
			got[i].err = err
		}
	}, func(i int) { got[i].err = context.Canceled })
	for i, f := range got {
		switch {
		case f.broken:
			a.broken = append(a.broken, these[i].Annotations[predicateAnnotation])
		case f.err != nil:
			a.unread = append(a.unread, f.err)
		case f.bundle != nil:
			a.bundles = append(a.bundles, f.attestation)
		}
	}
}

// one reads a referrer where it is listed, and if it cannot be read there, elsewhere:
// its digest says that it is the same.
func (a *attestations) one(ctx context.Context, ref registry.Ref, d referrer) (out attestation, broken bool, err error) {
	out, broken, err = a.oneFrom(ctx, d.from, ref, d.Descriptor)
	for _, from := range a.run.sources() {
		if err != nil && from.client != d.from.client {
			if there, bad, failed := a.oneFrom(ctx, from, ref, d.Descriptor); failed == nil && !bad {
				out, broken, err = there, bad, nil
			}
		}
	}
	return out, broken, err
}

// oneFrom reads a referrer: a manifest that names the image as its subject, with
// one layer, the bundle.
func (a *attestations) oneFrom(ctx context.Context, from source, ref registry.Ref, d registry.Descriptor) (_ attestation, broken bool, _ error) {
	of := registry.Ref{Host: ref.Host, Repository: ref.Repository, Digest: d.Digest}
	m, err := from.client.Manifest(ctx, of)
	if err != nil {
		var format *registry.FormatError
		return attestation{}, errors.As(err, &format), err
	}
	img, err := m.Image()
	if err != nil || img.Subject == nil || img.Subject.Digest != ref.Digest || len(img.Layers) != 1 ||
		!strings.HasPrefix(img.Layers[0].MediaType, bundleArtifact) || img.Layers[0].Size > maxAttestation {
		return attestation{}, true, err
	}
	body, err := from.client.Blob(ctx, ref.At(img.Layers[0].Digest), maxAttestation)
	if err != nil {
		return attestation{}, false, err
	}
	s, err := sigstore.ParseBundle(body)
	if err != nil {
		return attestation{}, true, err
	}
	if s.Statement() == nil {
		return attestation{}, false, nil // a message signature is not an attestation
	}
	return attestation{source: of.String(), from: from, bundle: s}, false, nil
}

// noList is the check where a registry did not answer what refers to the image.
func (a *attestations) noList(class string) report.Check {
	c := a.run.failed(class, a.err)
	var wire *fetch.Error
	if errors.As(a.err, &wire) && c.Reason == report.Absent {
		c.Reason = report.Unreachable // the registry has not said that there are none
		c.Detail = "the registry does not answer what refers to this image, which does not mean that nothing does: " + c.Detail
	}
	return c
}

// unlisted says whether what one source did not list may outweigh what another has:
// a registry that has no such list leaves a statement that was found elsewhere as it is.
func (a *attestations) unlisted() bool {
	if a.err == nil {
		return false
	}
	_, reason := session.Classify(a.err)
	return reason != report.Absent
}

// decide decides one class. One attestation that satisfies the rule is enough,
// except that one that says the image failed outweighs it, and that one which is
// listed and could not be read might say so (rule 14).
func (a *attestations) decide(class string) report.Check {
	rule := a.run.session.Policy.Attestations[class]
	unknown := func(reason report.Reason, format string, args ...any) report.Check {
		return a.run.check(class, report.Unknown, reason, format, args...)
	}
	if a.err != nil && a.lists == 0 {
		return a.noList(class)
	}
	ofClass := func(predicateType string) bool {
		return predicateType == "" || slices.Contains(rule.PredicateTypes, predicateType)
	}
	var good, bad, open *report.Check
	var others []string
	keep := func(p **report.Check, c report.Check) {
		if *p == nil || (*p).Verdict != report.Refuted && c.Verdict == report.Refuted {
			*p = &c
		}
	}
	for _, at := range a.bundles {
		if !slices.Contains(rule.PredicateTypes, at.bundle.Statement().PredicateType) {
			continue
		}
		if at.bundle.Identity() != a.run.session.Policy.Identities[rule.Identity] {
			others = append(others, fmt.Sprintf("%.80q", at.bundle.Identity().Subject))
			continue
		}
		c := a.verified(class, rule, at)
		if c.Verdict == report.Verified {
			keep(&good, c)
			continue
		}
		keep(&bad, c)
		if a.mightFail(class, rule, at) {
			open = &c
		}
	}
	switch {
	case bad != nil && bad.Verdict == report.Refuted:
		return *bad
	case good != nil && a.unlisted(), good == nil && bad == nil && a.err != nil:
		return a.noList(class)
	case len(a.unread) > 0 && good != nil:
		c := a.run.failed(class, a.unread[0])
		if c.Verdict == report.Unknown {
			c.Detail = "one passed, and another that is listed could not be read, which might say otherwise: " + c.Detail
		}
		return listed(c)
	case good != nil && slices.ContainsFunc(a.broken, ofClass):
		return unknown(report.Malformed, "one passed, and another that is listed as of this class cannot be read as a bundle: it might say otherwise")
	case good != nil && open != nil:
		open.Detail = "one passed, and another might say otherwise: " + open.Detail
		return *open
	case good != nil && !a.more:
		return *good
	case bad != nil:
		return *bad
	case a.more:
		return unknown(report.Limit, "more than %d bundles refer to this image, and the rest was not read", maxAttestations)
	case len(others) > 0:
		return unknown(report.Untrusted, "none by %s; there is one by %s", rule.Identity, strings.Join(others, ", "))
	case len(a.unread) > 0:
		return listed(a.run.failed(class, a.unread[0]))
	case len(a.broken) > 0:
		return unknown(report.Malformed, "%d of the %d referrers of this image cannot be read as bundles, and no other is of this class", len(a.broken), a.listed)
	}
	return unknown(report.Absent, "not available for this image (%s)", rule.Since)
}

// mightFail says whether a statement that does not count says that the image failed,
// or cannot be read to the end, as far as its words go.
func (a *attestations) mightFail(class string, rule trust.AttestationRule, at attestation) bool {
	what, err := a.predicate(class, rule, at.bundle.Statement())
	return err != nil || what.verdict == report.Refuted || what.reason == report.Malformed
}

// listed corrects the reason of what was not there: it is listed, so that it is somewhere.
func listed(c report.Check) report.Check {
	if c.Reason == report.Absent {
		c.Reason = report.Unreachable
	}
	return c
}

// verified proves one attestation whose certificate claims the right signer.
func (a *attestations) verified(class string, rule trust.AttestationRule, at attestation) report.Check {
	s, who := at.bundle, a.run.session.Policy.Identities[rule.Identity]
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		c := a.run.check(class, v, reason, format, args...)
		c.Evidence = report.EvidenceOf(report.Evidence{What: "attestation", Source: at.source, Fields: map[string]string{report.FieldPredicateType: s.Statement().PredicateType}})
		return c
	}
	sum := a.im.digest.Bytes()
	d := sigstore.Digest{Algorithm: "sha256", Sum: sum}
	if !s.Statement().Names(d) {
		return say(report.Refuted, report.Mismatch, "the statement is about %s, not about this image: it was put here", s.About())
	}
	if reason, detail := s.Undecidable(a.run.session.Root, sigstore.Signer{Identity: who}); reason != "" {
		return say(report.Unknown, reason, "%s", detail)
	}
	p, err := s.Verify(a.run.session.Root, sigstore.Signer{Identity: who}, d)
	if err != nil {
		return say(report.Refuted, report.Forged, "an attestation that claims to be by %s does not verify: %v", rule.Identity, err)
	}
	for _, sub := range s.Statement().Subject {
		if sub.Digest["sha256"] == hex.EncodeToString(sum) && !a.subjectAllowed(rule, sub.Name) {
			return say(report.Refuted, report.Mismatch, "it speaks of %.200q, which is not a name of %s", sub.Name, a.im.name)
		}
	}
	what, err := a.predicate(class, rule, s.Statement())
	if err != nil {
		return say(report.Unknown, report.Malformed, "its predicate cannot be read: %v", err)
	}
	if what.record != nil {
		a.records = append(a.records, what.record)
	}
	c := say(what.verdict, what.reason, "by %s%s%s%s", rule.Identity, p.When(), what.detail, at.from.from())
	c.Evidence = c.Evidence.Changed(func(e *report.Evidence) {
		maps.Copy(e.Fields, p.Fields)
		e.Fields[report.FieldRule] = rule.Identity
	})
	return c
}
