package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
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

// signatureAt looks up and verifies those of a digest in one repository at one source.
func (r *run) signatureAt(ctx context.Context, from source, of registry.Ref, name, arch string) signed {
	ref := r.signatureRef(of.Repository, of.Digest)
	unread := func(err error) signed {
		c := r.failed(report.Signature, err)
		if c.Reason == report.Absent {
			c.Detail = fmt.Sprintf("%s has no signature for %s", from.repository(ref), of.Digest.Short())
			return signed{signature: c, reference: r.noReference("there is no signature to read it from"), absent: true, where: from.repository(ref)}
		}
		return signed{signature: c, reference: r.noReference("the signature could not be read")}
	}
	m, err := from.client.Manifest(ctx, ref)
	if err != nil {
		return unread(err)
	}
	through := func(m *registry.Manifest) signed {
		look := &search{run: r, from: from, repository: of.Repository, digest: of.Digest, name: name, arch: arch, payloads: map[oci.Digest][]byte{}}
		look.source = report.Evidence{What: "signature manifest", Source: ref.String(), Digest: string(m.Digest)}
		if from.name != "" {
			look.source.Fields = map[string]string{"from": from.name}
		}
		found := look.through(ctx, m)
		found.at, found.manifest, found.mediaType, found.size = ref, m.Digest, m.MediaType, int64(len(m.Body))
		return found
	}
	found := through(m)
	if m.FromCache && !found.holds() {
		// What a cache holds proves, or is asked for again: it fails no image.
		if m, err = from.client.Refresh(ctx, ref); err != nil {
			return unread(err)
		}
		found = through(m)
	}
	found.signature = keptIn(m, found.signature)
	return found
}

// search goes through the layers of one ".sig" manifest.
type search struct {
	run                    *run
	from                   source
	digest                 oci.Digest
	repository, name, arch string
	source                 report.Evidence
	payloads               map[oci.Digest][]byte // payloads

	best     report.Check // the worst thing said of a layer of the right identity: refuted over unknown
	verified int
	fetched  int                  // payloads that were asked for
	overflow bool                 // there is more than is looked at
	later    []sigstore.Signature // of other names, which are looked at if none of the right one holds
	others   []string             // whose signatures were passed over
}

func (s *search) through(ctx context.Context, m *registry.Manifest) signed {
	fail := func(reason report.Reason, format string, args ...any) signed {
		c := s.run.check(report.Signature, report.Unknown, reason, format, args...)
		c.Evidence = report.EvidenceOf(s.source)
		return signed{signature: c, reference: s.run.noReference("no signature verified")}
	}
	if len(m.Body) > maxSignatureManifest {
		return fail(report.Limit, "%s is %d bytes, more than the %d that are read", s.where(), len(m.Body), maxSignatureManifest)
	}
	img, err := m.Image()
	if err != nil {
		return fail(report.Malformed, "%s is not a signature manifest: %v", s.where(), err)
	}
	if found, ok := s.sift(ctx, img.Layers); ok {
		return found
	}
	var wrongName *signed
	for i := range s.later {
		if s.verified == maxVerified {
			s.overflow = true
		}
		if s.overflow {
			break
		}
		// Every one of them was read, and none is of this name: one that is genuine tells it.
		found := s.prove(ctx, &s.later[i], s.payloads[s.later[i].Payload])
		if found.signature.Verdict == report.Verified {
			wrongName = &found
			break
		}
		s.noteFailure(found.signature)
	}
	switch {
	case s.overflow:
		return fail(report.Limit, "more signatures by %s at %s than are looked at, and none of the first holds", s.run.session.Policy.Images.Identity, s.where())
	case wrongName != nil:
		return *wrongName
	case s.best.Name != "":
		s.best.Evidence = s.best.Evidence.Add(s.source)
		return signed{signature: s.best, reference: s.run.noReference("no signature verified")}
	case len(s.others) > 0:
		slices.Sort(s.others)
		return fail(report.Untrusted, "no %s signature among the %d at %s (%s); promotion may be unfinished: try later",
			s.run.session.Policy.Images.Identity, len(img.Layers), s.where(), strings.Join(slices.Compact(s.others), ", "))
	}
	return fail(report.Malformed, "none of the %d layers at %s can be read as a signature", len(img.Layers), s.where())
}

