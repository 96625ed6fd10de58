package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	htmlrender "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/pkg/report"
)

// mixed has all three verdicts, and subjects that were seen in files.
func mixed() report.Report {
	r := good()
	r.Results[2].Checks = append(ok(report.Digest, report.Signature), report.Check{Name: report.Reference, Verdict: report.Refuted, Required: true,
		Reason: report.Mismatch, Detail: "the signed docker-reference is registry.k8s.io/kube-scheduler, not this image"})
	r.Results[5].Checks = append(ok(report.Digest), report.Check{Name: report.Signature, Required: true, Reason: report.Unreachable,
		Detail: "GET https://registry.k8s.io/v2/pause/manifests/x.sig: status 429 Too Many Requests"})
	r.Results[2].Places = []report.Place{{Source: "deploy/images.txt", Line: 7}, {Source: "/home/me/site.yaml", Line: 3, Entry: "pod kube-system/kube-proxy"}}
	r.Results[2].MorePlaces = 9998
	r.Results[5].Places = []report.Place{{Source: "-", Line: 2}}
	r.Results = append(r.Results, report.Result{Subject: "./bin/kubectl", Kind: "file", Release: "v1.27.2", Digest: digest("7"),
		Checks: append(ok(report.Digest), report.Check{Name: report.Binding, Required: true, Reason: report.NoClaim}, report.Check{Name: report.Anchor, Reason: report.Absent})})
	return r
}

// large has ten thousand results, three in five of which are not verified.
func large() report.Report {
	r := base()
	for i := range 10_000 {
		c := ok(report.Digest, report.Signature)
		switch i % 5 {
		case 0, 1:
			c[1] = report.Check{Name: report.Signature, Required: true, Reason: report.Unreachable, Detail: fmt.Sprintf("no answer %d", i)}
		case 2:
			c[0] = report.Check{Name: report.Digest, Required: true, Verdict: report.Refuted, Reason: report.Mismatch, Detail: fmt.Sprintf("another digest %d", i)}
		}
		r.Results = append(r.Results, image(fmt.Sprintf("registry.k8s.io/image-%d:v1.27.2", i/10), fmt.Sprintf("linux/arch%d", i%10), digest("1"), c...))
	}
	return r
}

// TestFormats pins what every format makes of a report, and holds each to its form.
func TestFormats(t *testing.T) {
	for name, r := range map[string]report.Report{"good": good(), "mixed": mixed(), "cut": bad(), "none": base()} {
		for _, format := range views() {
			if format == "table" && name != "mixed" {
				continue // pinned by TestTable
			}
			got := write(t, r, format)
			golden(t, filepath.Join("formats", name+"."+format), got)
			shaped(t, name, format, r, got)
		}
	}
	many := large()
	for _, format := range views() {
		var buf bytes.Buffer
		if err := Report(&buf, many, format, Options{}); err != nil {
			t.Fatal(err)
		}
		shaped(t, "large", format, many, buf.Bytes())
	}
}

// views are the formats that take any report.
func views() []string {
	return slices.DeleteFunc(slices.Clone(Formats), func(f string) bool { return slices.Contains(Statements, f) })
}

func write(t *testing.T, r report.Report, format string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Report(&buf, r, format, Options{}); err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	broken := errors.New("broken")
	if err := Report(failing{broken}, r, format, Options{}); !errors.Is(err, broken) {
		t.Errorf("%s: an error of the writer is lost: %v", format, err)
	}
	return buf.Bytes()
}

