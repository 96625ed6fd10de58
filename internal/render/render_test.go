package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/kverify/kverify/pkg/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func ok(names ...string) (list []report.Check) {
	for _, n := range names {
		list = append(list, report.Check{Name: n, Verdict: report.Verified, Required: true})
	}
	return list
}

func image(subject, platform, digest string, checks ...report.Check) report.Result {
	return report.Result{Subject: subject, Kind: "image", Release: "v1.27.2", Platform: platform, Digest: digest, Checks: checks}
}

func base() report.Report {
	return report.Report{
		SchemaVersion: report.SchemaVersion,
		Tool:          report.Tool{Name: "kverify", Version: "v0.1.0"},
		Time:          time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
		Scope:         report.Scope{Subjects: []string{"v1.27.2"}, Checks: report.CheckNames},
		Releases:      []string{"v1.27.2"},
		Policy:        report.Source{Digest: digest("a"), Embedded: true},
		TrustedRoot:   report.Source{Digest: digest("b"), Embedded: true},
	}
}

const proxy = "registry.k8s.io/kube-proxy:v1.27.2"

func good() report.Report {
	r := base()
	four := ok(report.Digest, report.Signature, report.Reference, report.Binding)
	signed := report.Signed
	four[3].Evidence = report.EvidenceOf(report.Evidence{What: "claim", Source: "https://sbom.k8s.io/v1.27.2/release", Digest: digest("9"), Strength: &signed,
		Fields: map[string]string{"layers": "2", "as": "layers"}})
	r.Results = []report.Result{
		{Subject: "v1.27.2", Kind: "release", Release: "v1.27.2", Checks: ok(report.Inventory)},
		{Subject: "https://sbom.k8s.io/v1.27.2/release", Kind: "document", Release: "v1.27.2", Digest: digest("9"), Checks: ok(report.Digest, report.Signature)},
		image(proxy, "", digest("1"), four...),
		image(proxy, "linux/amd64", digest("2"), four...),
		image("registry.k8s.io/kube-proxy-amd64:v1.27.2", "linux/amd64", digest("2"), four...),
		image("registry.k8s.io/pause:3.9", "", digest("3"), four...),
		image("registry.k8s.io/pause:3.9", "windows/amd64:10.0.17763.4377", digest("4"), four...),
	}
	r.Results[3].SeenAs = []string{"registry.k8s.io/kube-proxy-amd64:v1.27.2"}
	return r
}

func bad() report.Report {
	r := good()
	r.Scope.Names, r.Scope.Platforms = []string{"kube-proxy", "pause"}, []string{"amd64", "arm64"}
	r.Scope.Partial, r.Scope.Omitted = true, []string{report.Inventory, report.Binding}
	r.Policy = report.Source{Digest: digest("c"), Path: "my policy.yaml"}
	r.TrustedRoot = report.Source{Digest: digest("d"), Path: "root.json"}
	r.Interrupted = true
	absent := report.Check{Name: report.Signature, Verdict: report.Unknown, Required: true, Reason: report.Absent,
		Detail: "no krel-trust signature (2 signatures seen: krel-staging); promotion may be unfinished: try later, or see \"kverify help incidents\""}
	mismatch := report.Check{Name: report.Reference, Verdict: report.Refuted, Required: true, Reason: report.Mismatch,
		Detail: "the signed docker-reference is registry.k8s.io/kube-scheduler, not this image"}
	extra := report.Check{Name: "vsa", Verdict: report.Unknown, Reason: report.Absent}
	r.Results[2].Checks = append(ok(report.Digest), absent, mismatch, extra)
	r.Results[3].Checks = append(ok(report.Digest), absent, report.Check{Name: report.Reference, Required: true})
	r.Results[3].Notes = []string{"platform unknown/unknown is carried along"}
	r.Results[5] = image("registry.k8s.io/pause:3.9", "", "", report.Check{Name: report.Digest, Required: true, Reason: report.Unreachable})
	return r
}

func hostile() report.Report {
	r := base()
	r.Scope.Subjects = []string{"a", "b\x1b[2J", "c", "d", "e"}
	r.Policy.Embedded, r.Policy.Path = false, "evil\r\npolicy"
	evil := "\x1b[32m✓ verified\x1b[0m\r\nVERIFIED \u202egnp.exe \u200b\u009b31m \xff " + strings.Repeat("A", 5000)
	c := report.Check{Name: "digest\x1b", Verdict: report.Refuted, Required: true, Reason: report.Reason(evil[:20]), Detail: evil}
	r.Results = []report.Result{
		image(evil[:40], "linux/amd64\n", "sha256:\x1b]0;title\a", c),
		{Subject: "doc\u2028ument", Kind: "\x1b", Digest: "\n", Checks: []report.Check{c}, Notes: []string{"\x00"}},
	}
	return r
}

