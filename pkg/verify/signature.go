package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

const (
	// maxSignatureManifest caps a ".sig" manifest. Fifty signatures, the most
	// seen on a real image, are about 280 KB.
	maxSignatureManifest = 1 << 20
	// maxVerified caps how many signatures of one image are verified, each a few
	// milliseconds of processor time. Hostile thousands end as Unknown.
	maxVerified = 16
	// maxPayloads caps how many different payloads of one image are read to sort
	// out the signatures of other digests.
	maxPayloads = 64
)

// signed is what was found out about the signature of one digest.
type signed struct {
	signature report.Check
	reference report.Check
	absent    bool // the registry says that there is none

	// The manifest that signature and reference were read from.
	at        registry.Ref
	manifest  string // digest
	mediaType string
	size      int64
}

// imageSignature looks up and verifies the ".sig" signatures of a digest in
// one repository. name and arch say which docker-references are right for it:
// name is the image's path, arch the architecture if the digest is that of one
// platform, else empty.
//
// One signature that satisfies every rule is enough, whatever else is there. If
// there is none, a contradiction (a signature of the right identity that does
// not verify) outweighs a lack.
func (r *run) imageSignature(ctx context.Context, repository, digest, name, arch string) signed {
	tag := strings.Replace(digest, ":", "-", 1) + ".sig"
	ref := registry.Ref{Host: r.Policy.Images.Registry, Repository: repository, Tag: tag}
	m, err := r.Registry.Manifest(ctx, ref)
	if err != nil {
		c := r.failed(report.Signature, err)
		if c.Reason == report.Absent {
			c.Detail = fmt.Sprintf("%s/%s has no signature for %s", ref.Host, repository, short(digest))
			return signed{signature: c, reference: r.noReference("there is no signature to read it from"), absent: true}
		}
		return signed{signature: c, reference: r.noReference("the signature could not be had")}
	}
	through := func(m *registry.Manifest) signed {
		look := &search{run: r, repository: repository, digest: digest, name: name, arch: arch, read: map[string][]byte{}}
		look.source = report.Evidence{What: "signature manifest", Source: ref.String(), Digest: m.Digest}
		found := look.through(ctx, m)
		found.at, found.manifest, found.mediaType, found.size = ref, m.Digest, m.MediaType, int64(len(m.Body))
		return found
	}
	found := through(m)
	if m.Kept && (found.signature.Verdict != report.Verified || found.reference.Verdict != report.Verified) {
		// What a cache holds proves, or is asked for again: it fails nobody.
		if m, err = r.Registry.Refresh(ctx, ref); err != nil {
			c := r.failed(report.Signature, err)
			return signed{signature: c, reference: r.noReference("the signature could not be had"), absent: c.Reason == report.Absent}
		}
		found = through(m)
	}
	return found
}

func (r *run) noReference(why string) report.Check {
	return report.Check{Name: report.Reference, Required: r.needs(report.Reference), Reason: report.NoClaim, Detail: why}
}

// search goes through the layers of one ".sig" manifest.
type search struct {
	*run
	repository, digest, name, arch string
	source                         report.Evidence
	read                           map[string][]byte // payloads, by digest

	best     report.Check // the worst thing said of a layer of the right identity: refuted over unknown
	verified int
	others   []string // whose signatures were passed over
	broken   int      // layers that cannot be read
}

func (s *search) through(ctx context.Context, m *registry.Manifest) signed {
	fail := func(reason report.Reason, format string, args ...any) signed {
		c := s.check(report.Signature, report.Unknown, reason, format, args...)
		c.Evidence = []report.Evidence{s.source}
		return signed{signature: c, reference: s.noReference("no signature verified")}
	}
	if len(m.Body) > maxSignatureManifest {
		return fail(report.Limit, "%s is %d bytes, more than the %d that are read", s.source.Source, len(m.Body), maxSignatureManifest)
	}
	img, err := m.Image()
	if err != nil {
		return fail(report.Malformed, "%s is not a signature manifest: %v", s.source.Source, err)
	}
	var wrongName *signed
	for _, d := range img.Layers {
		l, err := parseLayer(d)
		if err != nil {
			s.broken++
			continue
		}
		if l.identity != s.Policy.ImageIdentity() && !s.former.counts(l.identity, s.name, s.arch, s.digest) {
			s.others = append(s.others, s.nameOf(l))
			continue
		}
		if s.verified == maxVerified || len(s.read) == maxPayloads {
			s.best = s.check(report.Signature, report.Unknown, report.Limit,
				"more signatures by %s than are looked at, and none of the first holds", s.Policy.Images.Identity)
			break
		}
		found := s.layer(ctx, l, d.Annotations[bundleAnnotation])
		switch {
		case found.signature.Verdict != report.Verified:
			s.keep(found.signature)
		case found.reference.Verdict == report.Verified:
			return found
		case wrongName == nil:
			wrongName = &found // genuine, but of another name; a later one may be of this
		}
	}
	if wrongName != nil {
		return *wrongName
	}
	if s.best.Name != "" {
		s.best.Evidence = append(s.best.Evidence, s.source)
		return signed{signature: s.best, reference: s.noReference("no signature verified")}
	}
	if len(s.others) > 0 {
		slices.Sort(s.others)
		return fail(report.Untrusted, "no %s signature among the %d at %s (%s); promotion may be unfinished: try later",
			s.Policy.Images.Identity, len(img.Layers), s.source.Source, strings.Join(slices.Compact(s.others), ", "))
	}
	return fail(report.Malformed, "none of the %d layers at %s can be read as a signature", len(img.Layers), s.source.Source)
}

