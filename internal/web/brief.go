package web

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/report"
)

// brief is one sentence on a result: why it is not verified, or what proves it.
func brief(r report.Result) string {
	verdict := r.Verdict()
	if verdict != report.Verified {
		for _, c := range r.Checks {
			if c.Required && c.Verdict == verdict {
				return c.Name + ": " + c.Detail
			}
		}
		return ""
	}
	var says []string
	for _, name := range []string{report.Inventory, report.Signature, report.Binding, report.Digest} {
		c, ok := r.Check(name)
		if !ok || c.Verdict != report.Verified {
			continue
		}
		switch {
		case name == report.Binding:
			says = append(says, claimKind(r, c))
		case name == report.Signature:
			says = append(says, timeOfDay().ReplaceAllString(c.Detail, ""))
		case name == report.Inventory, r.Kind == "mirror":
			says = append(says, c.Detail)
		case r.Kind == "file":
			agree, _, _ := strings.Cut(c.Detail, ":")
			says = append(says, agree)
		}
	}
	return strings.Join(says, " · ")
}

// timeOfDay is what a line leaves to the details.
var timeOfDay = lazyregexp.New(`T[0-9:]{8}Z`)

// claimKind says by what kind of claim a result is tied to its release.
func claimKind(r report.Result, c report.Check) string {
	most := report.Carried
	for _, e := range c.Evidence.All() {
		if e.Strength != nil {
			most = max(most, *e.Strength)
		}
	}
	to := "tied to " + cmp.Or(r.Release, "its release") + " by "
	switch most {
	case report.Signed:
		return to + "a signed claim"
	case report.Embedded:
		return to + "the catalogue in kverify"
	case report.Published:
		return to + "a published claim"
	case report.Vouched:
		return to + "the word of this mirror's operator"
	}
	return c.Detail
}

// Summary is one sentence on an item.
func (i item) Summary() string {
	for _, want := range []report.Verdict{report.Refuted, report.Unknown, report.Verified} {
		for _, r := range i.Results {
			if r.Verdict() != want || i.Verdict != want {
				continue
			}
			if r.Platform != "" && want != report.Verified {
				return r.Platform + ": " + brief(r)
			}
			return brief(r)
		}
	}
	return ""
}

// moment writes a time for people, in UTC as the logs are.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// inBytes is how a report writes a number of bytes.
var inBytes = lazyregexp.New(`\b(\d{4,18}) bytes\b`)

// humane writes the sizes in a sentence for people.
func humane(s string) string {
	return inBytes().ReplaceAllStringFunc(s, func(m string) string {
		n, err := strconv.ParseInt(strings.TrimSuffix(m, " bytes"), 10, 64)
		if err != nil {
			return m
		}
		return size(n)
	})
}
