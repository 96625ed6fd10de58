package render

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// ofRun is the check of a problem that is the run's and not a subject's.
const ofRun = "run"

// A problem is one thing that keeps a report from being verified, or from being the
// whole: a check of a result, or something about the run, whose result is then empty.
// Formats that list findings list these.
type problem struct {
	check  report.Check // not Required where it lowers no verdict, and only narrows it
	result *report.Result
}

// problems lists them, refuted first, else in the order of the report. It is empty
// only for a report that is verified and whole.
func problems(r report.Report) []problem {
	list := runProblems(r)
	for _, res := range each(r.Results) {
		for _, c := range lacking(res) {
			list = append(list, problem{c, res})
		}
	}
	slices.SortStableFunc(list, func(a, b problem) int { return int(b.check.Verdict) - int(a.check.Verdict) })
	return list
}

// runProblems says what is wrong with the run itself: an empty or interrupted report
// is unknown although no check failed, and a part must not pass for the whole.
func runProblems(r report.Report) (list []problem) {
	add := func(lowers bool, reason report.Reason, detail string) {
		list = append(list, problem{result: new(report.Result), check: report.Check{Name: ofRun, Required: lowers, Reason: reason, Detail: detail}})
	}
	if r.Interrupted {
		add(true, report.Interrupted, "the run was interrupted, and what it did not examine is unknown")
	}
	if len(r.Results) == 0 {
		add(true, report.Incomplete, "nothing was examined")
	}
	if r.Scope.Partial {
		add(false, report.Incomplete, "partial: the run left out the check of "+strings.Join(r.Scope.Omitted, ", "))
	}
	if s := r.Scope.Shard; s != nil {
		add(false, report.Incomplete, "this is shard "+s.String()+", not the whole")
	}
	return list
}

// lacking are the required checks of a result that are not verified. What fails only
// because a signature is missing is not listed again; a result that has no required
// check is unknown, and says so.
func lacking(res *report.Result) (list []report.Check) {
	signature, _ := res.Check(report.Signature)
	required := false
	for _, c := range res.Checks {
		required = required || c.Required
		rests := c.Name == report.Reference && c.Verdict == report.Unknown && signature.Required && signature.Verdict != report.Verified
		if c.Required && c.Verdict != report.Verified && !rests {
			list = append(list, c)
		}
	}
	if !required {
		list = append(list, report.Check{Name: ofRun, Required: true, Reason: report.Incomplete, Detail: "no check was made of it"})
	}
	return list
}

// title names a result: its subject and platform. It is not escaped.
func title(res *report.Result) string {
	if res.Platform == "" {
		return strings.TrimSpace(res.Subject)
	}
	return strings.TrimSpace(res.Subject + " " + res.Platform)
}

// headline is what is wrong, in one sentence. It is not escaped.
func (p problem) headline() string {
	what := p.check.Name + ": " + sentence(p.check)
	if t := title(p.result); t != "" {
		what = t + ": " + what
	}
	return what
}

// todo is the advice about it; empty where nothing is to be done.
func (p problem) todo() string {
	if !p.check.Required && p.check.Name == ofRun {
		return ""
	}
	return advice(p.check)
}

// A cause is what several problems have in common.
type cause struct {
	check report.Check // the first of them
	names []string     // of all checks
	of    []string     // titles of results, not escaped
}

// causes puts problems together that say the same, in the order of the first of each.
func causes(list []problem) (out []cause) {
	type key struct {
		verdict      report.Verdict
		required     bool
		reason       report.Reason
		detail, name string
	}
	at := map[key]int{}
	for _, p := range list {
		c := p.check
		k := key{c.Verdict, c.Required, c.Reason, c.Detail, ""}
		if c.Detail == "" {
			k.name = c.Name
		}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, cause{check: c})
		}
		if !slices.Contains(out[i].names, c.Name) {
			out[i].names = append(out[i].names, c.Name)
		}
		if t := title(p.result); t != "" && (len(out[i].of) == 0 || out[i].of[len(out[i].of)-1] != t) {
			out[i].of = append(out[i].of, t)
		}
	}
	return out
}

// fingerprint stays the same from run to run, wherever the subject is seen: it is the
// SHA-256 of rule, subject, platform and digest, in hex.
func (p problem) fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{p.check.Name, p.result.Subject, p.result.Platform, p.result.Digest}, "\x00")))
	return fmt.Sprintf("%x", sum)
}

// file is where a finding is shown: the file in which the subject was seen, relative,
// and its line, else the name of the subject as if it were one. The name of a machine's
// directory is private: of an absolute path the last element is left.
func (p problem) file() (name string, line int) {
	if len(p.result.Places) > 0 && p.result.Places[0].Source != "-" {
		return relative(p.result.Places[0].Source), max(1, p.result.Places[0].Line)
	}
	name = p.result.Subject
	for _, scheme := range []string{"https://", "http://"} {
		name = strings.TrimPrefix(name, scheme)
	}
	return relative(cmp.Or(name, "kverify")), 1
}

func relative(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	drive := len(name) > 1 && name[1] == ':' && strings.HasPrefix(name[2:]+"/", "/")
	if strings.HasPrefix(name, "/") || drive {
		name = path.Base(name)
	}
	for strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		_, name, _ = strings.Cut(name, "/")
	}
	return cmp.Or(strings.TrimLeft(name, "/"), "kverify")
}
