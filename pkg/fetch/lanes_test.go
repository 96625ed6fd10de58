//go:build unix

package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/world/longline"
	"github.com/kverify/kverify/pkg/fetch"
)

const mega = 1 << 20

// far is a publisher's server of one file behind a long line, and a client before it.
type far struct {
	line   *longline.Line
	client *fetch.Client
	body   []byte
	sum    string
	ranges atomic.Int32 // requests with an end
	sent   atomic.Int64 // bytes of bodies that were written
}

// newFar serves size bytes; change, if not nil, answers in place of the server if it returns true.
func newFar(t *testing.T, l *longline.Line, size int, h2 bool, change func(f *far, w http.ResponseWriter, r *http.Request) bool) *far {
	t.Helper()
	f := &far{line: l, body: make([]byte, size)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(f.body)
	sum := sha256.Sum256(f.body)
	f.sum = hex.EncodeToString(sum[:])
	n := newInternet(t, h2, []string{"dl.k8s.io", "cdn.dl.k8s.io", "foreign.example"}, func(w http.ResponseWriter, r *http.Request) {
		if span := r.Header.Get("Range"); span != "" && !strings.HasSuffix(span, "-") {
			f.ranges.Add(1)
		}
		if change == nil || !change(f, w, r) {
			f.serve(w, r, f.body)
		}
	})
	o := n.options()
	o.Dial = l.Dial(n.tls.Listener.Addr().String())
	f.client = &fetch.Client{Transport: &fetch.Retry{Wait: time.Millisecond, Next: &fetch.Limiter{Next: fetch.NewTransport(o)}}}
	return f
}

// serve answers as a storage server does.
func (f *far) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(counting{w, &f.sent}, r, "", time.Time{}, bytes.NewReader(body))
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// save fetches the file once.
func (f *far) save(t *testing.T, dir *os.Root, change func(*fetch.SaveRequest)) (*fetch.Part, error) {
	t.Helper()
	r := fetch.SaveRequest{URL: "https://dl.k8s.io/f", Root: dir, Name: "f", Wait: time.Millisecond}
	if change != nil {
		change(&r)
	}
	return f.client.Save(t.Context(), r)
}

// right saves the file and holds that it is.
func (f *far) right(t *testing.T) *fetch.Part {
	t.Helper()
	root, _ := dirRoot(t)
	p, err := f.save(t, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Discard() })
	if p.SHA256 != f.sum || p.Size != int64(len(f.body)) {
		t.Fatalf("%d bytes of %s", p.Size, p.SHA256)
	}
	if left, err := os.ReadDir(root.Name()); err != nil || len(left) != 2 {
		t.Errorf("%v %v: want the part and its state", left, err)
	}
	return p
}

// limited is a line on which a second connection brings as much as the first.
func limited() *longline.Line { return &longline.Line{RTT: 5 * time.Millisecond, Each: 8e6} }

// TestRanges holds that a file comes over more connections where each is bounded by
// itself, never over more than twelve, and is whole and published.
func TestRanges(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("h2=%v", h2), func(t *testing.T) {
			t.Parallel()
			f := newFar(t, limited(), 64*mega, h2, nil)
			begun := time.Now()
			p := f.right(t)
			t.Logf("%.1f MB/s over %d connections, %d ranges", float64(p.Size)/time.Since(begun).Seconds()/1e6, f.line.Connections.Load(), f.ranges.Load())
			if !p.Joined || p.Origin != fetch.Published {
				t.Errorf("joined %v, %v", p.Joined, p.Origin)
			}
			if n := f.line.Peak.Load(); n < 2 || n > 12 {
				t.Errorf("%d connections at once", n)
			}
			if extra := f.sent.Load() - int64(len(f.body)); extra > 16*mega {
				t.Errorf("%d bytes were sent that nobody needs", extra)
			}
		})
	}
}

