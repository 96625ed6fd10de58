//go:build unix

package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// plantPart lays down half of a file as an earlier run would have left it.
func plantPart(t *testing.T, dir string, body []byte, etag string) (part string) {
	t.Helper()
	part = filepath.Join(dir, ".f.kverify-part")
	state := fmt.Sprintf(`{"url":"http://files.test/f","etag":%q,"length":%d}`, etag, len(body))
	for name, text := range map[string][]byte{part: body[:len(body)/2], part + ".json": []byte(state)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return part
}

// TestPartsOfOthersAreNotUsed: a part that another user owns, or that has a
// second name, is neither gone on with nor written to: a new file takes its
// name, and whoever holds the old one cannot change what was hashed.
func TestPartsOfOthersAreNotUsed(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir, part string) (other string){
		"a second name": func(t *testing.T, dir, part string) string {
			if err := os.Link(part, filepath.Join(dir, "precious")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "precious")
		},
		"another owner": func(t *testing.T, _, part string) string {
			if err := os.Chown(part, 12345, 12345); err != nil {
				t.Skip("it needs to be root")
			}
			return ""
		},
		"another owner's state": func(t *testing.T, _, part string) string {
			if err := os.Chown(part+".json", 12345, 12345); err != nil {
				t.Skip("it needs to be root")
			}
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := dirRoot(t)
			s := newFile(t, 3<<20)
			part := plantPart(t, dir, s.body, s.etag)
			other := change(t, dir, part)
			held, err := os.OpenFile(part, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			p, err := save(t, s, root, "f", nil)
			if err != nil {
				t.Fatal(err)
			}
			if p.Resumed != 0 || s.asked[0] != "" {
				t.Errorf("it was gone on with: %d bytes, %q", p.Resumed, s.asked)
			}
			if err := p.Commit(0o755); err != nil {
				t.Fatal(err)
			}
			if name != "another owner's state" {
				_, _ = held.WriteAt([]byte("evil"), 0)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || !bytes.Equal(got, s.body) {
				t.Errorf("%v, or other bytes than were hashed", err)
			}
			info, err := os.Lstat(filepath.Join(dir, "f"))
			if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() || info.Sys().(*syscall.Stat_t).Nlink != 1 {
				t.Errorf("%v %v", info, err)
			}
			if other != "" {
				if got, err := os.ReadFile(other); err != nil || len(got) != len(s.body)/2 {
					t.Errorf("the file of the other name was written to: %d bytes, %v", len(got), err)
				}
			}
		})
	}
}

// TestWhatIsOnDiskIsHashed: what changes on disk after it was hashed on its way
// never gets the name, whoever changed it.
func TestWhatIsOnDiskIsHashed(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, part string){
		"a byte": func(t *testing.T, part string) {
			f, err := os.OpenFile(part, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("evil"), 1<<20); err != nil {
				t.Fatal(err)
			}
		},
		"its name": func(t *testing.T, part string) {
			if err := os.Rename(part, part+".moved"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(part, make([]byte, 3<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"a second name": func(t *testing.T, part string) {
			if err := os.Link(part, part+".link"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := dirRoot(t)
			p, err := save(t, newFile(t, 3<<20), root, "f", nil)
			if err != nil {
				t.Fatal(err)
			}
			change(t, filepath.Join(dir, ".f.kverify-part"))
			err = p.Commit(0o755)
			if _, there := os.Lstat(filepath.Join(dir, "f")); err == nil || !errors.Is(there, fs.ErrNotExist) {
				t.Errorf("it got its name: %v", err)
			}
		})
	}
}

// TestStateThatCannotBeSent: a line break in what a state file says of the file
// costs nothing but that word.
func TestStateThatCannotBeSent(t *testing.T) {
	for _, etag := range []string{"\"a\nb\"", "\"a\r\nX-Evil: 1\"", "\x7f", "\x00"} {
		root, dir := dirRoot(t)
		s := newFile(t, 3<<20)
		plantPart(t, dir, s.body, etag)
		p, err := save(t, s, root, "f", nil)
		if err != nil {
			t.Errorf("%q: %v", etag, err)
			continue
		}
		isBody(t, p, s.body)
	}
}

// TestOnlyWholeAnswersAreDocuments: a status that brings no document, or
// another's version of it, is not an answer, and nothing is held against anybody.
func TestOnlyWholeAnswersAreDocuments(t *testing.T) {
	for _, status := range []int{201, 202, 203, 204, 205, 206, 207, 208, 226, 299} {
		s := &fileServer{body: []byte("x"), first: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(status)
			return true
		}}
		c, url := through(t, s)
		_, err := c.Get(t.Context(), url, 100)
		if !fetch.Is(err, fetch.BadStatus) {
			t.Errorf("Get, %d: %v", status, err)
		}
		stream, err := c.Open(t.Context(), fetch.Request{URL: url})
		if !fetch.Is(err, fetch.BadStatus) {
			t.Errorf("Open, %d: %v, %v", status, stream, err)
		}
		root, _ := dirRoot(t)
		if _, err := save(t, s, root, "f", nil); !fetch.Is(err, fetch.BadStatus) {
			t.Errorf("Save, %d: %v", status, err)
		}
		if _, err := c.Do(t.Context(), fetch.Request{Method: http.MethodPut, URL: url, Body: []byte("x")}); status != 206 && err != nil {
			t.Errorf("a PUT takes %d: %v", status, err)
		}
	}
}

// TestHashing ends with its context, and has a cap.
func TestHashing(t *testing.T) {
	root, dir := dirRoot(t)
	for name, size := range map[string]int64{"large": 3 << 30, "too-large": fetch.MaxFile + 1, "small": 3} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := fetch.HashFile(ctx, root, "large", nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	if _, err := fetch.HashFile(t.Context(), root, "too-large", nil); !errors.Is(err, fetch.ErrTooBig) {
		t.Error(err)
	}
	if err := os.Link(filepath.Join(dir, "small"), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch.HashOwn(t.Context(), root, "small", nil); !errors.Is(err, fetch.ErrNotAlone) {
		t.Error(err)
	}
	if _, err := fetch.HashFile(t.Context(), root, "small", nil); err != nil {
		t.Error(err)
	}
}

// TestOpeningDoesNotWait: nothing that is not a file holds whoever opens it.
func TestOpeningDoesNotWait(t *testing.T) {
	root, dir := dirRoot(t)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	within := func(name string, limit time.Duration, open func() error) {
		t.Helper()
		begun := time.Now()
		err := open()
		if err == nil || time.Since(begun) > limit {
			t.Errorf("%s: %v after %v", name, err, time.Since(begun))
		}
	}
	within("OpenDir", time.Second, func() error { _, err := fetch.OpenDir(pipe); return err })
	within("OpenDir of nothing", time.Second, func() error { _, err := fetch.OpenDir(""); return err })
	within("OpenRegular", time.Second, func() error { _, err := fetch.OpenRegular(root, "pipe"); return err })
	within("OpenOutput", 4*time.Second, func() error { _, err := fetch.OpenOutput(pipe); return err })
	for _, path := range []string{pipe, dir, "/dev/zero", "/dev/null"} {
		within("OpenFile "+path, time.Second, func() error { _, err := fetch.OpenFile(path); return err })
		within("ReadFile "+path, time.Second, func() error { _, err := fetch.ReadFile(path, 10); return err })
		within("ReadInput "+path, 4*time.Second, func() error { _, err := fetch.ReadInput(t.Context(), path, 10); return err })
	}
	silent, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	within("a silent pipe", 2*time.Second, func() error { _, err := fetch.ReadInput(ctx, pipe, 10); return err })
	if _, err := silent.WriteString("0123456789ab"); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch.ReadInput(t.Context(), pipe, 10); !errors.Is(err, fetch.ErrTooBig) {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit, good := range map[int64]bool{9: false, 10: true, 11: true} {
		text, err := fetch.ReadInput(t.Context(), file, limit)
		if (err == nil) != good || good && len(text) != 10 {
			t.Errorf("limit %d: %q, %v", limit, text, err)
		}
	}
}
