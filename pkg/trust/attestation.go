package trust

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/report"
)

// AttestationRule is who must have signed which kinds of statements about an image.
type AttestationRule struct {
	Identity       string   `json:"identity"`       // key of Policy.Identities
	PredicateTypes []string `json:"predicateTypes"` // exact URIs
	// Verifier is the exact verifier.id of a verification summary; only for vsa.
	Verifier string `json:"verifier,omitempty"`
	// MinimumLevel is the least SLSA level of a verification summary, such as
	// "SLSA_BUILD_LEVEL_3"; empty demands none.
	MinimumLevel string `json:"minimumLevel,omitempty"`
	// Builders and BuildTypes are the exact builder.id and buildType of a provenance,
	// of which one each must hold; only for provenance, which needs both.
	Builders   []string `json:"builders,omitempty"`
	BuildTypes []string `json:"buildTypes,omitempty"`
	// SubjectNames are the exact names that a statement may call the image by: forms
	// that end in /{name}, as the docker-references. None means those of the images.
	SubjectNames []string `json:"subjectNames,omitempty"`
	// Since says in words from when on there are such attestations.
	Since string `json:"since,omitempty"`
}

var levelForm = lazyregexp.New(`^SLSA_([A-Z]+)_LEVEL_([0-9])$`)

func (p *Policy) checkAttestations() error {
	for _, class := range []string{report.Promotion, report.VSA, report.Provenance} {
		if _, ok := p.Attestations[class]; !ok {
			return fmt.Errorf("attestations: there is no rule for %q", class)
		}
	}
	for class, r := range p.Attestations {
		switch class {
		case report.Promotion, report.VSA, report.Provenance:
		default:
			return fmt.Errorf("attestations: %q is not promotion, vsa or provenance", class)
		}
		if _, ok := p.Identities[r.Identity]; !ok {
			return fmt.Errorf("attestations: %s: identities has no %q", class, r.Identity)
		}
		if len(r.PredicateTypes) == 0 {
			return fmt.Errorf("attestations: %s: no predicate type, so that nothing could match", class)
		}
		for _, t := range r.PredicateTypes {
			if !strings.HasPrefix(t, "https://") || strings.ContainsAny(t, "*?[](){}|^$\\ ") {
				return fmt.Errorf("attestations: %s: predicate type %q is not one exact URI", class, t)
			}
		}
		if (class == report.VSA) != (r.Verifier != "") {
			return fmt.Errorf("attestations: %s: verifier belongs to vsa, and vsa needs one", class)
		}
		if err := r.checkBuilds(class); err != nil {
			return err
		}
		if r.MinimumLevel != "" && (class != report.VSA || !levelForm().MatchString(r.MinimumLevel)) {
			return fmt.Errorf("attestations: %s: minimumLevel %q: want one such as SLSA_BUILD_LEVEL_3, for vsa only", class, r.MinimumLevel)
		}
	}
	return nil
}

// checkBuilds holds what a rule says of builders and names.
func (r AttestationRule) checkBuilds(class string) error {
	isProvenance := class == report.Provenance
	if isProvenance != (len(r.Builders) > 0) || isProvenance != (len(r.BuildTypes) > 0) {
		return fmt.Errorf("attestations: %s: builders and buildTypes belong to provenance, and provenance needs both", class)
	}
	for _, uri := range slices.Concat(r.Builders, r.BuildTypes) {
		if !strings.HasPrefix(uri, "https://") || strings.ContainsAny(uri, "*?[](){}|^$\\ ") {
			return fmt.Errorf("attestations: %s: %q is not one exact URI", class, uri)
		}
	}
	for _, form := range r.SubjectNames {
		if err := checkForm(form); err != nil || strings.Contains(form, "{region}") {
			return fmt.Errorf("attestations: %s: subjectNames: %q: want one exact form that ends in /{name}", class, form)
		}
	}
	return nil
}

// Subjects returns the names that a statement of this class may call any of
// these images by, such as "kube-proxy" and "kube-proxy-arm64".
func (r AttestationRule) Subjects(images ...string) []string {
	var out []string
	for _, form := range r.SubjectNames {
		for _, name := range images {
			out = append(out, strings.Replace(form, "{name}", name, 1))
		}
	}
	return out
}

// LevelReached says whether one of the levels is at least the minimum, of the
// same track (slsa.dev/spec/v1.0/verification_summary: a level implies those
// below it). No minimum is always reached.
func LevelReached(levels []string, minimum string) bool {
	want := levelForm().FindStringSubmatch(minimum)
	if want == nil {
		return minimum == ""
	}
	least, _ := strconv.Atoi(want[2])
	for _, l := range levels {
		if got := levelForm().FindStringSubmatch(l); len(got) == len(want) && got[1] == want[1] {
			if n, _ := strconv.Atoi(got[2]); n >= least {
				return true
			}
		}
	}
	return false
}
