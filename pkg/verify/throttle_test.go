package verify_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// bucket stands before a registry and answers 429 with Retry-After to whoever
// asks more often than rate a second, once burst is used up.
type bucket struct {
	next        http.RoundTripper
	rate, burst float64

	mu              sync.Mutex
	tokens          float64
	last            time.Time
	passed, refused int
}

func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != world.HostRegistry {
		return b.next.RoundTrip(r)
	}
	b.mu.Lock()
	now := time.Now()
	if b.last.IsZero() {
		b.tokens = b.burst
	} else {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
		b.passed++
	} else {
		b.refused++
	}
	b.mu.Unlock()
	if !ok {
		wait := int(math.Ceil(1 / b.rate))
		return &http.Response{
			StatusCode: http.StatusTooManyRequests, Status: "429 Too Many Requests", Proto: "HTTP/2.0", ProtoMajor: 2, Request: r,
			Header: http.Header{"Retry-After": {fmt.Sprint(wait)}, "Content-Length": {"0"}}, Body: http.NoBody,
		}, nil
	}
	return b.next.RoundTrip(r)
}

// patches are the first n patches of v1.27, 25 references each.
func patches(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("v1.27.%d", i))
	}
	return list
}

// TestThrottled verifies a thousand references of a registry that gives 80
// requests a second, through the stack that the command line has.
func TestThrottled(t *testing.T) {
	if os.Getenv("KVERIFY_SLOW_TESTS") == "" {
		t.Skip("half a minute of being throttled: make slow")
	}
	const releases, rate, burst = 40, 80.0, 80.0
	list := patches(releases)
	begin := time.Now()
	w := world.New(world.Options{Versions: list})
	t.Logf("world of %d releases in %v", releases, time.Since(begin).Round(time.Millisecond))
	w.SetRoundTrip(20 * time.Millisecond)
	server := &bucket{next: w, rate: rate, burst: burst}
	client := &fetch.Client{Transport: &fetch.Retry{Next: &fetch.Limiter{Next: server, Budgets: fetch.PublishedBudgets()}}}
	v := verifier(t, w)
	v.Fetch, v.Registry = client, &registry.Client{Fetch: client}
	v.Checks = []string{report.Digest, report.Signature, report.Reference}

	begin = time.Now()
	rep, err := v.Images(t.Context(), verify.Request{Versions: versions(t, list...)})
	took := time.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	asked := server.passed + server.refused
	ideal := time.Duration((float64(server.passed) - burst) / rate * float64(time.Second))
	refused := float64(server.refused) / float64(asked)
	t.Logf("%d references, %d requests, %d refused (%.1f %%), %v, ideal %v, ratio %.3f",
		len(rep.Results), asked, server.refused, 100*refused, took.Round(time.Millisecond), ideal.Round(time.Millisecond), took.Seconds()/ideal.Seconds())
	if rep.Verdict() != report.Verified || len(rep.Results) != 25*releases {
		t.Errorf("%s, %d results\n%.2000s", rep.Verdict(), len(rep.Results), failures(rep))
	}
	if refused > 0.05 {
		t.Errorf("%d of %d requests were refused", server.refused, asked)
	}
	if took > ideal*6/5 {
		t.Errorf("%v for what takes %v", took, ideal)
	}
	if s := failures(rep); strings.Contains(s, "unknown") {
		t.Error("something is unknown")
	}
}
