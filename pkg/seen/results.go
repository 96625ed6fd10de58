package seen

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// emit makes results of findings: one for each digest, platform and outcome, with
// every place where that was seen.
func (s *run) emit(c claim, g *group, findings ...finding) {
	for _, f := range findings {
		s.put(s.result(c, g, f))
	}
}

// result is that of the genuine image, with what was seen of its copy.
func (s *run) result(c claim, g *group, f finding) report.Result {
	res := report.Result{Kind: report.KindImage}
	t := s.tables[c.key()]
	switch {
	case f.of != nil:
		res = clone(f.of.result)
	case f.index != nil:
		res = clone(*f.index.index)
	case t != nil && f.verdict == report.Refuted:
		res = clone(*t.index)
	}
	res.SeenAs = nil
	if f.verdict != report.Verified && c.seen != "" {
		res.Subject = c.seen
	}
	if res.Subject == "" {
		res.Subject = c.seen
	}
	if f.platform != "" && f.of == nil {
		res.Platform = f.platform
	}
	if f.digest != "" {
		res.Digest = string(f.digest)
	}
	for _, name := range append([]string{c.seen}, g.also...) {
		if name != "" && name != res.Subject && !slices.Contains(res.SeenAs, name) {
			res.SeenAs = append(res.SeenAs, name)
		}
	}
	res.Places, res.MorePlaces = slices.Clone(g.places), g.more
	res.Notes = append(res.Notes, f.notes...)
	check := report.Check{Name: report.Copy, Verdict: f.verdict, Reason: f.reason, Required: true, Detail: f.detail}
	if f.digest != "" {
		e := report.Evidence{What: f.role.String(), Source: placeOf(g), Digest: string(f.digest)}
		if f.form != nil {
			e.Fields = map[string]string{"form": f.form.Form, "from": string(f.form.From)}
			if len(f.form.Dropped) > 0 {
				e.Fields["dropped"] = strings.Join(f.form.Dropped, ", ")
			}
		}
		check.Evidence = report.EvidenceOf(e)
	}
	if f.by != nil {
		check.Evidence = check.Evidence.Add(f.by.evidence())
	}
	if f.verdict == report.Refuted {
		ofGenuine(res.Checks)
	}
	at := slices.IndexFunc(res.Checks, func(o report.Check) bool {
		return slices.Index(report.CheckNames, o.Name) > slices.Index(report.CheckNames, report.Copy)
	})
	if at < 0 {
		at = len(res.Checks)
	}
	res.Checks = slices.Insert(res.Checks, at, check)
	return res
}

// ofGenuine says of the checks that hold for the genuine image that they are not those of the
// copy, which is another thing.
func ofGenuine(checks []report.Check) {
	for i, c := range checks {
		if c.Verdict == report.Verified && c.Detail != "" {
			checks[i].Detail = "of the genuine image: " + c.Detail
		}
	}
}

func placeOf(g *group) string {
	if len(g.places) == 0 {
		return ""
	}
	return g.places[0].String()
}

func clone(res report.Result) report.Result {
	res.Checks, res.Notes, res.SeenAs = slices.Clone(res.Checks), slices.Clone(res.Notes), slices.Clone(res.SeenAs)
	return res
}

// put adds a result, or the places of one that is the same as another.
func (s *run) put(res report.Result) {
	copied, _ := res.Check(report.Copy)
	words := []string{res.Subject, res.Platform, res.Digest, copied.Detail}
	for _, c := range res.Checks { // what came out otherwise is another result, and never hidden behind this one
		words = append(words, c.Name, c.Verdict.String(), string(c.Reason), strconv.FormatBool(c.Required))
	}
	key := identifier(words...)
	at, ok := s.merged[key]
	if !ok {
		s.merged[key] = len(s.results)
		s.results = append(s.results, res)
		return
	}
	old := &s.results[at]
	for _, p := range res.Places {
		switch {
		case slices.Contains(old.Places, p):
		case len(old.Places) < report.MaxPlaces:
			old.Places = append(old.Places, p)
		default:
			old.MorePlaces++
		}
	}
	old.MorePlaces += res.MorePlaces
	for _, name := range res.SeenAs {
		if !slices.Contains(old.SeenAs, name) {
			old.SeenAs = append(old.SeenAs, name)
		}
	}
}
