// Package session is one run of a verification: by what it judges, which checks
// were asked for, and the report that it ends in. Documents, files and images of a
// release are judged in one session, so that a check is required of all or of none,
// and an error is the same verdict wherever it was met.
package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/vouch"
)

// Session is one run. Its exported fields are set before it is used, and not changed
// after; then it may be used by several goroutines.
type Session struct {
	Fetch   *fetch.Client
	Policy  *trust.Policy
	Root    *trust.Root
	Vouched *vouch.Word     // what an operator vouches for; nil is nothing
	Shared  *release.Shared // documents of several releases; nil where one is examined
	Tool    report.Tool
	Now     func() time.Time // for the report's date only
	Absent  *Absences        // what is not where the session reads
	Entries *LogEntries

	// Chosen says that the caller chose the checks, in the place of all that the
	// policy and its rules ask for.
	Chosen   bool
	required []string // in report order, each once
	omitted  []string // that the policy requires
}

// New chooses the checks: those of the policy, or checks if it is not nil, and
// require in addition. The error is a [*report.UsageError].
func New(policy *trust.Policy, checks, require []string) (*Session, error) {
	s := &Session{Policy: policy, Chosen: checks != nil, Absent: new(Absences), Entries: new(LogEntries)}
	all := slices.Clone(policy.Required)
	if s.Chosen {
		all = slices.Clone(checks)
	}
	all = append(all, require...)
	for _, name := range all {
		if !slices.Contains(report.CheckNames, name) {
			return nil, Usagef("there is no check %q; there are %s%s", name, strings.Join(report.CheckNames, ", "), guess.DidYouMean(name, report.CheckNames))
		}
	}
	// In report order, each once.
	s.required = slices.DeleteFunc(slices.Clone(report.CheckNames), func(n string) bool { return !slices.Contains(all, n) })
	for _, name := range []string{report.Digest, report.Signature} {
		if !s.Needs(name) {
			return nil, Usagef("the check %q cannot be left out", name)
		}
	}
	for _, name := range policy.Required {
		if !s.Needs(name) {
			s.omitted = append(s.omitted, name)
		}
	}
	for _, rule := range policy.Rules {
		for _, name := range rule.Require {
			if s.Chosen && !s.Needs(name) && !slices.Contains(s.omitted, name) {
				s.omitted = append(s.omitted, name)
			}
		}
	}
	return s, nil
}

// Drop takes away checks that have no meaning for what is judged: they are neither
// required nor left out.
func (s *Session) Drop(check func(name string) bool) {
	s.required, s.omitted = slices.DeleteFunc(s.required, check), slices.DeleteFunc(s.omitted, check)
}

// Needs says whether a check is required of everything that is judged.
func (s *Session) Needs(check string) bool { return slices.Contains(s.required, check) }

// Partial says whether a check that the policy requires was left out.
func (s *Session) Partial() bool { return len(s.omitted) > 0 }

// MayAsk says whether a check may be made of some image, by a rule of the policy too.
func (s *Session) MayAsk(check string) bool {
	return s.Needs(check) || !s.Chosen && slices.ContainsFunc(s.Policy.Rules, func(rule trust.Rule) bool {
		return slices.Contains(rule.Require, check) || slices.Contains(rule.Report, check)
	})
}

// Check is the outcome of a check of that name.
func (s *Session) Check(name string, v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
	detail := format // of very many checks, held once
	if len(args) > 0 || strings.Contains(format, "%") {
		detail = fmt.Sprintf(format, args...)
	}
	return report.Check{Name: name, Verdict: v, Required: s.Needs(name), Reason: reason, Detail: detail}
}

// Failed is the check that ended in err: see [Classify].
func (s *Session) Failed(name string, err error) report.Check {
	v, reason := Classify(err)
	return s.Check(name, v, reason, "%v", err)
}

// StrengthOf says how much the word of a document counts that was read from url,
// has that digest, and came from that origin.
func (s *Session) StrengthOf(url string, digest oci.Digest, o fetch.Origin) report.Strength {
	if strength := Strength(o); strength == report.Published || !s.Vouched.Published(url, digest) {
		return strength
	}
	return report.Vouched
}

// Strength is that of an origin alone.
func Strength(o fetch.Origin) report.Strength {
	if o == fetch.Published {
		return report.Published
	}
	return report.Carried
}

// Report makes the report of the session over results.
func (s *Session) Report(ctx context.Context, scope report.Scope, versions []release.Version, results []report.Result) report.Report {
	scope.Checks, scope.Partial, scope.Omitted = s.required, s.Partial(), s.omitted
	scope.Absent = s.Absent.list()
	rep := report.Report{
		SchemaVersion: report.SchemaVersion, Tool: s.Tool, Time: s.Now().UTC().Truncate(time.Second), Scope: scope,
		Policy: s.Policy.Source(), TrustedRoot: s.Root.Source(),
		Interrupted: ctx.Err() != nil, Results: results,
	}
	if s.Vouched != nil {
		key := s.Vouched.Key()
		rep.OperatorKey = &key
	}
	for i := range rep.Results {
		s.explain(&rep.Results[i])
	}
	listed := map[release.Version]bool{}
	for _, v := range versions {
		if !listed[v] {
			listed[v] = true
			rep.Releases = append(rep.Releases, v.String())
		}
	}
	return rep
}

// explain adds what is on record of a result's bytes, if it explains one of its
// failures (rule 6).
func (s *Session) explain(res *report.Result) {
	for _, i := range s.Policy.IncidentsOf(oci.Digest(res.Digest)) {
		if slices.ContainsFunc(res.Checks, func(c report.Check) bool {
			return c.Verdict != report.Verified && slices.Contains(i.Checks, c.Name)
		}) {
			res.Incidents = append(res.Incidents, i)
		}
	}
}

// Guard runs f and returns its panic, if any, as an error: a hostile input must
// cost its own subject, not the run.
func Guard(f func()) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *par.Panic:
			err = v
		default:
			err = &par.Panic{Value: v}
		}
	}()
	f()
	return nil
}

// Usagef is a [*report.UsageError].
func Usagef(format string, args ...any) error {
	return &report.UsageError{Message: fmt.Sprintf(format, args...)}
}
