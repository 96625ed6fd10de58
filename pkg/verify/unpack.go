package verify

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sigstore"
)

// Limits of what is read of one image. The largest of a release, conformance,
// has some 300 MB compressed and under 1 GB unpacked.
const (
	maxImageBytes    = 1 << 30
	maxUnpacked      = 3 << 30
	maxUnpackedFiles = 200_000
	// maxProgram caps one program; kube-apiserver has about 120 MB.
	maxProgram = 1 << 30
	// maxPath and maxDepth cap a name: Linux takes no longer one, and the deepest of a
	// release's has 12 parts.
	maxPath, maxDeep = 4096, 256
	// maxWork caps what joining the layers of one image may take, in bytes of names
	// looked at: a genuine one takes some ten millions, one made to take long the
	// square of its entries.
	maxWork = 1 << 28
	// maxLinks is how many symbolic links are followed for one name, as Linux does.
	maxLinks = 40
)

// rootfs is what some programs of an image are in the end, layer after layer.
// Of everything else it remembers only symbolic links, which may lead to them:
// layers stream through and are not held. The rules of layers are those of the
// OCI image specification, layer.md.
type rootfs struct {
	watched map[string]bool            // base names of programs
	nodes   map[string]*node           // watched names and links, by path without a leading slash
	below   map[string]map[string]bool // of every directory above one of nodes, the names in it that lead there
	hidden  map[string]bool            // paths that this layer takes away
	layer   int
	entries int
	left    int64 // bytes that may still be unpacked
	work    int64 // see maxWork; counted down
	ctx     context.Context
}

// node is what stands at a path.
type node struct {
	layer          int
	link           string // target of a symbolic link
	kind           string // what it is, if neither a link nor a plain file
	sha256, sha512 string
}

func newRootfs(programs map[string]string) *rootfs {
	r := &rootfs{watched: map[string]bool{}, nodes: map[string]*node{}, below: map[string]map[string]bool{}, left: maxUnpacked, work: maxWork, ctx: context.Background()}
	for p := range programs {
		r.watched[path.Base(p)] = true
	}
	return r
}

// unpackError says why a layer cannot be read in one way only.
type unpackError struct{ why string }

func (e *unpackError) Error() string { return e.why }

func odd(format string, args ...any) error { return &unpackError{fmt.Sprintf(format, args...)} }

// errUnpackLimit is more than the limits above.
var errUnpackLimit = errors.New("it unpacks to more than is read")

// counted counts and hashes what is unpacked, under the image's limit.
type counted struct {
	r    io.Reader
	left *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if *c.left -= int64(n); *c.left < 0 {
		return n, errUnpackLimit
	}
	return n, err
}

// add reads the next layer from its compressed bytes to their end, and holds
// what they unpack to against diffID ("sha256:<hex>").
func (r *rootfs) add(compressed io.Reader, mediaType, diffID string) error {
	r.layer++
	r.hidden = map[string]bool{}
	raw, err := layer.Decompress(compressed, mediaType)
	if errors.Is(err, layer.ErrType) {
		return odd("a layer of the type %.80q, which nothing here unpacks", mediaType)
	}
	if err != nil {
		return asOdd(err)
	}
	defer raw.Close()
	sum := sha256.New()
	content := io.TeeReader(&counted{raw, &r.left}, sum)
	t := tar.NewReader(content)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return asOdd(err)
		}
		if r.entries++; r.entries > maxUnpackedFiles {
			return errUnpackLimit
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.entry(h, t); err != nil {
			return err
		}
	}
	// What follows the archive's end is zeros, or two readers might differ.
	buf := make([]byte, 32<<10)
	for {
		n, err := content.Read(buf)
		if strings.Trim(string(buf[:n]), "\x00") != "" {
			return odd("something follows the end of its archive")
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return asOdd(err)
		}
	}
	// The rest of the compressed bytes, so that they are hashed as well.
	if _, err := io.Copy(io.Discard, compressed); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != diffID {
		return &sigstore.MismatchError{What: "a layer unpacks to other bytes than the config says", Want: diffID, Got: got}
	}
	return nil
}

