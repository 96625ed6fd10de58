package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	kregistry "github.com/kverify/kverify/pkg/registry"
)

const (
	largeBlob, largeClients = 64 << 20, 8
	smallBlob, smallClients = 4 << 10, 32
	slowClients             = 300 // that hold an answer of a large blob and do not read on
	benchRepo               = "bench"
)

// A served is one server of the same blobs, and how it names them.
type served struct {
	what, addr string
	pid        int
	path       func(digest oci.Digest) string
}

// A speed is what one server did for one load.
type speed struct {
	rate float64       // answers a second
	cost time.Duration // processor time of the server for each
}

// A load is what the clients of one measurement ask for.
type load struct {
	what          string
	clients, slow int
	digests       []oci.Digest
	size          int64
	stalled       oci.Digest // what the slow ones ask for
}

// TestBenchServe holds kverify mirror serve against nginx and docker-registry, in one run, in
// turns, with the same blobs out of the page cache over loopback, clients on the same cores, each
// server with its access log in a file. It prints a table, medians of KVERIFY_BENCH rounds: make bench-serve.
func TestBenchServe(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("KVERIFY_BENCH"))
	if err != nil || rounds < 1 {
		t.Skip("it takes a minute or two: make bench-serve")
	}
	dir := t.TempDir()
	large, small := benchMirror(t, dir)
	servers := []served{serveKverify(t, dir), serveNginx(t, dir), serveRegistry(t, dir, slices.Concat(large, small))}
	loads := []load{
		{fmt.Sprintf("64 MiB, %d clients", largeClients), largeClients, 0, large, largeBlob, ""},
		{fmt.Sprintf("4 KiB, %d clients", smallClients), smallClients, 0, small, smallBlob, ""},
		{fmt.Sprintf("4 KiB, %d clients, beside %d that stall", smallClients, slowClients), smallClients, slowClients, small, smallBlob, large[0]},
	}
	for _, s := range servers { // whatever a server does once, and the page cache
		for _, d := range slices.Concat(large, small) {
			if err := s.get(d, nil); err != nil {
				t.Fatalf("%s: %v", s.what, err)
			}
		}
	}
	rates := make([][][]speed, len(loads))
	for i := range loads {
		rates[i] = make([][]speed, len(servers))
	}
	for range rounds {
		for i, l := range loads {
			for k, s := range servers {
				n, err := s.measure(l, 3*time.Second)
				if err != nil {
					t.Fatalf("%s: %s: %v", s.what, l.what, err)
				}
				rates[i][k] = append(rates[i][k], n)
			}
		}
	}
	printServed(servers, loads, rates, rounds)
}