// hostileTexts are what an attacker may have a registry, a document or a path say.
var hostileTexts = []string{
	"##[error]x", "a ###[set-env name=PATH]/evil", "##vso[task.setvariable variable=a]b", "::add-mask::x", "  ::set-output name=a::b", "x\n::error::y", "x\r::error::y", "x\u2028::stop-commands::z",
	"a%0A::error::b", "a:b,c=d%", "\x1b[2J\x1b]0;title\a", "\u009b31m", "\x00\x08\ufffe\uffff\U0001fffe", "\xff\xfe", "\u202egnp.exe\u2066", "\u200b\ufeff\U000e0041",
	"a|b||c", "`code` ``two``", "[click](https://evil.example)", "![x](https://evil.example/x.png)", "<https://evil.example>", "https://evil.example www.evil.example", "@kubernetes/sig-release #1 org/repo#2 !3 ~label",
	"<script>alert(1)</script>", "</style></details></table><img src=x onerror=alert(1)>", `" onmouseover="x`, "' autofocus onfocus='x", "]]>", "<!--", "-->", "&lt;&#60;&", "{{.}}", "${x} $(x)", "*b* _i_ ~~s~~ \\ # h", "<details open>", "javascript:alert(1)", "../../../etc/passwd", `C:\Users\me\x`, "-", "", strings.Repeat("A ", 3000),
}

// attacked is mixed with one text wherever text comes from outside.
func attacked(evil string) report.Report {
	r := mixed()
	r.Tool.Version, r.Policy.Path, r.Policy.Embedded = evil, evil, false
	r.Scope.Subjects, r.Scope.Names, r.Scope.Omitted, r.Scope.Partial = []string{evil}, []string{evil}, []string{evil}, true
	r.Scope.Absent = []string{evil}
	for i := range r.Results {
		res := &r.Results[i]
		res.Subject, res.Platform, res.Release = evil+res.Subject+evil, strings.TrimSuffix(evil+res.Platform, "/"), evil
		res.SeenAs, res.Notes = []string{evil}, []string{evil}
		res.Places = []report.Place{{Source: evil, Line: 1, Entry: evil}, {Source: "a/" + evil, Entry: evil}}
		res.Incidents = []report.Incident{{ID: evil, Title: evil, Link: evil, Explains: evil, Advice: evil, Checks: []string{evil}}}
		for j := range res.Checks {
			c := &res.Checks[j]
			c.Detail = evil
			c.Evidence = report.EvidenceOf(report.Evidence{What: evil, Source: evil, Digest: evil, Fields: map[string]string{evil: evil}})
			if c.Verdict != report.Verified {
				c.Reason = report.Reason(evil)
			}
		}
	}
	last := &r.Results[len(r.Results)-1]
	last.Digest, last.Checks[0].Name = evil, evil
	return r
}

// TestHostileText runs every hostile text through every format.
func TestHostileText(t *testing.T) {
	for _, evil := range hostileTexts {
		r := attacked(evil)
		for _, format := range views() {
			got := write(t, r, format)
			noControls(t, string(got))
			shaped(t, fmt.Sprintf("%.30q", evil), format, r, got)
		}
		r.Scope.Partial, r.Scope.Omitted = false, nil
		r.Results[2], r.Results[5], r.Results[7] = r.Results[6], r.Results[6], r.Results[6]
		for i := range r.Results {
			r.Results[i].Places, r.Results[i].MorePlaces = nil, 0
		}
		for _, format := range []string{"svr", "refs"} {
			got := write(t, r, format)
			noControls(t, string(got))
			shaped(t, fmt.Sprintf("%.30q", evil), format, r, got)
		}
	}
}

// shaped holds an output to its format, to its consumer's limits, and to being no command.
func shaped(t *testing.T, name, format string, r report.Report, got []byte) {
	t.Helper()
	fail := func(f string, args ...any) {
		t.Helper()
		t.Errorf("%s as %s: %s", name, format, fmt.Sprintf(f, args...))
	}
	if regexp.MustCompile(`##[A-Za-z]*\[`).Match(got) {
		fail("it holds a command of a job's runner")
	}
	for l := range strings.Lines(string(got)) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "::") && format != "github" {
			fail("a line is a command: %.80q", l)
		}
	}
	switch format {
	case "json":
		var back report.Report
		if err := json.Unmarshal(got, &back); err != nil || len(back.Results) != len(r.Results) {
			fail("%v", err)
		}
		if err := reportSchema(t).Validate(decoded(t, got)); err != nil {
			fail("%v", err)
		}
	case "yaml":
		var back struct{ Results []any }
		if err := yaml.Unmarshal(got, &back); err != nil || len(back.Results) != len(r.Results) {
			fail("%v", err)
		}
	case "sarif":
		sarifShape(fail, r, got)
	case "junit":
		junitShape(fail, r, got)
	case "github":
		githubShape(fail, r, got)
	case "codequality":
		qualityShape(fail, r, got)
	case "markdown":
		markdownShape(fail, got)
	case "html":
		htmlShape(fail, got)
	}
}

