// Package mirror reads a directory that holds a release the way the outside
// world serves it, and answers for that world: [Dir] is an
// [http.RoundTripper]. Whoever holds a Dir in place of a network transport is
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
// itself. If an operator signed it (MANIFEST.json.sigstore.json), and whoever
// reads the mirror names the key, it lifts what it recorded as published when
// the mirror was made, and nothing else (rule 24 of docs/trust.md). Responses have no TLS state, so nothing read here can pass for
// what a publisher's own host said.
package mirror

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/pkg/fetch"
)

// ErrNotMirror is wrapped by the error of [Open] for a directory that is no
// mirror, or no directory at all.
var ErrNotMirror = errors.New("not a mirror")

// Dir is an opened mirror. It reads its two lists once, when it is opened, and
// everything else when it is asked. It is safe for use by many goroutines.
type Dir struct {
	path   string // as given, for messages
	file   io.Closer
	fsys   fs.FS
	packed bool        // it is an archive
	change *pendingDoc // of its lists, that a run was killed in

	hosts    []string                 // directories of files/, and hosts of names
	manifest *manifest                // nil if there is no MANIFEST.json
	repos    map[string]*repository   // by "host/path"
	broken   map[string]error         // "MANIFEST.json" or "oci": why that half is refused
	log      func() (*keptLog, error) // the kept log entries, read at the first look-up
}

// Open opens the mirror in dir, which is a directory or a tar archive of one.
// It fails only if that is no mirror ([ErrNotMirror]); a mirror whose lists are
// damaged opens, and refuses the requests that depend on the damaged list, each
// with the reason ([RefusedError]).
func Open(dir string) (*Dir, error) {
	d := &Dir{path: dir, repos: map[string]*repository{}, broken: map[string]error{}}
	if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
		f, err := fetch.OpenFile(dir)
		if err != nil {
			return nil, notMirror(dir, fmt.Sprintf("it cannot be opened (%v)", bare(err)))
		}
		t, err := readTar(f, info.Size())
		if err != nil {
			_ = f.Close()
			return nil, notMirror(dir, fmt.Sprintf("it cannot be read as a tar archive of one (%v)", err))
		}
		d.file, d.fsys, d.packed = f, t, true
	} else {
		root, err := fetch.OpenDir(dir)
		if err != nil {
			return nil, notMirror(dir, fmt.Sprintf("it cannot be opened as a directory (%v)", bare(err)))
		}
		d.file, d.fsys = root, patient{root}
	}
	if err := d.readLists(); err != nil {
		_ = d.file.Close()
		return nil, err
	}
	return d, nil
}

// readLists reads what the mirror says it holds.
func (d *Dir) readLists() (err error) {
	d.log = sync.OnceValues(d.readLog)
	if d.change, err = d.readChange(); err != nil {
		d.broken[manifestFile], d.broken["oci"] = err, err
		return nil //nolint:nilerr // what is broken is said where it is read
	}
	if d.change != nil {
		d.fsys = newPending(d.fsys, d.change)
	}
	hasOCI := isKind(d.fsys, "oci/oci-layout", fs.FileMode.IsRegular)
	hasFiles := isKind(d.fsys, "files", fs.FileMode.IsDir)
	if !hasOCI && !hasFiles {
		return notMirror(d.path, "it has neither oci/oci-layout nor files/")
	}
	if hasFiles {
		entries, _ := fs.ReadDir(d.fsys, "files")
		for _, e := range entries {
			d.hosts = append(d.hosts, e.Name())
		}
	}
	if d.manifest, err = d.readManifest(); err != nil {
		d.broken["MANIFEST.json"] = err
	}
	if hasOCI {
		if err := d.readIndex(); err != nil {
			d.broken["oci"] = err
		}
	}
	return nil
}

// Holds says whether the mirror has anything of a host, or cannot tell because its
// list of images is damaged.
func (d *Dir) Holds(host string) bool {
	_, unread := d.broken["oci"]
	return unread || slices.Contains(d.hosts, host)
}

// Close releases the directory. Bodies that are still open stay readable,
// those of an archive do not.
func (d *Dir) Close() error { return d.file.Close() }

func notMirror(dir, what string) error {
	return fmt.Errorf("%s: %w: %s; give the directory that holds oci/ and files/, or a tar archive of it", dir, ErrNotMirror, what)
}

func isKind(fsys fs.FS, name string, is func(fs.FileMode) bool) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && is(info.Mode())
}

// A HostError says that a mirror was asked for a host of which it holds
// nothing. It is the mirror's "no such host".
type HostError struct {
	Dir  string
	Host string
}

func (e *HostError) Error() string {
	return fmt.Sprintf("mirror %s holds nothing of %s", e.Dir, e.Host)
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

// RoundTrip answers req from the directory. What the mirror does not hold is a
// 404 whose body says so. What it does not hand out is a [*RefusedError] and
// no response, as a connection that breaks; a host of which it holds nothing
// is a [*HostError]. Bodies of /v2/ follow the OCI distribution specification,
// errors included.
func (d *Dir) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	a, err := d.answer(req)
	if err != nil {
		return nil, err
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.response(req), nil
}

// The hosts that the mirror answers for whether or not they have a directory.
const (
	hostFiles = "dl.k8s.io"
	hostCDN   = "cdn.dl.k8s.io"
	hostSBOM  = "sbom.k8s.io"
	hostRekor = "rekor.sigstore.dev"
)

func (d *Dir) answer(req *http.Request) (*answer, error) {
	host := strings.TrimSuffix(strings.ToLower(req.URL.Host), ":443")
	switch host {
	case hostRekor:
		return d.answerLog(req), nil
	case hostCDN, hostSBOM:
		if a := alias(host, req.URL.Path); a != nil && slices.Contains(d.hosts, hostFiles) {
			return allow(req, a), nil
		}
	}
	// With a list of images that cannot be read no host is known to have none.
	_, unread := d.broken["oci"]
	if strings.HasPrefix(req.URL.Path, "/v2/") && (unread || slices.Contains(d.hosts, host)) {
		return allow(req, d.answerOCI(req, host)), nil
	}
	if !slices.Contains(d.hosts, host) {
		return nil, &HostError{Dir: d.path, Host: host}
	}
	if a := alias(host, req.URL.Path); a != nil {
		return allow(req, a), nil
	}
	return allow(req, d.answerFile(req, host)), nil
}

// allow refuses what is neither GET nor HEAD.
func allow(req *http.Request, a *answer) *answer {
	if req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == "" {
		return a
	}
	a.close()
	const readOnly = "a mirror is read only: GET and HEAD"
	if strings.HasPrefix(req.URL.Path, "/v2/") {
		a = ociError(http.StatusMethodNotAllowed, codeMethod, readOnly)
	} else {
		a = plain(http.StatusMethodNotAllowed, readOnly)
	}
	a.header["Allow"] = "GET, HEAD"
	return a
}

// Complete says whether this can be nothing but a mirror: it has a MANIFEST.json
// or an image layout, and not only a directory of files.
func (d *Dir) Complete() bool {
	return isKind(d.fsys, manifestFile, fs.FileMode.IsRegular) || isKind(d.fsys, layoutFile, fs.FileMode.IsRegular)
}
