package render

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxCases is how many test cases GitLab reads of one file.
const maxCases = 500_000

// JUnit's XML has no norm. These are the elements and attributes that Jenkins and GitLab read.
type (
	junitSuite struct {
		Name string
		Out  string
		of   []*report.Result
		junitCounts
	}
	junitCounts struct{ tests, failures, errors, skipped int }
	junitCase   struct {
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
	run := &junitSuite{Name: "kverify", Out: junitEscape(verdictLine(r))}
	run.add(junitRun(r))
	room := maxCases - 1 - len(problems(r)) - len(r.Results)
	suites, leftOut := junitSuitesOf(r, room)
	if leftOut > 0 {
		run.Out += fmt.Sprintf("\n%d cases that are verified or were not required are not listed: %d is what is read.", leftOut, maxCases)
	}
	suites = append([]*junitSuite{run}, suites...)
	all := junitSuite{Name: "kverify"}
	for _, s := range suites {
		all.count(s.junitCounts)
	}
	to := bufio.NewWriterSize(w, 64<<10)
	_, _ = to.WriteString(xml.Header) // an error stays, and Flush says it
	x := junitWriter{enc: xml.NewEncoder(to), stamp: r.Time.UTC().Format(time.RFC3339), room: room}
	x.enc.Indent("", "  ")
	end := x.start("testsuites", all)
	x.suite(run, func(c func(junitCase)) { c(junitRun(r)) })
	for _, s := range suites[1:] {
		x.suite(s, func(c func(junitCase)) {
			for _, res := range s.of {
				x.cases(res, c)
			}
		})
	}
	end()
	x.do(x.enc.Close())
	_ = to.WriteByte('\n')
	return errors.Join(x.err, to.Flush())
}

// junitSuitesOf are the suites of a report, each with the number of its cases. Of cases that hold
// or were not required there is room for so many; what is left out is counted.
func junitSuitesOf(r report.Report, room int) (suites []*junitSuite, leftOut int) {
	at := map[string]*junitSuite{}
	for _, res := range each(r.Results) {
		name := cmp.Or(res.Release, res.Subject)
		suite := at[name]
		if suite == nil {
			suite = &junitSuite{Name: junitEscape(name)}
			at[name], suites = suite, append(suites, suite)
		}
		suite.of = append(suite.of, res)
	}
	x := junitWriter{room: room}
	for _, s := range suites {
		for _, res := range s.of {
			x.cases(res, s.add)
		}
	}
	return suites, x.leftOut
}

// junitWriter writes suite by suite and case by case: a report may have very many.
type junitWriter struct {
	enc           *xml.Encoder
	stamp         string
	room, leftOut int // cases that hold or were not required: for how many there is room, and those beyond
	err           error
}

func (x *junitWriter) do(err error) { x.err = cmp.Or(x.err, err) }

// start begins an element of suites, and returns what ends it.
func (x *junitWriter) start(name string, s junitSuite) (end func()) {
	attr := func(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: value} }
	e := xml.StartElement{Name: xml.Name{Local: name}, Attr: []xml.Attr{
		attr("name", s.Name), attr("tests", strconv.Itoa(s.tests)), attr("failures", strconv.Itoa(s.failures)),
		attr("errors", strconv.Itoa(s.errors)), attr("skipped", strconv.Itoa(s.skipped)),
	}}
	if name == "testsuite" {
		e.Attr = append(e.Attr, attr("timestamp", x.stamp))
	}
	x.do(x.enc.EncodeToken(e))
	return func() { x.do(x.enc.EncodeToken(e.End())) }
}

func (x *junitWriter) suite(s *junitSuite, cases func(func(junitCase))) {
	end := x.start("testsuite", *s)
	cases(func(c junitCase) { x.do(x.enc.EncodeElement(c, xml.StartElement{Name: xml.Name{Local: "testcase"}})) })
	if s.Out != "" {
		x.do(x.enc.EncodeElement(s.Out, xml.StartElement{Name: xml.Name{Local: "system-out"}}))
	}
	end()
}

// cases gives the cases of a result for which there is room.
func (x *junitWriter) cases(res *report.Result, give func(junitCase)) {
	for _, c := range junitChecks(res) {
		if fine := c.Verdict == report.Verified || !c.Required; fine && x.room <= 0 {
			x.leftOut++
			continue
		} else if fine {
			x.room--
		}
		give(junitCaseOf(problem{c, res}))
	}
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
	n := junitCounts{tests: 1}
	switch {
	case c.Failure != nil:
		n.failures = 1
	case c.Error != nil:
		n.errors = 1
	case c.Skipped != nil:
		n.skipped = 1
	}
	s.count(n)
}

func (s *junitSuite) count(n junitCounts) {
	s.tests, s.failures, s.errors, s.skipped = s.tests+n.tests, s.failures+n.failures, s.errors+n.errors, s.skipped+n.skipped
}

// junitEscape makes text fit for XML, whose characters are fewer than Unicode's: Escape
// leaves only printable ones. Markup is escaped by encoding/xml.
func junitEscape(s string) string { return terminal.Escape(s) }
