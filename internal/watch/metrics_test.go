package watch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/report"
)

// sample is a line of the text format, version 0.0.4.
var sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? [0-9.e+-]+$`)

// scrape reads a page: no series twice, each below its family.
func scrape(t *testing.T, m *Metrics) map[string]bool {
	t.Helper()
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	series, family := map[string]bool{}, ""
	for _, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			family, _, _ = strings.Cut(rest, " ")
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %q", line)
		}
		if !strings.HasPrefix(m[1], family) {
			t.Errorf("%q below %s", line, family)
		}
		if key := m[1] + m[2]; series[key] {
			t.Errorf("twice: %s", key)
		} else {
			series[key] = true
		}
		if len(line) > 2*maxLabel+400 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	return series
}

// TestMetrics has names that are long, alike, and no text.
func TestMetrics(t *testing.T) {
	m := &Metrics{Tool: report.Tool{Version: "v1\n\"x\\"}}
	scrape(t, m)
	w := &Watcher{Metrics: m}
	w.begin()
	at := time.Now()
	u := &unit{Subjects: map[string]*subject{}}
	w.state.Units[Images] = u
	long := strings.Repeat("n", 3*maxLabel)
	for _, name := range []string{"a\n\"b\\", "\xff\xfe", long + "1", long + "2", "{}", "日本" + long} {
		u.Subjects[shown(name)] = &subject{Since: at}
	}
	for n := range 2 * maxShown {
		u.Subjects[fmt.Sprint("verified-", n)] = &subject{latest: report.Verified, Was: report.Verified, WasAt: at, Since: at}
	}
	u.Subjects["zz"] = &subject{Was: report.Refuted, WasAt: at, Verdict: report.Refuted, Since: at}
	series := scrape(t, m)
	if !series[`kverify_watch_verdict{unit="images",subject="zz",verdict="refuted"}`] {
		t.Error("what is refuted is hidden")
	}
	if len(series) > 5*maxShown {
		t.Errorf("%d series", len(series))
	}
}

// odd answers for any host.
type odd struct{}

func (odd) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Host, "down") {
		return nil, errors.New("down")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("four")), Request: r, Header: http.Header{}}, nil
}

// TestMeter tells hosts apart up to a number: a redirect may lead to any.
func TestMeter(t *testing.T) {
	m := new(Metrics)
	through := m.Meter(odd{})
	for n := range 10 * maxHosts {
		for _, host := range []string{fmt.Sprint("host", n), "down.example"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp, err := through.RoundTrip(req); err == nil {
				_, _ = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
		}
	}
	series := scrape(t, m)
	if len(m.bytes) != maxHosts+1 || !series[`kverify_watch_http_requests_total{host="other",code="200"}`] || !series[`kverify_watch_http_requests_total{host="down.example",code="error"}`] {
		t.Errorf("%d hosts", len(m.bytes))
	}
	if m.bytes["host0"] != 4 {
		t.Errorf("%d bytes of a host", m.bytes["host0"])
	}
}

// TestEventLines has what a person reads, of names that came from outside.
func TestEventLines(t *testing.T) {
	var results []report.Result
	for n := range 3 * maxListed {
		results = append(results, report.Result{Subject: fmt.Sprint("registry.k8s.io/x:", n), Kind: report.KindImage, Platform: "linux/amd64", Digest: "sha256:x",
			Checks: []report.Check{{Name: report.Signature, Verdict: report.Refuted, Required: true, Reason: report.Forged, Detail: strings.Repeat("é", 4*maxDetail)}}})
	}
	s := &subject{}
	alarms := s.judge(report.Report{Results: results}, time.Now())
	e := Event{Kind: Refuted, Unit: Images}
	e.addProblems(alarms)
	if len(e.Problems) != maxListed || e.More != 2*maxListed || len(e.Problems[0].Detail) > maxDetail {
		t.Errorf("%d problems and %d more", len(e.Problems), e.More)
	}
	if line := e.String(); !strings.HasPrefix(line, "REFUTED: images: registry.k8s.io/x:0 linux/amd64: signature: forged: é") || !strings.HasSuffix(line, " (and 59 more)") {
		t.Errorf("%q", line)
	}
	if again := s.judge(report.Report{Results: results}, time.Now()); len(again) != 0 {
		t.Errorf("%d alarms are told twice", len(again))
	}
	results[0].Digest = "sha256:y"
	if again := s.judge(report.Report{Results: results}, time.Now()); len(again) != 1 {
		t.Errorf("%d alarms of other bytes", len(again))
	}
}