func decoded(t *testing.T, b []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func sarifShape(fail func(string, ...any), r report.Report, got []byte) {
	var log sarifLog
	d := json.NewDecoder(bytes.NewReader(got))
	d.DisallowUnknownFields()
	if err := d.Decode(&log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
		fail("%v", err)
		return
	}
	run := log.Runs[0]
	want := len(problems(r))
	if len(run.Results) != min(want, 5000) || bytes.Contains(got, []byte("null")) {
		fail("%d results of %d problems", len(run.Results), want)
	}
	if r.Verdict() != report.Verified && len(run.Results) == 0 {
		fail("no result, and that closes every alert")
	}
	if notes := run.Invocations[0].Notifications; want > 5000 && (len(notes) != 2 || !strings.Contains(notes[1].Message.Text, "more results are not listed")) {
		fail("it does not say what is left out: %v", notes)
	}
	for i, res := range run.Results {
		if run.Tool.Driver.Rules[res.RuleIndex].ID != res.RuleID || len(res.Message.Text) == 0 || len(res.Locations) != 1 || len(res.PartialFingerprints) != 2 {
			fail("result %d: %+v", i, res)
		}
		if regexp.MustCompile(`\]\(`).MatchString(res.Message.Text) {
			fail("a link: %.100q", res.Message.Text)
		}
		for _, at := range append(res.Locations, res.RelatedLocations...) {
			u, err := url.Parse(at.PhysicalLocation.ArtifactLocation.URI)
			if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "..") || u.Path == "" || u.RawQuery != "" || u.Fragment != "" || at.PhysicalLocation.Region.StartLine < 1 {
				fail("location %+v: %v", at.PhysicalLocation, err)
			}
		}
		if i > 0 && res.Level == "error" && run.Results[i-1].Level != "error" {
			fail("a refuted one stands after an unknown one")
		}
	}
}