// TestFilesSideBySide holds that files are spread over connections, and small ones are not.
func TestFilesSideBySide(t *testing.T) {
	t.Parallel()
	f := newFar(t, limited(), 2*mega, true, nil)
	for _, c := range []struct {
		limit int64
		most  int64
	}{{mega, 1}, {0, 12}} {
		root, _ := dirRoot(t)
		par.Map(t.Context(), 24, 8, func(ctx context.Context, i int) {
			p, err := f.client.Save(ctx, fetch.SaveRequest{URL: "https://dl.k8s.io/f", Root: root, Name: fmt.Sprint(i), Limit: c.limit})
			if c.limit > 0 {
				if !fetch.Is(err, fetch.TooLarge) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || p.SHA256 != f.sum {
				t.Error(err)
				return
			}
			_ = p.Discard()
		}, nil)
		if n := f.line.Peak.Load(); n > c.most || c.most > 1 && n < 6 {
			t.Errorf("limit %d: %d connections at once", c.limit, n)
		}
	}
	if n := f.ranges.Load(); n != 0 {
		t.Errorf("%d ranges of files that have two megabytes", n)
	}
}

// TestWithoutRanges holds that only one answer is asked for where a file could be another the
// next time, or the server does not know ranges; and where only one connection is to be had.
func TestWithoutRanges(t *testing.T) {
	without := func(name, value string) func(*far, http.ResponseWriter, *http.Request) bool {
		return func(f *far, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("ETag", `"1"`)
			w.Header().Set(name, value)
			w.Header().Set("Content-Length", fmt.Sprint(len(f.body)))
			_, _ = counting{w, &f.sent}.Write(f.body)
			return true
		}
	}
	for what, change := range map[string]func(*far, http.ResponseWriter, *http.Request) bool{
		"weak validator": without("ETag", `W/"1"`),
		"no validator":   without("ETag", ""),
		"no ranges":      without("Accept-Ranges", "none"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFar(t, limited(), 24*mega, true, change)
			if p := f.right(t); p.Joined || f.ranges.Load() != 0 || f.line.Connections.Load() != 1 {
				t.Errorf("joined %v, %d ranges, %d connections", p.Joined, f.ranges.Load(), f.line.Connections.Load())
			}
		})
	}
}

