// Package archive writes a mirror into one tar file, whole or without what the
// other side of a gap has already.
package archive

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// Base is what the other side of a gap has already: another mirror, or only its
// MANIFEST.json.
type Base struct {
	dir      *mirror.Mirror
	manifest *layout.Listing
	digest   oci.Digest // of its MANIFEST.json; empty if that cannot be read
}

// OpenBase opens a mirror, or reads a MANIFEST.json. The error wraps
// [ErrNotMirror] if it is neither.
func OpenBase(path string) (*Base, error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Size() <= layout.MaxManifestFile {
		body, err := fetch.ReadFile(path, layout.MaxManifestFile)
		if err == nil {
			if m, err := layout.ParseManifest(body); err == nil {
				return &Base{manifest: m, digest: oci.DigestOf(body)}, nil
			}
		}
	}
	d, err := mirror.Open(path)
	if err != nil {
		return nil, err
	}
	listing, _ := d.Listing() // one that cannot be read says nothing of what is there
	b := &Base{dir: d, manifest: listing}
	if text, _, err := d.ManifestAndSignature(); err == nil && text != nil {
		b.digest = oci.DigestOf(text)
	}
	return b, nil
}

// Close releases what was opened.
func (b *Base) Close() error {
	if b == nil || b.dir == nil {
		return nil
	}
	return b.dir.Close()
}

// member is a file on its way into an archive.
type member struct {
	name string
	size int64
	want layout.Want
}

// Archive is a mirror about to be written into one file.
type Archive struct {
	Bytes   int64 // of the file that it makes
	Members int
	Left    int // files that the base has; if there are any, the archive says which mirror that is

	dir     *mirror.Mirror
	members []member
	base    oci.Digest
}

// New lists what of the mirror has to go into an archive: everything
// that its lists name, and of that what base lacks; nil lacks all. The lists go
// in at any rate: what the other side has, and this, laid over one another are
// the mirror.
func New(d *mirror.Mirror, base *Base) (*Archive, error) {
	if err := d.Readable(); err != nil {
		return nil, err
	}
	if d.Manifest() == nil {
		return nil, fmt.Errorf("%s: %w: it has no MANIFEST.json, so that nothing says what belongs to it", d.Path(), mirror.ErrNotMirror)
	}
	a := &Archive{dir: d}
	for _, name := range []string{layout.ManifestFile, layout.SignatureFile, layout.SumsFile, layout.LayoutFile, layout.IndexFile} {
		if info, err := fs.Stat(d.FS(), name); err == nil {
			a.members = append(a.members, member{name: name, size: info.Size()})
		}
	}
	has := base.holds(d)
	var rest []member
	seen := map[string]bool{}
	add := func(name string, w layout.Want) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		info, err := fs.Stat(d.FS(), name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "oci/"):
			return nil // a platform of a sparse mirror; whether it should be there, Verify says
		case err != nil:
			return err
		}
		if has(name, w) {
			a.Left++
			return nil
		}
		rest = append(rest, member{name, info.Size(), w})
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(d.Repositories())) {
		all := d.Repositories()[key].Reach()
		if all.Damage != nil {
			return nil, &mirror.RefusedError{Dir: d.Path(), Err: all.Damage}
		}
		for _, digest := range slices.Sorted(maps.Keys(all.Nodes)) {
			if err := add(layout.BlobPath(digest), all.Nodes[digest].Want()); err != nil {
				return nil, err
			}
		}
	}
	listing, err := d.Listing()
	if err != nil {
		return nil, err
	}
	for _, url := range slices.Sorted(maps.Keys(listing.Files)) {
		if err := add(layout.FilePath(url), listing.Files[url]); err != nil {
			return nil, err
		}
	}
	for _, u := range d.Manifest().Unknown {
		if err := a.addUnknown(u, add); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(rest, func(x, y member) int { return strings.Compare(x.name, y.name) })
	a.members = append(a.members, rest...)
	a.Members = len(a.members)
	const block = 512
	a.Bytes = 2 * block
	if base != nil && a.Left > 0 && base.digest != "" {
		a.base = base.digest
		a.Bytes += 2 * block // a global header and its one record
	}
	for _, m := range a.members {
		a.Bytes += block + (m.size+block-1)/block*block
	}
	return a, nil
}

// addUnknown adds what is kept outside of the lists that are served.
func (a *Archive) addUnknown(u layout.UnknownEntry, add func(string, layout.Want) error) error {
	d := a.dir
	if u.Path != "" {
		info, err := fs.Stat(d.FS(), u.Path)
		if err != nil {
			return err
		}
		return add(u.Path, layout.Want{Sha256: cmp.Or(u.Digest.Hex(), string(u.Digest)), Size: info.Size()})
	}
	if u.Digest == "" {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(layout.BlobsBelow(d.FS(), u.Digest, 0))) {
		info, err := fs.Stat(d.FS(), name)
		if err != nil {
			continue
		}
		if err := add(name, layout.Want{Sha256: name[strings.LastIndexByte(name, '/')+1:], Size: info.Size()}); err != nil {
			return err
		}
	}
	return nil
}

// holds says of a file of d whether the base has it. A MANIFEST.json alone says
// what its names reach only as far as d has these names too.
func (b *Base) holds(d *mirror.Mirror) func(name string, w layout.Want) bool {
	if b == nil {
		return func(string, layout.Want) bool { return false }
	}
	blobs := map[string]bool{}
	if b.dir == nil && b.manifest != nil {
		for _, i := range b.manifest.Manifest.Images {
			n, ok := layout.SplitName(i.Name)
			r := d.Repositories()[n.Host+"/"+n.Repo]
			if !ok || r == nil || len(i.Absent) > 0 {
				continue // a sparse one says only which platforms it lacks: they are sent again
			}
			if _, known := r.Reach().Nodes[i.Digest]; !known {
				continue
			}
			for digest := range layout.Walk(d.FS(), []layout.Descriptor{{MediaType: i.MediaType, Digest: i.Digest, Size: i.Size}}).Nodes {
				blobs[layout.BlobPath(digest)] = true
			}
		}
	}
	return func(name string, w layout.Want) bool {
		if strings.HasPrefix(name, "oci/") {
			if b.dir != nil {
				info, err := fs.Stat(b.dir.FS(), name)
				return err == nil && info.Size() == w.Size && info.Mode().IsRegular()
			}
			return blobs[name]
		}
		if b.manifest == nil {
			return false
		}
		there, ok := b.manifest.Files["https://"+strings.TrimPrefix(name, "files/")]
		return ok && there == w
	}
}

// WriteTo writes the archive. Every byte is hashed on its way, and what is not
// what the lists say ends it with an error. The same mirror makes the same bytes.
func (a *Archive) WriteTo(ctx context.Context, w io.Writer, t *fetch.Transfer) error {
	out := tar.NewWriter(w)
	if a.base != "" {
		h := &tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": layout.BaseComment + string(a.base)}}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
	}
	for _, m := range a.members {
		body, size, err := layout.OpenChecked(ctx, a.dir.FS(), m.name, m.want)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: size, Mode: 0o644}
		if err := out.WriteHeader(h); err != nil {
			_ = body.Close()
			return err
		}
		_, err = io.Copy(out, t.Watch(body))
		if err = errors.Join(err, body.Close()); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return out.Close()
}
