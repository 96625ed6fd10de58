package registry

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

func entryPath(dir, key string) string { return filepath.Join(dir, filepath.FromSlash(cacheFile(key))) }

// TestCacheEntries holds that what comes out is what was put in, and otherwise nothing: not by a
// caller's check alone.
func TestCacheEntries(t *testing.T) {
	body := []byte("one\ntwo\n")
	for name, tt := range map[string]struct {
		attack  func(t *testing.T, file string)
		want    bool
		removed bool
	}{
		"as it was": {func(*testing.T, string) {}, true, false},
		"a byte":    {func(t *testing.T, f string) { b := read(t, f); b[len(b)-1]++; write(t, f, b) }, false, true},
		"cut":       {func(t *testing.T, f string) { b := read(t, f); write(t, f, b[:len(b)-1]) }, false, true},
		"another digest": {func(t *testing.T, f string) {
			write(t, f, bytes.Replace(read(t, f), []byte(oci.DigestOf(body)), []byte(oci.DigestOf(nil)), 1))
		}, false, true},
		"another key":    {func(t *testing.T, f string) { write(t, f, bytes.Replace(read(t, f), []byte("key"), []byte("kez"), 1)) }, false, true},
		"another magic":  {func(t *testing.T, f string) { write(t, f, bytes.Replace(read(t, f), []byte("1\n"), []byte("2\n"), 1)) }, false, true},
		"no digest":      {func(t *testing.T, f string) { write(t, f, []byte(cacheMagic+"\nkey\ntype\n")) }, false, true},
		"a head alone":   {func(t *testing.T, f string) { write(t, f, []byte(cacheMagic+"\nkey\n")) }, false, true},
		"a digest alone": {func(t *testing.T, f string) { write(t, f, []byte(cacheMagic+"\nkey\ntype\n"+oci.DigestOf(nil))) }, false, true},
		"link": {func(t *testing.T, f string) {
			aside := filepath.Join(t.TempDir(), "aside")
			write(t, aside, read(t, f))
			must(t, os.Remove(f))
			must(t, os.Symlink(aside, f))
		}, false, false},
		"absent": {func(t *testing.T, f string) { must(t, os.Remove(f)) }, false, false},
	} {
		dir := t.TempDir()
		c := NewCache(dir, 0)
		c.put("key", "type", body)
		file := entryPath(dir, "key")
		tt.attack(t, file)
		_, before := os.Lstat(file)
		media, got, ok := c.get("key")
		if ok != tt.want || ok && (media != "type" || !bytes.Equal(got, body)) || !ok && (media != "" || got != nil) {
			t.Errorf("%s: %q %q %v", name, media, got, ok)
		}
		if _, after := os.Lstat(file); (before == nil && after != nil) != tt.removed {
			t.Errorf("%s: removed: %v, want %v", name, after != nil, tt.removed)
		}
	}
}

// TestCacheThatKeepsNothing holds what is never kept, and that a look-up makes no directory.
func TestCacheThatKeepsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := NewCache(dir, 0)
	if c.limit != CacheBytes || NewCache(dir, 1).limit != 1 || NewCache(dir, -1).limit != CacheBytes {
		t.Error("the limit is another than was asked for")
	}
	var none *Cache
	none.put("key", "", nil)
	for _, c := range []*Cache{c, none} {
		for _, key := range []string{"", "key"} {
			if media, body, ok := c.get(key); ok || media != "" || body != nil {
				t.Errorf("%q: %q %q", key, media, body)
			}
		}
	}
	c.put("", "", []byte("x"))
	c.put("large", "", make([]byte, ordinary+1))
	if _, err := os.Lstat(dir); err == nil {
		t.Error("a directory was made for nothing")
	}
	c.put("largest", "", make([]byte, ordinary))
	if _, body, ok := c.get("largest"); !ok || len(body) != ordinary {
		t.Error("the largest entry was not kept")
	}
	// What stands in the way is left there.
	blocked := filepath.Dir(entryPath(dir, "blocked"))
	write(t, blocked, []byte("not ours"))
	c.put("blocked", "", []byte("x"))
	must(t, os.Remove(blocked))
	aside := filepath.Join(dir, "aside")
	must(t, os.Mkdir(aside, 0o700))
	must(t, os.Symlink("aside", blocked))
	c.put("blocked", "", []byte("x"))
	if list, err := os.ReadDir(aside); err != nil || len(list) > 0 {
		t.Errorf("written through a link: %v %v", list, err)
	}
	// Who writes an entry of no name into the directory gives no tag its bytes.
	must(t, os.MkdirAll(filepath.Dir(entryPath(dir, "")), 0o700))
	write(t, entryPath(dir, ""), []byte(cacheMagic+"\n\ntype\n"+string(oci.DigestOf([]byte("x")))+"\nx"))
	if _, body, ok := c.get(""); ok {
		t.Errorf("what has no name has %q", body)
	}
	must(t, c.open(false).Close())
	c.put("late", "", []byte("x"))
	if _, _, ok := c.get("late"); ok {
		t.Error("kept in a directory that is not open")
	}
	if m := mode(t, entryPath(dir, "largest")); m != 0o600 {
		t.Errorf("an entry has the mode %o", m)
	}
}

