// Package rootfs finds what some programs of an image are, once all of its layers
// are laid over one another. Layers stream through: of everything else it remembers
// symbolic links alone, which may lead to a program. The rules of layers are those
// of the OCI image specification, layer.md.
//
// A layer that two readers could understand differently is refused, and work is
// counted, so that a hostile layer costs what the limits say and no more.
package rootfs

import (
	"archive/tar"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/pkg/oci"
)

// counted counts what is unpacked, under the image's limit.
type counted struct {
	r    io.Reader
	left *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if *c.left -= int64(n); *c.left < 0 {
		return n, ErrLimit
	}
	return n, err
}

// packed are the bytes of a layer as they come. An error of their reader is told
// apart from one of the unpacker.
type packed struct {
	io.Reader
	err error
}

func (p *packed) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}

// failed makes an unpacker's error one of the layer. Errors of the layer's reader, and
// those of the limits, stay what they are.
func (p *packed) failed(err error) error {
	if errors.Is(err, ErrLimit) || p.err != nil && errors.Is(err, p.err) {
		return err
	}
	return layerErrorf("it cannot be unpacked: %v", err)
}

// Add reads the next layer from its compressed bytes to their end, and compares the
// SHA-256 of what they unpack to with diffID, of the image's config.
//
// The errors are those of compressed, [*LayerError], [*DiffIDError], and ones that
// wrap [ErrLimit] or the context's.
func (r *FS) Add(compressed io.Reader, mediaType string, diffID oci.Digest) error {
	r.layer++
	r.hidden = map[string]bool{}
	in := &packed{Reader: compressed}
	raw, err := layer.Decompress(in, mediaType)
	if errors.Is(err, layer.ErrType) {
		return layerErrorf("a layer of the type %.80q, which nothing here unpacks", mediaType)
	}
	if err != nil {
		return in.failed(err)
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
			return in.failed(err)
		}
		if r.entries++; r.entries > maxUnpackedFiles {
			return ErrLimit
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.entry(h, t, in); err != nil {
			return err
		}
	}
	// What follows the archive's end is zeros, or two readers might differ.
	buf := make([]byte, 32<<10)
	for {
		n, err := content.Read(buf)
		if strings.Trim(string(buf[:n]), "\x00") != "" {
			return layerErrorf("something follows the end of its archive")
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return in.failed(err)
		}
	}
	// The rest of the compressed bytes, so that they are hashed as well.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if got := oci.FromHash(sum); got != diffID {
		return &DiffIDError{diffID, got}
	}
	return nil
}

func (r *FS) entry(h *tar.Header, content io.Reader, in *packed) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // it makes no file, and its name is none
	}
	if len(h.Name) > maxPath || len(h.Linkname) > maxPath || strings.Count(h.Name, "/") > maxDeep {
		return layerErrorf("a name of more than %d bytes or %d parts, %.60q", maxPath, maxDeep, h.Name)
	}
	if climbs(h.Name) {
		return layerErrorf("a name that climbs, %.100q", h.Name)
	}
	for key := range h.PAXRecords {
		// Notes of Linux' overlay file system to itself, such as that a directory's
		// content lies elsewhere.
		if strings.HasPrefix(key, "SCHILY.xattr.trusted.overlay.") || strings.HasPrefix(key, "SCHILY.xattr.user.overlay.") {
			return layerErrorf("%.200q has %.80q, which changes how layers are joined", h.Name, key)
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
		return layerErrorf("%.200q appears twice in one layer", "/"+name)
	}
	if h.Typeflag == tar.TypeDir {
		if old != nil {
			delete(r.nodes, name)
		}
		if r.watched[base] {
			r.put(name, &File{Kind: "a directory"})
		}
		return nil
	}
	if err := r.remove(name, r.layer+1); err != nil {
		return err
	}
	switch {
	case h.Typeflag == tar.TypeSymlink:
		r.put(name, &File{Link: h.Linkname})
	case h.Typeflag == tar.TypeLink && !r.watched[base]:
		return r.hardLink(name, h.Linkname)
	case !r.watched[base]:
	case h.Typeflag == tar.TypeReg:
		if h.Size > maxProgram {
			return ErrLimit
		}
		a, b := sha256.New(), sha512.New()
		if _, err := io.Copy(io.MultiWriter(a, b), content); err != nil {
			return in.failed(err)
		}
		r.put(name, &File{SHA256: hex.EncodeToString(a.Sum(nil)), SHA512: hex.EncodeToString(b.Sum(nil))})
	case h.Typeflag == tar.TypeLink:
		r.put(name, &File{Kind: "a hard link"})
	default:
		r.put(name, &File{Kind: "a special file"})
	}
	return nil
}

func climbs(name string) bool { return slices.Contains(strings.Split(name, "/"), "..") }

// hardLink is another name of what is there: of a symbolic link, a second one.
func (r *FS) hardLink(name, to string) error {
	if climbs(to) {
		return layerErrorf("a link to a name that climbs, %.100q", to)
	}
	dir, base := path.Split(strings.TrimPrefix(path.Clean("/"+to), "/"))
	dir, err := r.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return err
	}
	if n := r.nodes[path.Join(dir, base)]; n != nil && n.Link != "" {
		r.put(name, &File{Link: n.Link})
	}
	return nil
}

// resolve follows the symbolic links on the way to a directory.
func (r *FS) resolve(dir string) (string, error) {
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
		if n == nil || n.Link == "" {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", layerErrorf("more than %d links on the way to %.200q", maxLinks, "/"+dir)
		}
		if strings.HasPrefix(n.Link, "/") {
			at = ""
		}
		rest = append(strings.Split(n.Link, "/"), rest...)
	}
	return at, nil
}

// At returns what stands at an absolute path in the end; nil if nothing does.
func (r *FS) At(name string) (*File, error) {
	dir, base := path.Split(strings.TrimPrefix(name, "/"))
	dir, err := r.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return nil, err
	}
	return r.nodes[path.Join(dir, base)], nil
}