// printServed prints medians, and how much of each other server's rate the first one's is.
func printServed(servers []served, loads []load, speeds [][][]speed, rounds int) {
	median := func(list []speed, f func(speed) float64) float64 {
		var v []float64
		for _, s := range list {
			v = append(v, f(s))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	rate := func(s speed) float64 { return s.rate }
	cost := func(s speed) float64 { return float64(s.cost.Nanoseconds()) }
	head := "\n| answers"
	for _, s := range servers {
		head += " | " + s.what + " | its processor time"
	}
	for _, s := range servers[1:] {
		head += " | of " + s.what
	}
	fmt.Printf("%s |\n|%s\n", head, strings.Repeat(" --- |", 3*len(servers)))
	for i, l := range loads {
		fmt.Printf("| %s", l.what)
		for k := range servers {
			r, c := median(speeds[i][k], rate), median(speeds[i][k], cost)
			if l.size >= 1<<20 {
				fmt.Printf(" | %.0f MB/s | %.2f s/GB", r*float64(l.size)/1e6, c/float64(l.size))
			} else {
				fmt.Printf(" | %.0f/s | %.0f µs", r, c/1e3)
			}
		}
		for k := range servers[1:] {
			fmt.Printf(" | %.2f", median(speeds[i][0], rate)/median(speeds[i][k+1], rate))
		}
		fmt.Println(" |")
	}
	text, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("medians of %d; load at the end %s\n", rounds, text)
}

// benchMirror makes a mirror of one image with random layers, without MANIFEST.json.
func benchMirror(t *testing.T, dir string) (large, small []oci.Digest) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{11})
	put := func(body []byte) oci.Digest {
		d := oci.DigestOf(body)
		write(t, filepath.Join(dir, "oci", "blobs", "sha256", strings.TrimPrefix(string(d), "sha256:")), string(body))
		return d
	}
	type descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      oci.Digest        `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	var layers []descriptor
	for i := range 68 {
		body := make([]byte, smallBlob)
		if i < 4 {
			body = make([]byte, largeBlob)
		}
		_, _ = random.Read(body)
		d := put(body)
		if layers = append(layers, descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: d, Size: len(body)}); i < 4 {
			large = append(large, d)
		} else {
			small = append(small, d)
		}
	}
	asJSON := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	config := []byte("{}")
	const imageType = "application/vnd.oci.image.manifest.v1+json"
	image := asJSON(map[string]any{"schemaVersion": 2, "mediaType": imageType, "layers": layers,
		"config": descriptor{MediaType: "application/vnd.oci.image.config.v1+json", Digest: put(config), Size: len(config)}})
	write(t, filepath.Join(dir, "oci", "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	write(t, filepath.Join(dir, "oci", "index.json"), string(asJSON(map[string]any{"schemaVersion": 2, "manifests": []descriptor{
		{imageType, put(image), len(image), map[string]string{"org.opencontainers.image.ref.name": outside + "/" + benchRepo + ":v1"}}}})))
	return large, small
}

// serveKverify starts the program over a mirror.
func serveKverify(t *testing.T, dir string) served {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "err")
	addr, pid := started(t, out, regexp.MustCompile(`on http://(127\.0\.0\.1:[0-9]+)`),
		exec.Command(bin, "mirror", "serve", dir, "--listen", "127.0.0.1:0", "--verify", "off", "--access-log", filepath.Join(t.TempDir(), "access")))
	return served{"kverify", addr, pid, func(d oci.Digest) string { return "/v2/" + benchRepo + "/blobs/" + string(d) }}
}

// started starts a program that ends with the test, and waits for the address that it says.
func started(t *testing.T, out string, address *regexp.Regexp, cmd *exec.Cmd) (addr string, pid int) {
	t.Helper()
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // nginx's workers end with it
		_ = cmd.Wait()
	})
	for range 200 {
		text, _ := os.ReadFile(out)
		if m := address.FindSubmatch(text); m != nil {
			return string(m[1]), cmd.Process.Pid
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(out)
	t.Fatalf("%v did not say that it listens:\n%s", cmd.Args, text)
	return "", 0
}

// serveNginx starts nginx over the blobs of a mirror, as it is configured by default but for what
// helps it: sendfile and tcp_nopush, a worker a core, and connections without end.
func serveNginx(t *testing.T, mirror string) served {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed (Debian: apt-get install nginx-light)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := l.Addr().String(), t.TempDir()
	l.Close() // nginx cannot choose one itself
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // or it may not read the test's directory
	}
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`%[4]s daemon off; worker_processes auto; pid %[1]s/pid; error_log %[1]s/error;
events { worker_connections 2048; }
http { sendfile on; tcp_nopush on; access_log %[1]s/access; keepalive_requests 1000000000; default_type application/octet-stream;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; root %[3]s; } }
`, dir, addr, filepath.Join(mirror, "oci", "blobs", "sha256"), user))
	cmd := exec.Command(program, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	s := served{"nginx", addr, cmd.Process.Pid, func(d oci.Digest) string { return "/" + strings.TrimPrefix(string(d), "sha256:") }}
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return s
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "error"))
	t.Fatalf("nginx does not listen:\n%s", text)
	return s
}

