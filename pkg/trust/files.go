package trust

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/release"
)

// FileRule is the part of a Policy that speaks of binaries, tarballs and SBOMs.
type FileRule struct {
	Identity    string `json:"identity"`
	SignedSince string `json:"signedSince"` // "v1.26.0": from there on a missing signature is a finding
	// Provenance says which provenance.json may count as signed; nil is none.
	Provenance *ReleaseProvenance `json:"provenance,omitempty"`
}

// ReleaseProvenance says which provenance.json, signed in place by the identity
// of files, is a signed claim on a release's files (rule 32). Every list is
// closed and exact.
type ReleaseProvenance struct {
	Buckets        []string `json:"buckets"` // subjects are gs://BUCKET/release/VERSION/PATH
	PredicateTypes []string `json:"predicateTypes"`
	Builders       []string `json:"builders"`
	BuildTypes     []string `json:"buildTypes"`
}

// rehearsals is the bucket of builds that were never released, which the same
// identity signs (kubernetes/release, pkg/release/release.go).
const rehearsals = release.ReleaseBucket + "-gcb"

// Counts says why a provenance of those properties is not a signed claim, or "".
func (r *ReleaseProvenance) Counts(p *release.Provenance) string {
	switch {
	case r == nil:
		return "the policy says of no provenance that it counts"
	case !slices.Contains(r.PredicateTypes, p.PredicateType):
		return fmt.Sprintf("its predicate type is %.100q", p.PredicateType)
	case !slices.Contains(r.Builders, p.Builder):
		return fmt.Sprintf("it was built by %.100q", p.Builder)
	case !slices.Contains(r.BuildTypes, p.BuildType):
		return fmt.Sprintf("its build type is %.100q", p.BuildType)
	case !p.Released():
		return "not all of its subjects are files of the release with both hashes"
	}
	return ""
}

// ProvenanceBuckets are those in which a provenance may name files of a release;
// nil, for a policy that says nothing of them, stands for those of Kubernetes.
func (p *Policy) ProvenanceBuckets() []string {
	if r := p.Files.Provenance; r != nil {
		return slices.Clone(r.Buckets)
	}
	return nil
}

var bucketForm = lazyregexp.New(`^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$`)

func (r *ReleaseProvenance) check() error {
	if r == nil {
		return nil
	}
	for _, l := range []struct {
		what string
		list []string
	}{{"buckets", r.Buckets}, {"predicateTypes", r.PredicateTypes}, {"builders", r.Builders}, {"buildTypes", r.BuildTypes}} {
		if len(l.list) == 0 {
			return fmt.Errorf("files.provenance.%s is empty: nothing could match", l.what)
		}
		for i, s := range l.list {
			uri := strings.HasPrefix(s, "https://") && len(s) > len("https://") && !strings.ContainsAny(s, "*?[]()|^$\\ ")
			switch {
			case slices.Contains(l.list[:i], s):
				return fmt.Errorf("files.provenance.%s: %q appears twice", l.what, s)
			case l.what == "buckets" && !bucketForm().MatchString(s):
				return fmt.Errorf("files.provenance.buckets: %q is not the exact name of a bucket", s)
			case s == rehearsals:
				return fmt.Errorf("files.provenance.buckets: %q is where rehearsals go, which are not releases", s)
			case l.what != "buckets" && !uri:
				return fmt.Errorf("files.provenance.%s: %q is not an exact https URI", l.what, s)
			}
		}
	}
	return nil
}
