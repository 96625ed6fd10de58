package container

import (
	"context"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
)

// readStore reads a content store of containerd's, which has no list: its images are
// the indexes and manifests to which no index in it points. Their names lie in a data
// base elsewhere, which is not read.
func (c *Container) readStore(ctx context.Context, d *folder) error {
	names, err := d.list(blobsFolder)
	if err != nil {
		return err
	}
	var roots []registry.Descriptor
	below := map[string]bool{}
	for _, name := range names {
		if len(name) != 64 {
			continue // no digest names it
		}
		e, err := d.find(blobsFolder + "/" + name)
		if err != nil {
			return err
		}
		if e == nil || e.size > maxJSON {
			continue
		}
		text, err := e.peek(ctx)
		if err != nil {
			return err
		}
		mediaType, err := mediaTypeOf(text)
		if err != nil {
			continue
		}
		roots = append(roots, registry.Descriptor{MediaType: mediaType, Digest: oci.FromHex(name), Size: e.size})
		if index, _, err := registry.ParseManifest(mediaType, text); err == nil && index != nil {
			for _, m := range index.Manifests {
				below[string(m.Digest)] = true
			}
		}
	}
	t := newTree(c, inBlobs)
	for _, root := range roots {
		if below[string(root.Digest)] {
			continue
		}
		if err := t.add(ctx, blobsFolder, root, nil); err != nil {
			return err
		}
	}
	return nil
}

// peek reads what may be a document, and holds nothing of it.
func (e *entry) peek(ctx context.Context) ([]byte, error) {
	first, err := e.first(ctx, 64)
	if err != nil || !looksLikeJSON(first) {
		return nil, err
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
