package rootfs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
)

// Limits of what is read of one image. The largest of a release, conformance,
// has some 300 MB compressed and under 1 GB unpacked.
const (
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

// FS is what some programs of an image are in the end, layer after layer. [New]
// makes one; it is used by one goroutine.
type FS struct {
	watched map[string]bool            // base names of programs
	nodes   map[string]*File           // watched names and links, by path without a leading slash
	below   map[string]map[string]bool // of every directory above one of nodes, the names in it that lead there
	hidden  map[string]bool            // paths that this layer takes away
	layer   int
	entries int
	left    int64 // bytes that may still be unpacked
	work    int64 // see maxWork; counted down
	ctx     context.Context
}

// File is what stands at a path: a link, a plain file with its hashes, or something else.
type File struct {
	layer          int
	Link           string // target of a symbolic link
	Kind           string // what it is, if neither a link nor a plain file, such as "a directory"
	SHA256, SHA512 string // of a plain file, in hex
}

// New begins an image. Of the files that the layers hold, those with the base name
// of one of programs are hashed. Reading ends with ctx.
func New(ctx context.Context, programs []string) *FS {
	r := &FS{watched: map[string]bool{}, nodes: map[string]*File{}, below: map[string]map[string]bool{}, left: maxUnpacked, work: maxWork, ctx: ctx}
	for _, p := range programs {
		r.watched[path.Base(p)] = true
	}
	return r
}

// A LayerError says why a layer cannot be read, or not in one way only.
type LayerError struct{ Why string }

func (e *LayerError) Error() string { return e.Why }

func layerErrorf(format string, args ...any) error { return &LayerError{fmt.Sprintf(format, args...)} }

// A DiffIDError reports a layer that unpacks to other bytes than the image's config says.
type DiffIDError struct{ Want, Got oci.Digest }

func (e *DiffIDError) Error() string {
	return fmt.Sprintf("a layer unpacks to other bytes than the config says (expected %.100s, found %.100s)", e.Want, e.Got)
}

// ErrLimit is returned for an image that costs more than the limits of this package.
var ErrLimit = errors.New("it unpacks to more than is read")

const whiteout, opaque = ".wh.", ".wh..wh..opq"

// spend counts work down.
func (r *FS) spend(n int) error {
	if r.work -= int64(n) + 1; r.work < 0 {
		return ErrLimit
	}
	return nil
}

// put sets what stands at a path.
func (r *FS) put(name string, n *File) {
	n.layer = r.layer
	r.nodes[name] = n
	for at := name; at != "."; {
		dir, base := path.Dir(at), path.Base(at)
		in := r.below[dir]
		if in[base] {
			return
		}
		if in == nil {
			in = map[string]bool{}
			r.below[dir] = in
		}
		in[base] = true
		at = dir
	}
}

// remove takes away what layers below the given one have put at a path and
// under it.
func (r *FS) remove(name string, below int) error {
	if n := r.nodes[name]; n != nil && n.layer < below {
		delete(r.nodes, name)
	}
	_, err := r.clear(name, below)
	return err
}

// clear takes away what layers below the given one have put under a directory, and
// says whether anything is left there. It looks at nothing else.
func (r *FS) clear(dir string, below int) (left bool, err error) {
	in := r.below[dir]
	for base := range in {
		name := path.Join(dir, base)
		if err := r.spend(len(name)); err != nil {
			return true, err
		}
		n := r.nodes[name]
		if n != nil && n.layer < below {
			delete(r.nodes, name)
			n = nil
		}
		under, err := r.clear(name, below)
		if err != nil {
			return true, err
		}
		if n == nil && !under {
			delete(in, base)
		}
	}
	if len(in) == 0 {
		delete(r.below, dir)
	}
	return len(in) > 0, nil
}

// hide is a whiteout: it takes away what lower layers have put.
func (r *FS) hide(dir, base string) error {
	if base == opaque {
		if dir = strings.TrimSuffix(dir, "/"); dir == "" {
			dir = "."
		}
		_, err := r.clear(dir, r.layer)
		return err
	}
	if strings.HasPrefix(base, whiteout+whiteout) {
		return nil // a storage driver's own notes
	}
	name := path.Join(dir, strings.TrimPrefix(base, whiteout))
	if n := r.nodes[name]; n != nil && n.layer == r.layer {
		return layerErrorf("%.200q stands in a layer that takes it away too", "/"+name)
	}
	if r.watched[path.Base(name)] {
		r.hidden[name] = true
	}
	return r.remove(name, r.layer)
}
