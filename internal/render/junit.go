package render

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxCases is how many test cases GitLab reads of one file.
const maxCases = 500_000

// JUnit's XML has no norm. These are the elements and attributes that Jenkins and GitLab read.
type (
	junitSuites struct {
		XMLName  xml.Name      `xml:"testsuites"`
		Name     string        `xml:"name,attr"`
		Tests    int           `xml:"tests,attr"`
		Failures int           `xml:"failures,attr"`
		Errors   int           `xml:"errors,attr"`
		Skipped  int           `xml:"skipped,attr"`
		Suites   []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
		Out       string      `xml:"system-out,omitempty"`
	}
	junitCase struct {
		Class   string    `xml:"classname,attr"`
		Name    string    `xml:"name,attr"`
		Time    int       `xml:"time,attr"`
		File    string    `xml:"file,attr,omitempty"`
		Line    int       `xml:"line,attr,omitempty"`
		Failure *junitBad `xml:"failure"`
		Error   *junitBad `xml:"error"`
		Skipped *junitBad `xml:"skipped"`
		Out     string    `xml:"system-out,omitempty"`
	}
	junitBad struct {
		Message string `xml:"message,attr,omitempty"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as test results: a suite a release, and a case for each check
// of each subject. Refuted is a failure, unknown an error, and a check that was not
// required is skipped. The first suite is the run's own, with one case, the verdict: an
// empty or interrupted run is an error in it, a partial one or a shard is skipped.
// The text of a failure says what to do, since GitLab shows nothing else of it.
//
// It has at most 500,000 cases; what is left out, of the verified, the last line counts.
func JUnit(w io.Writer, r report.Report) error {
	all := junitSuites{Name: "kverify"}
	stamp := r.Time.UTC().Format(time.RFC3339)
	run := &junitSuite{Name: "kverify", Timestamp: stamp, Out: junitEscape(verdictLine(r))}
	run.add(junitRun(r))
	all.Suites = append(all.Suites, run)
	at := map[string]*junitSuite{}
	room := maxCases - len(run.Cases) - len(problems(r)) - len(r.Results)
	leftOut := 0
	for _, res := range each(r.Results) {
		name := cmp.Or(res.Release, res.Subject)
		suite := at[name]
		if suite == nil {
			suite = &junitSuite{Name: junitEscape(name), Timestamp: stamp}
			at[name], all.Suites = suite, append(all.Suites, suite)
		}
		for _, c := range junitChecks(res) {
			if fine := c.Verdict == report.Verified || !c.Required; fine && room <= 0 {
				leftOut++
				continue
			} else if fine {
				room--
			}
			suite.add(junitCaseOf(problem{c, res}))
		}
	}
	if leftOut > 0 {
		run.Out += fmt.Sprintf("\n%d cases that are verified or were not required are not listed: %d is what is read.", leftOut, maxCases)
	}
	for _, s := range all.Suites {
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
	}
	var buf bytes.Buffer
	buf.WriteString(xml.Header)
	enc := xml.NewEncoder(&buf)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	buf.WriteByte('\n')
	_, err := w.Write(buf.Bytes())
	return err
}

// junitRun is the case of the run itself.
func junitRun(r report.Report) junitCase {
	out := junitCase{Class: "kverify", Name: "verdict"}
	for _, p := range runProblems(r) {
		bad := &junitBad{Message: junitEscape(p.check.Detail), Type: junitEscape(string(p.check.Reason))}
		switch {
		case p.check.Required:
			bad.Text = junitEscape(verdictLine(r))
			out.Error, out.Skipped = bad, nil
		case out.Error == nil:
			out.Skipped = bad
		}
	}
	return out
}

// junitChecks are all checks of a result, and what makes it unknown that has none.
func junitChecks(res *report.Result) []report.Check {
	list := slices.Clone(res.Checks)
	if !slices.ContainsFunc(list, func(c report.Check) bool { return c.Required }) {
		list = append(list, lacking(res)...)
	}
	return list
}

func junitCaseOf(p problem) junitCase {
	out := junitCase{Class: junitEscape(p.result.Subject), Name: junitEscape(strings.TrimSpace(p.check.Name + " " + p.result.Platform))}
	if len(p.result.Places) > 0 && p.result.Places[0].Source != "-" {
		file, line := p.file()
		out.File, out.Line = junitEscape(file), line
	}
	if p.check.Verdict == report.Verified && p.check.Required {
		return out
	}
	lines := []string{p.headline()}
	if p.result.Digest != "" {
		lines = append(lines, "digest: "+p.result.Digest)
	}
	for _, place := range places(p.result) {
		lines = append(lines, "seen at: "+place)
	}
	lines = append(lines, "what to do: "+p.todo())
	for i, l := range lines {
		lines[i] = junitEscape(l)
	}
	bad := &junitBad{Message: junitEscape(sentence(p.check)), Type: junitEscape(string(p.check.Reason)), Text: strings.Join(lines, "\n")}
	switch {
	case !p.check.Required:
		out.Skipped = &junitBad{Message: "not required: " + p.check.Verdict.String()}
	case p.check.Verdict == report.Refuted:
		out.Failure = bad
	default:
		out.Error = bad
	}
	return out
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

// junitEscape makes text fit for XML, whose characters are fewer than Unicode's: Escape
// leaves only printable ones. Markup is escaped by encoding/xml.
func junitEscape(s string) string { return terminal.Escape(s) }
