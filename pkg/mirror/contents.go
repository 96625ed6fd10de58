package mirror

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
)

// Contents is what a mirror holds, by its lists. It is not a verdict.
type Contents struct {
	Versions    []release.Version // newest first
	Files       []HeldFile        // by URL
	Images      []HeldImage       // by name
	Damage      []string          // why a list, or a part of one, is refused
	HasManifest bool              // there is a MANIFEST.json, and it can be read
}

// HeldFile is a file or document of the mirror.
type HeldFile struct {
	URL     string          // canonical
	Name    string          // inside the mirror, "files/HOST/PATH"
	Version release.Version // zero for what belongs to no release
	Path    string          // in the release, such as "bin/linux/amd64/kubectl"
	SHA256  string          // hex, as MANIFEST.json says; empty without one
	Size    int64           // in bytes; -1 if it is not known
}

// HeldImage is one name of oci/index.json.
type HeldImage struct {
	Host, Repository, Tag string // "registry.k8s.io", "kube-proxy", "v1.27.2"; Tag is empty for a name by digest
	Digest                oci.Digest
	MediaType             string
}

// String returns the name as a registry's client writes it.
func (i HeldImage) String() string {
	if i.Tag == "" {
		return i.Host + "/" + i.Repository + "@" + string(i.Digest)
	}
	return i.Host + "/" + i.Repository + ":" + i.Tag
}

// IsAttached says whether the tag only hangs something on a digest, such as a
// signature: sha256-<hex>, with or without a suffix.
func (i HeldImage) IsAttached() bool {
	rest, ok := strings.CutPrefix(i.Tag, "sha256-")
	return ok && len(rest) >= 64 && layout.IsHex(rest[:64])
}

// maxWalked bounds the files of a directory without MANIFEST.json.
const maxWalked = 1_000_000

// Contents lists what the mirror holds. A directory that has no MANIFEST.json
// is walked.
func (d *Mirror) Contents() Contents {
	c := Contents{HasManifest: d.manifest != nil}
	for _, half := range slices.Sorted(maps.Keys(d.broken)) {
		c.Damage = append(c.Damage, half+": "+d.broken[half].Error())
	}
	d.heldFiles(&c)
	for key, r := range d.repos {
		host, repo, _ := strings.Cut(key, "/")
		for tag, target := range r.Tags {
			c.Images = append(c.Images, HeldImage{host, repo, tag, target.Digest, target.MediaType})
		}
		for tag, err := range r.Refused {
			c.Damage = append(c.Damage, key+":"+tag+": "+err.Error())
		}
	}
	seen := map[release.Version]bool{}
	for _, f := range c.Files {
		seen[f.Version] = true
	}
	for _, i := range c.Images {
		if v, ok := releaseOf(i.Repository, i.Tag); ok {
			seen[v] = true
		}
	}
	delete(seen, release.Version{})
	c.Versions = slices.SortedFunc(maps.Keys(seen), func(a, b release.Version) int { return b.Compare(a) })
	slices.SortFunc(c.Files, func(a, b HeldFile) int { return strings.Compare(a.URL, b.URL) })
	slices.SortFunc(c.Images, func(a, b HeldImage) int { return strings.Compare(a.String(), b.String()) })
	slices.Sort(c.Damage)
	return c
}

func (d *Mirror) heldFiles(c *Contents) {
	if d.broken["MANIFEST.json"] != nil {
		return
	}
	add := func(url string, w layout.Want) {
		path, ok := strings.CutPrefix(url, "https://")
		if !ok || !layout.IsClean("/"+path) {
			return
		}
		f := HeldFile{URL: url, Name: "files/" + path, SHA256: w.Sha256, Size: w.Size}
		if rest, ok := strings.CutPrefix(path, layout.HostFiles+"/release/"); ok {
			version, inside, _ := strings.Cut(rest, "/")
			if v, err := release.ParseVersion(version); err == nil {
				f.Version, f.Path = v, inside
			}
		}
		c.Files = append(c.Files, f)
	}
	if d.manifest != nil {
		for url, w := range d.manifest.Files {
			add(url, w)
		}
		return
	}
	err := fs.WalkDir(d.fsys, "files", func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // there are none, or no longer
		case err != nil:
			return err
		case len(c.Files) >= maxWalked:
			return layout.ErrTooLarge
		case e.Type().IsRegular():
			add("https://"+strings.TrimPrefix(name, "files/"), layout.Want{Size: -1})
		}
		return nil
	})
	if err != nil {
		c.Damage = append(c.Damage, "files: "+err.Error())
	}
}
