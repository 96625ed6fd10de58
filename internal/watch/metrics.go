package watch

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/pkg/report"
)

// Metrics counts what a watch does. Set Tool before it is used; the zero value of the rest is ready.
type Metrics struct {
	Tool    report.Tool
	Repeats atomic.Int64 // requests that were sent again, as the transport counts them

	mu           sync.Mutex
	of           func() standings // nil until it is watched
	rounds       int64
	whole        time.Time // when the last round ended in which everything could be read
	failures     map[string]int64
	events       map[Kind]int64
	deliveries   map[string]int64
	verification histogram
	requests     histogram
	answers      map[answer]int64
	bytes        map[string]int64
}

// answer is a kind of answer of a host.
type answer struct{ host, code string }

// The kinds of failures. None of them is a verdict.
const (
	failedOpen         = "open"
	failedChannel      = "channel"
	failedTag          = "tag"
	failedVerification = "verification"
	failedWebhook      = "webhook"
	failedState        = "state"
)

var failures = []string{failedOpen, failedChannel, failedTag, failedVerification, failedWebhook, failedState}

const (
	// maxShown is how many subjects have series of their own: each has three, and those
	// that are not verified come first.
	maxShown = 1_000
	// maxHosts is how many hosts are told apart.
	maxHosts = 32
	// maxLabel is the longest value of a label, in bytes.
	maxLabel = 200
)

// histogram counts durations in buckets, whose upper bounds are in seconds.
type histogram struct {
	counts []int64 // not cumulated; the last is for what is longer
	sum    float64
}

var (
	requestBounds      = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30}
	verificationBounds = []float64{0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
)

func (h *histogram) observe(bounds []float64, d time.Duration) {
	if h.counts == nil {
		h.counts = make([]int64, len(bounds)+1)
	}
	i, _ := slices.BinarySearch(bounds, d.Seconds())
	h.counts[i]++
	h.sum += d.Seconds()
}

func (h *histogram) write(p *page, name, help string, bounds []float64) {
	p.family(name, "histogram", help)
	total := int64(0)
	for i := range len(bounds) + 1 {
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		if h.counts != nil {
			total += h.counts[i]
		}
		fmt.Fprintf(p, "%s_bucket{le=%q} %d\n", name, le, total)
	}
	fmt.Fprintf(p, "%s_sum %g\n%s_count %d\n", name, h.sum, name, total)
}

func count[K comparable](m *map[K]int64, key K, n int64) {
	if *m == nil {
		*m = map[K]int64{}
	}
	(*m)[key] += n
}

// watch says where verdicts are read.
func (m *Metrics) watch(of func() standings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of = of
}

func (m *Metrics) failed(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count(&m.failures, what, 1)
}

func (m *Metrics) event(k Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count(&m.events, k, 1)
}

func (m *Metrics) delivered(taken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	outcome := "taken"
	if !taken {
		outcome = "rejected"
	}
	count(&m.deliveries, outcome, 1)
}

func (m *Metrics) verified(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.verification.observe(verificationBounds, took)
}

func (m *Metrics) round(whole bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rounds++
	if whole {
		m.whole = time.Now()
	}
}

// page is what a scrape gets.
type page struct{ strings.Builder }

