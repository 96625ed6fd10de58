package create

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// PruneOptions say what a mirror shall go on holding.
type PruneOptions struct {
	Dir      string
	Keep     []release.Version // none keeps every release that is listed
	DryRun   bool
	Operator *vouch.Operator  // signs MANIFEST.json again; nil signs nothing
	Now      func() time.Time // nil means time.Now
}

// Pruned says what went, or would go.
type Pruned struct {
	Releases []string // that are no longer listed
	Names    int      // of images, that are no longer listed
	Files    []string // paths in the mirror
	Bytes    int64
	Committed
}

// A KeepError says that a release to be kept is not in the mirror.
type KeepError struct {
	Dir, Release string
	Has          []string
}

func (e *KeepError) Error() string {
	return fmt.Sprintf("%s is not in the mirror %s, which has %s; nothing was removed", e.Release, e.Dir, strings.Join(e.Has, ", "))
}

// Prune takes releases out of a mirror's lists, and then removes whatever no
// list accounts for, what interrupted runs have left with it. It has the mirror
// for itself: while another run makes it, the error is a [*BusyError].
func Prune(o PruneOptions) (*Pruned, error) {
	dir, err := mirror.Open(o.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read
	if err := dir.Readable(); err != nil {
		return nil, err
	}
	if dir.Archived() || dir.Manifest() == nil {
		return nil, fmt.Errorf("%s: %w that can be pruned: it is not a directory with a MANIFEST.json", o.Dir, mirror.ErrNotMirror)
	}
	m, err := New(Options{Dir: o.Dir, Verifier: new(verify.Verifier), Refresh: true, Operator: o.Operator, Now: o.Now, DryRun: o.DryRun})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if !lock(m.run, true, false) {
		return nil, &BusyError{o.Dir, "made"}
	}
	if !o.DryRun {
		unlock, err := m.lockLists()
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	all, before, err := m.current()
	if err != nil {
		return nil, err
	}
	out := &Pruned{}
	if err := out.drop(all, o); err != nil {
		return nil, err
	}
	if !o.DryRun && len(out.Releases) > 0 {
		c := &change{root: m.root}
		if err := m.excerpts(c, all); err != nil {
			return nil, err
		}
		if out.Committed, err = m.writeLists(c, all, before); err != nil {
			return nil, err
		}
	}
	return out, m.removeRest(out, dir, all, o.DryRun)
}

// drop takes releases out of a list.
func (out *Pruned) drop(all *layout.Manifest, o PruneOptions) error {
	if len(o.Keep) == 0 {
		return nil
	}
	keep := map[string]bool{}
	for _, v := range o.Keep {
		if !slices.Contains(all.Releases, v.String()) {
			return &KeepError{o.Dir, v.String(), all.Releases}
		}
		keep[v.String()] = true
	}
	gone := func(r string) bool { return !keep[r] }
	for _, r := range all.Releases {
		if gone(r) {
			out.Releases = append(out.Releases, r)
		}
	}
	names := len(all.Images)
	all.Releases = slices.DeleteFunc(all.Releases, gone)
	all.Scope = slices.DeleteFunc(all.Scope, func(s layout.Scope) bool { return gone(s.Release) })
	all.Unknown = slices.DeleteFunc(all.Unknown, func(u layout.UnknownEntry) bool { return gone(u.Release) })
	all.Images = slices.DeleteFunc(all.Images, func(i layout.ImageEntry) bool {
		return len(i.Releases) > 0 && !slices.ContainsFunc(i.Releases, func(r string) bool { return keep[r] })
	})
	all.Files = slices.DeleteFunc(all.Files, func(f layout.FileEntry) bool {
		return len(f.Releases) > 0 && !slices.ContainsFunc(f.Releases, func(r string) bool { return keep[r] })
	})
	for i := range all.Images {
		all.Images[i].Releases = slices.DeleteFunc(all.Images[i].Releases, gone)
	}
	for i := range all.Files {
		all.Files[i].Releases = slices.DeleteFunc(all.Files[i].Releases, gone)
	}
	out.Names = names - len(all.Images)
	return nil
}

// excerpts shortens the promotion manifests to what is still held.
func (m *Maker) excerpts(c *change, all *layout.Manifest) error {
	for i, f := range all.Files {
		if !strings.HasSuffix(f.URL, "/images.yaml") {
			continue
		}
		old, err := fetch.ReadRegular(m.root, layout.FilePath(f.URL), layout.MaxManifestFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		sum := layout.HashHex(old)
		if sum != f.SHA256 {
			continue // damaged: nothing of it is vouched for anew
		}
		text := release.ExcerptPromotion(old, heldLines(all))
		if text == nil || len(text) == len(old) {
			continue
		}
		c.put(layout.FilePath(f.URL), text)
		if f.ExcerptOf == "" {
			f.ExcerptOf = sum
		}
		f.SHA256, f.Size = layout.HashHex(text), int64(len(text))
		all.Files[i] = f
	}
	return nil
}

// removeRest removes what the list does not account for.
func (m *Maker) removeRest(out *Pruned, dir *mirror.Mirror, all *layout.Manifest, dry bool) error {
	needed := map[string]bool{}
	var roots []layout.Descriptor
	for _, i := range all.Images {
		roots = append(roots, layout.Descriptor{MediaType: i.MediaType, Digest: i.Digest, Size: i.Size})
	}
	reached := layout.Walk(dir.FS(), roots)
	if reached.Damage != nil { // what it names is not known
		return &mirror.RefusedError{Dir: m.Dir, Err: reached.Damage}
	}
	for digest := range reached.Nodes {
		needed[layout.BlobPath(digest)] = true
	}
	for _, f := range all.Files {
		needed[layout.FilePath(f.URL)] = true
	}
	if dry && dir.Unfinished() != nil { // what a run that is not a dry one completes
		needed[layout.ChangeFile] = true
		for _, f := range dir.Unfinished().Files {
			needed[layout.StagedName(f.Path)] = true
		}
	}
	for _, u := range all.Unknown {
		needed[u.Path] = true
		if u.Path == "" && u.Digest != "" {
			for name := range layout.BlobsBelow(dir.FS(), u.Digest, 0) {
				needed[name] = true
			}
		}
	}
	var folders []string
	for _, top := range []string{"files", "oci/blobs", layout.UnknownFolder} {
		err := fs.WalkDir(m.root.FS(), top, func(name string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if e.IsDir() {
				folders = append(folders, name)
				return nil
			}
			if needed[name] {
				return nil
			}
			if info, err := e.Info(); err == nil {
				out.Bytes += info.Size()
			}
			out.Files = append(out.Files, name)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, name := range leftovers(m.root) {
		if !needed[name] && (!strings.Contains(name, "/") || path.Dir(name) == "oci") {
			out.Files = append(out.Files, name)
		}
	}
	if dry {
		return nil
	}
	for _, name := range out.Files {
		if err := m.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", name, layout.WithoutPath(err))
		}
	}
	for _, name := range slices.Backward(folders) { // the innermost first
		if !slices.Contains([]string{"files", "oci", "oci/blobs", "oci/blobs/sha256"}, name) {
			_ = m.root.Remove(name) // where something is left in it, it stays
		}
	}
	return nil
}