// asOdd makes an unpacker's own error one of the layer; errors of the way, and
// those of the limits, stay what they are.
func asOdd(err error) error {
	var wire *fetch.Error
	var format *registry.FormatError
	var digest *registry.DigestError
	if errors.Is(err, errUnpackLimit) || errors.As(err, &wire) || errors.As(err, &format) || errors.As(err, &digest) {
		return err
	}
	return odd("it cannot be unpacked: %v", err)
}

const whiteout, opaque = ".wh.", ".wh..wh..opq"

func (r *rootfs) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // it makes no file, and its name is none
	}
	if len(h.Name) > maxPath || len(h.Linkname) > maxPath || strings.Count(h.Name, "/") > maxDeep {
		return odd("a name of more than %d bytes or %d parts, %.60q", maxPath, maxDeep, h.Name)
	}
	if climbs(h.Name) {
		return odd("a name that climbs, %.100q", h.Name)
	}
	for key := range h.PAXRecords {
		// Notes of Linux' overlay file system to itself, such as that a directory's
		// content lies elsewhere.
		if strings.HasPrefix(key, "SCHILY.xattr.trusted.overlay.") || strings.HasPrefix(key, "SCHILY.xattr.user.overlay.") {
			return odd("%.200q has %.80q, which changes how layers are joined", h.Name, key)
		}
	}
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if name == "" {
		return nil
	}
	dir, base := path.Split(name)
	dir, err := r.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return err
	}
	name = path.Join(dir, base)
	if strings.HasPrefix(base, whiteout) {
		return r.hide(dir, base)
	}
	old := r.nodes[name]
	if r.watched[base] && (old != nil && old.layer == r.layer || r.hidden[name]) {
		return odd("%.200q stands twice in one layer", "/"+name)
	}
	if h.Typeflag == tar.TypeDir {
		if old != nil {
			delete(r.nodes, name)
		}
		if r.watched[base] {
			r.put(name, &node{kind: "a directory"})
		}
		return nil
	}
	if err := r.remove(name, r.layer+1); err != nil {
		return err
	}
	switch {
	case h.Typeflag == tar.TypeSymlink:
		r.put(name, &node{link: h.Linkname})
	case h.Typeflag == tar.TypeLink && !r.watched[base]:
		return r.hardLink(name, h.Linkname)
	case !r.watched[base]:
	case h.Typeflag == tar.TypeReg:
		if h.Size > maxProgram {
			return errUnpackLimit
		}
		a, b := sha256.New(), sha512.New()
		if _, err := io.Copy(io.MultiWriter(a, b), content); err != nil {
			return asOdd(err)
		}
		r.put(name, &node{sha256: hex.EncodeToString(a.Sum(nil)), sha512: hex.EncodeToString(b.Sum(nil))})
	case h.Typeflag == tar.TypeLink:
		r.put(name, &node{kind: "a hard link"})
	default:
		r.put(name, &node{kind: "a special file"})
	}
	return nil
}

func climbs(name string) bool { return slices.Contains(strings.Split(name, "/"), "..") }

// hardLink is another name of what is there: of a symbolic link, a second one.
func (r *rootfs) hardLink(name, to string) error {
	if climbs(to) {
		return odd("a link to a name that climbs, %.100q", to)
	}
	dir, base := path.Split(strings.TrimPrefix(path.Clean("/"+to), "/"))
	dir, err := r.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return err
	}
	if n := r.nodes[path.Join(dir, base)]; n != nil && n.link != "" {
		r.put(name, &node{link: n.link})
	}
	return nil
}

// resolve follows the symbolic links on the way to a directory.
func (r *rootfs) resolve(dir string) (string, error) {
	rest := strings.Split(dir, "/")
	at, links := "", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at = path.Dir(at); at == "." {
				at = ""
			}
			continue
		}
		next := path.Join(at, part)
		if err := r.spend(len(next)); err != nil {
			return "", err
		}
		n := r.nodes[next]
		if n == nil || n.link == "" {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", odd("more than %d links on the way to %.200q", maxLinks, "/"+dir)
		}
		if strings.HasPrefix(n.link, "/") {
			at = ""
		}
		rest = append(strings.Split(n.link, "/"), rest...)
	}
	return at, nil
}

// at returns what stands at an absolute path in the end; nil if nothing does.
func (r *rootfs) at(name string) (*node, error) {
	dir, base := path.Split(strings.TrimPrefix(name, "/"))
	dir, err := r.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return nil, err
	}
	return r.nodes[path.Join(dir, base)], nil
}
