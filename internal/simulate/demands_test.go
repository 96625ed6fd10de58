package simulate

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// more are the checks that a run may be told to demand.
var more = []string{"anchor", "contents", "staging", "promotion", "vsa", "provenance"}

// demanding has an image judged with checks that the policy does not ask for.
func (r *run) demanding(rnd *rand.Rand) {
	var names []string
	for range 1 + rnd.IntN(2) {
		if name := pick(rnd, more); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	lines := [][]string{r.imagesLine(rnd), {"verify", r.ref()}, {"verify", r.ref() + "@" + r.anyDigest(rnd, r.arch)}, {"verify", r.repo() + "@" + r.anyDigest(rnd, "")}}
	o := r.does(append(pick(rnd, lines), "--require", strings.Join(names, ","))...)
	if o.code != 0 || o.report == nil {
		return
	}
	for _, name := range names {
		made := slices.ContainsFunc(o.report.Results, func(res result) bool {
			return slices.ContainsFunc(res.Checks, func(c check) bool { return c.Name == name && c.Required && c.Verdict == "verified" })
		})
		if !made {
			r.fail("%q: exit code 0, and no result has the check %s that was demanded", o.args, name)
		}
	}
}
