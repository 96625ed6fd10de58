package verify_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"net/http"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// counter counts what goes over the wire, redirects among it.
type counter struct {
	next http.RoundTripper
	n    atomic.Int64
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(r)
}

// BenchmarkImages verifies the 25 references of a release (5 indexes, and 4
// per-architecture repositories of each) over a TLS listener, behind the
// registry's redirects, with 50 ms of round trip injected into every request.
// The server runs in this process: its processor time is in the figure.
func BenchmarkImages(b *testing.B) {
	w := world.New(world.Options{})
	w.SetRoundTrip(50 * time.Millisecond)
	s, err := w.Serve()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for _, run := range []struct {
		name   string
		checks []string
	}{
		{"signatures", []string{report.Digest, report.Signature, report.Reference}},
		{"everything", nil},
	} {
		for _, pool := range []int{1, 8, 32, 64} {
			b.Run(fmt.Sprintf("%s/pool=%d", run.name, pool), func(b *testing.B) {
				var requests int64
				before := cpu()
				for b.Loop() {
					wire := &counter{next: s.Transport()}
					client := &fetch.Client{Transport: &fetch.Limiter{Next: wire, InFlight: pool}}
					v := verifier(b, w)
					v.Fetch, v.Registry, v.Checks = client, &registry.Client{Fetch: client}, run.checks
					rep, err := v.Images(b.Context(), request(b, version))
					if err != nil || rep.Verdict() != report.Verified {
						b.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
					}
					requests += wire.n.Load()
				}
				const references = 25
				n := float64(b.N)
				b.ReportMetric(float64(requests)/n/references, "requests/ref")
				b.ReportMetric(float64((cpu()-before).Microseconds())/1000/n/references, "cpu-ms/ref")
				b.ReportMetric(b.Elapsed().Seconds()/n, "wall-s/run")
			})
		}
	}
}

// BenchmarkSignature is one signature without the network: parsing, chain, SCT,
// log entry, signature and claims.
func BenchmarkSignature(b *testing.B) {
	w := world.New(world.Options{})
	v := verifier(b, w)
	const name = "kube-proxy"
	m, err := v.Registry.Manifest(b.Context(), registry.Ref{Host: "registry.k8s.io", Repository: name, Tag: version})
	if err != nil {
		b.Fatal(err)
	}
	again := verify.LayersOf(b.Context(), v, name, string(m.Digest))
	b.ReportAllocs()
	for b.Loop() {
		if c := again(); c.Verdict != report.Verified {
			b.Fatal(c.Detail)
		}
	}
}
