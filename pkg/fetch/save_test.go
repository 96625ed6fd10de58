//go:build unix

package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// fileServer serves one body with an ETag, through whatever a test puts before it.
type fileServer struct {
	body  []byte
	etag  string
	asked []string // Range of each request
	first func(w http.ResponseWriter, r *http.Request, n int) bool
	n     atomic.Int32
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r.Header.Get("Range"))
	if s.etag != "" {
		w.Header().Set("ETag", s.etag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if s.first != nil && s.first(w, r, int(s.n.Add(1))) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.body))
}

func newFile(t *testing.T, size int) *fileServer {
	body := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
	return &fileServer{body: body, etag: `"one"`}
}

// save asks a server for a file, with a transport that gives up soon.
func save(t *testing.T, s http.Handler, root *os.Root, name string, change func(*fetch.SaveRequest)) (*fetch.Part, error) {
	t.Helper()
	c, url := through(t, s)
	r := fetch.SaveRequest{URL: url, Root: root, Name: name, Attempts: 3, Wait: time.Millisecond}
	if change != nil {
		change(&r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := c.Save(ctx, r)
	if p != nil {
		t.Cleanup(func() { _ = p.Close() })
	}
	return p, err
}

// through serves a handler on loopback, as http://files.test/f.
func through(t *testing.T, s http.Handler) (*fetch.Client, string) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	base, err := fetch.ParseEndpoint(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := fetch.NewTransport(fetch.Options{StallTimeout: 300 * time.Millisecond})
	return &fetch.Client{Transport: &fetch.Endpoints{Next: transport, Hosts: map[string]*url.URL{"files.test": base}}}, "http://files.test/f"
}

func dirRoot(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

func isBody(t *testing.T, p *fetch.Part, body []byte) {
	t.Helper()
	sum := sha512.Sum512(body)
	if p.SHA512 != hex.EncodeToString(sum[:]) || p.Size != int64(len(body)) {
		t.Errorf("%d bytes of sha512 %.12s, want %d of %x", p.Size, p.SHA512, len(body), sum[:6])
	}
}

func TestSaveGivesNoNameByItself(t *testing.T) {
	root, dir := dirRoot(t)
	s := newFile(t, 3<<20)
	p, err := save(t, s, root, "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	isBody(t, p, s.body)
	if _, err := os.Lstat(filepath.Join(dir, "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it has its name already")
	}
	info, err := os.Lstat(filepath.Join(dir, ".f.kverify-part"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the part is %v, %v", info, err)
	}
	if err := p.Commit(0o755); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	if err != nil || !bytes.Equal(got, s.body) {
		t.Errorf("%v, or other bytes", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestSaveGoesOn(t *testing.T) {
	// Every answer breaks off after a third.
	s := newFile(t, 3<<20)
	s.first = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 2 {
			return false
		}
		http.ServeContent(&cutter{ResponseWriter: w, left: 1 << 20}, r, "", time.Time{}, bytes.NewReader(s.body))
		return true
	}
	root, _ := dirRoot(t)
	p, err := save(t, s, root, "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	isBody(t, p, s.body)
	if len(s.asked) != 3 || s.asked[0] != "" || !strings.HasPrefix(s.asked[1], "bytes=") || p.Resumed != 0 {
		t.Errorf("asked %q, resumed %d", s.asked, p.Resumed)
	}
}

// cutter aborts the connection after some bytes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	_, _ = c.ResponseWriter.Write(b[:n])
	if c.left -= n; c.left == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestSaveHashesAgainWhatIsThere(t *testing.T) {
	s := newFile(t, 2<<20)
	s.first = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 {
			return false
		}
		http.ServeContent(&cutter{ResponseWriter: w, left: 1 << 20}, r, "", time.Time{}, bytes.NewReader(s.body))
		return true
	}
	once := func(r *fetch.SaveRequest) { r.Attempts = 1 }
	for name, tt := range map[string]struct {
		between func(part string)
		resumed bool
		good    bool
	}{
		"untouched":       {func(string) {}, true, true},
		"changed on disk": {func(p string) { patch(t, p, 1000, 'x') }, true, false},
		"no state":        {func(p string) { _ = os.Remove(p + ".json") }, false, true},
		"ETag changed":    {func(string) { s.etag = `"two"`; s.body[0]++ }, false, true},
		"length changed":  {func(string) { s.etag = ""; s.body = append(s.body, 1) }, false, true},
		"state is a link": {func(p string) { _ = os.Remove(p + ".json"); _ = os.Symlink("/etc/passwd", p+".json") }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			fresh := newFile(t, 2<<20)
			s.body, s.etag, s.asked = fresh.body, fresh.etag, nil
			s.n.Store(0)
			root, dir := dirRoot(t)
			if _, err := save(t, s, root, "f", once); !fetch.Is(err, fetch.Truncated) {
				t.Fatalf("%v", err)
			}
			part := filepath.Join(dir, ".f.kverify-part")
			if info, err := os.Stat(part); err != nil || info.Size() == 0 {
				t.Fatalf("nothing was kept: %v", err)
			}
			tt.between(part)
			p, err := save(t, s, root, "f", nil)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha512.Sum512(s.body)
			if good := p.SHA512 == hex.EncodeToString(sum[:]); good != tt.good || (p.Resumed > 0) != tt.resumed {
				t.Errorf("good %v, resumed %d; asked %q", good, p.Resumed, s.asked)
			}
		})
	}
}

func patch(t *testing.T, name string, at int64, b byte) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{b, b, b}, at)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestSaveFromAHostileServer(t *testing.T) {
	body := newFile(t, 1<<20).body
	half := func(t *testing.T, dir string) {
		state := fmt.Sprintf(`{"url":"http://files.test/f","etag":"\"one\"","length":%d}`, len(body))
		for suffix, text := range map[string][]byte{"": body[:len(body)/2], ".json": []byte(state)} {
			if err := os.WriteFile(filepath.Join(dir, ".f.kverify-part"+suffix), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		kind  fetch.Kind
		good  bool // the right bytes come in the end
		half  bool // half of it is there already
	}{
		{name: "an endless body", kind: fetch.TooLarge, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			for {
				if _, err := w.Write(body); err != nil {
					return
				}
			}
		}},
		{name: "a length beyond the cap", kind: fetch.TooLarge, serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99999999999") }},
		{name: "fewer bytes than announced", kind: fetch.Truncated, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2000000")
			_, _ = w.Write(body)
		}},
		{name: "gzip that nobody asked for", kind: fetch.NotDocument, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("\x1f\x8b\x08bomb"))
		}},
		{name: "a redirect to a file", kind: fetch.BadRedirect, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		}},
		{name: "a login page by another type", kind: fetch.NotDocument, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write([]byte("<!DOCTYPE html><title>Sign in</title>"))
		}},
		{name: "a storage error with status 200, in small pieces", kind: fetch.NotDocument, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			for _, b := range []byte("<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>") {
				_, _ = w.Write([]byte{b})
				_ = http.NewResponseController(w).Flush()
			}
		}},
		{name: "a slow drip", kind: fetch.Unreachable, serve: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", "1000000")
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}},
		{name: "a part without being asked", kind: fetch.BadStatus, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.WriteHeader(206)
		}},
		{name: "a range of another place", half: true, good: true, serve: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("ETag", `"one"`)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(body)-1, len(body)))
				w.WriteHeader(206)
				_, _ = w.Write(body[7:])
				return
			}
			_, _ = w.Write(body)
		}},
		{name: "a range of another file", half: true, good: true, serve: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"two"`) // and no regard for If-Range
			if strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", len(body)/2, len(body)-1, len(body)))
				w.WriteHeader(206)
				return
			}
			_, _ = w.Write(body)
		}},
		{name: "no ranges at all", half: true, good: true, serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }},
		{name: "a range beyond the end", half: true, good: true, serve: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(416)
				return
			}
			_, _ = w.Write(body)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, dir := dirRoot(t)
			if tt.half {
				half(t, dir)
			}
			p, err := save(t, tt.serve, root, "f", func(r *fetch.SaveRequest) { r.Attempts, r.Limit = 2, 8<<20 })
			if tt.good {
				if err != nil {
					t.Fatal(err)
				}
				isBody(t, p, body)
				return
			}
			if !fetch.Is(err, tt.kind) {
				t.Errorf("%v, want %s", err, tt.kind)
			}
			if _, err := os.Lstat(filepath.Join(dir, "f")); err == nil {
				t.Error("something has the final name")
			}
		})
	}
}

func TestSaveWhereSomethingWaits(t *testing.T) {
	s := newFile(t, 1000)
	for name, set := range map[string]func(dir string) error{
		"a link as the part":      func(d string) error { return os.Symlink("/etc/passwd", filepath.Join(d, ".f.kverify-part")) },
		"a link inside as part":   func(d string) error { return os.Symlink("victim", filepath.Join(d, ".f.kverify-part")) },
		"a pipe as the part":      func(d string) error { return syscall.Mkfifo(filepath.Join(d, ".f.kverify-part"), 0o600) },
		"a directory as the part": func(d string) error { return os.Mkdir(filepath.Join(d, ".f.kverify-part"), 0o700) },
		"a link as the file":      func(d string) error { return os.Symlink("/etc/passwd", filepath.Join(d, "f")) },
		"a pipe as the file":      func(d string) error { return syscall.Mkfifo(filepath.Join(d, "f"), 0o600) },
		"a directory as the file": func(d string) error { return os.Mkdir(filepath.Join(d, "f"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := dirRoot(t)
			victim := filepath.Join(dir, "victim")
			if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), set(dir)); err != nil {
				t.Fatal(err)
			}
			_, err := save(t, s, root, "f", nil)
			if !errors.Is(err, fetch.ErrNotRegular) {
				t.Errorf("%v", err)
			}
			if got, _ := os.ReadFile(victim); string(got) != "mine" {
				t.Error("the link was followed")
			}
		})
	}
	t.Run("another run", func(t *testing.T) {
		root, _ := dirRoot(t)
		if _, err := save(t, s, root, "f", nil); err != nil { // still open
			t.Fatal(err)
		}
		if _, err := save(t, s, root, "f", nil); !errors.Is(err, fetch.ErrBusy) {
			t.Errorf("%v", err)
		}
	})
}

func TestNamesThatNoFileMayHave(t *testing.T) {
	root, dir := dirRoot(t)
	for _, name := range []string{"", ".", "..", "../f", "a/../../f", "/etc/passwd", "a//b", `a\b`, "c:f", "con", "NUL.txt", "aux.exe", "com1", "Lpt9.tar.gz", ".hidden", "f.", "f ", "f\n", strings.Repeat("f", 300)} {
		if _, err := save(t, newFile(t, 10), root, name, nil); err == nil || fetch.CheckName(name) == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	for _, name := range []string{"kubectl", "bin/linux/amd64/kubectl.exe", "console", "com", "kubernetes-client-linux-amd64.tar.gz"} {
		if err := fetch.CheckName(name); err != nil {
			t.Error(err)
		}
	}
}
