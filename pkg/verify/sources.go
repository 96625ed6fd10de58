package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// Also is a second place where what is signed about images may lie: signatures and
// bundles are of a digest, and prove it wherever they lie (rule 14). Images are
// never read from it.
type Also struct {
	Registry *registry.Client
	Name     string // for messages, such as "the mirror ./m"
}

// source is a place where what is signed about images may lie.
type source struct {
	client *registry.Client
	name   string // of the second place; empty for the registry, or what stands in for it
}

// sources are all of them, the registry first. What counts is their union: one
// signature that holds, in either; one statement that FAILED, in either. None of them
// answers for another that there is none.
func (r *run) sources() []source {
	out := []source{{client: r.Registry}}
	if r.Also != nil && r.Also.Registry != nil {
		out = append(out, source{r.Also.Registry, r.Also.Name})
	}
	return out
}

// says names what was asked of whom, for a message.
func (s source) says(ref registry.Ref) string {
	if s.name != "" {
		return s.name + " (" + ref.String() + ")"
	}
	if at, mapped := s.client.Asked(ref.Host, ref.Repository); mapped {
		return "the stand-in " + at + strings.TrimPrefix(ref.String(), ref.Host+"/"+ref.Repository)
	}
	return ref.String()
}

// repository names where the signature of a digest was looked for.
func (s source) repository(ref registry.Ref) string {
	ref.Tag = ""
	return s.says(ref)
}

// signatureRef is where the ".sig" signatures of a digest lie.
func (r *run) signatureRef(repository, digest string) registry.Ref {
	return registry.Ref{Host: r.Policy.Images.Registry, Repository: repository, Tag: strings.Replace(digest, ":", "-", 1) + ".sig"}
}

// imageSignature looks up and verifies the ".sig" signatures of a digest in
// one repository, at every source. name and arch say which docker-references are right for it:
// name is the image's path, arch the architecture if the digest is that of one
// platform, else empty.
//
// One signature that satisfies every rule is enough, whatever else is there. If
// there is none, a contradiction (a signature of the right identity that does
// not verify) outweighs a lack, and what could not be read outweighs an absence.
func (r *run) imageSignature(ctx context.Context, repository, digest, name, arch string) signed {
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

func (s signed) holds() bool {
	return s.signature.Verdict == report.Verified && s.reference.Verdict == report.Verified
}

func (s signed) refuted() bool {
	return s.signature.Verdict == report.Refuted || s.reference.Verdict == report.Refuted
}

// or joins what two places have. Only if both say that there is none, there is none.
func (s signed) or(t signed) signed {
	switch {
	case s.holds():
		return s
	case t.holds(), s.absent && !t.absent:
		return t
	case s.absent && t.absent:
		s.signature.Detail += "; nor has " + t.where
		return s
	case t.absent:
		s.signature.Detail += "; " + t.where + " has none"
		return s
	case !s.refuted() && t.refuted():
		return t
	}
	return s
}

// from says in a check's detail where its evidence lies, if that is not the registry.
func (s source) from() string {
	if s.name == "" {
		return ""
	}
	return fmt.Sprintf(", in %s", s.name)
}
