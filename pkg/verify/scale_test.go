package verify_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// TestReportIsSmall holds that what is kept of a reference is what is reported of
// it, and no manifest or certificate that a few words of it were read from: ten
// thousand of them would be hundreds of megabytes.
func TestReportIsSmall(t *testing.T) {
	list := patches(10)
	w := world.New(world.Options{Versions: list, ImagesOnly: true})
	var refs []registry.Ref
	for _, v := range list {
		for _, name := range []string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"} {
			refs = append(refs, registry.Ref{Host: world.HostRegistry, Repository: name, Tag: v})
		}
	}
	run := func() report.Report {
		v := verifier(t, w)
		v.Checks = []string{report.Digest, report.Signature, report.Reference}
		rep, err := v.References(t.Context(), refs)
		if err != nil || rep.Verdict() != report.Verified || len(rep.Results) != 25*len(list) {
			t.Fatalf("%v %s %d\n%s", err, rep.Verdict(), len(rep.Results), failures(rep))
		}
		return rep
	}
	run() // what is made once, is made
	heap := func() int64 {
		var m runtime.MemStats
		for range 3 { // what pools hold goes with the second, what it held with the third
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	rep := run()
	const most = 3 << 10
	if each := (heap() - before) / int64(len(rep.Results)); each > most {
		t.Errorf("%d bytes are kept of a reference, more than %d", each, most)
	}
	runtime.KeepAlive(rep)
}

// BenchmarkMany verifies up to a thousand references as one job, and prints the
// processor time and the memory of a reference. The world answers in this
// process: what the same requests take without anybody who verifies the answers
// is measured after each run, and subtracted.
func BenchmarkMany(b *testing.B) {
	const most = 40
	full := world.New(world.Options{Versions: patches(most)})
	for _, releases := range []int{10, 20, most} {
		b.Run(fmt.Sprintf("references=%d", 25*releases), func(b *testing.B) {
			list := versions(b, patches(releases)...)
			var spent, wall time.Duration
			var heap uint64
			for b.Loop() {
				w := full.Clone()
				client := &fetch.Client{Transport: w}
				v := verifier(b, w)
				v.Fetch, v.Registry = client, &registry.Client{Fetch: client}
				v.Checks = []string{report.Digest, report.Signature, report.Reference}
				runtime.GC()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				begin, start := cpu(), time.Now()
				rep, err := v.Images(b.Context(), verify.Request{Versions: list})
				took := cpu() - begin
				wall += time.Since(start)
				if err != nil || rep.Verdict() != report.Verified || len(rep.Results) != 25*releases {
					b.Fatalf("%v %s %d", err, rep.Verdict(), len(rep.Results))
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				heap += after.HeapAlloc - min(after.HeapAlloc, before.HeapAlloc)
				asked := w.Requests()
				begin = cpu()
				par.Map(context.Background(), len(asked), 64, func(ctx context.Context, i int) {
					req, err := http.NewRequestWithContext(ctx, asked[i].Method, asked[i].URL, nil)
					if err != nil {
						return
					}
					if resp, err := w.RoundTrip(req); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
					}
				}, nil)
				spent += took - (cpu() - begin)
				runtime.KeepAlive(rep)
			}
			n := float64(b.N) * 25 * float64(releases)
			b.ReportMetric(float64(spent.Microseconds())/1000/n, "cpu-ms/ref")
			b.ReportMetric(n/wall.Seconds(), "refs/s")
			b.ReportMetric(float64(heap)/n/1024, "kept-KiB/ref")
		})
	}
}