func TestTable(t *testing.T) {
	for name, c := range map[string]struct {
		report report.Report
		o      Options
	}{
		"verified":           {good(), Options{}},
		"verified-explained": {good(), Options{Explain: []string{""}}},
		"refuted":            {bad(), Options{}},
		"refuted-colour":     {bad(), Options{Color: true, Width: 80}},
		"refuted-explained":  {bad(), Options{Width: 72, Wide: true, Explain: []string{"kube-proxy"}}},
		"verified-quiet":     {good(), Options{Quiet: true}},
		"refuted-quiet":      {bad(), Options{Quiet: true}},
		"hostile":            {hostile(), Options{Width: 80}},
		"empty":              {base(), Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := Table(&buf, c.report, c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", buf.Bytes())
			if !c.o.Color {
				noControls(t, buf.String())
			}
		})
	}
}

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("differs from %s (go test -update writes it anew):\n%s", file, got)
	}
}

func noControls(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r != '\n' && (!unicode.IsPrint(r) || r == '\uFFFD') {
			t.Errorf("%U in the output", r)
		}
	}
}

// TestJSONRoundTrip reads back what is written, hostile text included.
func TestJSONRoundTrip(t *testing.T) {
	evil := hostile()
	for i := range evil.Results { // JSON is text: bytes that are not UTF-8 cannot be kept
		for j := range evil.Results[i].Checks {
			c := &evil.Results[i].Checks[j]
			c.Detail = strings.ToValidUTF8(c.Detail, "?") + "\U000e0041"
		}
	}
	for _, r := range []report.Report{good(), bad(), evil} {
		var buf bytes.Buffer
		if err := JSON(&buf, r); err != nil {
			t.Fatal(err)
		}
		noControls(t, buf.String())
		var back report.Report
		if err := json.Unmarshal(buf.Bytes(), &back); err != nil {
			t.Fatalf("%v\n%s", err, buf.String())
		}
		if !reflect.DeepEqual(back, r) {
			t.Errorf("read back:\n%+v\nwritten:\n%+v", back, r)
		}
		var doc struct {
			SchemaVersion int
			Verdict       string
			Counts        report.Counts
			Results       []struct{ Verdict string }
		}
		if err := json.Unmarshal(buf.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Counts != r.Counts() || doc.SchemaVersion != 1 || doc.Verdict != r.Verdict().String() || len(doc.Results) != len(r.Results) || doc.Results[0].Verdict != r.Results[0].Verdict().String() {
			t.Errorf("%+v", doc)
		}
	}
}

func TestJSONEmpty(t *testing.T) {
	var buf bytes.Buffer
	if err := JSON(&buf, base()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(buf.String(), `"results": []`) || !strings.Contains(buf.String(), `"verdict": "unknown"`) {
		t.Error(buf.String())
	}
}

func TestWriteError(t *testing.T) {
	broken := errors.New("broken")
	for _, err := range []error{Table(failing{broken}, good(), Options{}), JSON(failing{broken}, good())} {
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestJSONCommands holds that nothing in a report is a command of the job that prints it.
func TestJSONCommands(t *testing.T) {
	r := good()
	r.Results[2].Checks[0] = report.Check{Name: report.Digest, Required: true, Detail: "##[add-path]/evil"}
	var buf bytes.Buffer
	if err := JSON(&buf, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(buf.String(), "##[") || !strings.Contains(buf.String(), `\u0023#[add-path]`) {
		t.Error("JSON lets a command through")
	}
}

// TestFiles holds that many files take few lines, and a refuted one its own.
func TestFiles(t *testing.T) {
	r := base()
	dir := "https://dl.k8s.io/release/v1.27.2/"
	add := func(path string, c report.Check) {
		r.Results = append(r.Results, report.Result{Subject: dir + path, Kind: "file", Release: "v1.27.2", Digest: digest("5"), Checks: []report.Check{c}})
	}
	fine := ok(report.Binding)[0]
	unknown := report.Check{Name: report.Binding, Required: true, Reason: report.NoClaim, Detail: "only SHA256SUMS names it"}
	other := report.Check{Name: report.Binding, Required: true, Verdict: report.Refuted, Reason: report.Mismatch, Detail: "sha256 is 1... in sbom, but 2... in SHA256SUMS"}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		add("bin/linux/amd64/"+name, fine)
		add("bin/linux/arm64/"+name, unknown)
		add(name+".tar.gz", fine)
	}
	add("bin/linux/amd64/kubectl\x1b[2J", other)
	for name, o := range map[string]Options{"files": {}, "files-wide": {Wide: true}} {
		var buf bytes.Buffer
		if err := Table(&buf, r, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", buf.Bytes())
		noControls(t, buf.String())
	}
}
