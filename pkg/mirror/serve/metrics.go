package serve

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/pkg/report"
)

// buckets are the upper bounds of the durations that are counted, in seconds:
// from a manifest out of memory to a large tarball over a slow line.
var buckets = []float64{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300}

// metrics counts what a server does. Its labels have few values, whatever is asked.
type metrics struct {
	mu       sync.Mutex
	requests map[requestKind]int64
	bytes    map[string]int64 // by host
	refused  map[string]int64 // by reason
	inFlight int64
	duration []int64 // by bucket, not cumulated; the last is for what is longer
	seconds  float64
	judged   map[report.Verdict]int
	verified time.Time // when
}

type requestKind struct {
	host   string
	method string
	status int
}

// The reasons for which something that is there was not handed out.
const (
	refusedCorrupt = "corrupt" // its bytes are not what they must be, or lists contradict each other
	refusedVerdict = "refuted" // its verification here refuted it
	refusedAborted = "aborted" // it became another while it was sent: the connection was cut
)

func newMetrics() *metrics {
	return &metrics{
		requests: map[requestKind]int64{}, bytes: map[string]int64{}, duration: make([]int64, len(buckets)+1),
		refused: map[string]int64{refusedCorrupt: 0, refusedVerdict: 0, refusedAborted: 0},
	}
}

func (m *metrics) requestBegan(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight += n
}

func (m *metrics) refuse(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[reason]++
}

func (m *metrics) observe(k requestKind, bytes int64, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight--
	m.requests[k]++
	m.bytes[k.host] += bytes
	m.seconds += took.Seconds()
	i, _ := slices.BinarySearch(buckets, took.Seconds())
	m.duration[i]++
}

func (m *metrics) recordVerdicts(r report.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.judged, m.verified = map[report.Verdict]int{}, r.Time
	for _, v := range []report.Verdict{report.Verified, report.Refuted, report.Unknown} {
		m.judged[v] = r.Count(v)
	}
}

// write writes the counters in Prometheus' text format, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
func (m *metrics) write(w io.Writer, tool report.Tool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	metric := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	metric("kverify_build_info", "gauge", "The program that serves; always 1.")
	fmt.Fprintf(&b, "kverify_build_info{version=%s} 1\n", label(tool.Version))

	metric("kverify_http_requests_total", "counter", "Requests that were answered, by the host that they were meant for.")
	for _, k := range slices.SortedFunc(maps.Keys(m.requests), func(a, b requestKind) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	}) {
		fmt.Fprintf(&b, "kverify_http_requests_total{host=%s,method=%s,code=\"%d\"} %d\n", label(k.host), label(k.method), k.status, m.requests[k])
	}
	metric("kverify_http_response_bytes_total", "counter", "Bytes of bodies that were sent.")
	for _, host := range slices.Sorted(maps.Keys(m.bytes)) {
		fmt.Fprintf(&b, "kverify_http_response_bytes_total{host=%s} %d\n", label(host), m.bytes[host])
	}
	metric("kverify_http_requests_in_flight", "gauge", "Requests that are being answered.")
	fmt.Fprintf(&b, "kverify_http_requests_in_flight %d\n", m.inFlight)

	metric("kverify_http_request_duration_seconds", "histogram", "How long answers took, to the last byte.")
	sum := int64(0)
	for i, n := range m.duration {
		sum += n
		le := "+Inf"
		if i < len(buckets) {
			le = strconv.FormatFloat(buckets[i], 'g', -1, 64)
		}
		fmt.Fprintf(&b, "kverify_http_request_duration_seconds_bucket{le=%q} %d\n", le, sum)
	}
	fmt.Fprintf(&b, "kverify_http_request_duration_seconds_sum %g\nkverify_http_request_duration_seconds_count %d\n", m.seconds, sum)

	metric("kverify_mirror_refused_total", "counter", "Answers that were not given, or cut off, because what the mirror holds is wrong.")
	for _, reason := range slices.Sorted(maps.Keys(m.refused)) {
		fmt.Fprintf(&b, "kverify_mirror_refused_total{reason=%q} %d\n", reason, m.refused[reason])
	}
	if m.judged != nil {
		metric("kverify_mirror_subjects", "gauge", "What the mirror holds, by its verdict when it was last verified.")
		for _, v := range []report.Verdict{report.Verified, report.Refuted, report.Unknown} {
			fmt.Fprintf(&b, "kverify_mirror_subjects{verdict=%q} %d\n", v, m.judged[v])
		}
		metric("kverify_mirror_verified_timestamp_seconds", "gauge", "When the mirror was last verified.")
		fmt.Fprintf(&b, "kverify_mirror_verified_timestamp_seconds %d\n", m.verified.Unix())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// label quotes a label's value.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
