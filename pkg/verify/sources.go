package verify

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// source is a place where what is signed about images may lie.
type source struct {
	client *registry.Client
	name   string // of the second place; empty for the registry, or what stands in for it
}

// sources are all of them, the registry first. What counts is their union: one
// signature that holds, in either; one statement that FAILED, in either. None of them
// answers for another that there is none.
func (r *run) sources() []source {
	out := []source{{client: r.registry}}
	if r.also != nil && r.also.Registry != nil {
		out = append(out, source{r.also.Registry, r.also.Name})
	}
	return out
}

// describe names what was asked of whom, for a message.
func (s source) describe(ref registry.Ref) string {
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
	return s.describe(ref)
}

// signatureRef is where the ".sig" signatures of a digest lie.
func (r *run) signatureRef(repository string, digest oci.Digest) registry.Ref {
	return registry.Ref{Host: r.session.Policy.Images.Registry, Repository: repository, Tag: digest.SignatureTag()}
}

// keptIn says of a check that holds, and rests on a manifest that a cache had and that was not
// asked for in this run, where it came from: what is withdrawn at the registry would still be found there.
func keptIn(m *registry.Manifest, c report.Check) report.Check {
	if !m.FromCache || c.Verdict != report.Verified {
		return c
	}
	c.Detail += ", from the cache"
	c.Evidence = c.Evidence.Changed(func(e *report.Evidence) {
		if e.Fields == nil {
			e.Fields = map[string]string{}
		}
		e.Fields[report.FieldKept] = "in the cache"
	})
	return c
}

// from says in a check's detail where its evidence lies, if that is not the registry.
func (s source) from() string {
	if s.name == "" {
		return ""
	}
	return fmt.Sprintf(", in %s", s.name)
}
