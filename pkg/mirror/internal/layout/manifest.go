package layout

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Manifest is MANIFEST.json: everything that a mirror holds, with digests, where
// it was from and the verdict that it had there. It is a record and proves
// nothing by itself.
type Manifest struct {
	SchemaVersion int            `json:"schemaVersion"`
	Created       string         `json:"created"` // RFC 3339: of the last run that changed anything
	Tool          report.Tool    `json:"tool"`
	Note          string         `json:"note,omitempty"`
	Policy        *report.Source `json:"policy,omitempty"`      // that the verdicts were given under
	TrustedRoot   *report.Source `json:"trustedRoot,omitempty"` // likewise
	Sums          string         `json:"sums,omitempty"`        // the file with the checksums of the lists
	Releases      []string       `json:"releases"`
	Scope         []Scope        `json:"scope,omitempty"` // what was asked for, once a run
	Images        []ImageEntry   `json:"images"`
	Files         []FileEntry    `json:"files"`
	Unknown       []UnknownEntry `json:"unknown,omitempty"`
}

// Scope is what was asked for of one release.
type Scope struct {
	Release string   `json:"release"`
	Images  bool     `json:"images"`
	Names   []string `json:"names,omitempty"`  // images; none means all
	Arches  []string `json:"arches,omitempty"` // none means all
	OSes    []string `json:"oses,omitempty"`   // of files; none means all
	Also    []string `json:"also,omitempty"`   // images that are not of the release, by name
}

// ImageEntry is a name of oci/index.json.
type ImageEntry struct {
	Name      string     `json:"name"` // such as "registry.k8s.io/kube-proxy:v1.27.2"
	Digest    oci.Digest `json:"digest"`
	MediaType string     `json:"mediaType"`
	Size      int64      `json:"size"`
	Origin    string     `json:"origin"`
	Verdict   string     `json:"verdict"`
	Why       string     `json:"why,omitempty"` // what the name is: verified, or beside what was
	Releases  []string   `json:"releases,omitempty"`
	Absent    []string   `json:"absent,omitempty"`    // platforms that the index names and the mirror has not
	Referrers string     `json:"referrers,omitempty"` // "listed", "none", or "not answered" by the registry
}

// FileEntry is a file below files/.
type FileEntry struct {
	URL       string   `json:"url"`
	SHA256    string   `json:"sha256"` // hex
	Size      int64    `json:"size"`
	Origin    string   `json:"origin"` // "published" or "carried"
	Verdict   string   `json:"verdict"`
	Releases  []string `json:"releases,omitempty"`
	ExcerptOf string   `json:"excerptOf,omitempty"` // sha256 of the whole that these are lines of
}

// UnknownEntry is a subject that could not be proved and was kept all the same,
// outside of everything that is served.
type UnknownEntry struct {
	Name    string     `json:"name"` // of an image, or the URL of a file
	Release string     `json:"release,omitempty"`
	Digest  oci.Digest `json:"digest,omitempty"` // of the image, or "sha256:<hex>" of the file
	Path    string     `json:"path,omitempty"`   // in the mirror, of a file
	Detail  string     `json:"detail"`
}

// sort puts everything in order, so that the same contents make the same bytes.
func (m *Manifest) sort() {
	slices.SortFunc(m.Images, func(a, b ImageEntry) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Files, func(a, b FileEntry) int { return strings.Compare(a.URL, b.URL) })
	slices.SortFunc(m.Unknown, func(a, b UnknownEntry) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Scope, func(a, b Scope) int {
		return cmp.Or(strings.Compare(a.Release, b.Release), strings.Compare(scopeKey(a), scopeKey(b)))
	})
	m.Scope = slices.CompactFunc(m.Scope, func(a, b Scope) bool { return scopeKey(a) == scopeKey(b) })
	slices.SortFunc(m.Releases, compareReleases)
	m.Releases = slices.Compact(m.Releases)
}

func scopeKey(s Scope) string {
	text, err := json.Marshal(s)
	if err != nil {
		return s.Release // strings alone always marshal
	}
	return string(text)
}

// Bytes renders the list.
func (m *Manifest) Bytes() ([]byte, error) {
	m.sort()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(m)
	return b.Bytes(), err
}

// Index renders oci/index.json: exactly the names of the list.
func (m *Manifest) Index() ([]byte, error) {
	type entry struct {
		MediaType   string            `json:"mediaType"`
		Digest      oci.Digest        `json:"digest"`
		Size        int64             `json:"size"`
		Annotations map[string]string `json:"annotations"`
	}
	doc := struct {
		SchemaVersion int     `json:"schemaVersion"`
		MediaType     string  `json:"mediaType"`
		Manifests     []entry `json:"manifests"`
	}{2, "application/vnd.oci.image.index.v1+json", []entry{}}
	for _, i := range m.Images {
		doc.Manifests = append(doc.Manifests, entry{i.MediaType, i.Digest, i.Size,
			map[string]string{annotationRef: i.Name, annotationContainerd: i.Name}})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	return append(text, '\n'), err
}

// Sums renders the checksums of the lists, as sha256sum -c reads them.
func Sums(files map[string][]byte) []byte {
	var b strings.Builder
	for _, name := range Summed {
		if text, ok := files[name]; ok {
			sum := sha256.Sum256(text)
			fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(sum[:]), name)
		}
	}
	return []byte(b.String())
}

// Merge joins what another run found with what is listed. What was found last
// is right about what both name.
func (m *Manifest) Merge(found *Manifest) {
	m.Releases = append(m.Releases, found.Releases...)
	m.Scope = append(m.Scope, found.Scope...)
	gone := map[string]bool{}
	for _, i := range found.Images {
		gone[i.Name] = true
		at := slices.IndexFunc(m.Images, func(o ImageEntry) bool { return o.Name == i.Name })
		if at < 0 {
			m.Images = append(m.Images, i)
			continue
		}
		if old := m.Images[at]; old.Digest == i.Digest {
			i.Absent = both(old.Absent, i.Absent)
			if i.Referrers == "" || i.Referrers != "listed" && old.Referrers == "listed" {
				i.Referrers = old.Referrers
			}
		}
		i.Releases = Union(m.Images[at].Releases, i.Releases)
		m.Images[at] = i
	}
	byURL := map[string]int{}
	for at, f := range m.Files {
		byURL[f.URL] = at
	}
	for _, f := range found.Files {
		gone[f.URL] = true
		at, ok := byURL[f.URL]
		if !ok {
			byURL[f.URL] = len(m.Files)
			m.Files = append(m.Files, f)
			continue
		}
		if old := m.Files[at]; old.SHA256 == f.SHA256 && old.Origin == "published" {
			f.Origin = old.Origin // it was read from the mirror itself this time
		}
		f.Releases = Union(m.Files[at].Releases, f.Releases)
		m.Files[at] = f
	}
	for _, u := range found.Unknown {
		gone[u.Name] = false
	}
	m.Unknown = slices.DeleteFunc(m.Unknown, func(u UnknownEntry) bool {
		_, again := gone[u.Name]
		return again
	})
	m.Unknown = append(m.Unknown, found.Unknown...)
}

func Union(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.SortFunc(out, compareReleases)
	return slices.Compact(out)
}

// both keeps what stands in both lists.
func both(a, b []string) (out []string) {
	for _, s := range a {
		if slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

// compareReleases orders versions by age, and other words by their letters.
func compareReleases(a, b string) int {
	v, err := release.ParseVersion(a)
	w, err2 := release.ParseVersion(b)
	if err != nil || err2 != nil {
		return strings.Compare(a, b)
	}
	return v.Compare(w)
}
