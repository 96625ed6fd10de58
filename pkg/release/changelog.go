package release

import (
	"fmt"
	"slices"
	"strings"

	xast "github.com/yuin/goldmark/extension/ast"
)

// Changelog is what the CHANGELOG says is to be downloaded for one version.
type Changelog struct {
	Version Version   `json:"version"`
	Files   []FileRow `json:"files"`            // in the document's order
	Images  []Image   `json:"images,omitempty"` // sorted by name; none before v1.24.0
	// Algorithm is the strongest that every file has: "sha512" since v1.12,
	// "sha256" since v1.2.7, "sha1" before, which proves nothing any more.
	Algorithm string `json:"algorithm"`
}

// FileRow is one file that the CHANGELOG lists, with the hashes it gives in
// hexadecimal; there is one of them, or sha1 and md5 in the oldest.
type FileRow struct {
	Name    string `json:"name"`              // passed CheckPath; the path in the release
	URL     string `json:"url"`               // built from version and name; the document's link is only compared
	Section string `json:"section,omitempty"` // "source", "client", "server", "node", "test"; by the name, since headings are missing from old releases
	SHA512  string `json:"sha512,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	SHA1    string `json:"sha1,omitempty"`
	MD5     string `json:"md5,omitempty"`
}

// maxFiles and maxImages bound what a section may list; so far it is some
// forty files and six images.
const (
	maxFiles  = 1000
	maxImages = 200
)

// File returns the row of that name.
func (c *Changelog) File(name string) (FileRow, bool) {
	i := slices.IndexFunc(c.Files, func(f FileRow) bool { return f.Name == name })
	if i < 0 {
		return FileRow{}, false
	}
	return c.Files[i], true
}

// Image returns the image of that name.
func (c *Changelog) Image(name string) (Image, bool) {
	i := slices.IndexFunc(c.Images, func(m Image) bool { return m.Name == name })
	if i < 0 {
		return Image{}, false
	}
	return c.Images[i], true
}

// ParseChangelog reads the download tables of v out of a CHANGELOG-1.N.md, in
// every form that Kubernetes wrote since v1.2: both writers' layout; sha1 and
// md5, sha256, sha512; with and without sub-headings and image tables;
// registry.k8s.io and k8s.gcr.io.
//
// It was tried on the real sections of v1.24.0, v1.27.2 and v1.37.0-alpha.1
// and the real table of contents of 1.27; every other form on excerpts of our
// own, under testdata.
//
// A version that the CHANGELOG does not tell of is a [*NotReleasedError]; a
// row or image of another version a [*WrongVersionError]; a file with two
// different hashes, or an image with two lists of architectures, an
// [*AmbiguousError]; a name, link or hash of unknown form a [*FormatError].
func ParseChangelog(data []byte, v Version) (*Changelog, error) {
	s, err := findSection(data, v)
	if err != nil {
		return nil, err
	}
	c := &Changelog{Version: v}
	for _, block := range s.blocks {
		table, ok := block.(*xast.Table)
		if !ok {
			continue
		}
		rows := tableRows(table, s.source)
		if len(rows) == 0 || len(rows[0]) < 2 {
			continue
		}
		header := rows[0]
		switch strings.ToLower(header[0].text) {
		case "filename", "binary":
			for _, row := range rows[1:] {
				if err := c.addFile(header, row); err != nil {
					return nil, err
				}
			}
		case "name":
			if !strings.EqualFold(header[1].text, "architectures") {
				continue
			}
			for _, row := range rows[1:] {
				if err := c.addImage(row); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(c.Files) == 0 {
		return nil, &FormatError{Document: changelogName, Why: "the section of " + v.String() + " lists no file"}
	}
	c.Algorithm = commonAlgorithm(c.Files)
	sortImages(c.Images)
	return c, nil
}

// commonAlgorithm returns the strongest algorithm that every row has.
func commonAlgorithm(files []FileRow) string {
	for _, a := range []string{"sha512", "sha256", "sha1", "md5"} {
		if !slices.ContainsFunc(files, func(f FileRow) bool { return *f.hash(a) == "" }) {
			return a
		}
	}
	return ""
}

// hash returns where the row keeps a hash of that algorithm; nil if nowhere.
func (f *FileRow) hash(algorithm string) *string {
	switch algorithm {
	case "sha512":
		return &f.SHA512
	case "sha256":
		return &f.SHA256
	case "sha1":
		return &f.SHA1
	case "md5":
		return &f.MD5
	}
	return nil
}

// addFile takes a row of a file table: a linked name and a hash a column.
func (c *Changelog) addFile(header, row []cell) error {
	bad := func(format string, a ...any) error {
		return &FormatError{Document: changelogName + " of " + c.Version.String(), Why: fmt.Sprintf(format, a...)}
	}
	name := row[0].text
	if err := CheckPath(name); err != nil || strings.Contains(name, "/") {
		return bad("file name %s is none", quote(name))
	}
	if err := c.checkLink(name, row[0].link); err != nil {
		return err
	}
	f := FileRow{Name: name, URL: c.Version.FileURL(name), Section: DescribeFile(name).Kind}
	for i, h := range header[1:] {
		column, isHash := strings.CutSuffix(strings.ToLower(h.text), " hash")
		if f.hash(column) == nil || !isHash {
			return bad("table with a column %s", quote(h.text))
		}
		if i+1 >= len(row) {
			return bad("%s has no %s", name, column)
		}
		// The length tells the algorithm; a column's title that says another is
		// a slip, not a second hash.
		sum := row[i+1].text
		to := f.hash(algorithms[len(sum)])
		if to == nil || !isHex(sum, len(sum)) {
			return bad("%s: %s is no %s", name, quote(sum), column)
		}
		if *to != "" && *to != sum {
			return &AmbiguousError{changelogName, name, [2]string{*to, sum}}
		}
		*to = sum
	}
	if len(c.Files) == maxFiles {
		return &LimitError{changelogName, "files", maxFiles}
	}
	old := slices.IndexFunc(c.Files, func(o FileRow) bool { return o.Name == name })
	if old < 0 {
		c.Files = append(c.Files, f)
		return nil
	}
	for _, a := range []string{"sha512", "sha256", "sha1", "md5"} {
		if was, is := c.Files[old].hash(a), f.hash(a); *was != *is {
			return &AmbiguousError{changelogName, name, [2]string{*was, *is}}
		}
	}
	return nil
}

// linkBases are the places that a CHANGELOG has linked to, before VERSION/NAME.
var linkBases = []string{
	"https://dl.k8s.io/", "https://dl.k8s.io/release/", "https://cdn.dl.k8s.io/release/",
	"https://storage.googleapis.com/kubernetes-release/release/",
}

// checkLink holds a file's link to the release: it may lead to the one place
// that the version and the name make, and nowhere else.
func (c *Changelog) checkLink(name, link string) error {
	if link == "" { // a name that is no link
		return nil
	}
	for _, base := range linkBases {
		rest, ok := strings.CutPrefix(link, base)
		if !ok {
			continue
		}
		version, file, _ := strings.Cut(rest, "/")
		if version == c.Version.String() && file == name {
			return nil
		}
		if w, err := ParseVersion(version); err == nil && w != c.Version {
			return &WrongVersionError{changelogName, "the link of " + name, c.Version.String(), version}
		}
	}
	return &FormatError{Document: changelogName + " of " + c.Version.String(), Why: "the link of " + name + " leads to " + quote(link)}
}

// addImage takes a row of the image table: a name with its tag, and links to
// the architectures.
func (c *Changelog) addImage(row []cell) error {
	bad := func(format string, a ...any) error {
		return &FormatError{Document: changelogName + " of " + c.Version.String(), Why: fmt.Sprintf(format, a...)}
	}
	if len(row) < 2 {
		return bad("an image without architectures")
	}
	host, rest, _ := strings.Cut(row[0].text, "/")
	name, tag, _ := strings.Cut(rest, ":")
	if host != registryHost && host != oldRegistryHost || !imageName(name) || !imageTag(tag) {
		return bad("%s is no image of a release", quote(row[0].text))
	}
	if tag != c.Version.String() {
		return &WrongVersionError{changelogName, "image " + name, c.Version.String(), tag}
	}
	m := Image{Registry: host, Name: name, Tag: tag}
	for item := range strings.SplitSeq(row[1].list, ",") {
		arch := parseCell(strings.TrimSpace(item)).text
		if !slices.Contains(Arches, arch) {
			return bad("image %s: %s is no architecture", name, quote(arch))
		}
		m.Platforms = append(m.Platforms, linux(arch))
	}
	slices.Sort(m.Platforms)
	if len(slices.Compact(slices.Clone(m.Platforms))) != len(m.Platforms) {
		return bad("image %s lists an architecture twice", name)
	}
	if old, ok := c.Image(name); ok {
		if !slices.Equal(old.Platforms, m.Platforms) {
			return &AmbiguousError{changelogName, name, [2]string{strings.Join(old.Platforms, " "), strings.Join(m.Platforms, " ")}}
		}
		return nil
	}
	if len(c.Images) == maxImages {
		return &LimitError{changelogName, "images", maxImages}
	}
	c.Images = append(c.Images, m)
	return nil
}

// ChangelogVersions lists the versions that a CHANGELOG has sections for, in
// its order: newest first.
func ChangelogVersions(data []byte) ([]Version, error) {
	order, _, err := parseSections(data)
	return order, err
}
