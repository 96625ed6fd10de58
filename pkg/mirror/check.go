package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// hashers is how many files are hashed side by side: SHA-256 and unpacking fill
// a core each, and a disk is not faster for more.
const hashers = 4

// A finding is something about the mirror itself that is not as it must be.
type finding struct {
	what    string // a path, or an image
	verdict report.Verdict
	reason  report.Reason
	detail  string
}

// audit is one examination of a mirror's bytes.
type audit struct {
	dir      *Mirror
	sizes    map[string]int64 // regular files, by path
	listed   map[string]bool  // paths that something accounts for
	findings []finding
	blobs    int
	bytes    int64
	absent   map[string][]string // platforms that an index names and that are not there

	noIndex bool // oci/index.json or oci/oci-layout is missing, or cannot be read
}

func (a *audit) note(what string, v report.Verdict, reason report.Reason, format string, args ...any) {
	a.findings = append(a.findings, finding{what, v, reason, fmt.Sprintf(format, args...)})
}

// failed notes an error as the table of errors judges it.
func (a *audit) failed(what string, err error) {
	v, reason := session.Classify(err)
	a.note(what, v, reason, "%s", failure(err))
}

// failure says why what MANIFEST.json lists could not be examined.
func failure(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "MANIFEST.json lists it, and it is missing"
	case errors.Is(err, context.Canceled):
		return "it was not looked at"
	}
	return err.Error()
}

// walk looks at every name in the mirror.
func (a *audit) walk(ctx context.Context) {
	err := fs.WalkDir(a.dir.fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			a.note(name, report.Unknown, report.Malformed, "it cannot be read: %v", err)
		case e.IsDir():
		case !e.Type().IsRegular():
			a.note(name, report.Unknown, report.Malformed, "it is not a regular file (%s), and a mirror has nothing else", e.Type())
		default:
			info, err := e.Info()
			if err != nil {
				a.note(name, report.Unknown, report.Malformed, "it cannot be read: %v", err)
				return nil
			}
			a.sizes[name] = info.Size()
		}
		return nil
	})
	if err != nil {
		a.note(".", report.Unknown, report.Interrupted, "%v", err)
	}
}

// contents hashes every blob, and unpacks every layer.
func (a *audit) contents(ctx context.Context, p *verify.Progress) {
	type job struct {
		digest oci.Digest
		size   int64
		want   layout.Unpacked
	}
	jobs := map[oci.Digest]*job{}
	for _, key := range slices.Sorted(maps.Keys(a.dir.repos)) {
		r := a.dir.repos[key]
		for tag, err := range r.Refused {
			a.note(key+":"+tag, report.Refuted, report.Mismatch, "%v", err)
		}
		all := r.Reach()
		if all.Damage != nil {
			a.failed(key, all.Damage)
		}
		for digest, n := range all.Nodes {
			if n.Conflict {
				a.note(key+"@"+string(digest), report.Refuted, report.Mismatch, "it is described in two ways that differ")
			}
			if jobs[digest] == nil {
				jobs[digest] = &job{digest: digest, size: n.Size}
			}
			if n.IsManifest {
				a.image(key, n, func(layer oci.Digest, u layout.Unpacked) {
					if j := jobs[layer]; j == nil {
						jobs[layer] = &job{digest: layer, want: u, size: -1}
					} else {
						j.want.MediaType = u.MediaType
						j.want.DiffIDs = append(j.want.DiffIDs, u.DiffIDs...)
					}
				})
			}
		}
	}
	var list []*job
	for _, digest := range slices.Sorted(maps.Keys(jobs)) {
		name := layout.BlobPath(digest)
		if size, there := a.sizes[name]; there {
			a.listed[name] = true
			a.blobs++
			a.bytes += size
			list = append(list, jobs[digest])
		}
	}
	errs := make([]error, len(list))
	p.Begin(len(list))
	par.Map(ctx, len(list), hashers, func(ctx context.Context, i int) {
		errs[i] = a.hash(ctx, list[i].digest, list[i].want)
		p.End(1)
	}, func(i int) { errs[i] = context.Canceled })
	for i, err := range errs {
		if err != nil {
			a.failed(layout.BlobPath(list[i].digest), err)
		}
	}
}

// image takes a manifest apart: what it names must be there, but for platforms
// that a sparse mirror leaves out, and its layers must unpack to its config.
func (a *audit) image(repo string, n *layout.Node, layer func(oci.Digest, layout.Unpacked)) {
	body, err := layout.ReadFile(a.dir.fsys, layout.BlobPath(n.Digest), n.Want(), layout.MaxChecked)
	if err != nil {
		return // what is missing is said of the index that names it, and what is damaged when it is hashed
	}
	index, img, err := registry.ParseManifest(n.MediaType, body)
	if err != nil {
		a.failed(repo+"@"+string(n.Digest), err)
		return
	}
	if index != nil {
		for _, m := range index.Manifests {
			if _, there := a.sizes[layout.BlobPath(m.Digest)]; !there && m.Platform != nil {
				a.absent[string(n.Digest)] = append(a.absent[string(n.Digest)], m.Platform.String())
			} else if !there {
				a.note(repo+"@"+string(m.Digest), report.Unknown, report.Incomplete, "an index names it, and it is missing")
			}
		}
		return
	}
	for _, d := range append([]registry.Descriptor{img.Config}, img.Layers...) {
		if _, there := a.sizes[layout.BlobPath(d.Digest)]; !there {
			a.note(layout.BlobPath(d.Digest), report.Unknown, report.Incomplete, "%s@%s names it, and it is missing", repo, n.Digest)
		}
	}
	if !layout.IsConfig(img.Config.MediaType) {
		return
	}
	text, err := layout.ReadFile(a.dir.fsys, layout.BlobPath(img.Config.Digest), layout.Want{}, layout.MaxChecked)
	if err != nil {
		return // missing or damaged: said elsewhere
	}
	config, err := registry.ParseConfig(text)
	var layers map[oci.Digest]layout.Unpacked
	if err == nil {
		layers, err = layout.LayersOf(img, config)
	}
	if err != nil {
		a.failed(repo+"@"+string(n.Digest), fmt.Errorf("config: %w", err))
		return
	}
	for digest, u := range layers {
		layer(digest, u)
	}
}

