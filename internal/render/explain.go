package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// longExplanation is how long an explanation is that is not repeated for the next image.
const longExplanation = 60

// maxExplained is how many explanations are remembered; then it begins anew.
const maxExplained = 1 << 13

// explain writes, under the rows of a group, every check that is not Verified
// and every note, once for all rows that say the same.
func (t *table) explain(g group) {
	var order []explanation
	rows := map[explanation][]string{}
	add := func(x explanation, label string) {
		if rows[x] == nil {
			order = append(order, x)
		}
		if n := len(rows[x]); n == 0 || rows[x][n-1] != label {
			rows[x] = append(rows[x], label)
		}
	}
	for _, r := range g.rows {
		for _, c := range r.Checks {
			if c.Verdict == report.Verified && !isOther(r.Result) { // else it is said what it holds for
				continue
			}
			mark, style := t.mark(c)
			rank := 1
			if c.Verdict == report.Refuted {
				rank = 0
			}
			add(explanation{rank, style, mark, c.Name, sentence(c)}, r.label)
		}
		for _, i := range r.Incidents {
			add(explanation{2, terminal.Yellow, "known", "", i.Title + " (incident " + i.ID + ", " + i.Link + "). " + i.Advice}, r.label)
		}
		for _, n := range r.Notes {
			add(explanation{2, terminal.Dim, "note", "", n}, r.label)
		}
		for _, name := range r.SeenAs {
			add(explanation{3, terminal.Dim, "also", "", name}, r.label)
		}
		for _, place := range places(r.Result) {
			add(explanation{3, terminal.Dim, "at", "", place}, r.label)
		}
		for _, c := range r.Checks {
			for _, e := range c.Evidence.All() {
				add(explanation{4, terminal.Dim, "seen", c.Name, evidence(e)}, r.label)
			}
		}
	}
	slices.SortStableFunc(order, func(x, y explanation) int { return cmp.Compare(x.rank, y.rank) })
	for _, x := range order {
		var head []string
		if x.what != "" {
			head = append(head, terminal.Escape(x.what))
		}
		if len(rows[x]) < len(g.rows) {
			head = append(head, terminal.Escape(strings.Join(rows[x], ", ")))
		}
		words := terminal.Escape(x.words)
		if first, again := t.explained[x]; again && len(words) > longExplanation {
			words = "as for " + terminal.Escape(first)
		} else if g.title != "" && len(words) > longExplanation {
			if len(t.explained) >= maxExplained {
				clear(t.explained)
			}
			t.explained[x] = g.title
		}
		if len(head) > 0 {
			words = strings.Join(head, " of ") + ": " + words
		}
		t.Marked("    ", x.mark, x.style, words)
	}
}

// places names where a result was seen, and counts what it does not name. It is not escaped.
func places(res *report.Result) (list []string) {
	for _, p := range res.Places {
		list = append(list, p.String())
	}
	if res.MorePlaces > 0 {
		list = append(list, fmt.Sprintf("and %s more", terminal.Plural(res.MorePlaces, "place")))
	}
	return list
}

// sentence is what a check says for itself, or what its reason means.
func sentence(c report.Check) string {
	words := c.Detail
	if words == "" {
		words = map[report.Reason]string{
			report.Absent:      "there is none",
			report.Unreachable: "no usable answer came",
			report.Malformed:   "the answer cannot be read",
			report.Limit:       "a limit was exceeded",
			report.NotReleased: "this version has never been released",
			report.Untrusted:   "signed by an identity that the policy or the trusted root does not know",
			report.NoClaim:     "nothing strong enough says that this belongs to the version",
			report.Mismatch:    "two things that must be equal differ",
			report.Forged:      "a signature, certificate or log entry does not verify",
			report.Incomplete:  "something expected is missing",
			report.Interrupted: "the run was cut short before this was done",
			report.Internal:    "a fault of kverify itself: please report it",
		}[c.Reason]
	}
	if c.Reason != "" {
		words += " (" + string(c.Reason) + ")"
	}
	return cmp.Or(words, "no reason was given")
}

func evidence(e report.Evidence) string {
	parts := []string{e.What}
	if e.Strength != nil {
		parts = append(parts, "("+e.Strength.String()+")")
	}
	parts = append(parts, e.Source, e.Digest)
	keys := make([]string, 0, len(e.Fields))
	for k := range e.Fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		parts = append(parts, k+"="+e.Fields[k])
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}
