package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// staging looks in the image's ".sig" manifest for the signature that it got
// when it was built, before promotion. It is reported apart and never stands
// for the promoted one: the identity that signs staging images signs mock releases.
func (r *run) staging(ctx context.Context, im *image) report.Check {
	var out report.Check
	for i, from := range r.sources() {
		c := r.stagingFrom(ctx, from, im)
		switch {
		case i == 0, c.Verdict == report.Verified, out.Reason == report.Absent && c.Reason != report.Absent,
			c.Verdict == report.Refuted && out.Verdict != report.Refuted:
			out = c
		}
		if out.Verdict == report.Verified {
			break
		}
	}
	return out
}

// stagingFrom looks at one source. A tag of signatures grows: what a cache holds
// proves, or is asked for again.
func (r *run) stagingFrom(ctx context.Context, from source, im *image) report.Check {
	ref := r.signatureRef(im.name, im.digest)
	m, err := from.client.Manifest(ctx, ref)
	if err != nil {
		return r.noStaging(from, ref, im, err)
	}
	c := r.stagingIn(ctx, from, ref, im, m)
	if m.FromCache && c.Verdict != report.Verified {
		if m, err = from.client.Refresh(ctx, ref); err != nil {
			return r.noStaging(from, ref, im, err)
		}
		c = r.stagingIn(ctx, from, ref, im, m)
	}
	return keptIn(m, c)
}

func (r *run) noStaging(from source, ref registry.Ref, im *image, err error) report.Check {
	c := r.failed(report.Staging, err)
	if c.Reason == report.Absent {
		c.Detail = fmt.Sprintf("%s has no signature for %s", from.repository(ref), im.digest.Short())
	}
	return c
}

// stagingIn looks through the signatures of one manifest.
func (r *run) stagingIn(ctx context.Context, from source, ref registry.Ref, im *image, m *registry.Manifest) report.Check {
	rule := r.session.Policy.Images.Staging
	who, where := r.session.Policy.Identities[rule], from.describe(ref)
	if len(m.Body) > maxSignatureManifest {
		return r.check(report.Staging, report.Unknown, report.Limit, "%s is %d bytes, more than the %d that are read", where, len(m.Body), maxSignatureManifest)
	}
	img, err := m.Image()
	if err != nil {
		return r.failed(report.Staging, err)
	}
	verifier, err := sigstore.NewSignatureVerifier(r.session.Root, who)
	if err != nil {
		return r.failed(report.Staging, err)
	}
	last, tried := r.check(report.Staging, report.Unknown, report.Absent, "no %s signature among the %d at %s", rule, len(img.Layers), where), 0
	for _, d := range img.Layers {
		l, err := sigstore.ParseSignature(d)
		if err != nil || l.Identity != who {
			continue
		}
		if tried++; tried > maxVerified {
			return r.check(report.Staging, report.Unknown, report.Limit, "more than %d signatures by %s, none of the first %d holds", maxVerified, rule, maxVerified)
		}
		c := r.stagingLayer(ctx, from, im, l, verifier)
		if c.Verdict == report.Verified {
			c.Evidence = c.Evidence.Changed(func(e *report.Evidence) { e.Source = ref.String() })
			return c
		}
		last = c
	}
	return last
}

// stagingLayer verifies one signature whose certificate claims to be of the staging identity.
func (r *run) stagingLayer(ctx context.Context, from source, im *image, l *sigstore.Signature, verifier *sigstore.SignatureVerifier) report.Check {
	rule := r.session.Policy.Images.Staging
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		return r.check(report.Staging, v, reason, format, args...)
	}
	if err := l.ReadEntry(); err != nil {
		return say(report.Unknown, report.Malformed, "a signature by %s: %v", rule, err)
	}
	body, err := from.client.Blob(ctx, r.in(im.name).At(l.Payload), sigstore.MaxPayload)
	if err != nil {
		return r.failed(report.Staging, err)
	}
	reference, digest, err := sigstore.ParsePayload(body)
	switch {
	case err != nil:
		return say(report.Unknown, report.Malformed, "the payload of a signature by %s: %v", rule, err)
	case digest != im.digest:
		return say(report.Refuted, report.Mismatch, "a signature by %s is for another digest, %.80s", rule, digest)
	}
	if !l.LogKnown(r.session.Root) || l.UnknownAuthority(r.session.Root) != "" {
		return say(report.Unknown, report.Untrusted, "a signature by %s is under a log or CA that the trusted root does not know", rule)
	}
	if err := verifier.Verify(ctx, l, body, im.digest); err != nil {
		return say(report.Refuted, report.Forged, "a signature that claims to be by %s does not verify: %v", rule, err)
	}
	c := say(report.Verified, "", "signed by %s, logged %s, as %.200s%s", rule, time.Unix(l.IntegratedTime, 0).UTC().Format(time.RFC3339), reference, from.from())
	c.Evidence = report.EvidenceOf(report.Evidence{What: "staging signature", Digest: string(l.Payload), Fields: map[string]string{
		report.FieldIdentity: l.Identity.Subject, report.FieldIssuer: l.Identity.Issuer, report.FieldRule: rule, report.FieldReference: fmt.Sprintf("%.200s", reference)}})
	return c
}
