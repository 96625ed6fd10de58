package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// MakerOptions say how a mirror is made. Dir and Verifier are needed.
type MakerOptions struct {
	Dir      string
	Verifier *verify.Verifier // speaks to the world outside
	// Stand is what images are read from in place of registry.k8s.io; nil is itself.
	Stand *url.URL
	// AllowUnknown keeps what could not be proved, outside of what is served.
	AllowUnknown bool
	// Refresh asks for everything anew, also for what the mirror has.
	Refresh  bool
	Attempts int              // see [fetch.SaveRequest]
	Tool     report.Tool      // named in MANIFEST.json
	Operator *vouch.Operator  // signs MANIFEST.json; nil signs nothing
	Now      func() time.Time // for MANIFEST.json's date only; nil means time.Now

	idle bool // nothing will be written, and so nothing is completed
}

// Maker makes a mirror, or brings one up to date. Several may work on one
// directory at once, of one process or of many: what is content-addressed is
// written under a private name and renamed, and lists are read, joined and
// written again under a lock.
type Maker struct {
	MakerOptions
	root  *os.Root
	run   *os.File // the directory, locked with others for as long as this runs
	kept  *kept    // nil where nothing was there before
	fresh *verify.Verifier
	old   *Manifest
	// listed is what the lists had of files, by URL, when the run began.
	listed map[string]want
	space  *fetch.Space
}

// A BusyError says that another run has the mirror for itself.
type BusyError struct {
	Dir string
	By  string // what is done with it
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("the mirror %s is being %s by another run; try again when that is done", e.Dir, e.By)
}

// NewMaker opens a directory, which is made if need be. One that holds anything
// but a mirror is refused with an error that wraps [ErrNotMirror].
func NewMaker(o MakerOptions) (*Maker, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Maker{MakerOptions: o, fresh: o.Verifier, space: new(fetch.Space)}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w: it cannot be made (%w)", o.Dir, ErrNotMirror, bare(err))
	}
	var err error
	if m.root, err = fetch.OpenDir(o.Dir); err != nil {
		return nil, fmt.Errorf("%s: %w: it cannot be opened (%w)", o.Dir, ErrNotMirror, bare(err))
	}
	if err := m.begin(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Maker) begin() error {
	if err := onlyMirror(m.root, m.Dir); err != nil {
		return err
	}
	for _, dir := range []string{"files", "oci/blobs/sha256"} {
		if err := m.root.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("%s: %w: it cannot be written to (%w)", m.Dir, ErrNotMirror, bare(err))
		}
	}
	var err error
	if m.run, err = m.root.Open("."); err != nil {
		return err
	}
	for begun := time.Now(); !lock(m.run, false, false); time.Sleep(busyWait) {
		if time.Since(begun) > sweepWait {
			return &BusyError{m.Dir, "pruned"}
		}
	}
	if !m.idle {
		unlock, err := m.lockLists()
		if err != nil {
			return err
		}
		unlock()
	}
	dir, err := Open(m.Dir)
	if err != nil {
		return err
	}
	if err := dir.broken[manifestFile]; err != nil {
		return fmt.Errorf("the mirror %s cannot be gone on with: %w; verify it, and make it anew if need be", m.Dir, err)
	}
	if dir.manifest != nil {
		m.listed = dir.manifest.files
	}
	if m.old = dir.Manifest(); m.old == nil || m.Refresh {
		return dir.Close()
	}
	m.kept = &kept{dir: dir, next: m.fresh.Fetch.Transport, stand: m.Stand}
	client := &fetch.Client{Transport: m.kept, Full: m.fresh.Fetch.Full}
	v := *m.fresh
	v.Fetch = client
	v.Registry = reclient(m.fresh.Registry, client)
	m.Verifier = &v
	return nil
}

// reclient is a registry client with another transport and an empty memory.
func reclient(c *registry.Client, f *fetch.Client) *registry.Client {
	return &registry.Client{Fetch: f, Endpoints: c.Endpoints, Keychain: c.Keychain, Cache: c.Cache}
}