func mode(t *testing.T, file string) os.FileMode {
	t.Helper()
	info, err := os.Stat(file)
	must(t, err)
	return info.Mode().Perm()
}

// TestCacheRemembersUse holds that use is noted, once a day, so that what is used stays.
func TestCacheRemembersUse(t *testing.T) {
	dir := t.TempDir()
	c := NewCache(dir, 0)
	c.put("key", "", []byte("x"))
	for age, touched := range map[time.Duration]bool{23 * time.Hour: false, 25 * time.Hour: true} {
		was := time.Now().Add(-age)
		must(t, os.Chtimes(entryPath(dir, "key"), was, was))
		c.get("key")
		info, err := os.Stat(entryPath(dir, "key"))
		must(t, err)
		if got := time.Since(info.ModTime()) < time.Hour; got != touched {
			t.Errorf("used after %s: noted: %v", age, got)
		}
	}
}

// TestEvict holds what goes when room is made: entries alone, the least recently used first, down
// to nine tenths; and what a run that died left behind.
func TestEvict(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("aa/%064d", i) }
	for _, tt := range []struct {
		name  string
		limit int64
		left  string // of entries 0 to 9, which have 100 bytes each; 9 is the oldest, 0 and 1 are of one age
		total int64
	}{
		{"within", 1000, "0123456789", 1000},
		{"to nine tenths exactly", 999, "012345678", 900},
		{"to less than nine tenths", 990, "01234567", 800},
		{"all", 0, "", 0},
		{"equal ages by name", 199, "1", 100},
	} {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, "aa"), 0o700))
		now := time.Now()
		for i := range 10 {
			file := filepath.Join(dir, filepath.FromSlash(name(i)))
			write(t, file, make([]byte, 100))
			used := now.Add(-time.Duration(max(1, i)) * time.Minute)
			must(t, os.Chtimes(file, used, used))
		}
		root, err := os.OpenRoot(dir)
		must(t, err)
		total := evict(root, tt.limit)
		_ = root.Close()
		left := ""
		for i := range 10 {
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name(i)))); err == nil {
				left += fmt.Sprint(i)
			}
		}
		if left != tt.left || total != tt.total {
			t.Errorf("%s: %q, %d bytes; want %q, %d", tt.name, left, total, tt.left, tt.total)
		}
		if again := evict(root, 0); again != 0 {
			t.Errorf("a directory that cannot be read has %d bytes", again)
		}
	}
}

