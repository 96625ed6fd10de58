package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
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
	Made
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
	dir, err := Open(o.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read
	if err := dir.Readable(); err != nil {
		return nil, err
	}
	if dir.Archived() || dir.Manifest() == nil {
		return nil, fmt.Errorf("%s: %w that can be pruned: it is no directory with a MANIFEST.json", o.Dir, ErrNotMirror)
	}
	m, err := NewMaker(MakerOptions{Dir: o.Dir, Verifier: new(verify.Verifier), Refresh: true, Operator: o.Operator, Now: o.Now, idle: o.DryRun})
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
	m.Tool = all.Tool
	out := &Pruned{}
	if err := out.drop(all, o); err != nil {
		return nil, err
	}
	if !o.DryRun && len(out.Releases) > 0 {
		c := &change{root: m.root}
		if err := m.excerpts(c, all); err != nil {
			return nil, err
		}
		if out.Made, err = m.writeLists(c, all, before); err != nil {
			return nil, err
		}
	}
	return out, m.removeRest(out, dir, all, o.DryRun)
}

// drop takes releases out of a list.
func (out *Pruned) drop(all *Manifest, o PruneOptions) error {
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
	all.Scope = slices.DeleteFunc(all.Scope, func(s Scope) bool { return gone(s.Release) })
	all.Unknown = slices.DeleteFunc(all.Unknown, func(u UnknownEntry) bool { return gone(u.Release) })
	all.Images = slices.DeleteFunc(all.Images, func(i ImageEntry) bool {
		return len(i.Releases) > 0 && !slices.ContainsFunc(i.Releases, func(r string) bool { return keep[r] })
	})
	all.Files = slices.DeleteFunc(all.Files, func(f FileEntry) bool {
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
func (m *Maker) excerpts(c *change, all *Manifest) error {
	for i, f := range all.Files {
		if !strings.HasSuffix(f.URL, "/images.yaml") {
			continue
		}
		old, err := fetch.ReadRegular(m.root, filePath(f.URL), maxManifestFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		sum := hashHex(old)
		if sum != f.SHA256 {
			continue // damaged: nothing of it is vouched for anew
		}
		text := release.ExcerptPromotion(old, all.holds())
		if text == nil || len(text) == len(old) {
			continue
		}
		c.put(filePath(f.URL), text)
		if f.ExcerptOf == "" {
			f.ExcerptOf = sum
		}
		f.SHA256, f.Size = hashHex(text), int64(len(text))
		all.Files[i] = f
	}
	return nil
}

// removeRest removes what the list does not account for.
func (m *Maker) removeRest(out *Pruned, dir *Dir, all *Manifest, dry bool) error {
	needed := map[string]bool{}
	var roots []descriptor
	for _, i := range all.Images {
		roots = append(roots, descriptor{MediaType: i.MediaType, Digest: i.Digest, Size: i.Size})
	}
	reached := walk(dir.FS(), roots)
	if reached.damage != nil { // what it names is not known
		return &RefusedError{Dir: m.Dir, Err: reached.damage}
	}
	for digest := range reached.nodes {
		needed[blobPath(digest)] = true
	}
	for _, f := range all.Files {
		needed[filePath(f.URL)] = true
	}
	if dry && dir.Unfinished() != nil { // what a run that is no dry one completes
		needed[changeFile] = true
		for _, f := range dir.Unfinished().Files {
			needed[stagedName(f.Path)] = true
		}
	}
	for _, u := range all.Unknown {
		needed[u.Path] = true
		if u.Path == "" && u.Digest != "" {
			for name := range outside(dir.FS(), u.Digest, 0) {
				needed[name] = true
			}
		}
	}
	var folders []string
	for _, top := range []string{"files", "oci/blobs", unknownFolder} {
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
			return fmt.Errorf("%s: %w", name, bare(err))
		}
	}
	for _, name := range slices.Backward(folders) { // the innermost first
		if !slices.Contains([]string{"files", "oci", "oci/blobs", "oci/blobs/sha256"}, name) {
			_ = m.root.Remove(name) // where something is left in it, it stays
		}
	}
	return nil
}
