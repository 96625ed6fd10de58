package container

import (
	"context"
	"errors"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

// allBlobs is where a store has its folders, one for each algorithm of digests.
const allBlobs = "blobs"

// root is what an image of a store may be: a manifest or an index, or what a runtime
// might take for one.
type root struct {
	e          *entry
	descriptor registry.Descriptor
	err        error // why it is none that can be judged
}

// readStore reads a content store of containerd's, which has no list: its images are
// the indexes and manifests to which no index in it points. Their names lie in a data
// base elsewhere, which is not read and may name anything that lies here: so what
// containerd could read as one, and this package could not, is a copy too, and malformed.
func (c *Container) readStore(ctx context.Context, d *folder) error {
	folders, err := d.list(allBlobs)
	if err != nil {
		return err
	}
	var roots []root
	below := map[oci.Digest]bool{}
	for _, algorithm := range folders {
		at := allBlobs + "/" + algorithm
		isFolder, err := d.isFolder(at)
		if err != nil {
			return err
		}
		if !isFolder {
			continue // a file beside them, which no digest names
		}
		found, err := rootsIn(ctx, d, at, below)
		if err != nil {
			return err
		}
		roots = append(roots, found...)
	}
	t := newTree(c, inBlobs)
	for _, r := range roots {
		switch {
		case below[r.descriptor.Digest]:
			continue
		case r.err != nil:
			err = c.add(blobsFolder, nil, r.e.name, sight.Node{Blob: r.e.blob(r.descriptor, false), Err: r.err}, 1)
		default:
			err = t.add(ctx, blobsFolder, r.descriptor, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rootsIn finds what may be an image in one folder, and what lies below an index of it.
// Only an index whose bytes are those of its name is above anything: it cannot be below
// itself, and so is judged with all that it names.
func rootsIn(ctx context.Context, d *folder, at string, below map[oci.Digest]bool) ([]root, error) {
	names, err := d.list(at)
	if err != nil {
		return nil, err
	}
	var roots []root
	for _, name := range names {
		if at == blobsFolder && len(name) != 64 {
			continue // no digest names it
		}
		e, err := d.find(at + "/" + name)
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		if is, err := e.mayBeManifest(ctx); err != nil {
			return nil, err
		} else if !is {
			continue
		}
		r := root{e: e, descriptor: registry.Descriptor{Size: e.size}}
		if at != blobsFolder {
			r.err = e.malformed(errors.New("it is a manifest that no SHA-256 names, and Kubernetes publishes none"))
			roots = append(roots, r)
			continue
		}
		r.descriptor.Digest = oci.FromHex(name)
		text, err := e.peek(ctx)
		if err != nil {
			return nil, err
		}
		if text == nil {
			r.err = e.tooLarge()
		} else if r.descriptor.MediaType, err = mediaTypeOf(text); err != nil {
			r.err = e.malformed(err)
		} else if index, _, err := registry.ParseManifest(r.descriptor.MediaType, text); err == nil && index != nil && oci.DigestOf(text) == r.descriptor.Digest {
			for _, m := range index.Manifests {
				below[m.Digest] = true
			}
		}
		roots = append(roots, r)
	}
	return roots, nil
}

func (e *entry) mayBeManifest(ctx context.Context) (bool, error) {
	f, err := e.open()
	if err != nil {
		return false, e.unread(err)
	}
	defer f.Close()
	is, err := isManifest(&steady{ctx: ctx, r: f})
	if err != nil {
		return false, e.unread(err)
	}
	return is, nil
}

// peek reads a document, and holds nothing of it. It is nil of one that is too large.
func (e *entry) peek(ctx context.Context) ([]byte, error) {
	if e.size > maxJSON {
		return nil, nil
	}
	f, err := e.open()
	if err != nil {
		return nil, e.unread(err)
	}
	defer f.Close()
	text, err := bounds.Read(&steady{ctx: ctx, r: f}, maxJSON)
	if err != nil {
		return nil, e.unread(err)
	}
	return text, nil
}