// TestDamagedRanges holds that a range which is wrong as far as an answer can tell costs
// itself, or the ranges, and never the file.
func TestDamagedRanges(t *testing.T) {
	isRange := func(r *http.Request) bool {
		span := r.Header.Get("Range")
		return span != "" && !strings.HasSuffix(span, "-")
	}
	var cut atomic.Bool
	for what, c := range map[string]struct {
		extra  int64 // bytes that may be sent once more
		change func(f *far, w http.ResponseWriter, r *http.Request) bool
	}{
		"one is cut": {12 * mega, func(f *far, w http.ResponseWriter, r *http.Request) bool {
			if !isRange(r) || !cut.CompareAndSwap(false, true) {
				return false
			}
			f.serve(short{w, new(int)}, r, f.body)
			return true
		}},
		"the whole in place of a range": {40 * mega, func(f *far, w http.ResponseWriter, r *http.Request) bool {
			if isRange(r) {
				r.Header.Del("Range")
			}
			return false
		}},
		"another range": {40 * mega, func(f *far, w http.ResponseWriter, r *http.Request) bool {
			if isRange(r) {
				r.Header.Set("Range", "bytes=0-2097151")
			}
			return false
		}},
		"another file": {40 * mega, func(f *far, w http.ResponseWriter, r *http.Request) bool {
			if !isRange(r) {
				return false
			}
			r.Header.Del("If-Range")
			w = renamed{w}
			f.serve(w, r, make([]byte, len(f.body)))
			return true
		}},
		"too many requests": {40 * mega, func(f *far, w http.ResponseWriter, r *http.Request) bool {
			if isRange(r) {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return isRange(r)
		}},
		"forbidden": {40 * mega, func(f *far, w http.ResponseWriter, r *http.Request) bool {
			if isRange(r) {
				w.WriteHeader(http.StatusForbidden)
			}
			return isRange(r)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFar(t, limited(), 32*mega, true, c.change)
			f.right(t)
			if f.ranges.Load() == 0 {
				t.Error("there were no ranges")
			}
			if extra := f.sent.Load() - int64(len(f.body)); extra > c.extra {
				t.Errorf("%d bytes were sent that nobody needs", extra)
			}
		})
	}
}

// short breaks off after a megabyte.
type short struct {
	http.ResponseWriter
	sent *int
}

func (s short) Write(p []byte) (int, error) {
	if *s.sent += len(p); *s.sent > mega {
		panic(http.ErrAbortHandler)
	}
	return s.ResponseWriter.Write(p)
}

// renamed is of a server that has another file by now.
type renamed struct{ http.ResponseWriter }

func (r renamed) WriteHeader(status int) {
	r.Header().Set("ETag", `"2"`)
	r.ResponseWriter.WriteHeader(status)
}

// TestForgedRange holds that bytes which only their hash can tell are told by it, that the
// part says how it came, and that a fresh one is whole and comes in one answer.
func TestForgedRange(t *testing.T) {
	t.Parallel()
	f := newFar(t, limited(), 32*mega, true, func(f *far, w http.ResponseWriter, r *http.Request) bool {
		if span := r.Header.Get("Range"); span == "" || strings.HasSuffix(span, "-") {
			return false
		}
		forged := bytes.Clone(f.body)
		for i := range forged {
			forged[i] ^= 1
		}
		f.serve(w, r, forged)
		return true
	})
	root, _ := dirRoot(t)
	p, err := f.save(t, root, nil)
	if err != nil || p.SHA256 == f.sum || !p.Joined {
		t.Fatalf("%+v %v", p, err)
	}
	_ = p.Discard()
	asked := f.ranges.Load()
	p, err = f.save(t, root, func(r *fetch.SaveRequest) { r.Fresh = true })
	if err != nil || p.SHA256 != f.sum || p.Joined || f.ranges.Load() != asked {
		t.Errorf("%+v %v", p, err)
	}
	_ = p.Discard()
}

// TestRangesFromElsewhere holds that a range which did not come from a publisher leaves the whole carried.
func TestRangesFromElsewhere(t *testing.T) {
	t.Parallel()
	f := newFar(t, limited(), 32*mega, true, func(f *far, w http.ResponseWriter, r *http.Request) bool {
		if span := r.Header.Get("Range"); span == "" || strings.HasSuffix(span, "-") || r.Host == "foreign.example" {
			return false
		}
		http.Redirect(w, r, "https://foreign.example/f", http.StatusFound)
		return true
	})
	if p := f.right(t); !p.Joined || p.Origin != fetch.Carried {
		t.Errorf("joined %v, %v", p.Joined, p.Origin)
	}
}

// TestRangesKeepSecrets holds that what was meant for one host is not sent to the one that it led to.
func TestRangesKeepSecrets(t *testing.T) {
	t.Parallel()
	var told atomic.Bool
	f := newFar(t, limited(), 32*mega, true, func(f *far, w http.ResponseWriter, r *http.Request) bool {
		if r.Host == "dl.k8s.io" {
			http.Redirect(w, r, "https://cdn.dl.k8s.io/f", http.StatusFound)
			return true
		}
		if r.Header.Get("Authorization") != "" {
			told.Store(true)
		}
		return false
	})
	root, _ := dirRoot(t)
	p, err := f.save(t, root, func(r *fetch.SaveRequest) { r.Header = http.Header{"Authorization": {"Bearer secret"}} })
	if err != nil || p.SHA256 != f.sum || !p.Joined || p.Origin != fetch.Published || told.Load() {
		t.Errorf("%+v %v, told %v", p, err, told.Load())
	}
	_ = p.Discard()
}

// TestRefusedConnections holds that a server which takes few connections is asked over those.
func TestRefusedConnections(t *testing.T) {
	for _, most := range []int{1, 3} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			l := limited()
			l.Most = most
			f := newFar(t, l, 32*mega, true, nil)
			f.right(t)
			if n := l.Peak.Load(); n != int64(most) {
				t.Errorf("%d connections at once", n)
			}
		})
	}
}

// TestRangesInterrupted holds that what is left of a file is a beginning of it, without a
// hole, and that the next run goes on from there.
func TestRangesInterrupted(t *testing.T) {
	t.Parallel()
	f := newFar(t, limited(), 48*mega, true, nil)
	root, dir := dirRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for f.ranges.Load() < 8 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := f.client.Save(ctx, fetch.SaveRequest{URL: "https://dl.k8s.io/f", Root: root, Name: "f"})
	var e *fetch.Error
	if !errors.As(err, &e) || e.Kind != fetch.Cancelled {
		t.Fatalf("%v", err)
	}
	there, err := os.ReadFile(dir + "/.f.kverify-part")
	if err != nil || len(there) == 0 || len(there) == len(f.body) || !bytes.HasPrefix(f.body, there) {
		t.Fatalf("%d bytes are no beginning of the file: %v", len(there), err)
	}
	if e.KeptBytes != int64(len(there)) {
		t.Errorf("%d bytes are kept, and %d are said to be", len(there), e.KeptBytes)
	}
	before := f.sent.Load()
	p := must(f.save(t, root, nil))(t)
	if p.SHA256 != f.sum || p.Resumed != int64(len(there)) || f.sent.Load()-before > int64(len(f.body)-len(there)+16*mega) {
		t.Errorf("resumed %d of %d, %d bytes sent", p.Resumed, len(there), f.sent.Load()-before)
	}
	_ = p.Discard()
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
