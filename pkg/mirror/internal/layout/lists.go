package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// maxManifestFile leaves room for a hundred releases of 1,200 files at 250 bytes.
	MaxManifestFile = 32 << 20
	// maxIndexFile leaves room for as many names at 400 bytes.
	MaxIndexFile = 16 << 20
	// maxLists is what the elements of either may cost in memory: a list of nothing
	// but "{}" is a hundred times its size.
	maxLists = 160 << 20
	// manifestVersion is the schemaVersion of MANIFEST.json that is read.
	ManifestVersion = 1
)

// Listing is MANIFEST.json, as far as reading needs it.
type Listing struct {
	images   map[string]Descriptor // by full name
	Files    map[string]Want       // by canonical URL
	Manifest *Manifest
}

// Descriptor is an OCI descriptor, as far as the mirror follows it.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      oci.Digest        `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls"`
	Annotations map[string]string `json:"annotations"`
	Platform    *Platform         `json:"platform"`
}

// Platform is what an index says that a manifest is for.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// String gives OS/ARCH[/VARIANT]; of none, and of "unknown/unknown", under which what is
// no platform goes along, it is empty.
func (p *Platform) String() string {
	if p == nil || p.OS == "unknown" && p.Architecture == "unknown" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Check returns what is wrong with a descriptor that comes from a file.
func (d Descriptor) Check() error {
	switch {
	case !d.Digest.IsSHA256():
		return fmt.Errorf("digest %q is not sha256:<64 hex digits>", d.Digest)
	case d.Size < 0:
		return fmt.Errorf("%s: negative size %d", d.Digest, d.Size)
	case len(d.URLs) > 0:
		return fmt.Errorf("%s: content that lies elsewhere (urls) is not accepted", d.Digest)
	}
	return nil
}

// ReadManifest reads MANIFEST.json; none is nil.
func ReadManifest(fsys fs.FS) (*Listing, error) {
	body, err := ReadFile(fsys, "MANIFEST.json", Want{}, MaxManifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(body)
	if err != nil {
		return nil, fmt.Errorf("MANIFEST.json: %w", err)
	}
	return m, nil
}

// ParseManifest reads MANIFEST.json. Fields may be added under the same
// schemaVersion, so unknown ones are passed over.
func ParseManifest(body []byte) (*Listing, error) {
	if err := cheap(body); err != nil {
		return nil, err
	}
	doc := new(Manifest)
	if err := json.Unmarshal(body, doc); err != nil {
		return nil, strictjson.Plain(err)
	}
	if doc.SchemaVersion != ManifestVersion {
		return nil, fmt.Errorf("schemaVersion is %d, and this kverify reads %d", doc.SchemaVersion, ManifestVersion)
	}
	m := &Listing{images: map[string]Descriptor{}, Files: map[string]Want{}, Manifest: doc}
	for _, i := range doc.Images {
		if _, twice := m.images[i.Name]; twice {
			return nil, fmt.Errorf("image %q is listed twice", i.Name)
		}
		d := Descriptor{MediaType: i.MediaType, Digest: i.Digest, Size: i.Size}
		if err := d.Check(); err != nil {
			return nil, fmt.Errorf("image %q: %w", i.Name, err)
		}
		m.images[i.Name] = d
	}
	for _, f := range doc.Files {
		sum := strings.TrimPrefix(f.SHA256, "sha256:")
		if _, twice := m.Files[f.URL]; twice {
			return nil, fmt.Errorf("file %q is listed twice", f.URL)
		}
		if !IsHex(sum) || f.Size < 0 {
			return nil, fmt.Errorf("file %q: sha256 %q, size %d", f.URL, f.SHA256, f.Size)
		}
		m.Files[f.URL] = Want{Sha256: sum, Size: f.Size}
	}
	return m, nil
}

// A name is one entry of oci/index.json.
type Name struct {
	Host, Repo, Tag string
	Digest          oci.Digest // where there is no tag
	Target          Descriptor
}

// ParseIndex reads oci/index.json: one descriptor a name, and a name on every
// descriptor.
func ParseIndex(body []byte) ([]Name, error) {
	if err := cheap(body); err != nil {
		return nil, err
	}
	var doc struct {
		SchemaVersion int          `json:"schemaVersion"`
		Manifests     []Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, strictjson.Plain(err)
	}
	if doc.SchemaVersion != 2 {
		return nil, fmt.Errorf("schemaVersion is %d, not 2", doc.SchemaVersion)
	}
	seen := map[string]bool{}
	names := make([]Name, 0, len(doc.Manifests))
	for i, m := range doc.Manifests {
		full := m.Annotations[annotationRef]
		n, ok := SplitName(full)
		if !ok {
			return nil, fmt.Errorf("descriptor %d (%s) has no full image name: %s is %q", i, m.Digest, annotationRef, full)
		}
		if other, has := m.Annotations[annotationContainerd]; has && other != full {
			return nil, fmt.Errorf("descriptor %d has two names, %q and %q", i, full, other)
		}
		if err := m.Check(); err != nil {
			return nil, fmt.Errorf("%s: %w", full, err)
		}
		if n.Digest != "" && n.Digest != m.Digest {
			return nil, fmt.Errorf("%s: the descriptor's digest is %s", full, m.Digest)
		}
		if seen[full] {
			return nil, fmt.Errorf("two descriptors are named %s", full)
		}
		seen[full] = true
		n.Target = m
		names = append(names, n)
	}
	return names, nil
}

func (n Name) String() string {
	if n.Digest != "" {
		return n.Host + "/" + n.Repo + "@" + string(n.Digest)
	}
	return n.Host + "/" + n.Repo + ":" + n.Tag
}

// SplitName takes apart "host/repository:tag" and "host/repository@sha256:<hex>".
func SplitName(full string) (n Name, ok bool) {
	host, rest, ok := strings.Cut(full, "/")
	if !ok || host == "" || strings.ToLower(host) != host || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" {
		return n, false
	}
	n.Host = host
	if repo, digest, at := strings.Cut(rest, "@"); at {
		n.Repo, n.Digest = repo, oci.Digest(digest)
		return n, isRepository(repo) && n.Digest.IsSHA256()
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return n, false
	}
	n.Repo, n.Tag = rest[:i], rest[i+1:]
	return n, isRepository(n.Repo) && isTag(n.Tag)
}

func isRepository(s string) bool {
	return s != "" && len(s) <= 255 && fs.ValidPath(s) && s != "." &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-/") == ""
}

func isTag(s string) bool {
	const first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	return s != "" && len(s) <= 128 && strings.Contains(first, s[:1]) && strings.Trim(s, first+".-") == ""
}

// cheap says whether a list may be read: what its elements would cost, and then
// that no key appears twice.
func cheap(body []byte) error {
	if err := bounds.JSON(body, bounds.Price{Item: 600, Object: 300, Value: 16}, maxLists); err != nil {
		return err
	}
	return NoDuplicateKeys(body)
}

// maxDepth is far beyond any document read here; it bounds the walk's memory.
const MaxDepth = 64

// NoDuplicateKeys refuses a JSON text in which an object has a key twice, at
// any depth and in any case: readers differ in which of the two they take.
// It also refuses anything after the first value.
func NoDuplicateKeys(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type object struct {
		keys  map[string]bool // nil for an array
		value bool            // the next token is a value, not a key
	}
	var stack []object
	for {
		tok, err := dec.Token()
		if err == io.EOF && len(stack) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if len(stack) > 0 {
			top := &stack[len(stack)-1]
			if key, ok := tok.(string); ok && top.keys != nil && !top.value {
				// Folded as encoding/json folds, which takes a long s for an s.
				if key = strings.ToLower(strings.ToUpper(key)); top.keys[key] {
					return fmt.Errorf("key %q twice in one object", key)
				}
				top.keys[key], top.value = true, true
				continue
			}
			top.value = false
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, object{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, object{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) > MaxDepth {
			return fmt.Errorf("nested deeper than %d", MaxDepth)
		}
		if len(stack) == 0 {
			if _, err := dec.Token(); err != io.EOF {
				return errors.New("text after the end of the document")
			}
			return nil
		}
	}
}

// Lookup says what MANIFEST.json thinks of the canonical URL: what its bytes
// must be (nothing, if there is no MANIFEST.json), and whether it may be read.
func (m *Listing) Lookup(url string) (w Want, ok bool) {
	if m == nil {
		return Want{}, true
	}
	w, ok = m.Files[url]
	return w, ok
}

// Agrees says whether MANIFEST.json, if there is one, lists the name with that
// very digest.
func (m *Listing) Agrees(n Name) error {
	if m == nil {
		return nil
	}
	d, ok := m.images[n.String()]
	switch {
	case !ok:
		return errors.New("it is in oci/index.json, but MANIFEST.json does not list it")
	case d.Digest != n.Target.Digest:
		return fmt.Errorf("oci/index.json gives it %s, but MANIFEST.json %s", n.Target.Digest, d.Digest)
	}
	return nil
}
