package watch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// EventVersion is the version of an event's JSON. Fields may be added under the same version; one is
// removed, or its meaning changed, only with a new one.
const EventVersion = 1

// Kind is what an event is about.
type Kind string

// The kinds.
const (
	Release Kind = "release" // a channel leads to a version that is new
	Tag     Kind = "tag"     // a tag has another digest than when it was read last
	Verdict Kind = "verdict" // a verdict is another than it was
	Refuted Kind = "refuted" // something is refuted that was not before: the alarm
)

// Event is one change. Its JSON is what a webhook gets, in one document.
type Event struct {
	EventVersion int       `json:"eventVersion"`
	ID           string    `json:"id"` // of this event: one that comes twice was delivered twice
	Time         time.Time `json:"time"`
	Kind         Kind      `json:"kind"`
	Unit         string    `json:"unit"`              // the release, such as "v1.27.2", or "images"
	Channel      string    `json:"channel,omitempty"` // of a release, such as "1.27"
	Subject      string    `json:"subject,omitempty"` // the reference of a tag
	Old          string    `json:"old,omitempty"`     // version, digest or verdict
	New          string    `json:"new"`
	// Subjects are those whose verdict has changed, and Problems why; More counts the
	// subjects or problems that are left out.
	Subjects []string    `json:"subjects,omitempty"`
	Problems []Problem   `json:"problems,omitempty"`
	More     int         `json:"more,omitempty"`
	Tool     report.Tool `json:"tool"`
}

// Problem is why something is not verified.
type Problem struct {
	Subject  string        `json:"subject"`
	Platform string        `json:"platform,omitempty"`
	Digest   string        `json:"digest,omitempty"`
	Check    string        `json:"check,omitempty"`
	Reason   report.Reason `json:"reason,omitempty"`
	Detail   string        `json:"detail,omitempty"`
}

// problem is the first required check of a result that gives it its verdict.
func problem(res report.Result) Problem {
	p := Problem{Subject: shown(res.Subject), Platform: clip(res.Platform, maxName), Digest: clip(res.Digest, maxName)}
	for _, c := range res.Checks {
		if c.Required && c.Verdict == res.Verdict() {
			p.Check, p.Reason = c.Name, c.Reason
			p.Detail = clip(strings.ToValidUTF8(c.Detail, "\uFFFD"), maxDetail)
			break
		}
	}
	return p
}

// problems are those of the results that have a verdict, if that is not verified.
func problems(rep report.Report, v report.Verdict) (list []Problem) {
	for _, res := range rep.Results {
		if len(list) < maxListed && v != report.Verified && res.Verdict() == v {
			list = append(list, problem(res))
		}
	}
	return list
}

// add adds a subject whose verdict has changed. err is why nothing was said of it, if nothing was.
func (e *Event) add(subject string, list []Problem, err error) {
	if len(e.Subjects) == maxListed {
		e.More++
		return
	}
	e.Subjects = append(e.Subjects, subject)
	if err != nil && len(e.Problems) == 0 {
		list = []Problem{{Subject: e.Unit, Detail: clip(strings.ToValidUTF8(err.Error(), "\uFFFD"), maxDetail)}}
	}
	e.Problems = append(e.Problems, list[:min(len(list), maxListed-len(e.Problems))]...)
}

// addProblems adds what is refuted.
func (e *Event) addProblems(list []Problem) {
	n := min(len(list), maxListed)
	e.Problems, e.More = list[:n], len(list)-n
}

// check says what no event is.
func (e Event) check() error {
	_, notVersion := release.ParseVersion(e.Unit)
	switch {
	case e.EventVersion != EventVersion || e.ID == "" || len(e.ID) > 64 || e.Time.IsZero(),
		e.Kind != Release && e.Kind != Tag && e.Kind != Verdict && e.Kind != Refuted,
		e.Unit != Images && notVersion != nil,
		len(e.Subjects) > maxListed || len(e.Problems) > maxListed || e.More < 0,
		len(e.Channel)+len(e.Subject)+len(e.Old)+len(e.New) > 4*maxName:
		return errors.New("an event that waits is not one that a run writes")
	}
	for _, s := range e.Subjects {
		if len(s) > maxName {
			return errors.New("an event that waits has a name that is too long")
		}
	}
	for _, p := range e.Problems {
		if len(p.Subject) > maxName || len(p.Platform) > maxName || len(p.Digest) > maxName || len(p.Check)+len(p.Reason) > maxName || len(p.Detail) > maxDetail {
			return errors.New("an event that waits has a text that is too long")
		}
	}
	return nil
}

// String is the event in a line, which is not escaped.
func (e Event) String() string {
	switch e.Kind {
	case Release:
		return fmt.Sprintf("new release: %s is now %s, and was %s", e.Channel, e.New, e.Old)
	case Tag:
		return fmt.Sprintf("tag changed: %s is now %s, and was %s", e.Subject, e.New, e.Old)
	case Refuted:
		return fmt.Sprintf("REFUTED: %s: %s%s", e.Unit, e.why(), e.more(len(e.Problems)))
	}
	s := fmt.Sprintf("verdict changed: %s is now %s, and was %s", strings.Join(e.Subjects[:min(1, len(e.Subjects))], ""), e.New, e.Old)
	if why := e.why(); why != "" {
		s += ": " + why
	}
	return s + e.more(len(e.Subjects))
}

// why is the first problem.
func (e Event) why() string {
	if len(e.Problems) == 0 {
		return ""
	}
	p := e.Problems[0]
	var words []string
	if p.Subject != e.Unit && (len(e.Subjects) == 0 || p.Subject != e.Subjects[0]) {
		words = append(words, strings.TrimSpace(p.Subject+" "+p.Platform))
	} else if p.Platform != "" {
		words = append(words, p.Platform)
	}
	for _, word := range []string{p.Check, string(p.Reason), p.Detail} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, ": ")
}

func (e Event) more(listed int) string {
	if n := listed - 1 + e.More; n > 0 {
		return fmt.Sprintf(" (and %d more)", n)
	}
	return ""
}
