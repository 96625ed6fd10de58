// Package create makes mirrors, brings them up to date and prunes them.
//
// A [Maker] has a directory while it is written to. [Maker.Plan] verifies what a
// [Request] asks for and lists what is missing, [Plan.Run] brings that in, and
// [Plan.Commit] puts it into the lists: all of it at once, or nothing. A name
// enters only by a [verify.Admission], a blob only by a digest that admitted
// content names; so nothing here decides what is genuine.
//
//	maker.go    the directory, its locks, and one blob on its way
//	plan.go     what a request needs
//	commit.go   what was brought in, joined with the lists
//	change.go   files that change as one, and a run that was killed between them
//	overlay.go  the mirror as it is, in front of the network
//	prune.go    releases taken out, and what no list accounts for
package create

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// Options say how a mirror is made. Dir and Verifier are needed.
type Options struct {
	Dir      string
	Verifier *verify.Verifier // speaks to the world outside
	// Stand is what images are read from in place of registry.k8s.io; nil is itself.
	RegistryURL *url.URL
	// AllowUnknown keeps what could not be proved, outside of what is served.
	AllowUnknown bool
	// Refresh asks for everything anew, also for what the mirror has.
	Refresh  bool
	Attempts int              // see [fetch.SaveRequest]
	Tool     report.Tool      // named in MANIFEST.json
	Operator *vouch.Operator  // signs MANIFEST.json; nil signs nothing
	Now      func() time.Time // for MANIFEST.json's date only; nil means time.Now

	// DryRun is for who only plans: nothing is written or completed, and the
	// directory need not be there.
	DryRun bool
}

// Maker makes a mirror, or brings one up to date. Several may work on one
// directory at once, of one process or of many: what is content-addressed is
// written under a private name and renamed, and lists are read, joined and
// written again under a lock.
type Maker struct {
	Options
	root    *os.Root // nil in a dry run without a directory
	run     *os.File // the directory, locked with others for as long as this runs
	overlay *overlay // nil where nothing was there before
	outside *verify.Verifier
	old     *layout.Manifest
	// listed is what the lists had of files, by URL, when the run began.
	listed map[string]layout.Want
	space  *fetch.DiskReserve
}

// A BusyError says that another run has the mirror for itself.
type BusyError struct {
	Dir string
	By  string // what is done with it
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("the mirror %s is being %s by another run; try again when that is done", e.Dir, e.By)
}

// New opens a directory, which is made if need be. One that holds anything
// but a mirror is refused with an error that wraps [ErrNotMirror].
func New(o Options) (*Maker, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Maker{Options: o, outside: o.Verifier, space: new(fetch.DiskReserve)}
	if _, err := os.Stat(o.Dir); o.DryRun && errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w: it cannot be made (%w)", o.Dir, mirror.ErrNotMirror, layout.WithoutPath(err))
	}
	var err error
	if m.root, err = fetch.OpenDir(o.Dir); err != nil {
		return nil, fmt.Errorf("%s: %w: it cannot be opened (%w)", o.Dir, mirror.ErrNotMirror, layout.WithoutPath(err))
	}
	if err := m.openMirror(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Maker) openMirror() error {
	if err := onlyMirror(m.root, m.Dir); err != nil {
		return err
	}
	for _, dir := range []string{"files", "oci/blobs/sha256"} {
		if m.DryRun {
			break
		}
		if err := m.root.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("%s: %w: it cannot be written to (%w)", m.Dir, mirror.ErrNotMirror, layout.WithoutPath(err))
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
	if !m.DryRun {
		unlock, err := m.lockLists()
		if err != nil {
			return err
		}
		unlock()
	}
	dir, err := mirror.Open(m.Dir)
	if m.DryRun && errors.Is(err, mirror.ErrNotMirror) {
		return nil // an empty directory, which would become one
	}
	if err != nil {
		return err
	}
	listing, err := dir.Listing()
	if err != nil {
		return fmt.Errorf("the mirror %s cannot be updated: %w; verify it, and make it anew if need be", m.Dir, err)
	}
	if listing != nil {
		m.listed = listing.Files
	}
	if m.old = dir.Manifest(); m.old == nil || m.Refresh {
		return dir.Close()
	}
	m.overlay = &overlay{dir: dir, next: m.outside.Fetch.Transport, registry: m.RegistryURL}
	client := &fetch.Client{Transport: m.overlay, Full: m.outside.Fetch.Full}
	v := *m.outside
	v.Fetch = client
	v.Registry = reclient(m.outside.Registry, client)
	m.Verifier = &v
	return nil
}

// reclient is a registry client with another transport and an empty memory.
func reclient(c *registry.Client, f *fetch.Client) *registry.Client {
	return &registry.Client{Fetch: f, Endpoints: c.Endpoints, Keychain: c.Keychain, Cache: c.Cache}
}

// withoutOverlay makes the verifier forget what the mirror holds. What came from there did
// not serve, and is asked for once more before it counts (rule 25).
func (m *Maker) withoutOverlay() {
	v := *m.outside
	v.Registry = reclient(m.outside.Registry, m.outside.Fetch)
	m.Verifier = &v
}

// Close ends the run. Where no other is at work, what interrupted runs have left
// is removed.
func (m *Maker) Close() {
	if m.run != nil {
		_ = m.run.Close()
	}
	if m.overlay != nil {
		_ = m.overlay.dir.Close()
	}
	if m.root != nil {
		_ = m.root.Close()
	}
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
		case name == "files", name == "oci", name == layout.UnknownFolder, name == layout.ManifestFile, name == layout.SignatureFile, name == layout.SumsFile, fetch.IsPart(name):
		default:
			return fmt.Errorf("%s: %w: %.100q stands in it; name an empty directory, or one that does not exist", dir, mirror.ErrNotMirror, name)
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

// fetchBlob brings one blob into the mirror. It enters only by the digest that
// admitted content names, and a layer only if it unpacks to what its image's
// config says.
func (m *Maker) fetchBlob(ctx context.Context, p *content, t *fetch.Transfer) (said string, err error) {
	name := layout.BlobPath(p.digest)
	for {
		there, err := m.has(ctx, name, p, t)
		if there || err != nil {
			return "there", err
		}
		if p.body != nil {
			return "saved", m.write(name, p.body)
		}
		part, err := m.Verifier.Registry.SaveBlob(ctx, registry.Ref{Host: p.host, Repository: p.repo}, registry.Descriptor{Digest: p.digest, Size: p.size},
			fetch.SaveRequest{Root: m.root, Name: name, Attempts: m.Attempts, Reserve: m.space, Progress: t})
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
		if len(p.unpacked.DiffIDs) > 0 {
			if _, err := layout.HashLayer(layout.WithContext(ctx, part.Reader()), p.digest, p.unpacked); err != nil {
				var layer *layout.LayerError
				if errors.As(err, &layer) {
					return "", errors.Join(err, part.Discard())
				}
				return "", errors.Join(err, part.Close())
			}
		}
		return "saved", part.Commit(0o644)
	}
}

// holds says whether a file of that size stands in the mirror.
func (m *Maker) holds(name string, size int64) bool {
	if m.root == nil {
		return false
	}
	info, err := m.root.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// has says whether a blob is there already, whole, right and this user's own.
func (m *Maker) has(ctx context.Context, name string, p *content, t *fetch.Transfer) (bool, error) {
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
	return err == nil && sums.Digest() == p.digest, err
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
