package registry

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// CacheBytes caps a cache: some ten thousand references with their
	// signatures and configs.
	CacheBytes = 256 << 20

	// maxCached is the largest entry: a manifest, and the lines before it.
	maxCached = ordinary + 8<<10

	// staleTemp is when a private file was left behind by a run that died.
	staleTemp = time.Hour
	// touchAfter spares writing the time of use anew at each use.
	touchAfter = 24 * time.Hour

	cacheMagic = "kverify cache 1"
)

// Cache keeps on disk what has been read by digest: blobs, manifests, and
// signature manifests by the digest that they sign. It holds bytes and never a
// verdict, and whatever comes out of it is hashed first and [fetch.Carried].
// Tags are never kept: they are what a run must ask for.
//
// Several runs may share a directory. An entry is written under a private name
// and renamed; links are never followed. Every failure of the disk is a miss.
type Cache struct {
	dir   string
	limit int64

	mu    sync.Mutex
	root  *os.Root // opened at the first use
	bytes int64    // as far as this run knows; negative: not counted yet
}

// NewCache makes a cache in a directory, which is made once there is something
// to keep. A limit of zero bytes is [CacheBytes].
func NewCache(dir string, limit int64) *Cache {
	if limit <= 0 {
		limit = CacheBytes
	}
	return &Cache{dir: dir, limit: limit, bytes: -1}
}

// signatureTag is how cosign names the signatures of a digest
// (sigstore/cosign, specs/SIGNATURE_SPEC.md).
var signatureTag = lazyregexp.New(`^sha256-[0-9a-f]{64}\.sig$`)

// cacheKey names what may be kept, and is empty for what may not: a tag. It
// has the place in it, so that a stand-in never speaks for the registry.
func cacheKey(at location, ref Ref) string {
	if ref.Digest == "" && !signatureTag().MatchString(ref.Tag) {
		return ""
	}
	return "manifest " + at.base + ref.identifier()
}

func blobKey(at location, digest oci.Digest) string { return "blob " + at.base + string(digest) }

// cacheFile is where an entry lies: a line each of cacheMagic, the key, the
// media type and the digest, and then the bytes.
func cacheFile(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return name[:2] + "/" + name
}

// open returns the directory, or nil if there is none.
func (c *Cache) open(mkdir bool) *os.Root {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.root == nil {
		if mkdir {
			_ = os.MkdirAll(c.dir, 0o700) // what it could not make cannot be opened
		}
		c.root, _ = fetch.OpenDir(c.dir)
	}
	return c.root
}

// get returns what is kept under key, if its bytes are what they were when they
// were kept. What is not is removed.
func (c *Cache) get(key string) (mediaType string, body []byte, ok bool) {
	if c == nil || key == "" {
		return "", nil, false
	}
	root := c.open(false)
	if root == nil {
		return "", nil, false
	}
	name := cacheFile(key)
	content, err := fetch.ReadRegular(root, name, maxCached)
	if err != nil {
		return "", nil, false
	}
	rest, ok := bytes.CutPrefix(content, []byte(cacheMagic+"\n"+key+"\n"))
	if ok {
		var media, digest []byte
		media, rest, _ = bytes.Cut(rest, []byte("\n"))
		digest, rest, ok = bytes.Cut(rest, []byte("\n"))
		mediaType, body = string(media), rest
		ok = ok && oci.Digest(digest) == oci.DigestOf(body)
	}
	if !ok {
		_ = root.Remove(name)
		return "", nil, false
	}
	now := time.Now()
	if info, err := root.Lstat(name); err == nil && now.Sub(info.ModTime()) > touchAfter {
		_ = root.Chtimes(name, now, now) // the least recently used goes first
	}
	return mediaType, body, true
}

// put keeps bytes under what they were found by. It never fails: a cache that
// cannot be written to only keeps nothing.
func (c *Cache) put(key, mediaType string, body []byte) {
	if c == nil || key == "" || len(body) > ordinary {
		return
	}
	root := c.open(true)
	if root == nil {
		return
	}
	name := cacheFile(key)
	dir := path.Dir(name)
	_ = root.Mkdir(dir, 0o700) // it may be there
	if info, err := root.Lstat(dir); err != nil || !info.IsDir() {
		return
	}
	f, err := fetch.Create(root, name, 0o600)
	if err != nil {
		return
	}
	f.Quick = true // not synced: after a crash the hash tells
	head := strings.Join([]string{cacheMagic, key, mediaType, string(oci.DigestOf(body)), ""}, "\n")
	if _, err := f.Write(append([]byte(head), body...)); err != nil {
		_ = f.Discard()
		return
	}
	if f.Commit() != nil {
		return
	}
	c.grow(root, int64(len(head)+len(body)))
}

// grow counts what was added, and makes room when the cap is passed.
func (c *Cache) grow(root *os.Root, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes >= 0 {
		if c.bytes += n; c.bytes <= c.limit {
			return
		}
	}
	c.bytes = evict(root, c.limit)
}

// evict counts what is there. Above the limit the least recently used entries
// go until a tenth of the room is free.
func evict(root *os.Root, limit int64) (total int64) {
	type file struct {
		name string
		size int64
		used time.Time
	}
	var files []file
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // another run may remove what this one counts
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // gone already
		}
		if strings.HasPrefix(e.Name(), ".") {
			if time.Since(info.ModTime()) > staleTemp && strings.Contains(name, "/") {
				_ = root.Remove(name)
			}
			return nil
		}
		if path.Base(name) == name || !info.Mode().IsRegular() {
			return nil // not ours
		}
		files = append(files, file{name, info.Size(), info.ModTime()})
		total += info.Size()
		return nil
	})
	if total <= limit {
		return total
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, f := range files {
		if total <= limit-limit/10 {
			break
		}
		if len(path.Base(f.name)) == 2*sha256.Size && root.Remove(f.name) == nil {
			total -= f.size
		}
	}
	return total
}

// fromCache makes a manifest of what the cache holds for ref.
func (c *Client) fromCache(cache *Cache, at location, ref Ref) *Manifest {
	media, body, ok := cache.get(cacheKey(at, ref))
	if !ok {
		return nil
	}
	m := &Manifest{Ref: ref, Digest: oci.DigestOf(body), MediaType: media, Body: body, Origin: fetch.Carried, FromCache: true, doc: &document{}}
	if ref.Digest != "" && m.Digest != ref.Digest || m.parsed().err != nil {
		return nil
	}
	return m
}
