package mirror

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/trust"
)

// Overview is what a mirror says that it holds, and what of that lies there, by
// name and size. It is not a verdict: of its bytes only lists and the manifests of
// images were read, and MANIFEST.json is the mirror's own word.
type Overview struct {
	SchemaVersion int    `json:"schemaVersion"` // 1
	Path          string `json:"path"`
	Archive       bool   `json:"archive"`
	Base          string `json:"base,omitempty"` // see [Mirror.Base]
	Bytes         int64  `json:"bytes"`          // of all that lies there
	Blobs         Amount `json:"blobs"`
	Files         Amount `json:"files"`
	Other         Amount `json:"other"`             // lists, what --allow-unknown kept, what interrupted runs left
	Missing       Amount `json:"missing"`           // named by lists or manifests, and not there; platforms that are absent apart
	Partial       string `json:"partial,omitempty"` // why the amounts are not those of everything

	Created string    `json:"created,omitempty"` // RFC 3339, by its own word
	Tool    string    `json:"tool,omitempty"`    // that made it, likewise
	Signed  Signature `json:"signed"`

	Releases []ReleaseOverview `json:"releases"`
	Others   []ImageOverview   `json:"others,omitempty"`  // images of no release
	Unknown  []string          `json:"unknown,omitempty"` // kept outside of what is served, since they could not be proved
	Damage   []string          `json:"damage,omitempty"`  // why a list, or a part of one, is refused
}

// Amount counts files and their bytes.
type Amount struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (a *Amount) add(size int64) { a.Count, a.Bytes = a.Count+1, a.Bytes+size }

// Signature says what is known of the operator's signature beside MANIFEST.json:
// whether one is there, and once it was held under a key whether it is by that key.
type Signature struct {
	Present bool   `json:"there"`
	Checked bool   `json:"checked"`
	By      string `json:"by,omitempty"`  // the key, if the signature is by it
	Why     string `json:"why,omitempty"` // why it is not
}

// ReleaseOverview is what a mirror holds of one release.
type ReleaseOverview struct {
	Version   string          `json:"version"`
	Images    []ImageOverview `json:"images"`
	Platforms []string        `json:"platforms,omitempty"` // that lie there, of any image
	Absent    []string        `json:"absent,omitempty"`    // that indexes name and that do not
	Without   []string        `json:"without,omitempty"`   // images that such a release has at least, and that are not listed
	Bytes     int64           `json:"bytes"`               // of its images, what they share counted once
	Files     FilesOverview   `json:"files"`
}

// FilesOverview is what a mirror lists of a release's files.
type FilesOverview struct {
	Amount
	Programs []string `json:"programs,omitempty"`
	Kinds    []string `json:"kinds,omitempty"` // of files that are not programs: see [release.FileInfo]
	Systems  []string `json:"systems,omitempty"`
}

// ImageOverview is a tag of the mirror and what it leads to.
type ImageOverview struct {
	Name      string     `json:"name"`
	Digest    oci.Digest `json:"digest"`
	Platforms []string   `json:"platforms,omitempty"` // of an index, those that lie there
	Absent    []string   `json:"absent,omitempty"`
	Bytes     int64      `json:"bytes"` // of what it names and lies there
}

const (
	// maxSurvey caps the bytes of manifests that an overview reads: some 3,000
	// images with all their platforms.
	maxSurvey = 64 << 20
	// maxManifest caps one of them; those of a release have under 10 KB.
	maxManifest = 1 << 20
)

// Overview lists what the mirror holds without hashing a layer or a file, in the time
// that it takes to list the directory.
func (d *Mirror) Overview() Overview {
	s := survey{dir: d, sizes: map[oci.Digest]int64{}, budget: maxSurvey, counted: map[oci.Digest]bool{}, lost: map[oci.Digest]bool{}}
	held := d.Contents()
	s.out = Overview{SchemaVersion: 1, Path: d.path, Archive: d.packed, Base: d.base, Damage: held.Damage}
	s.amounts()
	if m := d.Manifest(); m != nil {
		s.out.Created, s.out.Tool = m.Created, strings.TrimSpace(m.Tool.Name+" "+m.Tool.Version)
		for _, u := range m.Unknown {
			s.out.Unknown = append(s.out.Unknown, u.Name)
		}
	}
	s.out.Signed.Present = layout.IsKind(d.fsys, layout.SignatureFile, fs.FileMode.IsRegular)
	s.releases(held)
	return s.out
}

// survey is an overview in the making.
type survey struct {
	dir     *Mirror
	out     Overview
	sizes   map[oci.Digest]int64 // blobs that lie there
	budget  int64                // bytes of manifests that may still be read
	counted map[oci.Digest]bool  // of one release
	lost    map[oci.Digest]bool  // blobs that were found to be missing
}

// amounts looks at the name and size of everything.
func (s *survey) amounts() {
	seen := 0
	err := fs.WalkDir(s.dir.fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if seen++; seen > maxWalked {
			return layout.ErrTooLarge
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s.out.Bytes += info.Size()
		digest := oci.FromHex(path.Base(name))
		switch {
		case fetch.IsPart(path.Base(name)):
			s.out.Other.add(info.Size())
		case name == layout.BlobPath(digest):
			s.out.Blobs.add(info.Size())
			s.sizes[digest] = info.Size()
		case strings.HasPrefix(name, "files/"):
			s.out.Files.add(info.Size())
		default:
			s.out.Other.add(info.Size())
		}
		return nil
	})
	if err != nil {
		s.out.Partial = "not everything was counted: " + layout.WithoutPath(err).Error()
	}
}