func (p *page) family(name, kind, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// verdicts are the values of the label of that name.
var verdicts = []report.Verdict{report.Verified, report.Refuted, report.Unknown}

// Write writes everything in Prometheus' text format, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
func (m *Metrics) Write(w io.Writer) error {
	p := new(page)
	p.family("kverify_build_info", "gauge", "The program that watches; always 1.")
	fmt.Fprintf(p, "kverify_build_info{version=%s} 1\n", label(m.Tool.Version))
	m.mu.Lock()
	of := m.of
	m.mu.Unlock()
	if of != nil {
		of().write(p)
	}
	m.mu.Lock()
	m.writeCounts(p)
	m.mu.Unlock()
	_, err := io.WriteString(w, p.String())
	return err
}

func (m *Metrics) writeCounts(p *page) {
	p.family("kverify_watch_rounds_total", "counter", "Rounds that have ended.")
	fmt.Fprintf(p, "kverify_watch_rounds_total %d\n", m.rounds)
	if !m.whole.IsZero() {
		p.family("kverify_watch_round_timestamp_seconds", "gauge", "When the last round ended in which everything could be asked.")
		fmt.Fprintf(p, "kverify_watch_round_timestamp_seconds %d\n", m.whole.Unix())
	}
	p.family("kverify_watch_failures_total", "counter", "What could not be done. A verdict is no failure.")
	for _, what := range failures {
		fmt.Fprintf(p, "kverify_watch_failures_total{what=%q} %d\n", what, m.failures[what])
	}
	p.family("kverify_watch_events_total", "counter", "Changes that were told.")
	for _, k := range []Kind{Release, Tag, Verdict, Refuted} {
		fmt.Fprintf(p, "kverify_watch_events_total{kind=%q} %d\n", string(k), m.events[k])
	}
	p.family("kverify_watch_deliveries_total", "counter", "Events that the webhook took, or refused for good.")
	for _, outcome := range []string{"taken", "rejected"} {
		fmt.Fprintf(p, "kverify_watch_deliveries_total{outcome=%q} %d\n", outcome, m.deliveries[outcome])
	}
	m.verification.write(p, "kverify_watch_verification_duration_seconds", "How long it took to verify a release, or all images.", verificationBounds)
	p.family("kverify_watch_http_requests_total", "counter", "Requests by host and code; error is no answer.")
	for _, a := range slices.SortedFunc(maps.Keys(m.answers), func(a, b answer) int { return strings.Compare(a.host+" "+a.code, b.host+" "+b.code) }) {
		fmt.Fprintf(p, "kverify_watch_http_requests_total{host=%s,code=%s} %d\n", label(a.host), label(a.code), m.answers[a])
	}
	p.family("kverify_watch_http_response_bytes_total", "counter", "Bytes of bodies that were read.")
	for _, host := range slices.Sorted(maps.Keys(m.bytes)) {
		fmt.Fprintf(p, "kverify_watch_http_response_bytes_total{host=%s} %d\n", label(host), m.bytes[host])
	}
	p.family("kverify_watch_http_repeats_total", "counter", "Requests that were sent again because they had failed by chance.")
	fmt.Fprintf(p, "kverify_watch_http_repeats_total %d\n", m.Repeats.Load())
	m.requests.write(p, "kverify_watch_http_request_duration_seconds", "How long answers took, to their headers, waits and repeats included.", requestBounds)
}

// row is one subject on a page.
type row struct {
	unit, name string
	subject
}

// standings are what stands of everything that is watched.
type standings struct {
	rows    []row
	counts  report.Counts
	waiting int // for the webhook
	dropped int64
}

// write writes the verdicts.
func (s standings) write(p *page) {
	rows := s.rows
	rank := map[report.Verdict]int{report.Refuted: 0, report.Unknown: 1, report.Verified: 2}
	slices.SortStableFunc(rows, func(a, b row) int { return rank[a.standing()] - rank[b.standing()] })
	hidden := max(0, len(rows)-maxShown)
	rows = rows[:len(rows)-hidden]

	p.family("kverify_watch_subjects", "gauge", "Releases and images that are watched, by verdict.")
	for i, n := range []int{s.counts.Verified, s.counts.Refuted, s.counts.Unknown} {
		fmt.Fprintf(p, "kverify_watch_subjects{verdict=\"%s\"} %d\n", verdicts[i], n)
	}
	p.family("kverify_watch_subjects_hidden", "gauge", "Those of them that have no series of their own.")
	fmt.Fprintf(p, "kverify_watch_subjects_hidden %d\n", hidden)
	p.family("kverify_watch_verdict", "gauge", "1 for the verdict that the subject has. What was refuted stays so until it was verified.")
	for _, r := range rows {
		for _, v := range verdicts {
			one := 0
			if r.standing() == v {
				one = 1
			}
			fmt.Fprintf(p, "kverify_watch_verdict{unit=%s,subject=%s,verdict=%q} %d\n", label(r.unit), label(r.name), v, one)
		}
	}
	p.family("kverify_watch_answered_timestamp_seconds", "gauge", "When the subject was last verified or refuted, and not unknown: its age tells how stale that is.")
	for _, r := range rows {
		if r.Was != report.Unknown {
			fmt.Fprintf(p, "kverify_watch_answered_timestamp_seconds{unit=%s,subject=%s,verdict=%q} %d\n", label(r.unit), label(r.name), r.Was, r.WasAt.Unix())
		}
	}
	p.family("kverify_watch_results", "gauge", "Results of a release's last verification: its images, platforms, files and documents, by verdict.")
	for _, r := range rows {
		if r.unit == Images {
			continue
		}
		for i, n := range []int{r.counts.Verified, r.counts.Refuted, r.counts.Unknown} {
			fmt.Fprintf(p, "kverify_watch_results{subject=%s,verdict=%q} %d\n", label(r.name), verdicts[i], n)
		}
	}
	p.family("kverify_watch_queue", "gauge", "Events that wait for the webhook.")
	fmt.Fprintf(p, "kverify_watch_queue %d\n", s.waiting)
	p.family("kverify_watch_dropped_total", "counter", "Events that were dropped because too many waited.")
	fmt.Fprintf(p, "kverify_watch_dropped_total %d\n", s.dropped)
}

// label quotes a label's value, of a bounded length. Two that are different stay so.
func label(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxLabel {
		s = clip(s, maxLabel-20) + "..." + short(s)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