// sift goes through all layers, and verifies those of the right identity whose
// payload is of this image. It returns the first that holds.
func (s *search) sift(ctx context.Context, layers []registry.Descriptor) (found signed, ok bool) {
	for _, d := range layers {
		l, err := sigstore.ParseSignature(d)
		if err != nil {
			continue // it cannot be read
		}
		if l.Identity != s.run.session.Policy.ImageIdentity() && !s.run.legacy.counts(l.Identity, s.name, s.arch, s.digest) {
			s.others = append(s.others, s.nameOf(l))
			continue
		}
		found := s.layer(ctx, l)
		switch {
		case found.holds():
			return found, true
		case found.signature.Name != "":
			s.noteFailure(found.signature)
		}
	}
	return signed{}, false
}

// where names the signature manifest as it was asked for.
func (s *search) where() string {
	return s.from.describe(s.run.signatureRef(s.repository, s.digest))
}

// noteFailure remembers the failure of a layer, a contradiction over a lack.
func (s *search) noteFailure(c report.Check) {
	if s.best.Name == "" || c.Verdict == report.Refuted && s.best.Verdict != report.Refuted {
		s.best = c
	}
}

func (s *search) nameOf(l *sigstore.Signature) string {
	if key := s.run.session.Policy.IdentityName(l.Identity); key != "" {
		return key
	}
	return fmt.Sprintf("%.80q", l.Identity.Subject)
}

// layer verifies one signature whose certificate claims the right identity, unless
// it is of another name: that is put off, and the result is empty.
func (s *search) layer(ctx context.Context, l *sigstore.Signature) signed {
	say := s.sayer()
	who := s.whose(l)
	if err := l.ReadEntry(); err != nil {
		verdict, reason := session.Classify(err)
		if reason == report.Absent {
			return say(verdict, reason, "a signature by %s has no log entry beside it, so nothing says when it was made", who)
		}
		return say(verdict, reason, "a signature by %s cannot be read: %v", who, err)
	}
	if at := time.Unix(l.IntegratedTime, 0); l.Identity != s.run.session.Policy.ImageIdentity() && !s.run.legacy.rule.Holds(at) {
		return say(report.Unknown, report.Untrusted, "a signature by %s was logged %s, and counts from %s to %s only", who, at.UTC().Format(time.RFC3339), s.run.legacy.rule.From, s.run.legacy.rule.To)
	}
	body, err := s.payload(ctx, l)
	if err != nil {
		s.overflow = s.overflow || errors.Is(err, errOverflow)
		return signed{signature: s.run.failed(report.Signature, err), reference: s.run.noReference("no signature verified")}
	}
	reference, digest, err := sigstore.ParsePayload(body)
	if err != nil {
		return say(report.Unknown, report.Malformed, "the payload of a signature by %s cannot be read: %v", who, err)
	}
	if digest != s.digest {
		return say(report.Refuted, report.Mismatch, "a signature by %s is for another digest (expected %s, found %.80s): it was copied here", who, s.digest, digest)
	}
	if !s.run.session.Policy.ReferenceAllowed(reference, s.name, s.arch) {
		s.later = append(s.later, *l)
		return signed{}
	}
	if s.verified == maxVerified {
		s.overflow = true
		return signed{}
	}
	return s.prove(ctx, l, body)
}

// whose is the policy's name for the identity that a layer's certificate claims.
func (s *search) whose(l *sigstore.Signature) string {
	if l.Identity != s.run.session.Policy.ImageIdentity() {
		return s.run.legacy.rule.Identity
	}
	return s.run.session.Policy.Images.Identity
}

// sayer makes results of a signature that does not hold.
func (s *search) sayer() func(report.Verdict, report.Reason, string, ...any) signed {
	return func(v report.Verdict, reason report.Reason, format string, args ...any) signed {
		return signed{signature: s.run.check(report.Signature, v, reason, format, args...), reference: s.run.noReference("no signature verified")}
	}
}

