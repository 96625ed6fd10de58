package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// staging looks in the image's ".sig" manifest for the signature that it got
// when it was built, before promotion. It is reported apart and never stands
// for the promoted one: whoever can sign a staging image can sign mock releases.
func (r *run) staging(ctx context.Context, im *image) report.Check {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		return r.check(report.Staging, v, reason, format, args...)
	}
	rule := r.Policy.Images.Staging
	who := r.Policy.Identities[rule]
	ref := registry.Ref{Host: r.Policy.Images.Registry, Repository: im.name, Tag: strings.Replace(im.digest, ":", "-", 1) + ".sig"}
	m, err := r.Registry.Manifest(ctx, ref)
	if err != nil {
		return r.failed(report.Staging, err)
	}
	if len(m.Body) > maxSignatureManifest {
		return say(report.Unknown, report.Limit, "%s is %d bytes, more than the %d that are read", ref, len(m.Body), maxSignatureManifest)
	}
	img, err := m.Image()
	if err != nil {
		return r.failed(report.Staging, err)
	}
	verifier, err := newCosignVerifier(r.Root, who)
	if err != nil {
		return r.failed(report.Staging, err)
	}
	last, tried := say(report.Unknown, report.Absent, "no %s signature among the %d at %s", rule, len(img.Layers), ref), 0
	for _, d := range img.Layers {
		l, err := parseLayer(d)
		if err != nil || l.identity != who {
			continue
		}
		if tried++; tried > maxVerified {
			return say(report.Unknown, report.Limit, "more than %d signatures by %s, none of the first %d holds", maxVerified, rule, maxVerified)
		}
		if err := l.parseBundle(d.Annotations[bundleAnnotation]); err != nil {
			last = say(report.Unknown, report.Malformed, "a signature by %s: %v", rule, err)
			continue
		}
		body, err := r.Registry.Blob(ctx, ref.Host, im.name, l.digest, maxPayload)
		if err != nil {
			last = r.failed(report.Staging, err)
			continue
		}
		reference, digest, err := parsePayload(body)
		switch {
		case err != nil:
			last = say(report.Unknown, report.Malformed, "the payload of a signature by %s: %v", rule, err)
			continue
		case digest != im.digest:
			last = say(report.Refuted, report.Mismatch, "a signature by %s is for another digest, %.80s", rule, digest)
			continue
		}
		if id, _ := hex.DecodeString(l.logID); !r.Root.KnowsLog(id) || unknownAuthority(r.Root, l.cert) != "" {
			last = say(report.Unknown, report.Untrusted, "a signature by %s is under a log or CA that the trusted root does not know", rule)
			continue
		}
		if err := verifier.verify(ctx, l, body, im.digest); err != nil {
			last = say(report.Refuted, report.Forged, "a signature that claims to be by %s does not verify: %v", rule, err)
			continue
		}
		c := say(report.Verified, "", "signed by %s, logged %s, as %.200s", rule, time.Unix(l.integratedTime, 0).UTC().Format(time.RFC3339), reference)
		c.Evidence = []report.Evidence{{What: "staging signature", Source: ref.String(), Digest: l.digest, Fields: map[string]string{
			"identity": l.identity.Subject, "issuer": l.identity.Issuer, "rule": rule, "docker-reference": fmt.Sprintf("%.200s", reference)}}}
		return c
	}
	return last
}
