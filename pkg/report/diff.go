package report

// A Change is a subject of which two reports say something else.
type Change struct {
	Subject  string `json:"subject"`
	Kind     Kind   `json:"kind"`
	Platform string `json:"platform,omitempty"`
	Old      *Side  `json:"old"` // nil where only the new report has it
	New      *Side  `json:"new"` // nil where only the old report has it
}

// A Side is what one report says of a subject.
type Side struct {
	Verdict Verdict `json:"verdict"`
	Digest  string  `json:"digest,omitempty"`
	// Checks are those whose verdict is another than in the other report, or that it
	// does not have.
	Checks map[string]Verdict `json:"checks,omitempty"`
}

// Diff compares two reports by subject and platform: what came, what is gone, and whose
// digest, verdict or checks changed, in the order of the new report, what is gone last.
// Of two results of one subject the first counts. It compares what the reports say, and
// judges neither.
func Diff(older, newer Report) (list []Change) {
	type key struct {
		kind              Kind
		subject, platform string
	}
	before := map[key]Result{}
	for _, r := range older.Results {
		if _, twice := before[key{r.Kind, r.Subject, r.Platform}]; !twice {
			before[key{r.Kind, r.Subject, r.Platform}] = r
		}
	}
	seen := map[key]bool{}
	for _, r := range newer.Results {
		k := key{r.Kind, r.Subject, r.Platform}
		if seen[k] {
			continue
		}
		seen[k] = true
		now := &Side{Verdict: r.Verdict(), Digest: r.Digest}
		old, had := before[k]
		if !had {
			list = append(list, Change{r.Subject, r.Kind, r.Platform, nil, now})
			continue
		}
		then := &Side{Verdict: old.Verdict(), Digest: old.Digest}
		then.Checks, now.Checks = otherChecks(old, r), otherChecks(r, old)
		if then.Verdict != now.Verdict || then.Digest != now.Digest || len(then.Checks)+len(now.Checks) > 0 {
			list = append(list, Change{r.Subject, r.Kind, r.Platform, then, now})
		}
	}
	for _, r := range older.Results {
		if k := (key{r.Kind, r.Subject, r.Platform}); !seen[k] {
			seen[k] = true
			list = append(list, Change{r.Subject, r.Kind, r.Platform, &Side{Verdict: r.Verdict(), Digest: r.Digest}, nil})
		}
	}
	return list
}

// otherChecks are the checks of r of which other has another verdict, or none.
func otherChecks(r, other Result) map[string]Verdict {
	var out map[string]Verdict
	for _, c := range r.Checks {
		if d, ok := other.Check(c.Name); !ok || d.Verdict != c.Verdict {
			if out == nil {
				out = map[string]Verdict{}
			}
			out[c.Name] = c.Verdict
		}
	}
	return out
}