// anew makes the verifier forget what the mirror holds. What came from there did
// not serve, and is asked for once more before it counts (rule 25).
func (m *Maker) anew() {
	v := *m.fresh
	v.Registry = reclient(m.fresh.Registry, m.fresh.Fetch)
	m.Verifier = &v
}

// Close ends the run. Where no other is at work, what interrupted runs have left
// is removed.
func (m *Maker) Close() {
	if m.run != nil {
		_ = m.run.Close()
	}
	if m.kept != nil {
		_ = m.kept.dir.Close()
	}
	_ = m.root.Close()
}

// Sweep removes what interrupted runs have left, unless another run is at work.
func (m *Maker) Sweep() {
	if !lock(m.run, true, false) {
		return
	}
	unlock, err := m.lockLists()
	if err != nil {
		return // what stands there is needed to complete the lists
	}
	defer unlock()
	for _, name := range leftovers(m.root) {
		_ = m.root.Remove(name)
	}
	lock(m.run, false, true)
}

// leftovers are the parts of files that stand in a mirror.
func leftovers(root *os.Root) (names []string) {
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && fetch.IsPart(path.Base(name)) {
			names = append(names, name)
		}
		return nil // what cannot be read is not removed
	})
	return names
}

// onlyMirror refuses a directory with anything in it that a mirror has not.
func onlyMirror(root *os.Root, dir string) error {
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range list {
		switch name := e.Name(); {
		case name == "files", name == "oci", name == unknownFolder, name == manifestFile, name == signatureFile, name == sumsFile, fetch.IsPart(name):
		default:
			return fmt.Errorf("%s: %w: %.100q stands in it; name an empty directory, or one that does not exist", dir, ErrNotMirror, name)
		}
	}
	return nil
}

// sweepWait is how long a run waits for another that only removes what
// interrupted runs have left.
const sweepWait = 3 * time.Second

// busyWait is how long a run waits before it looks again at a blob that another
// one is fetching.
const busyWait = 100 * time.Millisecond

// blob brings one blob into the mirror. It enters only by the digest that
// admitted content names, and a layer only if it unpacks to what its image's
// config says.
func (m *Maker) blob(ctx context.Context, p *piece, t *fetch.Transfer) (said string, err error) {
	name := blobPath(p.digest)
	for {
		there, err := m.has(ctx, name, p, t)
		if there || err != nil {
			return "there", err
		}
		if p.body != nil {
			return "saved", m.write(name, p.body)
		}
		part, err := m.Verifier.Registry.SaveBlob(ctx, p.host, p.repo, registry.Descriptor{Digest: p.digest, Size: p.size},
			fetch.SaveRequest{Root: m.root, Name: name, Attempts: m.Attempts, Space: m.space, Progress: t})
		if errors.Is(err, fetch.ErrBusy) {
			select {
			case <-ctx.Done():
				return "", context.Cause(ctx)
			case <-time.After(busyWait):
			}
			continue
		}
		if err != nil {
			return "", err
		}
		if len(p.unpacked.diffIDs) > 0 {
			if _, err := hashLayer(contextReader{ctx, part.Reader()}, p.digest, p.unpacked); err != nil {
				var layer *LayerError
				if errors.As(err, &layer) {
					return "", errors.Join(err, part.Discard())
				}
				return "", errors.Join(err, part.Close())
			}
		}
		return "saved", part.Commit(0o644)
	}
}

// has says whether a blob is there already, whole and right, and nobody else's.
func (m *Maker) has(ctx context.Context, name string, p *piece, t *fetch.Transfer) (bool, error) {
	info, err := m.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() != p.size) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sums, err := fetch.HashOwn(ctx, m.root, name, t)
	if errors.Is(err, fetch.ErrNotAlone) {
		return false, nil // a copy of our own takes its name
	}
	if errors.Is(err, fetch.ErrNotRegular) || errors.Is(err, fs.ErrNotExist) {
		return false, nil // another run is giving it its name
	}
	return err == nil && "sha256:"+sums.SHA256 == p.digest, err
}

// write gives a file of the mirror its content at once.
func (m *Maker) write(name string, body []byte) error {
	if dir := path.Dir(name); dir != "." {
		if err := m.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	return fetch.WriteFile(m.root, name, body, 0o644)
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// bare takes off the operation and the path, which the caller names better.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
