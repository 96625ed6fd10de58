package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// bigFile makes one file of a world's release as large as real ones are:
// every document that names it gets its new digests, and what is signed is
// signed anew.
func bigFile(w *world.World, version, path string, size int, seed uint64) []byte {
	old := w.File(world.FileURL(version, path))
	body := make([]byte, size)
	var key [32]byte
	key[0] = byte(seed)
	_, _ = rand.NewChaCha8(key).Read(body)
	sums := func(b []byte) [3]string {
		a, c, d := sha1.Sum(b), sha256.Sum256(b), sha512.Sum512(b)
		return [3]string{hex.EncodeToString(a[:]), hex.EncodeToString(c[:]), hex.EncodeToString(d[:])}
	}
	before, after := sums(old), sums(body)
	for _, url := range []string{
		world.FileURL(version, "SHA256SUMS"), world.FileURL(version, "SHA512SUMS"), world.FileURL(version, "provenance.json"),
		world.SBOMURL(version), world.ChangelogURL(version),
	} {
		text := w.File(url)
		for i := range before {
			text = bytes.ReplaceAll(text, []byte(before[i]), []byte(after[i]))
		}
		w.PutFile(url, text)
	}
	w.PutDocument(world.FileURL(version, path), body)
	w.SignFile(world.FileURL(version, path), world.Signing{})
	w.SignFile(world.SBOMURL(version), world.Signing{})
	return body
}

// line is the way from the program to a world: a proxy that a real process
// takes by its environment, with a speed and a counter.
type line struct {
	env   []string
	bytes atomic.Int64 // towards the program
	rate  atomic.Int64 // bytes a second; 0 is free
}

// newLine serves a world over TLS and stands before it.
func newLine(t testing.TB, w *world.World) *line {
	t.Helper()
	s, err := w.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l := &line{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	proxy := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		up, err := net.Dial("tcp", s.Addr)
		if err != nil || r.Method != http.MethodConnect {
			http.Error(rw, "only CONNECT", http.StatusBadGateway)
			return
		}
		down, buf, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			_ = up.Close()
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		wg.Go(func() { _, _ = io.Copy(up, buf); _ = up.Close() })
		l.carry(down, up)
		_, _ = down.Close(), up.Close()
	})}
	wg.Go(func() { _ = proxy.Serve(listener) })
	t.Cleanup(func() { _ = proxy.Close(); s.Close(); wg.Wait() })
	dir := t.TempDir()
	ca, root := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "root.json")
	for name, text := range map[string][]byte{ca: world.CAPEM(), root: w.TrustedRootJSON()} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.env = append(os.Environ(), "HTTPS_PROXY=http://"+listener.Addr().String(), "NO_PROXY=", "SSL_CERT_FILE="+ca, "SSL_CERT_DIR="+dir, "KVERIFY_TRUSTED_ROOT="+root)
	return l
}

func (l *line) carry(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		piece := buf
		rate := l.rate.Load()
		if rate > 0 {
			piece = buf[:16<<10]
		}
		n, err := from.Read(piece)
		if rate > 0 {
			time.Sleep(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
		}
		if _, e := to.Write(piece[:n]); e != nil || err != nil {
			return
		}
		l.bytes.Add(int64(n))
	}
}

// program is the command line of a real process at the end of the line.
func (l *line) program(args ...string) *exec.Cmd {
	cmd := exec.Command("kverify", args...)
	cmd.Env = l.env
	return cmd
}
