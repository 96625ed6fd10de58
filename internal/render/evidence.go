package render

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// strengths say why a claim counts, or does not.
var strengths = map[report.Strength]string{
	report.Signed:    "a document whose own signature was verified",
	report.Published: "read over https from its publisher's own host",
	report.Embedded:  "compiled into kverify",
	report.Vouched:   "published once, by the word of an operator who signed what was carried",
	report.Carried:   "served along with the bytes by the same source: can contradict, never prove",
}

// seenAt says where a copy was seen, which is nobody's word.
func (t *table) seenAt(c report.Check) {
	for _, e := range c.Evidence.All() {
		if c.Name == report.Copy && e.Strength == nil && e.Source != "" {
			t.item("seen at " + e.Source)
		}
	}
}

// claims lists whose word was taken, and for how much it counts.
func (t *table) claims(c report.Check) {
	for _, e := range c.Evidence.All() {
		if e.Strength == nil {
			continue
		}
		says := ""
		if e.Fields["says"] != "" {
			says = ": " + e.Fields["says"]
		}
		t.item(fmt.Sprintf("%s (%s: %s)%s", e.Source, e.Strength, strengths[*e.Strength], says))
	}
}

// isCopy says whether a result is of what was seen elsewhere.
func isCopy(r *report.Result) bool {
	_, ok := r.Check(report.Copy)
	return ok
}

// isOther says whether a result is of what was seen, and is not the image that its name says.
func isOther(r *report.Result) bool {
	c, _ := r.Check(report.Copy)
	return c.Verdict == report.Refuted
}

// genuine names what holds for the genuine image, which is not what was seen.
func (t *table) genuine(r *report.Result) {
	var hold []string
	for _, c := range r.Checks {
		if c.Verdict == report.Verified {
			hold = append(hold, c.Name)
		}
	}
	if len(hold) > 0 {
		t.heading("And the genuine image?")
		t.prose("Verified for it: " + strings.Join(hold, ", ") + ". That is the image which Kubernetes released under this name, and proves nothing of what was seen.")
	}
}