// releases sorts what the lists name by release.
func (s *survey) releases(held Contents) {
	of := map[release.Version]*ReleaseOverview{}
	for _, v := range held.Versions {
		of[v] = &ReleaseOverview{Version: v.String(), Images: []ImageOverview{}}
	}
	files := map[release.Version][]HeldFile{}
	for _, f := range held.Files {
		if info, err := fs.Stat(s.dir.fsys, f.Name); errors.Is(err, fs.ErrNotExist) {
			s.out.Missing.add(max(f.Size, 0))
		} else if err == nil {
			f.Size = info.Size()
		}
		files[f.Version] = append(files[f.Version], f)
	}
	images := map[release.Version][]HeldImage{}
	for _, i := range held.Images {
		v, _ := releaseOf(i.Repository, i.Tag)
		if !i.IsAttached() && release.DescribeImage(i.String()).Arch == "" {
			images[v] = append(images[v], i)
		}
	}
	for _, v := range held.Versions {
		r := of[v]
		s.counted = map[oci.Digest]bool{}
		for _, i := range images[v] {
			im, more := s.image(i)
			r.Images = append(r.Images, im)
			r.Platforms, r.Absent = layout.Union(r.Platforms, im.Platforms), layout.Union(r.Absent, im.Absent)
			r.Bytes += more
		}
		r.Without = without(v, r.Images)
		r.Files = filesOverview(files[v])
		s.out.Releases = append(s.out.Releases, *r)
	}
	for _, i := range images[release.Version{}] {
		im, _ := s.image(i)
		s.out.Others = append(s.out.Others, im)
	}
}

// without are the images that a release has at least and that are not among these.
// Of one with none at all nothing is said: its files were wanted.
func without(v release.Version, have []ImageOverview) (list []string) {
	least, _, _ := trust.EmbeddedPolicy().MinimumImages(v.Minor)
	for _, name := range least {
		if len(have) > 0 && !slices.ContainsFunc(have, func(i ImageOverview) bool {
			return release.DescribeImage(i.Name).Component == name
		}) {
			list = append(list, name)
		}
	}
	return list
}

// filesOverview sorts the files of one release by what they are. What lies beside a
// file counts with it.
func filesOverview(list []HeldFile) (o FilesOverview) {
	programs, kinds, systems := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, f := range list {
		o.add(max(f.Size, 0))
		if release.IsSidecar(f.Path) || strings.HasSuffix(f.Path, layout.BundleSuffix) {
			continue
		}
		info := release.DescribeFile(f.Path)
		if info.Kind == "binary" {
			programs[info.Component] = true
		} else {
			kinds[info.Kind] = true
		}
		if info.OS != "" && info.Arch != "" {
			systems[info.OS+"/"+info.Arch] = true
		}
	}
	o.Programs, o.Kinds, o.Systems = slices.Sorted(maps.Keys(programs)), slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(systems))
	return o
}

// image follows a tag to what it names; more are the bytes that no image of the same
// release has named before.
func (s *survey) image(i HeldImage) (out ImageOverview, more int64) {
	out = ImageOverview{Name: i.String(), Digest: i.Digest}
	below := map[oci.Digest]bool{}
	s.follow(i.Digest, 0, below, &out)
	for digest := range below {
		out.Bytes += s.sizes[digest]
		if !s.counted[digest] {
			s.counted[digest] = true
			more += s.sizes[digest]
		}
	}
	return out, more
}

// follow reads a manifest, if it lies there, and those that an index names.
func (s *survey) follow(digest oci.Digest, depth int, below map[oci.Digest]bool, out *ImageOverview) {
	size, there := s.sizes[digest]
	if !there {
		s.miss(digest, 0)
		return
	}
	below[digest] = true
	if size > maxManifest || s.budget < size {
		s.out.Partial = "not every manifest was read: too many or too large"
		return
	}
	s.budget -= size
	body, err := layout.ReadFile(s.dir.fsys, layout.BlobPath(digest), layout.Want{Sha256: digest.Hex(), Size: size}, maxManifest)
	var m layout.ManifestBlob
	if err == nil {
		m, err = layout.ParseManifestBlob(body)
	}
	if err != nil {
		s.damage(out.Name + ": " + err.Error())
		return
	}
	for _, c := range m.Manifests {
		if c.Check() != nil || depth > 0 {
			continue
		}
		_, there := s.sizes[c.Digest]
		switch p := c.Platform.String(); {
		case p != "" && there:
			out.Platforms = append(out.Platforms, p)
		case p != "":
			out.Absent = append(out.Absent, p)
			continue
		}
		s.follow(c.Digest, depth+1, below, out)
	}
	for _, b := range m.Blobs() {
		if b.Check() != nil {
			continue
		}
		if _, there := s.sizes[b.Digest]; there {
			below[b.Digest] = true
		} else {
			s.miss(b.Digest, b.Size)
		}
	}
}

// miss counts a blob that is not there, once.
func (s *survey) miss(digest oci.Digest, size int64) {
	if !s.lost[digest] {
		s.lost[digest] = true
		s.out.Missing.add(size)
	}
}

// maxDamage caps how much damage is told one by one.
const maxDamage = 200

func (s *survey) damage(text string) {
	if len(s.out.Damage) < maxDamage {
		s.out.Damage = append(s.out.Damage, text)
	}
}
