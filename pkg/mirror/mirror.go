// Package mirror reads a directory that holds a release the way the outside
// world serves it, and answers for that world: [Mirror] is an
// [http.RoundTripper]. A program that uses a Mirror in place of a network transport is
// offline, and needs no other code path for it.
//
// # Layout
//
//	MANIFEST.json                      what was put in, with digest, origin and verdict (optional)
//	files/<host>/<path>                documents and files, under their canonical URL
//	files/<host>/<path>.sigstore.json  the log entry kept for a file, as a Sigstore bundle
//	oci/oci-layout                     one OCI image layout, original manifest bytes
//	oci/index.json                     one descriptor a name: "registry.k8s.io/kube-proxy:v1.27.2"
//	oci/blobs/sha256/<hex>
//
// A directory is a mirror if it has oci/oci-layout or files/. The canonical
// URL of a released file is https://dl.k8s.io/release/vX.Y.Z/<path>; the other
// addresses under which the world serves it (dl.k8s.io/vX.Y.Z/..., the CDN,
// sbom.k8s.io) are answered with a redirect, as outside.
//
// # What is promised
//
// A directory that was carried in is as little trusted as a network. Reads
// never leave the directory, not even by a symbolic link. Every blob is hashed
// against its digest and every file against its MANIFEST.json entry, if there
// is a MANIFEST.json: up to 4 MiB before the first byte is handed out, and
// beyond that the last bytes are withheld and the read fails. A digest is
// answered only in a repository where a name of oci/index.json reaches it.
//
// MANIFEST.json can make a read fail, and never makes anything verified by
// itself. If an operator signed it (MANIFEST.json.sigstore.json), and the user who
// reads the mirror names the key, it lifts what it recorded as published when
// the mirror was made, and nothing else (rule 24 of docs/trust.md). Responses have no TLS state, so nothing read here can pass for
// what a publisher's own host said.
package mirror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// ErrNotMirror is wrapped by the error of [Open] for a directory that is no
// mirror, or no directory at all.
var ErrNotMirror = errors.New("not a mirror")

// Mirror is an opened mirror. It reads its two lists once, when it is opened, and
// everything else when it is asked. It is safe for use by many goroutines.
type Mirror struct {
	path   string // as given, for messages
	file   io.Closer
	fsys   fs.FS
	packed bool           // it is an archive
	base   string         // see Base
	change *layout.Change // of its lists, that a run was killed in

	hosts    []string                      // directories of files/, and hosts of names
	manifest *layout.Listing               // nil if there is no MANIFEST.json
	repos    map[string]*layout.Repository // by "host/path"
	broken   map[string]error              // "MANIFEST.json" or "oci": why that half is refused
	log      func() (*keptLog, error)      // the kept log entries, read at the first look-up
	held     *held                         // see heldReleases
}

// held are the names of the releases that a mirror holds, listed when they are first asked for.
type held struct {
	once  sync.Once
	names []string
}

// Open opens the mirror in dir, which is a directory, a tar archive of one, or the first
// part of an archive (FILE.001), beside which the others lie.
// It fails only if that is not a mirror ([ErrNotMirror]); a mirror whose lists are
// damaged opens, and refuses the requests that depend on the damaged list, each
// with the reason ([RefusedError]).
func Open(dir string) (*Mirror, error) {
	d := &Mirror{path: dir, repos: map[string]*layout.Repository{}, broken: map[string]error{}, held: new(held)}
	if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
		if err := d.openTar(dir, info.Size()); err != nil {
			return nil, err
		}
	} else {
		root, err := fetch.OpenDir(dir)
		if err != nil {
			what := fmt.Sprintf("it cannot be opened as a directory (%v)", layout.WithoutPath(err))
			if first := dir + layout.PartSuffix(1); fileThere(first) {
				what = "it is in parts: name " + first
			}
			return nil, notMirror(dir, what)
		}
		d.file, d.fsys = root, layout.NonBlocking{Root: root}
	}
	if err := d.readLists(); err != nil {
		_ = d.file.Close()
		return nil, err
	}
	return d, nil
}