// keep remembers the failure of a layer, a contradiction over a lack.
func (s *search) keep(c report.Check) {
	if s.best.Name == "" || c.Verdict == report.Refuted && s.best.Verdict != report.Refuted {
		s.best = c
	}
}

func (s *search) nameOf(l *layer) string {
	if key := s.Policy.IdentityName(l.identity); key != "" {
		return key
	}
	return fmt.Sprintf("%.80q", l.identity.Subject)
}

// layer verifies one signature whose certificate claims the right identity.
func (s *search) layer(ctx context.Context, l *layer, bundle string) signed {
	out := signed{reference: s.noReference("no signature verified")}
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) signed {
		out.signature = s.check(report.Signature, v, reason, format, args...)
		return out
	}
	who, judge := s.Policy.Images.Identity, s.cosign
	if l.identity != s.Policy.ImageIdentity() {
		who, judge = s.former.Identity, s.former.cosign
	}
	switch err := l.parseBundle(bundle); {
	case errors.Is(err, errNoEntry):
		return say(report.Unknown, report.Absent, "a signature by %s has no log entry beside it, so nothing says when it was made", who)
	case err != nil:
		return say(report.Unknown, report.Malformed, "a signature by %s cannot be read: %v", who, err)
	}
	if at := time.Unix(l.integratedTime, 0); judge != s.cosign && !s.former.Holds(at) {
		return say(report.Unknown, report.Untrusted, "a signature by %s was logged %s, and counts from %s to %s only", who, at.UTC().Format(time.RFC3339), s.former.From, s.former.To)
	}
	body, err := s.payload(ctx, l)
	if err != nil {
		out.signature = s.failed(report.Signature, err)
		return out
	}
	reference, digest, err := parsePayload(body)
	if err != nil {
		return say(report.Unknown, report.Malformed, "the payload of a signature by %s cannot be read: %v", who, err)
	}
	if digest != s.digest {
		return say(report.Refuted, report.Mismatch, "a signature by %s is for another digest (expected %s, found %.80s): it was copied here", who, s.digest, digest)
	}
	var differs *mismatchError
	switch err := l.ofThis(); {
	case errors.As(err, &differs):
		return say(report.Refuted, report.Forged, "a signature by %s: %v", who, err)
	case err != nil:
		return say(report.Unknown, report.Malformed, "a signature by %s: %v", who, err)
	}
	if id, _ := hex.DecodeString(l.logID); !s.Root.KnowsLog(id) {
		return say(report.Unknown, report.Untrusted, "a signature by %s was logged by %s, which the trusted root does not know: the trusted root may be older than the signature", who, l.logID)
	}
	s.verified++
	if err := judge.verify(ctx, l, body, s.digest); err != nil {
		if what := unknownAuthority(s.Root, l.cert); what != "" {
			return say(report.Unknown, report.Untrusted, "a signature by %s comes from %s, which the trusted root does not know: the trusted root may be older than the signature", who, what)
		}
		return say(report.Refuted, report.Forged, "a signature that claims to be by %s does not verify: %v", who, err)
	}

	out.signature = s.check(report.Signature, report.Verified, "", "signed by %s, logged %s", who, time.Unix(l.integratedTime, 0).UTC().Format(time.RFC3339))
	out.signature.Evidence = []report.Evidence{s.source, {
		What: "signature", Source: s.source.Source, Digest: l.digest,
		Fields: map[string]string{
			"identity": l.identity.Subject, "issuer": l.identity.Issuer, "rule": who,
			"logIndex": strconv.FormatInt(l.logIndex, 10), "logID": l.logID,
			"integratedTime": time.Unix(l.integratedTime, 0).UTC().Format(time.RFC3339),
		},
	}}
	if s.Policy.ReferenceAllowed(reference, s.name, s.arch) {
		out.reference = s.check(report.Reference, report.Verified, "", "signed as %s", reference)
	} else {
		out.reference = s.check(report.Reference, report.Refuted, report.Mismatch,
			"signed as %.200q, which is not a name of %s: another image is served under this name", reference, s.name)
	}
	out.reference.Evidence = []report.Evidence{{What: "docker-reference", Source: s.source.Source, Digest: l.digest,
		Fields: map[string]string{"docker-reference": reference}}}
	return out
}

func (s *search) payload(ctx context.Context, l *layer) ([]byte, error) {
	if b, ok := s.read[l.digest]; ok {
		return b, nil
	}
	b, err := s.getPayload(ctx, l, s.repository, s.digest, s.name, s.arch)
	if err == nil {
		s.read[l.digest] = b
	}
	return b, err
}

// short is a digest as a person reads it.
func short(digest string) string {
	if i := strings.IndexByte(digest, ':'); i >= 0 && len(digest) > i+13 {
		return digest[:i+13]
	}
	return digest
}
