package trust

import (
	"fmt"
	"strconv"
	"strings"

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
	// Since says in words from when on there are such attestations.
	Since string `json:"since,omitempty"`
}

var levelForm = lazily(`^SLSA_([A-Z]+)_LEVEL_([0-9])$`)

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
		if r.MinimumLevel != "" && (class != report.VSA || !levelForm().MatchString(r.MinimumLevel)) {
			return fmt.Errorf("attestations: %s: minimumLevel %q: want one such as SLSA_BUILD_LEVEL_3, for vsa only", class, r.MinimumLevel)
		}
	}
	return nil
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
