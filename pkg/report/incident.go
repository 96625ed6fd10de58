package report

import "slices"

// Incident is something on record that went wrong when an artifact was signed
// or promoted. It explains, and changes no verdict.
type Incident struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Link  string `json:"link"`
	// Checks are those that it explains the failure of.
	Checks   []string `json:"checks"`
	Explains string   `json:"explains"` // what happened
	Advice   string   `json:"advice"`   // what to do
}

// Excused says whether all that keeps the report from being verified is
// explained by incidents that the caller accepted. It changes no verdict: the
// exit code is made of it, and of nothing else.
func (r Report) Excused() bool {
	if r.Interrupted || len(r.Results) == 0 {
		return false
	}
	excused := false
	for _, res := range r.Results {
		if res.Verdict() == Verified {
			continue
		}
		required := false
		for _, c := range res.Checks {
			if !c.Required {
				continue
			}
			required = true
			if c.Verdict != Verified && !slices.ContainsFunc(res.Incidents, func(i Incident) bool {
				return slices.Contains(r.Accepted, i.ID) && slices.Contains(i.Checks, c.Name)
			}) {
				return false
			}
		}
		if !required {
			return false
		}
		excused = true
	}
	return excused
}