// hash reads a blob to its end.
func (a *audit) hash(ctx context.Context, digest oci.Digest, want layout.Unpacked) error {
	f, _, err := layout.OpenFile(a.dir.fsys, layout.BlobPath(digest))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	sum, err := layout.HashLayer(layout.WithContext(ctx, f), digest, want)
	if sum != "" && sum != digest {
		return &layout.CorruptError{Path: layout.BlobPath(digest), Want: string(digest), Got: string(sum)}
	}
	return err
}

// files hashes every file that MANIFEST.json lists, but for those that are
// judged as files of a release, which are hashed there.
func (a *audit) files(ctx context.Context, p *verify.Progress, judged map[string]bool) {
	d := a.dir
	if d.manifest == nil {
		for name := range a.sizes {
			if strings.HasPrefix(name, "files/") {
				a.listed[name] = true // there is no list to be missing from
			}
		}
		return
	}
	urls := slices.Sorted(maps.Keys(d.manifest.Files))
	errs := make([]error, len(urls))
	p.Begin(len(urls))
	par.Map(ctx, len(urls), hashers, func(ctx context.Context, i int) {
		if !judged[urls[i]] {
			errs[i] = a.file(ctx, urls[i])
		}
		p.End(1)
	}, func(i int) { errs[i] = context.Canceled })
	for i, url := range urls {
		name := layout.FilePath(url)
		a.listed[name] = true
		if size, there := a.sizes[name]; there {
			a.bytes += size
		}
		if errs[i] != nil {
			a.failed(name, errs[i])
		}
	}
	for _, u := range d.manifest.Manifest.Unknown {
		if u.Path != "" {
			a.listed[u.Path] = true
			f, _, err := layout.OpenFile(d.fsys, u.Path)
			var sum oci.Digest
			if err == nil {
				sum, err = layout.HashLayer(layout.WithContext(ctx, f), u.Digest, layout.Unpacked{})
				_ = f.Close()
			}
			if err != nil {
				a.failed(u.Path, err)
			} else if sum != u.Digest {
				a.note(u.Path, report.Refuted, report.Mismatch, "it is %s, not %s as MANIFEST.json says", sum, u.Digest)
			}
		}
	}
}

func (a *audit) file(ctx context.Context, url string) error {
	w := a.dir.manifest.Files[url]
	name := layout.FilePath(url)
	if !fs.ValidPath(name) {
		return fmt.Errorf("%q is not a URL of a mirror", url)
	}
	f, size, err := layout.OpenFile(a.dir.fsys, name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, layout.WithContext(ctx, f)); err != nil {
		return err
	}
	return w.Compare(name, size, h.Sum(nil))
}

// unlisted finds what nothing accounts for.
func (a *audit) unlisted() {
	blobs := 0
	defer func() {
		if blobs > 0 {
			a.note("oci/blobs", report.Unknown, report.Incomplete, "the names of the images could not be read, so that nothing says what %d blobs are", blobs)
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(a.sizes)) {
		if a.listed[name] {
			continue
		}
		switch base := path.Base(name); {
		case fetch.IsPart(base):
			a.note(name, report.Unknown, report.NoClaim, "a run that was interrupted left it; run mirror create again, or mirror prune")
		case strings.HasPrefix(name, "oci/blobs/"):
			if a.noIndex {
				blobs++
			} else if !a.unknownBlob(name) {
				a.note(name, report.Unknown, report.NoClaim, "no name of oci/index.json reaches it; mirror prune removes it")
			}
		default:
			a.note(name, report.Unknown, report.NoClaim, "MANIFEST.json does not list it; mirror prune removes what a mirror may have there")
		}
	}
}

// unknownBlob says whether a blob belongs to an image that is kept outside of
// the index, and is what its name says.
func (a *audit) unknownBlob(name string) bool {
	if a.dir.manifest == nil {
		return false
	}
	for _, u := range a.dir.manifest.Manifest.Unknown {
		if u.Path == "" && u.Digest != "" && layout.BlobsBelow(a.dir.fsys, u.Digest, 0)[name] {
			digest := oci.FromHex(path.Base(name))
			if err := a.hash(context.Background(), digest, layout.Unpacked{}); err != nil {
				a.failed(name, err)
			}
			return true
		}
	}
	return false
}