// prove verifies the signature of a layer whose payload names this digest.
func (s *search) prove(ctx context.Context, l *sigstore.Signature, body []byte) signed {
	say := s.sayer()
	who, judge := s.whose(l), s.run.cosign
	if l.Identity != s.run.session.Policy.ImageIdentity() {
		judge = s.run.legacy.cosign
	}
	var differs *sigstore.MismatchError
	switch err := l.EntryMatches(); {
	case errors.As(err, &differs):
		return say(report.Refuted, report.Forged, "a signature by %s: %v", who, err)
	case err != nil:
		return say(report.Unknown, report.Malformed, "a signature by %s: %v", who, err)
	}
	if !l.LogKnown(s.run.session.Root) {
		return say(report.Unknown, report.Untrusted, "a signature by %s was logged by %s, which the trusted root does not know: the trusted root may be older than the signature", who, l.LogID)
	}
	s.verified++
	if err := judge.Verify(ctx, l, body, s.digest); err != nil {
		if what := l.UnknownAuthority(s.run.session.Root); what != "" {
			return say(report.Unknown, report.Untrusted, "a signature by %s comes from %s, which the trusted root does not know: the trusted root may be older than the signature", who, what)
		}
		return say(report.Refuted, report.Forged, "a signature that claims to be by %s does not verify: %v", who, err)
	}
	return s.proved(l, who, body)
}

// proved is the result of a signature that verified: it holds, unless it is of another name.
func (s *search) proved(l *sigstore.Signature, who string, body []byte) (out signed) {
	logged := time.Unix(l.IntegratedTime, 0).UTC().Format(time.RFC3339)
	out.signature = s.run.check(report.Signature, report.Verified, "", "signed by %s, logged %s%s", who, logged, s.from.from())
	out.signature.Evidence = report.EvidenceOf(s.source, report.Evidence{
		What: "signature", Source: s.source.Source, Digest: string(l.Payload),
		Fields: map[string]string{
			report.FieldIdentity: l.Identity.Subject, report.FieldIssuer: l.Identity.Issuer, report.FieldRule: who,
			report.FieldLogIndex: strconv.FormatInt(l.LogIndex, 10), report.FieldLogID: l.LogID, report.FieldLogged: logged,
		},
	})
	reference, _, _ := sigstore.ParsePayload(body) // it was read before; nothing is a name of no image
	if s.run.session.Policy.ReferenceAllowed(reference, s.name, s.arch) {
		out.reference = s.run.check(report.Reference, report.Verified, "", "signed as %s", reference)
	} else {
		out.reference = s.run.check(report.Reference, report.Refuted, report.Mismatch,
			"signed as %.200q, which is not a name of %s: another image is served under this name", reference, s.name)
	}
	out.reference.Evidence = report.EvidenceOf(report.Evidence{What: "docker-reference", Source: s.source.Source, Digest: string(l.Payload),
		Fields: map[string]string{report.FieldReference: reference}})
	return out
}

// errOverflow says that a payload was not read, because enough were.
var errOverflow = errors.New("more payloads than are read")

func (s *search) payload(ctx context.Context, l *sigstore.Signature) ([]byte, error) {
	if b, ok := s.payloads[l.Payload]; ok {
		return b, nil
	}
	b := s.run.payloads.Rebuild(l.Payload, s.digest, s.run.session.Policy.References(s.name, s.arch))
	if b == nil {
		if s.fetched == maxPayloads {
			return nil, errOverflow
		}
		s.fetched++
		var err error
		if b, err = s.from.client.Blob(ctx, s.run.in(s.repository).At(l.Payload), sigstore.MaxPayload); err != nil {
			return nil, err
		}
		s.run.payloads.Learn(b)
	}
	s.payloads[l.Payload] = b
	return b, nil
}

// imageSignature looks up and verifies the ".sig" signatures of a digest in
// one repository, at every source. name and arch say which docker-references are right for it:
// name is the image's path, arch the architecture if the digest is that of one
// platform, else empty.
//
// One signature that satisfies every rule is enough, whatever else is there. If
// there is none, a contradiction (a signature of the right identity that does
// not verify) outweighs a lack, and what could not be read outweighs an absence.
func (r *run) imageSignature(ctx context.Context, repository string, digest oci.Digest, name, arch string) signed {
	var out signed
	for i, from := range r.sources() {
		found := r.signatureAt(ctx, from, registry.Ref{Repository: repository, Digest: digest}, name, arch)
		if i == 0 {
			out = found
		} else {
			out = out.or(found)
		}
		if out.holds() {
			break
		}
	}
	return out
}
