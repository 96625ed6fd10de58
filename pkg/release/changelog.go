package release

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
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
	// Odd are the rows that could not be read and were left out.
	Odd []OddRow `json:"odd,omitempty"`
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
// It was tried on the real sections of v1.24.0, v1.27.2 and v1.37.0-alpha.1,
// on every section of the real CHANGELOG-1.4 and 1.14, and the real table of
// contents of 1.27; every other form on excerpts of our own, under testdata.
//
// A row of another form than it should have, such as a pattern in place of a
// name, a link to another place or a hash too short, is left out and named in
// [Changelog.Odd]; the others stay. There may be no others.
//
// A version that the CHANGELOG does not tell of is a [*NoSectionError], one of
// which it lists nothing a [*NoFilesError]; a row or image of another version a
// [*WrongVersionError]; a file with two different hashes, or an image with two
// lists of architectures, an [*AmbiguousError].
func ParseChangelog(data []byte, v Version) (*Changelog, error) {
	s, err := findSection(data, v)
	if err != nil {
		return nil, err
	}
	c := &Changelog{Version: v}
	var path headings
	for _, block := range s.blocks {
		switch block := block.(type) {
		case *ast.Heading:
			path.enter(block.Level, plainText(block, s.source))
		case *xast.Table:
			err = c.addTable(tableRows(block, s.source))
		default:
			if path.downloads() {
				err = c.addStray(s.source, block)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if len(c.Files)+len(c.Images)+len(c.Odd) == 0 {
		return nil, &NoFilesError{Version: v}
	}
	c.Algorithm = commonAlgorithm(c.Files)
	sortImages(c.Images)
	numberLines(c.Odd, s.source)
	return c, nil
}

// addTable takes a table of files or of images; of any other, what looks as if
// it told of files all the same.
func (c *Changelog) addTable(rows []tableRow) error {
	if len(rows) == 0 || len(rows[0].cells) == 0 {
		return nil
	}
	header := rows[0]
	first := strings.ToLower(header.cells[0].text)
	isFiles := first == "filename" || first == "binary"
	isImages := first == "name" && len(header.cells) > 1 && strings.EqualFold(header.cells[1].text, "architectures")
	for _, row := range rows[1:] {
		var err error
		switch {
		case isFiles:
			err = c.addFile(header.cells, row)
		case isImages:
			err = c.addImage(header.cells, row)
		case namesImage(row):
			err = c.oddImage(row, "its table is headed "+quote(header.cells[0].text)+", not name and architectures")
		case row.hasHash():
			err = c.leaveOutFile(row, "its table is headed "+quote(header.cells[0].text)+", not filename")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// namesImage reports whether the row begins with an image of a release.
func namesImage(row tableRow) bool {
	return strings.HasPrefix(row.cells[0].text, registryHost+"/") || strings.HasPrefix(row.cells[0].text, oldRegistryHost+"/")
}

// commonAlgorithm returns the strongest algorithm that every row has; none
// without rows.
func commonAlgorithm(files []FileRow) string {
	if len(files) == 0 {
		return ""
	}
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
func (c *Changelog) addFile(header []cell, row tableRow) error {
	name := row.cells[0].text
	if err := CheckPath(name); err != nil || strings.Contains(name, "/") || isHash(name) {
		return c.leaveOutFile(row, "file name "+quote(name)+" is invalid")
	}
	if why, err := c.checkLink(name, row.cells[0].link); err != nil || why != "" {
		return c.oddOr(err, row, why)
	}
	f := FileRow{Name: name, URL: c.Version.FileURL(name), Section: DescribeFile(name).Kind}
	if why, err := f.takeHashes(header, row); err != nil || why != "" {
		return c.oddOr(err, row, why)
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

// takeHashes reads a row's hashes; why is empty if all of them could be read.
func (f *FileRow) takeHashes(header []cell, row tableRow) (why string, err error) {
	if len(header) < 2 || row.columns > len(header) {
		return fmt.Sprintf("it has %d cells in a table of %d columns", row.columns, len(header)), nil
	}
	for i, h := range header[1:] {
		column, isSum := strings.CutSuffix(strings.ToLower(h.text), " hash")
		if f.hash(column) == nil || !isSum {
			return "a table with a column " + quote(h.text), nil
		}
		if i+1 >= len(row.cells) {
			return f.Name + " has no " + column, nil
		}
		// The length tells the algorithm; a column's title that says another is
		// a slip, not a second hash.
		sum := row.cells[i+1].text
		to := f.hash(algorithms[len(sum)])
		if to == nil || !isHex(sum, len(sum)) {
			return f.Name + ": " + quote(sum) + " is not a " + column, nil
		}
		if *to != "" && *to != sum {
			return "", &AmbiguousError{changelogName, f.Name, [2]string{*to, sum}}
		}
		*to = sum
	}
	return "", nil
}

// linkBases are the places that a CHANGELOG has linked to, before VERSION/NAME.
var linkBases = []string{
	"https://dl.k8s.io/", "https://dl.k8s.io/release/", "https://cdn.dl.k8s.io/release/",
	"https://storage.googleapis.com/kubernetes-release/release/",
}

// checkLink holds a file's link to the release: it may lead to the one place
// that the version and the name make, and nowhere else. A link to another
// version's file is an error, one to anywhere else makes the row odd.
func (c *Changelog) checkLink(name, link string) (why string, err error) {
	if link == "" { // a name that is not a link
		return "", nil
	}
	for _, base := range linkBases {
		rest, ok := strings.CutPrefix(link, base)
		if !ok {
			continue
		}
		version, file, _ := strings.Cut(rest, "/")
		if version == c.Version.String() && file == name {
			return "", nil
		}
		if w, err := ParseVersion(version); err == nil && w != c.Version {
			return "", &WrongVersionError{changelogName, "the link of " + name, c.Version.String(), version}
		}
	}
	return "the link of " + name + " leads to " + quote(link), nil
}

// addImage takes a row of the image table: a name with its tag, and links to
// the architectures.
func (c *Changelog) addImage(header []cell, row tableRow) error {
	if len(row.cells) < 2 || row.columns > len(header) {
		return c.oddImage(row, fmt.Sprintf("it has %d cells in a table of %d columns", row.columns, len(header)))
	}
	host, rest, _ := strings.Cut(row.cells[0].text, "/")
	name, tag, _ := strings.Cut(rest, ":")
	if host != registryHost && host != oldRegistryHost || !imageName(name) || !imageTag(tag) {
		return c.oddImage(row, quote(row.cells[0].text)+" is not an image of a release")
	}
	if tag != c.Version.String() {
		if _, err := ParseVersion(tag); err != nil {
			return c.oddImage(row, "image "+name+" has the tag "+quote(tag))
		}
		return &WrongVersionError{changelogName, "image " + name, c.Version.String(), tag}
	}
	m := Image{Registry: host, Name: name, Tag: tag}
	for item := range strings.SplitSeq(row.cells[1].list, ",") {
		arch := parseCell(strings.TrimSpace(item)).text
		if !slices.Contains(Arches, arch) {
			return c.oddImage(row, "image "+name+": "+quote(arch)+" is not an architecture")
		}
		m.Platforms = append(m.Platforms, linux(arch))
	}
	slices.Sort(m.Platforms)
	if len(slices.Compact(slices.Clone(m.Platforms))) != len(m.Platforms) {
		return c.oddImage(row, "image "+name+" lists an architecture twice")
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
