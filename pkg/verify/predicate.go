package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// conclusion is what a predicate says, beyond its statement's subject.
type conclusion struct {
	verdict report.Verdict
	reason  report.Reason
	detail  string // follows the name of who signed
	record  *record
}

func contradicted(format string, args ...any) conclusion {
	return conclusion{verdict: report.Refuted, reason: report.Mismatch, detail: fmt.Sprintf(format, args...)}
}

func undecided(reason report.Reason, format string, args ...any) conclusion {
	return conclusion{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// predicate reads what an attestation of a class says of an image. The error
// says that it cannot be read.
func (a *attestations) predicate(class string, rule trust.AttestationRule, s *sigstore.Statement) (conclusion, error) {
	p, err := readMembers(s.Predicate)
	if err != nil {
		return conclusion{}, err
	}
	var out conclusion
	switch class {
	case report.VSA:
		out = a.summary(p, rule)
	case report.Promotion:
		out = a.promotion(p, s)
	default:
		out = built(p, rule)
	}
	return out, p.err
}

// failedLevel is what the levels of a summary are if verification failed.
const failedLevel = "FAILED"

// summary reads a verification summary (slsa.dev/spec/v1.0/verification_summary).
// One that FAILED has that word as its only level; where the result says otherwise,
// the level stands: a summary that contradicts itself is not a pass.
func (a *attestations) summary(p *members, rule trust.AttestationRule) conclusion {
	verifier, result, resource := p.text("verifier", "id"), p.text("verificationResult"), p.text("resourceUri")
	levels := p.texts("verifiedLevels")
	switch {
	case verifier != rule.Verifier:
		return undecided(report.Untrusted, ", but verified by %.100q, not by %s", verifier, rule.Verifier)
	case strings.Contains(resource, "@") && !strings.HasSuffix(resource, "@"+string(a.im.digest)):
		return contradicted(", but about %.200q", resource)
	case result == failedLevel || slices.Contains(levels, failedLevel):
		return contradicted(": verification of this image FAILED")
	case result != "PASSED":
		return undecided(report.Malformed, ": its result is %.40q, neither PASSED nor FAILED", result)
	case !trust.LevelReached(levels, rule.MinimumLevel):
		return undecided(report.NoClaim, ": levels %.200q, and none reaches %s", strings.Join(levels, ", "), rule.MinimumLevel)
	}
	return conclusion{verdict: report.Verified, detail: fmt.Sprintf(": PASSED, %.200s", strings.Join(levels, ", "))}
}

// promotion reads a promotion record of kubernetes-sigs/promo-tools, in both of
// its forms. One that `kpromo sigcheck` wrote later names no manifest and no source:
// it says that the promoter promoted this digest, and binds it to no version (rule 11).
func (a *attestations) promotion(p *members, s *sigstore.Statement) conclusion {
	if digest := p.text("digest"); digest != "" && oci.Digest(digest) != a.im.digest {
		return contradicted(", but it records the promotion of %.80s", digest)
	}
	if name := p.text("destination", "name"); name != "" && !a.names(name) {
		return contradicted(", but to %.200q, which is not a name of %s", name, a.im.name)
	}
	destination := cmp.Or(cmp.Or(p.text("dstRef"), p.text("destination", "name")), p.text("buildDefinition", "externalParameters", "destination"))
	if destination != "" && !a.names(destination) {
		return contradicted(", but to %.200q, which is not a name of %s", destination, a.im.name)
	}
	r := &record{tags: p.texts("tags"), manifest: p.text("manifest", "name"), repository: p.text("manifest", "uri"),
		commit: p.text("manifest", "digest", "gitCommit"), destination: destination}
	detail := ": promoted to " + cmp.Or(fmt.Sprintf("%.200s", destination), s.Subject[0].Name)
	if r.manifest == "" && r.repository == "" && r.commit == "" {
		detail += "; it names no promotion manifest, and binds no version"
	}
	return conclusion{verdict: report.Verified, detail: detail, record: r}
}

// built reads how something was built (slsa.dev/provenance/v0.2 and v1). Who may
// sign a statement may sign one about builds of any kind: builder and kind of build
// are the policy's.
func built(p *members, rule trust.AttestationRule) conclusion {
	builder := cmp.Or(p.text("runDetails", "builder", "id"), p.text("builder", "id"))
	kind := cmp.Or(p.text("buildDefinition", "buildType"), p.text("buildType"))
	switch {
	case !slices.Contains(rule.Builders, builder):
		return undecided(report.Untrusted, ", but built by %.150q, which the policy does not name", builder)
	case !slices.Contains(rule.BuildTypes, kind):
		return undecided(report.Untrusted, ", but a build of type %.150q, which the policy does not name", kind)
	}
	return conclusion{verdict: report.Verified, detail: fmt.Sprintf(": built by %.150s", builder)}
}

// names says whether a name, perhaps with a tag or digest, is of the image where
// it was promoted to.
func (a *attestations) names(name string) bool {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return a.run.session.Policy.ReferenceAllowed(name, a.im.name, "")
}

// subjectAllowed says whether a subject of the image's digest may have that name
// in a statement of a class: a closed list, where the policy has one for the class
// (rule 14). A tag or digest in it must be the image's own.
func (a *attestations) subjectAllowed(rule trust.AttestationRule, name string) bool {
	if len(rule.SubjectNames) == 0 {
		return a.names(name)
	}
	name, digest, pinned := strings.Cut(name, "@")
	if pinned && oci.Digest(digest) != a.im.digest {
		return false
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if a.im.tag != "" && name[i+1:] != a.im.tag {
			return false
		}
		name = name[:i]
	}
	return slices.Contains(rule.Subjects(a.ownNames()...), name)
}

// ownNames are the names by which the image is built: NAME for an index; for one
// manifest, which is the child of an index, NAME or NAME-ARCH.
func (a *attestations) ownNames() []string {
	if !a.im.single {
		return []string{a.im.name}
	}
	base, arch := a.run.session.Policy.SplitArch(a.im.name)
	if arch != "" {
		return []string{a.im.name, base}
	}
	names := []string{a.im.name}
	for _, arch := range a.run.session.Policy.Architectures() {
		names = append(names, a.im.name+"-"+arch)
	}
	return names
}
