package trust

import (
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// maxCatalogue caps a catalogue. One of every release since v1.24 is about 2 MB.
const maxCatalogue = 8 << 20

//go:embed data/catalogue.txt
var catalogueText []byte

// Catalogue is what past releases consisted of: which digest an image, a tag
// and a platform had when it was promoted. It is compiled in, so that no attacker on
// the way can change it, and binds a digest to a tag, with all that the digest
// covers, the config among it. It never stands for a signature.
//
// Its text is lines of words, sorted, as tools/catalogue writes them:
//
//	kverify-catalogue 1
//	source ID REPOSITORY PATH COMMIT sha256:DIGEST
//	row IMAGE TAG PLATFORM sha256:DIGEST SOURCE-ID
//
// COMMIT is "unrecorded" where it was not written down, DIGEST the hash of the
// bytes that were read, PLATFORM "index" or such as "linux/arm64". Lines that
// begin with "#" are remarks.
type Catalogue struct {
	sources []CatalogueSource
	rows    []CatalogueRow
	at      map[string]int      // "image tag platform" -> index of rows
	of      map[string][]string // "image platform digest" -> tags
	source  report.Source
}

// CatalogueSource is a document that rows were taken from.
type CatalogueSource struct {
	ID         string     // such as "k8s-staging-kubernetes"
	Repository string     // such as "github.com/kubernetes/k8s.io"
	Path       string     // in the repository
	Commit     string     // 40 hex digits, or "unrecorded"
	Digest     oci.Digest // of what was read
}

// String names the source in one line.
func (s CatalogueSource) String() string {
	at := "commit not recorded"
	if s.Commit != unrecorded {
		at = "commit " + s.Commit
	}
	return fmt.Sprintf("%s %s, %s", s.Repository, s.Path, at)
}

// CatalogueRow is one digest of one release.
type CatalogueRow struct {
	Image    string // path in the registry, such as "kube-proxy" or "coredns/coredns"
	Tag      string
	Platform string // "index", or such as "linux/arm64"
	Digest   oci.Digest
	Source   string // id of a CatalogueSource
}

// IndexRow is the platform of a row that is of an index.
const IndexRow = "index"

const (
	catalogueHead = "kverify-catalogue 1"
	unrecorded    = "unrecorded"
)

// EmbeddedCatalogue returns the catalogue that is compiled in.
func EmbeddedCatalogue() *Catalogue { return embeddedCatalogue() }

var embeddedCatalogue = sync.OnceValue(func() *Catalogue {
	c, err := ParseCatalogue(catalogueText)
	if err != nil {
		panic("embedded catalogue: " + err.Error()) // a test reads it, so no build ships with this
	}
	c.source.Embedded = true
	return c
})

// EmbeddedCatalogueText returns the text of the embedded catalogue.
func EmbeddedCatalogueText() []byte { return slices.Clone(catalogueText) }

var (
	commitForm     = lazyregexp.New(`^[0-9a-f]{40}$`)
	repositoryForm = lazyregexp.New(`^[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*$`)
	tagForm        = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`) // see isTag
	platformForm   = lazyregexp.New(`^(?:index|linux/[a-z0-9]+)$`)
)

// isTag says whether s may be a tag (opencontainers/distribution-spec, spec.md: at most 128
// characters). An expression that counted to that would be a hundred kilobytes.
func isTag(s string) bool { return len(s) <= 128 && tagForm().MatchString(s) }

// ParseCatalogue reads the text of a catalogue. A tag with two digests, a row
// without its source, and anything else that is not of the form is an error.
func ParseCatalogue(text []byte) (*Catalogue, error) {
	if len(text) > maxCatalogue {
		return nil, fmt.Errorf("more than %d bytes", maxCatalogue)
	}
	c := &Catalogue{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Split(line, " ")
		var err error
		switch {
		case n == 1:
			if line != catalogueHead {
				err = fmt.Errorf("want %q", catalogueHead)
			}
		case words[0] == "source" && len(words) == 6:
			c.sources = append(c.sources, CatalogueSource{words[1], words[2], words[3], words[4], oci.Digest(words[5])})
		case words[0] == "row" && len(words) == 6:
			c.rows = append(c.rows, CatalogueRow{words[1], words[2], words[3], oci.Digest(words[4]), words[5]})
		default:
			err = errors.New("neither a source nor a row")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return c.checked(text)
}

// NewCatalogue puts a catalogue together. Sources and rows are sorted, and a row
// that appears twice is taken once, from the source that sorts first. The errors
// are those of ParseCatalogue.
func NewCatalogue(sources []CatalogueSource, rows []CatalogueRow) (*Catalogue, error) {
	c := &Catalogue{sources: slices.Clone(sources)}
	slices.SortFunc(c.sources, func(a, b CatalogueSource) int { return strings.Compare(a.ID, b.ID) })
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, CatalogueRow.compare)
	c.rows = slices.CompactFunc(rows, func(a, b CatalogueRow) bool { return a.key() == b.key() && a.Digest == b.Digest })
	return c.checked(c.Text())
}

func (r CatalogueRow) key() string { return r.Image + " " + r.Tag + " " + r.Platform }

// compare orders rows by image and version, "v1.27.2" before "v1.27.10".
func (r CatalogueRow) compare(s CatalogueRow) int {
	if n := strings.Compare(r.Image, s.Image); n != 0 {
		return n
	}
	a, errA := release.ParseVersion(r.Tag)
	b, errB := release.ParseVersion(s.Tag)
	switch {
	case errA == nil && errB == nil:
		if n := a.Compare(b); n != 0 {
			return n
		}
	case errA == nil: // versions first, then the tags that are none
		return -1
	case errB == nil:
		return 1
	}
	for _, pair := range [][2]string{{r.Tag, s.Tag}, {r.Platform, s.Platform}, {string(r.Digest), string(s.Digest)}, {r.Source, s.Source}} {
		if n := strings.Compare(pair[0], pair[1]); n != 0 {
			return n
		}
	}
	return 0
}

func (c *Catalogue) checked(text []byte) (*Catalogue, error) {
	known := map[string]bool{}
	for _, s := range c.sources {
		if !nameForm().MatchString(s.ID) || s.Repository == "" || s.Path == "" || s.Commit != unrecorded && !commitForm().MatchString(s.Commit) || !s.Digest.IsSHA256() {
			return nil, fmt.Errorf("source %q: want an id, a repository, a path, a commit or %q, and a digest", s.ID, unrecorded)
		}
		if known[s.ID] {
			return nil, fmt.Errorf("source %q appears twice", s.ID)
		}
		known[s.ID] = true
	}
	c.at, c.of = make(map[string]int, len(c.rows)), make(map[string][]string, len(c.rows))
	for i, r := range c.rows {
		if !repositoryForm().MatchString(r.Image) || !isTag(r.Tag) || !platformForm().MatchString(r.Platform) || !r.Digest.IsSHA256() {
			return nil, fmt.Errorf("row %q %q: want image, tag, platform and digest", r.key(), r.Digest)
		}
		if !known[r.Source] {
			return nil, fmt.Errorf("row %q: there is no source %q", r.key(), r.Source)
		}
		if j, twice := c.at[r.key()]; twice {
			return nil, fmt.Errorf("%s is %s by %s, and %s by %s", r.key(), c.rows[j].Digest, c.rows[j].Source, r.Digest, r.Source)
		}
		c.at[r.key()] = i
		of := r.Image + " " + r.Platform + " " + string(r.Digest)
		c.of[of] = append(c.of[of], r.Tag)
	}
	if len(c.rows) == 0 {
		return nil, errors.New("it has no row")
	}
	c.source = report.Source{Digest: digestOf(text)}
	return c, nil
}

// Text writes the catalogue as ParseCatalogue reads it.
func (c *Catalogue) Text() []byte {
	var b strings.Builder
	b.WriteString(catalogueHead + "\n")
	for _, s := range c.sources {
		b.WriteString(strings.Join([]string{"source", s.ID, s.Repository, s.Path, s.Commit, string(s.Digest)}, " ") + "\n")
	}
	for _, r := range c.rows {
		b.WriteString(strings.Join([]string{"row", r.Image, r.Tag, r.Platform, string(r.Digest), r.Source}, " ") + "\n")
	}
	return []byte(b.String())
}

// Source names the catalogue for a report.
func (c *Catalogue) Source() report.Source { return c.source }

// Sources returns the documents that rows were taken from.
func (c *Catalogue) Sources() []CatalogueSource { return slices.Clone(c.sources) }

// Rows returns every row, sorted by image and version.
func (c *Catalogue) Rows() []CatalogueRow { return slices.Clone(c.rows) }

// Row returns what an image, a tag and a platform (or [IndexRow]) were promoted
// as; ok is false where the catalogue does not say.
func (c *Catalogue) Row(image, tag, platform string) (row CatalogueRow, ok bool) {
	i, ok := c.at[image+" "+tag+" "+platform]
	if !ok {
		return CatalogueRow{}, false
	}
	return c.rows[i], true
}

// Tags returns every tag that the digest has for the image and platform.
func (c *Catalogue) Tags(image, platform string, digest oci.Digest) []string {
	return slices.Clone(c.of[image+" "+platform+" "+string(digest)])
}

// Describe names the source of a row in one line.
func (c *Catalogue) Describe(row CatalogueRow) string {
	for _, s := range c.sources {
		if s.ID == row.Source {
			return s.String()
		}
	}
	return row.Source
}

// Coverage says, image by image, how many tags the catalogue knows, and between
// which. What it does not name is out of it, whatever lies between.
type Coverage struct {
	Image       string
	First, Last string // tags, in order of version
	Tags        int    // with an index
	Children    int    // platforms known beyond the indexes
}

// Coverage lists what the catalogue covers, by image.
func (c *Catalogue) Coverage() []Coverage {
	var out []Coverage
	for _, r := range c.rows {
		if len(out) == 0 || out[len(out)-1].Image != r.Image {
			out = append(out, Coverage{Image: r.Image, First: r.Tag})
		}
		last := &out[len(out)-1]
		last.Last = r.Tag
		if r.Platform == IndexRow {
			last.Tags++
		} else {
			last.Children++
		}
	}
	return out
}

// SameInstance says whether two roots are of one Sigstore instance: r knows a
// certificate authority and a transparency log of the other.
func (r *Root) SameInstance(other *Root) bool {
	authority, log := false, false
	for _, a := range other.Anchors() {
		id, _ := hex.DecodeString(a.ID) // as Anchors wrote it
		switch a.Kind {
		case "certificate authority":
			authority = authority || r.KnowsAuthority(id)
		case "transparency log":
			log = log || r.KnowsLog(id)
		}
	}
	return authority && log
}