// openTar opens an archive, whole or in parts.
func (d *Mirror) openTar(path string, size int64) error {
	var file interface {
		io.ReaderAt
		io.Closer
	}
	var err error
	if isFirstPart(path) {
		var p *parts
		if p, err = openParts(path); err == nil {
			file, size = p, p.size
			if err = p.ended(); err != nil {
				_ = p.Close()
			}
		}
	} else {
		file, err = fetch.OpenFile(path)
	}
	if err != nil {
		return notMirror(path, fmt.Sprintf("it cannot be opened (%v)", layout.WithoutPath(err)))
	}
	t, err := readTar(file, size)
	if err != nil {
		_ = file.Close()
		return notMirror(path, fmt.Sprintf("it cannot be read as a tar archive of one (%v)", err))
	}
	d.file, d.fsys, d.packed, d.base = file, t, true, t.base
	return nil
}

func fileThere(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// readLists reads what the mirror says it holds.
func (d *Mirror) readLists() (err error) {
	d.log = sync.OnceValues(func() (*keptLog, error) {
		if err := d.broken[layout.ManifestFile]; err != nil {
			return nil, err
		}
		return readLog(d.fsys, d.manifest)
	})
	if d.change, err = layout.ReadChange(d.fsys); err != nil {
		d.broken[layout.ManifestFile], d.broken["oci"] = err, err
		return nil //nolint:nilerr // what is broken is said where it is read
	}
	if d.change != nil {
		d.fsys = layout.Overlay(d.fsys, d.change)
	}
	hasOCI := layout.IsKind(d.fsys, "oci/oci-layout", fs.FileMode.IsRegular)
	hasFiles := layout.IsKind(d.fsys, "files", fs.FileMode.IsDir)
	if !hasOCI && !hasFiles {
		return notMirror(d.path, "it has neither oci/oci-layout nor files/")
	}
	if hasFiles {
		entries, _ := fs.ReadDir(d.fsys, "files")
		for _, e := range entries {
			d.hosts = append(d.hosts, e.Name())
		}
	}
	if d.manifest, err = layout.ReadManifest(d.fsys); err != nil {
		d.broken["MANIFEST.json"] = err
	}
	if hasOCI {
		if err := d.readIndex(); err != nil {
			d.broken["oci"] = err
		}
	}
	return nil
}

// Path is the mirror's directory or archive, as it was given to [Open].
func (d *Mirror) Path() string { return d.path }

// FS is what the mirror holds, as it is: nothing of it is compared with a digest
// before it is read. Where a run was killed while it changed the lists, the new
// ones are read.
func (d *Mirror) FS() fs.FS { return d.fsys }

// Remembering gives the mirror as it is, with small files that were read and are what they must be
// answered from a memory, until they have changed. It is for one that is asked the same
// again and again; who verifies reads the mirror itself, which is also the one to close.
func (d *Mirror) Remembering(m *layout.Memory) *Mirror {
	same := *d
	same.fsys = layout.Remember(d.fsys, m)
	return &same
}

// Hosts are the hosts of which the mirror holds something.
func (d *Mirror) Hosts() []string { return slices.Clone(d.hosts) }

// Readable is nil if both lists of the mirror could be read, and else a
// [*RefusedError].
func (d *Mirror) Readable() error {
	for _, half := range []string{layout.ManifestFile, "oci"} {
		if err := d.broken[half]; err != nil {
			return &RefusedError{Dir: d.path, Err: err}
		}
	}
	return nil
}

// Listing is MANIFEST.json; nil if there is none. The error says why it cannot
// be read.
func (d *Mirror) Listing() (*layout.Listing, error) { return d.manifest, d.broken[layout.ManifestFile] }

// Repositories are those of oci/index.json, by "host/path".
func (d *Mirror) Repositories() map[string]*layout.Repository { return d.repos }

// Archived says whether the mirror is a tar archive of one.
func (d *Mirror) Archived() bool { return d.packed }

// Base is the digest ("sha256:<hex>") of the MANIFEST.json of the mirror that this archive
// says it must be unpacked over, since it leaves out what that has; empty for a whole one.
func (d *Mirror) Base() string { return d.base }

// Unfinished is the change of the lists that a run was killed in; nil if there is none.
func (d *Mirror) Unfinished() *layout.Change { return d.change }

// Holds says whether the mirror has anything of a host, or cannot tell because its
// list of images is damaged.
func (d *Mirror) Holds(host string) bool {
	_, unread := d.broken["oci"]
	return unread || slices.Contains(d.hosts, host)
}

// Close releases the directory. Bodies that are still open stay readable,
// those of an archive do not.
func (d *Mirror) Close() error { return d.file.Close() }

func notMirror(dir, what string) error {
	return fmt.Errorf("%s: %w: %s; give the directory that holds oci/ and files/, or a tar archive of it", dir, ErrNotMirror, what)
}

// A HostError says that a mirror was asked for a host of which it holds
// nothing. It is the mirror's "no such host".
type HostError struct {
	Dir  string
	Host string
	// Unlisted says that no list says what it holds: nothing but files was put there, or what
	// made it has not finished.
	Unlisted bool
}

func (e *HostError) Error() string {
	if e.Host == layout.HostImages && e.Unlisted {
		return fmt.Sprintf("the mirror %s lists no images: it holds files alone, or kverify mirror create has not finished there", e.Dir)
	}
	if e.Host == layout.HostImages {
		return fmt.Sprintf("the mirror %s has no images: it was made without them", e.Dir)
	}
	return fmt.Sprintf("the mirror %s holds nothing of %s", e.Dir, e.Host)
}

// A RefusedError says that a mirror holds something that it does not hand out,
// and why: bytes that are damaged (Err is a [*CorruptError]), or lists that
// contradict each other.
type RefusedError struct {
	Dir string
	Err error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the mirror %s refuses this: %v; make the mirror anew", e.Dir, e.Err)
}

// Unwrap gives the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// Complete says whether this can be nothing but a mirror: it has a MANIFEST.json
// or an image layout, and not only a directory of files.
func (d *Mirror) Complete() bool {
	return layout.IsKind(d.fsys, layout.ManifestFile, fs.FileMode.IsRegular) || layout.IsKind(d.fsys, layout.LayoutFile, fs.FileMode.IsRegular)
}

// readIndex fills d.repos from the layout.
func (d *Mirror) readIndex() error {
	if body, err := layout.ReadFile(d.fsys, "oci/oci-layout", layout.Want{}, 4096); err != nil {
		return err
	} else if !json.Valid(body) || !strings.Contains(string(body), `"imageLayoutVersion"`) {
		return errors.New("oci/oci-layout: no imageLayoutVersion in it")
	}
	body, err := layout.ReadFile(d.fsys, "oci/index.json", layout.Want{}, layout.MaxIndexFile)
	if err != nil {
		return err
	}
	names, err := layout.ParseIndex(body)
	if err != nil {
		return fmt.Errorf("oci/index.json: %w", err)
	}
	for _, n := range names {
		key := n.Host + "/" + n.Repo
		r := d.repos[key]
		if r == nil {
			r = &layout.Repository{Tags: map[string]layout.Descriptor{}, Refused: map[string]error{}}
			r.Reach = sync.OnceValue(func() layout.Reached { return layout.Walk(d.fsys, r.Roots) })
			d.repos[key] = r
		}
		if !slices.Contains(d.hosts, n.Host) {
			d.hosts = append(d.hosts, n.Host)
		}
		if err := d.manifest.Agrees(n); err != nil {
			r.Refused[n.Tag] = err
			continue
		}
		if n.Tag != "" {
			r.Tags[n.Tag] = n.Target
		}
		r.Roots = append(r.Roots, n.Target)
		r.Names = append(r.Names, n)
	}
	return nil
}

// Manifest returns MANIFEST.json, or nil if there is none that can be read.
func (d *Mirror) Manifest() *layout.Manifest {
	if d.manifest == nil {
		return nil
	}
	return d.manifest.Manifest
}

// ManifestAndSignature returns the bytes of MANIFEST.json and of its signature, either nil if
// it is not there, for [vouch.Read].
func (d *Mirror) ManifestAndSignature() (manifest, signature []byte, err error) {
	if manifest, err = layout.ReadIfThere(d.fsys, layout.ManifestFile, layout.MaxManifestFile); err == nil {
		signature, err = layout.ReadIfThere(d.fsys, layout.SignatureFile, layout.MaxBundle)
	}
	return manifest, signature, err
}
