package trust

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// Incident is something on record that went wrong with artifacts of exactly
// these digests. Versions match nothing: what else bears one may be an attack.
type Incident struct {
	ID       string       `json:"id"`
	Title    string       `json:"title"`
	Link     string       `json:"link"`
	Checks   []string     `json:"checks"` // whose failure it explains
	Explains string       `json:"explains"`
	Advice   string       `json:"advice"`
	Digests  []oci.Digest `json:"digests,omitempty"` // of images and files
	// Unmatched says why an incident without digests explains nothing by itself.
	Unmatched string `json:"unmatched,omitempty"`
}

// IncidentsOf returns what is on record of a digest.
func (p *Policy) IncidentsOf(digest oci.Digest) (out []report.Incident) {
	for _, i := range p.Incidents {
		if slices.Contains(i.Digests, digest) {
			out = append(out, report.Incident{ID: i.ID, Title: i.Title, Link: i.Link, Checks: slices.Clone(i.Checks), Explains: i.Explains, Advice: i.Advice})
		}
	}
	return out
}

// IncidentIDs returns the ids of all incidents, in the policy's order.
func (p *Policy) IncidentIDs() (ids []string) {
	for _, i := range p.Incidents {
		ids = append(ids, i.ID)
	}
	return ids
}

func (p *Policy) checkIncidents() error {
	for n, i := range p.Incidents {
		if !nameForm().MatchString(i.ID) || slices.Contains(p.IncidentIDs()[:n], i.ID) {
			return fmt.Errorf("incidents: %q: want an id of its own, such as kubectl-1.35.0", i.ID)
		}
		if i.Title == "" || i.Explains == "" || i.Advice == "" || !strings.HasPrefix(i.Link, "https://") {
			return fmt.Errorf("incidents: %s: want a title, an https link, what it explains and an advice", i.ID)
		}
		if len(i.Checks) == 0 {
			return fmt.Errorf("incidents: %s: it explains no check", i.ID)
		}
		for _, c := range i.Checks {
			// What binds bytes to a version, and bytes to their digest, no incident explains.
			if c != report.Signature && c != report.Reference {
				return fmt.Errorf("incidents: %s: %q is neither %s nor %s", i.ID, c, report.Signature, report.Reference)
			}
		}
		if (len(i.Digests) == 0) != (i.Unmatched != "") {
			return fmt.Errorf("incidents: %s: want digests, or under unmatched why there are none", i.ID)
		}
		for _, d := range i.Digests {
			if !d.IsSHA256() {
				return fmt.Errorf("incidents: %s: %q is not sha256: and 64 hex digits; versions match nothing", i.ID, d)
			}
		}
	}
	return nil
}
