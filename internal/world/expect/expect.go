// Package expect says what must be said of a release that is not attacked: a table by era,
// kind of subject, source, form and lasting fault, written from docs/trust.md and from
// nothing else. It imports no code that it judges, so that it is a second opinion.
//
// What is not a fault, or passes, is not in it: another order of answers, a registry that asks
// for a token, a request that fails twice. It changes no verdict (rule 1).
package expect

import (
	"fmt"
	"slices"
	"strings"
)

// Number is the number of a situation's row; negative if the table does not say.
func Number(k Key) int {
	return slices.IndexFunc(Table, func(r Row) bool {
		return (r.Era == AnyEra || r.Era == k.Era) && (r.Subject == AnySubject || r.Subject == k.Subject) &&
			(r.Source == AnySource || r.Source == k.Source) && (r.Fault == AnyFault || r.Fault == k.Fault)
	})
}

// Markdown is the table for a reader.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| # | release | subject | read from | what is lastingly wrong | verdict | reasons | rules |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i, r := range Table {
		or := func(s, other string) string {
			if s == "" {
				return other
			}
			return s
		}
		fault := or(string(r.Fault), "nothing")
		if r.Fault == AnyFault {
			fault = "anything"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s |\n", i+1, or(string(r.Era), "any"), or(string(r.Subject), "any"), or(string(r.Source), "any"),
			fault, r.Verdict, strings.Join(r.Reasons, ", "), r.Rules)
	}
	return b.String()
}
