package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/longline"
)

// BenchmarkDownloadFatLine is files of a release over a line that is long, with a server
// that grants each connection a tenth of the whole: verified by kverify, and only fetched
// by curl, sixteen at once, and by aria2c with sixteen files and as many connections a
// server. In turns; medians of b.N, and the share of the bottleneck that each fills.
// BENCH_RATE is the bottleneck in MB/s, BENCH_BYTES the whole (what fills the line for 25 seconds, as
// the files of a release, some 5 GB, fill one of 200 MB/s), and BENCH_WAY one of them alone.
func BenchmarkDownloadFatLine(b *testing.B) {
	if os.Getenv("BENCH_RATE") == "" {
		b.Skip("minutes: make bench-fat")
	}
	tools(b, "aria2c", "curl", "xargs")
	rate := benchInt("BENCH_RATE", 40)
	total := benchInt("BENCH_BYTES", 25*rate*1_000_000)
	w, program := genuine().Clone(), build(b)
	for _, way := range []struct {
		name  string
		sizes []int // in hundredths of the whole
	}{
		// As the files of a release are: a few archives, many programs.
		{"release", append([]int{20, 10, 10, 10, 8, 6}, slices.Repeat([]int{3}, 12)...)},
		{"one file", []int{50}},
	} {
		f := sync.OnceValue(func() *fat { return newFat(b, w, program, way.sizes, total) })
		for _, rtt := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/rtt=%v", way.name, rtt), func(b *testing.B) {
				f().measure(b, &longline.Line{RTT: rtt, Total: int64(rate) * 1_000_000, Each: int64(rate) * 100_000})
			})
		}
	}
}

// fat is what is downloaded, and by whom.
type fat struct {
	program string
	paths   []string
	size    int64
	served  *world.Server
	env     []string
	lists   string // directory of the lists for curl and aria2c
}

// ranged serves the large files as a storage server does, with ranges and a validator.
type ranged struct {
	*world.World
	large map[string][]byte // by path
}

func (s ranged) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body := s.large[r.URL.Path]
	if body == nil || r.Host == world.HostDL {
		s.World.ServeHTTP(rw, r)
		return
	}
	rw.Header().Set("ETag", fmt.Sprintf("%q", r.URL.Path))
	rw.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(body))
}

func newFat(b *testing.B, w *world.World, program string, sizes []int, total int) *fat {
	b.Helper()
	f := &fat{program: program, lists: b.TempDir()}
	large := ranged{w, map[string][]byte{}}
	var curl, aria strings.Builder
	for i, p := range w.Files("v1.27.2") {
		if strings.HasSuffix(p, ".docker_tag") || strings.HasSuffix(p, ".json") || strings.HasSuffix(p, ".tar") || strings.Contains(p, "manifests") {
			continue
		}
		if len(f.paths) == len(sizes) {
			break
		}
		size := total / 100 * sizes[len(f.paths)]
		url := world.FileURL("v1.27.2", p)
		large.large[strings.TrimPrefix(url, "https://"+world.HostDL)] = bigFile(w, "v1.27.2", p, size, uint64(i))
		f.paths, f.size = append(f.paths, p), f.size+int64(size)
		fmt.Fprintf(&curl, "%s %s\n", url, p)
		fmt.Fprintf(&aria, "%s\n  out=%s\n", url, p)
	}
	listener, err := longline.Listen()
	if err != nil {
		b.Fatal(err)
	}
	f.served = world.ServeOn(listener, large)
	b.Cleanup(f.served.Close)
	for name, text := range map[string][]byte{"curl": []byte(curl.String()), "aria": []byte(aria.String()), "ca.pem": world.CAPEM(), "root.json": w.TrustedRootJSON()} {
		if err := os.WriteFile(filepath.Join(f.lists, name), text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	f.env = append(os.Environ(), "NO_PROXY=", "SSL_CERT_FILE="+filepath.Join(f.lists, "ca.pem"), "SSL_CERT_DIR="+f.lists, "KVERIFY_TRUSTED_ROOT="+filepath.Join(f.lists, "root.json"))
	return f
}

// commands are the ways; each leaves all files in dir.
func (f *fat) commands(dir string) map[string]*exec.Cmd {
	ca := filepath.Join(f.lists, "ca.pem")
	return map[string]*exec.Cmd{
		"kverify": exec.Command(f.program, append([]string{"download", "v1.27.2", "-q", "--no-cache", "--layout", "dl", "-d", dir}, f.paths...)...),
		"curl-P16": exec.Command("sh", "-c", fmt.Sprintf(
			"cd %s && xargs -P 16 -L 1 sh -c 'exec curl -sfL --cacert %s --create-dirs -o $1 $0' <%s/curl", dir, ca, f.lists)),
		"aria2c-x16-j16": exec.Command("aria2c", "-q", "-x16", "-j16", "-s16", "--file-allocation=none", "--ca-certificate="+ca, "-d", dir, "-i", filepath.Join(f.lists, "aria")),
	}
}

func (f *fat) measure(b *testing.B, l *longline.Line) {
	proxy, err := l.Serve(b.Context(), f.served.Addr)
	if err != nil {
		b.Fatal(err)
	}
	took, conns, peak := map[string][]float64{}, map[string]int64{}, map[string]int64{}
	b.ResetTimer()
	for range b.N {
		dir := b.TempDir()
		for _, name := range []string{"kverify", "curl-P16", "aria2c-x16-j16"} {
			if only := os.Getenv("BENCH_WAY"); only != "" && only != name {
				continue
			}
			to := filepath.Join(dir, name)
			if err := os.Mkdir(to, 0o755); err != nil {
				b.Fatal(err)
			}
			cmd := f.commands(to)[name]
			cmd.Env = append(slices.Clone(f.env), "HTTPS_PROXY="+proxy, "https_proxy="+proxy)
			before := l.Connections.Load()
			var high int64
			took[name] = append(took[name], timed(b, cmd, &high))
			conns[name], peak[name] = max(conns[name], l.Connections.Load()-before), max(peak[name], high)
			_ = os.RemoveAll(to)
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, list := range took {
		slices.Sort(list)
		middle := list[len(list)/2]
		b.ReportMetric(middle, "s/"+name)
		b.ReportMetric(100*float64(f.size)/middle/float64(l.Total), "%bottleneck/"+name)
		b.ReportMetric(float64(conns[name]), "conns/"+name)
	}
	b.ReportMetric(float64(peak["kverify"])/(1<<20), "MiB-peak")
	if peak["kverify"] > 96<<20 {
		b.Errorf("kverify took %d MiB, more than 96", peak["kverify"]>>20)
	}
}
