package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manyReaders is how many nodes a served mirror must stand at once.
const manyReaders = 1400

// TestMemoryOfServing has 1,400 clients read large files of one served mirror, each as slowly as it
// can, all at once: the server stays within 256 MiB, answers who comes besides, and
// what the slow ones get in the end is what its digest says.
func TestMemoryOfServing(t *testing.T) {
	slowMemory(t)
	program, err := exec.LookPath("kverify")
	if err != nil {
		t.Fatal(err)
	}
	const files, size = 8, 24<<20 + 17
	dir := filepath.Join(t.TempDir(), "mirror")
	sums := listedFiles(t, dir, files, size)
	s, err := startServer(program, ".", append(os.Environ(), "GOMEMLIMIT="), "mirror", "serve", dir, "--listen", "127.0.0.1:0", "--verify", "off", "--access-log", "none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.over })
	address := strings.TrimPrefix(s.base, "http://")
	readers := make([]*slowReader, manyReaders)
	var wg sync.WaitGroup
	turns := make(chan struct{}, 64)
	for i := range readers {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			r, err := openSlowly(t, address, fmt.Sprintf("/dl.k8s.io/release/v1.27.2/file-%d", i%files))
			if err != nil {
				t.Errorf("reader %d: %v", i, err)
				return
			}
			readers[i] = r
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for round := range 5 { // a little of each, so that all stand in the middle of a body
		for _, r := range readers {
			wg.Go(func() { _ = r.read(64<<10 + int64(round)) })
		}
		wg.Wait()
	}
	resp, err := http.Get(s.base + "/healthz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("who comes besides is not answered: %v", err)
	}
	_ = resp.Body.Close()
	for i := range 40 { // and those who wait longest get all of it
		wg.Go(func() {
			r := readers[i*manyReaders/40]
			if err := r.read(-1); err != nil || r.sum() != sums[i*manyReaders/40%files] {
				t.Errorf("reader %d: %v, sha256 %s", i, err, r.sum())
			}
		})
	}
	wg.Wait()
	most := highestOf(t, s.cmd.Process.Pid)
	t.Logf("%d readers: %d MiB", manyReaders, most>>20)
	if most > mostMemory {
		t.Errorf("%d MiB, more than %d", most>>20, mostMemory>>20)
	}
	for _, r := range readers {
		_ = r.conn.Close()
	}
}

// listedFiles makes a mirror of random files, and gives their sha256.
func listedFiles(t *testing.T, dir string, n, size int) (sums []string) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{9})
	put := func(name string, body []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var list []string
	for i := range n {
		body := make([]byte, size)
		_, _ = random.Read(body)
		sum := sha256.Sum256(body)
		sums = append(sums, hex.EncodeToString(sum[:]))
		name := fmt.Sprintf("dl.k8s.io/release/v1.27.2/file-%d", i)
		put("files/"+name, body)
		list = append(list, fmt.Sprintf(`{"url":"https://%s","sha256":%q,"size":%d}`, name, sums[i], size))
	}
	put("oci/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	put("oci/index.json", []byte(`{"schemaVersion":2,"manifests":[]}`))
	put("MANIFEST.json", []byte(`{"schemaVersion":1,"files":[`+strings.Join(list, ",")+`],"images":[]}`))
	return sums
}

// slowReader is a client that takes little ahead of what it reads.
type slowReader struct {
	conn net.Conn
	body io.Reader
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func openSlowly(t *testing.T, address, path string) (*slowReader, error) {
	dialer := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10) })
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: mirror\r\n\r\n", path); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<10), nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return &slowReader{conn: conn, body: resp.Body, hash: sha256.New()}, nil
}

// read reads n bytes more, or with a negative number all.
func (r *slowReader) read(n int64) (err error) {
	_ = r.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if n < 0 {
		_, err = io.Copy(r.hash, r.body)
	} else {
		_, err = io.CopyN(r.hash, r.body, n)
	}
	return err
}

func (r *slowReader) sum() string { return hex.EncodeToString(r.hash.Sum(nil)) }

// highestOf is the most that a running process has held.
func highestOf(t *testing.T, pid int) (n int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