// What is not an entry is neither counted at the top nor removed; a private file is removed once
// no run can be writing it.
func TestEvictLeavesWhatIsNotAnEntry(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"aa", "aa/.d"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	files := map[string]struct {
		age  time.Duration
		left bool
	}{
		".old-at-the-top": {2 * time.Hour, true}, "top": {2 * time.Hour, true}, strings.Repeat("a", 64): {2 * time.Hour, true},
		"aa/.old": {staleTemp + time.Minute, false}, "aa/.new": {staleTemp - time.Minute, true}, "aa/short": {2 * time.Hour, true},
		"aa/" + strings.Repeat("b", 64): {time.Minute, false},
	}
	for name, f := range files {
		write(t, filepath.Join(dir, name), make([]byte, 100))
		was := time.Now().Add(-f.age)
		must(t, os.Chtimes(filepath.Join(dir, name), was, was))
	}
	must(t, os.Symlink("b", filepath.Join(dir, "aa", strings.Repeat("c", 64))))
	was := time.Now().Add(-2 * staleTemp)
	must(t, os.Chtimes(filepath.Join(dir, "aa", ".d"), was, was))
	defer func() {
		if _, err := os.Stat(filepath.Join(dir, "aa", ".d")); err != nil {
			t.Error("a directory was taken for a private file")
		}
	}()
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	if total := evict(root, 0); total != 100 { // aa/short
		t.Errorf("%d bytes left", total)
	}
	for name, f := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != f.left {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "aa", strings.Repeat("c", 64))); err != nil {
		t.Error("a link was taken for an entry")
	}
}

// The cap holds by what is written alone, of this run and of earlier ones.
func TestCacheMakesRoomByItself(t *testing.T) {
	dir := t.TempDir()
	const limit, one = 20 << 10, 1 << 10
	for range 3 {
		c := NewCache(dir, limit)
		for i := range 30 {
			c.put(fmt.Sprintf("blob %d", i), "", make([]byte, one))
			size, n := int64(0), 0
			files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
			for _, f := range files {
				info, err := os.Stat(f)
				must(t, err)
				size, n = size+info.Size(), n+1
			}
			if size > limit || i >= 20 && n < 14 {
				t.Fatalf("after %d: %d entries of %d bytes, limit %d", i, n, size, limit)
			}
		}
	}
}

// Whoever writes into the cache's directory gives an entry any bytes, with their right digest in
// its head: what was asked for by digest is compared with that.
func TestCacheEntriesOfAnotherDigest(t *testing.T) {
	body := signatureManifest(1)
	other := signatureManifest(2)
	h := signed(&body)
	c := client(h)
	c.Cache = NewCache(t.TempDir(), 0)
	at, err := c.locate("registry.k8s.io", "pause")
	must(t, err)
	ref := Ref{Host: "registry.k8s.io", Repository: "pause", Digest: oci.DigestOf(body)}
	c.Cache.put(cacheKey(at, ref), OCIManifest, other)
	if m, err := c.Manifest(t.Context(), ref); err != nil || m.FromCache || !bytes.Equal(m.Body, body) || len(h.asked) != 1 {
		t.Errorf("%+v %v", m, err)
	}
	tag := Ref{Host: "registry.k8s.io", Repository: "pause", Tag: sigTag}
	c.Cache.put(cacheKey(at, tag), OCIManifest, []byte("no manifest"))
	if m, err := c.Manifest(t.Context(), tag); err != nil || m.FromCache || len(h.asked) != 2 {
		t.Errorf("%+v %v", m, err)
	}
	blob := Ref{Host: "registry.k8s.io", Repository: "pause", Digest: oci.DigestOf([]byte("blob"))}
	h.handlers["https://registry.k8s.io"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("blob")) })
	c.Cache.put(blobKey(at, blob.Digest), "", []byte("blab"))
	if b, err := c.Blob(t.Context(), blob, 10); err != nil || string(b) != "blob" || len(h.asked) != 3 {
		t.Errorf("%q %v", b, err)
	}
	// What was fetched took its place, and serves the next run, within its limit.
	next := client(h)
	next.Cache = c.Cache
	for range 2 {
		if b, err := next.Blob(t.Context(), blob, 4); err != nil || string(b) != "blob" || len(h.asked) != 3 {
			t.Errorf("%q %v, asked %q", b, err, h.asked)
		}
		must(t, os.RemoveAll(entryPath(next.Cache.dir, blobKey(at, blob.Digest)))) // and what was read stays in memory
	}
	next.Cache.put(blobKey(at, blob.Digest), "", []byte("blob"))
	last := client(h)
	last.Cache = c.Cache
	if _, err := last.Blob(t.Context(), blob, 3); !fetch.Is(err, fetch.TooLarge) {
		t.Error(err)
	}
}
