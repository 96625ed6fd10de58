package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// The downloads are held against what people use instead, in one run, in turns,
// on one file system, with everything on disk at the end: medians of b.N.

// BenchmarkDownloadOneLarge is a file of 1 GiB over loopback, hashed both ways
// and proved, against curl, tee and one hash. Plain HTTP for both.
func BenchmarkDownloadOneLarge(b *testing.B) {
	tools(b, "curl", "tee", "sha512sum", "sync")
	const path = "kubernetes-server-linux-amd64.tar.gz"
	size := benchBytes(1 << 30)
	program := build(b)
	w := genuine().Clone()
	bigFile(w, "v1.27.2", path, size, 1)
	server := httptest.NewServer(plain{w})
	defer server.Close()
	root := filepath.Join(b.TempDir(), "root.json")
	if err := os.WriteFile(root, w.TrustedRootJSON(), 0o644); err != nil {
		b.Fatal(err)
	}
	args := []string{"download", "v1.27.2", path, "-q", "--trusted-root", root}
	for _, host := range []string{world.HostDL, world.HostSBOM, world.HostRaw, world.HostRekor} {
		args = append(args, "--endpoint", host+"="+server.URL+"/"+host)
	}
	var ours, theirs []float64
	var peak int64
	b.ResetTimer()
	for range b.N {
		dir := b.TempDir()
		shell := fmt.Sprintf("curl -sf %s/dl.k8s.io/release/v1.27.2/%s | tee %s/f | sha512sum >%s/sum && sync %s/f", server.URL, path, dir, dir, dir)
		theirs = append(theirs, timed(b, exec.Command("sh", "-c", shell), nil))
		dir = b.TempDir()
		cmd := exec.Command(program, append(slices.Clone(args), "-d", dir)...)
		ours = append(ours, timed(b, cmd, &peak))
	}
	compare(b, ours, theirs, peak, int64(size))
}

// BenchmarkDownloadRelease is every file of a release over TLS, proved, against
// curl eight at a time and sha512sum -c, which proves nothing.
func BenchmarkDownloadRelease(b *testing.B) {
	tools(b, "curl", "xargs", "sha512sum", "sync")
	size := benchBytes(4 << 20)
	program := build(b)
	w := genuine().Clone()
	var paths []string
	var sums, urls strings.Builder
	for i, p := range w.Files("v1.27.2") {
		if strings.HasSuffix(p, ".docker_tag") || strings.HasSuffix(p, ".json") || strings.HasSuffix(p, ".tar") || strings.Contains(p, "manifests") {
			continue
		}
		bigFile(w, "v1.27.2", p, size, uint64(i))
		paths = append(paths, p)
		fmt.Fprintf(&sums, "%s  %s\n", w.File(world.FileURL("v1.27.2", p)+".sha512"), p)
		fmt.Fprintf(&urls, "%s %s\n", world.FileURL("v1.27.2", p), p)
	}
	l := newLine(b, w)
	ca := ""
	for _, e := range l.env {
		if v, ok := strings.CutPrefix(e, "SSL_CERT_FILE="); ok {
			ca = v
		}
	}
	lists := b.TempDir()
	for name, text := range map[string]string{"urls": urls.String(), "sums": sums.String()} {
		if err := os.WriteFile(filepath.Join(lists, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	args := append([]string{"download", "v1.27.2", "-q", "--layout", "dl"}, paths...)
	var ours, theirs []float64
	var peak int64
	b.ResetTimer()
	for range b.N {
		dir := b.TempDir()
		shell := fmt.Sprintf("cd %s && xargs -P 8 -L 1 sh -c 'exec curl -sfL --cacert %s --create-dirs -o $1 $0' <%s/urls && sha512sum -c --quiet %s/sums && find . -type f | xargs sync", dir, ca, lists, lists)
		cmd := exec.Command("sh", "-c", shell)
		cmd.Env = l.env
		theirs = append(theirs, timed(b, cmd, nil))
		dir = b.TempDir()
		cmd = exec.Command(program, append(slices.Clone(args), "-d", dir)...)
		cmd.Env = l.env
		ours = append(ours, timed(b, cmd, &peak))
	}
	b.ReportMetric(float64(len(paths)), "files")
	compare(b, ours, theirs, peak, int64(size*len(paths)))
}

// benchBytes lets a small machine move less: BENCH_BYTES.
func benchBytes(n int) int { return benchInt("BENCH_BYTES", n) }

// benchInt is a number from the environment, else n.
func benchInt(name string, n int) int {
	if s, err := strconv.Atoi(os.Getenv(name)); err == nil && s > 0 {
		return s
	}
	return n
}

func tools(b *testing.B, names ...string) {
	b.Helper()
	if testing.Short() {
		b.Skip("it moves gigabytes")
	}
	for _, n := range names {
		if _, err := exec.LookPath(n); err != nil {
			b.Skipf("no %s here", n)
		}
	}
}

// build makes the program as users have it, unless BENCH_PROGRAM names one.
func build(b *testing.B) string {
	b.Helper()
	if program := os.Getenv("BENCH_PROGRAM"); program != "" {
		return program
	}
	program := filepath.Join(b.TempDir(), "kverify")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return program
}

func timed(b *testing.B, cmd *exec.Cmd, peak *int64) float64 {
	b.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	over := make(chan error)
	go func() { over <- cmd.Wait() }()
	// Not rusage's: that counts what the process was forked from.
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case err := <-over:
			tick.Stop()
			if err != nil {
				b.Fatalf("%v\n%s", err, &out)
			}
			return time.Since(begun).Seconds()
		case <-tick.C:
			if peak != nil {
				*peak = max(*peak, highWater(cmd.Process.Pid))
			}
		}
	}
}

// highWater is the most memory that a process has had so far, in bytes.
func highWater(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int64
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}

func compare(b *testing.B, ours, theirs []float64, peak, size int64) {
	median := func(list []float64) float64 {
		list = slices.Sorted(slices.Values(list))
		return list[len(list)/2]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "s/kverify")
	b.ReportMetric(median(theirs), "s/shell")
	b.ReportMetric(median(theirs)/median(ours), "times-as-fast")
	b.ReportMetric(float64(size)/median(ours)/1e6, "MB/s")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
}

// plain serves a world's hosts without TLS, each below its name.
type plain struct{ w *world.World }

func (p plain) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	host, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet {
		body := p.w.File("https://" + host + "/" + path)
		if body == nil {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/octet-stream")
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = rw.Write(body)
		return
	}
	stand{p.w}.ServeHTTP(rw, r)
}