// serveRegistry starts docker-registry with the same blobs in it.
func serveRegistry(t *testing.T, mirror string, blobs []oci.Digest) served {
	t.Helper()
	r := startDebian(t)
	c := &kregistry.Client{Fetch: &fetch.Client{Transport: fetch.NewTransport(fetch.Options{})}, Endpoints: map[string]string{outside: r.url()}}
	for _, d := range blobs {
		name := filepath.Join(mirror, "oci", "blobs", "sha256", strings.TrimPrefix(string(d), "sha256:"))
		info, err := os.Stat(name)
		if err == nil {
			_, err = c.PutBlob(t.Context(), kregistry.Ref{Host: outside, Repository: benchRepo}, kregistry.Blob{Digest: d, Size: info.Size(),
				Open: func() (io.ReadCloser, error) { return os.Open(name) }}, "", 1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return served{"docker-registry", r.addr, r.pid, func(d oci.Digest) string { return "/v2/" + benchRepo + "/blobs/" + string(d) }}
}

// measure lets the clients of a load ask for a while. An answer that is not whole is an error.
func (s served) measure(l load, long time.Duration) (speed, error) {
	var stalled []io.Closer
	defer func() {
		for _, conn := range stalled {
			_ = conn.Close()
		}
	}()
	for range l.slow {
		conn, err := s.stall(l.stalled)
		if err != nil {
			return speed{}, err
		}
		stalled = append(stalled, conn)
	}
	for before, used := time.Duration(-1), time.Duration(0); l.slow > 0 && used != before; { // until they have filled their buffers
		time.Sleep(200 * time.Millisecond)
		before, used = used, processorTime(s.pid)
	}
	var n atomic.Int64 // bytes
	var wg sync.WaitGroup
	errs := make([]error, l.clients)
	begun, used := time.Now(), processorTime(s.pid)
	for i := range l.clients {
		wg.Go(func() {
			c, err := s.dial()
			if err != nil {
				errs[i] = err
				return
			}
			defer c.conn.Close()
			for k := i; time.Since(begun) < long; k++ {
				if errs[i] = c.get(s.path(l.digests[k%len(l.digests)]), &n); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	answers := float64(n.Load()) / float64(l.size)
	return speed{answers / time.Since(begun).Seconds(), time.Duration(float64(processorTime(s.pid)-used) / answers)}, errors.Join(errs...)
}

// processorTime is that of a process and of its children so far: proc(5), fields 4, 14 and 15 of
// /proc/PID/stat, in ticks of 10 ms.
func processorTime(pid int) (sum time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name, which may hold spaces
		f := strings.Fields(rest)
		if len(f) < 13 || filepath.Base(filepath.Dir(name)) != strconv.Itoa(pid) && f[1] != strconv.Itoa(pid) {
			continue
		}
		for _, ticks := range f[11:13] {
			n, _ := strconv.Atoi(ticks)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// stall asks for a blob and does not read the answer.
func (s served) stall(d oci.Digest) (net.Conn, error) {
	few := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10) })
	}}
	conn, err := few.Dial("tcp", s.addr)
	if err == nil {
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", s.path(d))
	}
	return conn, err
}

func (s served) get(d oci.Digest, n *atomic.Int64) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.conn.Close()
	return c.get(s.path(d), n)
}

// A client is a connection that asks again and again, and costs little beside the server.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func (s served) dial() (*client, error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 256<<10)}, nil
}

// get asks for a path, and counts the bytes of its body as they come.
func (c *client) get(path string, n *atomic.Int64) error {
	c.out = fmt.Appendf(c.out[:0], "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	left := -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("%s: %s", path, line)
		}
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if left, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if left < 0 {
		return fmt.Errorf("%s: no Content-Length", path)
	}
	for left > 0 {
		k, err := c.in.Discard(min(left, 256<<10))
		if left -= k; n != nil {
			n.Add(int64(k))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