func junitShape(fail func(string, ...any), r report.Report, got []byte) {
	d := xml.NewDecoder(bytes.NewReader(got))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			fail("%v", err)
			return
		}
	}
	type counts struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
	}
	var all struct {
		XMLName xml.Name `xml:"testsuites"`
		counts
		Suites []struct {
			counts
			Name  string      `xml:"name,attr"`
			Cases []junitCase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(got, &all); err != nil {
		fail("%v", err)
	}
	var tests, failures, errs, skipped int
	for _, s := range all.Suites {
		n := junitSuite{}
		for _, c := range s.Cases {
			n.add(c)
		}
		if n.tests != s.Tests || n.failures != s.Failures || n.errors != s.Errors || n.skipped != s.Skipped {
			fail("suite %s counts %d, has %d", s.Name, s.Tests, n.tests)
		}
		tests, failures, errs, skipped = tests+s.Tests, failures+s.Failures, errs+s.Errors, skipped+s.Skipped
	}
	if tests != all.Tests || failures != all.Failures || errs != all.Errors || skipped != all.Skipped || tests > maxCases {
		fail("it counts %+v", all)
	}
	if (failures > 0) != (r.Verdict() == report.Refuted) || r.Verdict() == report.Unknown && errs == 0 {
		fail("%s, with %d failures and %d errors", r.Verdict(), failures, errs)
	}
}

var annotationForm = regexp.MustCompile(`^::(error|warning|notice) (file=[^,:]+,line=[0-9]+,)?title=[^:,]+::.`)

func githubShape(fail func(string, ...any), r report.Report, got []byte) {
	kinds := map[string]int{}
	for l := range strings.Lines(string(got)) {
		m := annotationForm.FindStringSubmatch(l)
		if m == nil {
			fail("line %.100q", l)
			continue
		}
		if kinds[m[1]]++; kinds[m[1]] > 10 {
			fail("more than ten of %s", m[1])
		}
	}
	if kinds["notice"] == 0 || (kinds["error"] > 0) != (r.Verdict() == report.Refuted) {
		fail("%v of a report that is %s", kinds, r.Verdict())
	}
	if len(problems(r)) > 30 && !bytes.Contains(got, []byte("more are not shown")) {
		fail("it does not say what is left out")
	}
}

func qualityShape(fail func(string, ...any), r report.Report, got []byte) {
	var list []qualityFinding
	if err := json.Unmarshal(got, &list); err != nil || list == nil || len(list) > maxQuality+1 {
		fail("%d findings: %v", len(list), err)
	}
	if (len(list) == 0) != (len(problems(r)) == 0) {
		fail("%d findings", len(list))
	}
	for _, f := range list {
		if f.Description == "" || f.CheckName == "" || f.Fingerprint == "" || f.Location.Path == "" || f.Location.Lines.Begin < 1 || strings.HasPrefix(f.Location.Path, "/") {
			fail("%+v", f)
		}
	}
}

// markdownShape renders it as GitHub does, with raw HTML let through, and looks for
// anything that is not plain text of ours.
func markdownShape(fail func(string, ...any), got []byte) {
	if len(got) > 1<<20 {
		fail("%d bytes", len(got))
	}
	var page bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(htmlrender.WithUnsafe()))
	if err := md.Convert(got, &page); err != nil {
		fail("%v", err)
	}
	doc, _ := html.Parse(&page)
	inCode := 0
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			if !strings.Contains(" html head body h2 p code strong em ul li table thead tbody tr th td details summary ", " "+n.Data+" ") { //nolint:gocritic // the constant is searched
				if n.Data != "a" || n.FirstChild == nil || n.FirstChild.Data != "security@kubernetes.io" {
					fail("an element <%s>", n.Data)
				}
			}
			if n.Data == "code" {
				inCode++
				defer func() { inCode-- }()
			}
		}
		if n.Type == html.CommentNode || n.Type == html.TextNode && inCode == 0 && strings.Contains(n.Data, "evil") {
			fail("foreign text outside of code: %.80q", n.Data)
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	walk(doc)
	if n := bytes.Count(got, []byte("\n<details><summary>")); n != bytes.Count(got, []byte("\n</details>\n")) || n > 1 {
		fail("what is folded is not closed")
	}
}

// htmlShape holds the page to the elements and attributes of its template.
func htmlShape(fail func(string, ...any), got []byte) {
	const (
		elements   = " html head meta link title style body header main section article div p h1 h2 h3 span b small ul li br code a table thead tbody tr th td details summary dl dt dd "
		attributes = " lang charset content name http-equiv rel href class id scope tabindex role aria-label aria-hidden open "
	)
	doc, err := html.Parse(bytes.NewReader(got))
	if err != nil {
		fail("%v", err)
	}
	ids := map[string]bool{}
	var links []string
	for n := range doc.Descendants() {
		switch n.Type {
		case html.CommentNode:
			fail("a comment")
		case html.ElementNode:
			if !strings.Contains(elements, " "+n.Data+" ") {
				fail("an element <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if !strings.Contains(attributes, " "+a.Key+" ") {
					fail("an attribute %s on <%s>", a.Key, n.Data)
				}
				switch {
				case a.Key == "id":
					if ids[a.Val] {
						fail("two of id %s", a.Val)
					}
					ids[a.Val] = true
				case a.Key == "href" && a.Val != "data:,":
					links = append(links, a.Val)
				}
			}
		}
	}
	for _, l := range links {
		if to, local := strings.CutPrefix(l, "#"); !local || !ids[to] {
			fail("a link to %q", l)
		}
	}
	if len(got) > 16<<20 {
		fail("%d bytes", len(got))
	}
}
