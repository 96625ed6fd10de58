package verify_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
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

// BenchmarkArithmetic is the least that a signature can cost: the verifications of one P-384
// key, the authority's, and of three P-256 keys, those of the leaf and of both logs.
func BenchmarkArithmetic(b *testing.B) {
	digest := sha256.Sum256([]byte("a message"))
	type signature struct {
		key *ecdsa.PublicKey
		der []byte
	}
	var all []signature
	for _, curve := range []elliptic.Curve{elliptic.P384(), elliptic.P256(), elliptic.P256(), elliptic.P256()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, signature{&key.PublicKey, der})
	}
	for b.Loop() {
		for _, s := range all {
			if !ecdsa.VerifyASN1(s.key, digest[:], s.der) {
				b.Fatal("it does not hold")
			}
		}
	}
}

// BenchmarkRelease is every check of the 25 references of a release without the network:
// the world answers in this process, and answers are remembered by nobody between runs.
func BenchmarkRelease(b *testing.B) {
	w := world.New(world.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if rep := images(b, w, version); rep.Verdict() != report.Verified {
			b.Fatal(failures(rep))
		}
	}
}
