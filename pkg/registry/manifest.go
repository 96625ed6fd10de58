package registry

import (
	"errors"
	"mime"
	"strconv"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// The media types of manifests, in the order in which they are asked for.
const (
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
)

// Manifest is a manifest or an index as a registry gave it: its own bytes,
// never marshalled again. It may be shared: change nothing in it.
type Manifest struct {
	Ref       Ref        // as it was asked for
	Digest    oci.Digest // of Body, always computed here
	MediaType string     // as served; the document agrees if it names one
	Body      []byte
	Origin    fetch.Origin
	FromCache bool // out of the Cache, and not asked for in this run: see Client.Refresh

	doc *document // read once; nil in a Manifest that a caller made
}

// Descriptor names content by digest and size, as indexes and manifests do
// (opencontainers/image-spec, descriptor.md).
type Descriptor struct {
	MediaType    string
	Digest       oci.Digest // a SHA-256, checked for its form
	Size         int64      // bytes, not negative
	Platform     *Platform
	Annotations  map[string]string
	ArtifactType string
}

// Platform is what an image runs on.
type Platform struct {
	OS, Architecture, Variant, OSVersion string
}

// String gives OS/ARCH[/VARIANT][:OS.VERSION], such as "linux/arm/v7" or
// "windows/amd64:10.0.17763.5820". It is not escaped.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if p.OSVersion != "" {
		s += ":" + p.OSVersion
	}
	return s
}

// Index is a list of manifests: a Docker manifest list or an OCI image index.
type Index struct {
	MediaType    string
	ArtifactType string
	Manifests    []Descriptor
	Annotations  map[string]string
}

// Image is a manifest of one image or artifact.
type Image struct {
	MediaType    string
	ArtifactType string
	Config       Descriptor
	Layers       []Descriptor
	Subject      *Descriptor
	Annotations  map[string]string
}

// document is the parsed form of a manifest; one of the two is set.
type document struct {
	once  sync.Once
	index *Index
	image *Image
	err   error
}

// IsIndex reports whether the media type is that of an index.
func (m *Manifest) IsIndex() bool { return m.MediaType == DockerIndex || m.MediaType == OCIIndex }

// Index reads the manifest as an index, or gives a [*FormatError].
func (m *Manifest) Index() (*Index, error) {
	d := m.parsed()
	if d.err == nil && d.index == nil {
		return nil, &FormatError{Subject: m.Ref.String(), Why: "an image where an index of platforms was expected"}
	}
	return d.index, d.err
}

// Image reads the manifest as that of one image, or gives a [*FormatError].
func (m *Manifest) Image() (*Image, error) {
	d := m.parsed()
	if d.err == nil && d.image == nil {
		return nil, &FormatError{Subject: m.Ref.String(), Why: "an index where one image was expected"}
	}
	return d.image, d.err
}

func (m *Manifest) parsed() *document {
	d := m.doc
	if d == nil {
		d = &document{}
	}
	d.once.Do(func() {
		d.index, d.image, d.err = ParseManifest(m.MediaType, m.Body)
		var fe *FormatError
		if errors.As(d.err, &fe) {
			d.err = &FormatError{Subject: m.Ref.String(), Why: fe.Why}
		}
	})
	return d
}

// ParseManifest reads a manifest that was served as the given media type,
// which may have parameters. Exactly one of the results is set. What two
// readers could take for different things is a [*FormatError]: a document that
// is both an index and a manifest, one that names another media type than it
// was served as, a key that appears twice or is written in another case than the one
// that is read, a descriptor with "urls", a digest that is none, a size that is negative
// or no integer.
func ParseManifest(mediaType string, body []byte) (*Index, *Image, error) {
	served, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return nil, nil, formatErrorf("Content-Type %s is not a media type", strconv.QuoteToASCII(clip(mediaType)))
	}
	if len(body) > small {
		parsing <- struct{}{}
		defer func() { <-parsing }()
	}
	v, err := parseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	r := &memberReader{}
	if v.kind != kindObject {
		return nil, nil, formatErrorf("JSON, but not an object")
	}
	version := r.number(v, "schemaVersion")
	own := r.str(v, "mediaType", false)
	_, isIndex := r.member(v, "manifests")
	isImage := false
	for _, key := range []string{"config", "layers", "fsLayers", "history"} {
		_, found := r.member(v, key)
		isImage = isImage || found
	}
	switch {
	case r.err != nil:
		return nil, nil, r.err
	case version != 2:
		return nil, nil, formatErrorf("manifest schema version %d, want 2", version)
	case own != "" && own != served:
		return nil, nil, formatErrorf("served as %s, but it says that it is %s", served, strconv.QuoteToASCII(clip(own)))
	case isIndex && isImage:
		return nil, nil, formatErrorf("both an index and an image manifest")
	}
	switch served {
	case DockerIndex, OCIIndex:
		if !isIndex {
			return nil, nil, formatErrorf("an index without manifests")
		}
		x := &Index{MediaType: served, ArtifactType: r.str(v, "artifactType", false), Annotations: r.strings(v, "annotations")}
		x.Manifests = r.descriptors(v, "manifests")
		return x, nil, r.err
	case DockerManifest, OCIManifest:
		if isIndex {
			return nil, nil, formatErrorf("an image manifest that holds manifests")
		}
		m := &Image{MediaType: served, ArtifactType: r.str(v, "artifactType", false), Annotations: r.strings(v, "annotations")}
		if config, ok := r.member(v, "config"); ok {
			m.Config = r.descriptor(config)
		} else {
			r.fail("an image manifest without a config")
		}
		m.Layers = r.descriptors(v, "layers")
		if subject, ok := r.member(v, "subject"); ok && subject.kind != kindNull {
			d := r.descriptor(subject)
			m.Subject = &d
		}
		return nil, m, r.err
	}
	return nil, nil, formatErrorf("Content-Type %s is not that of a manifest", strconv.QuoteToASCII(clip(served)))
}

// Config is what an image's configuration says of platform and contents.
type Config struct {
	OS, Architecture, Variant, OSVersion string
	// DiffIDs are the digests of the uncompressed layers, bottom first.
	DiffIDs []oci.Digest
}

// Platform gives the platform that the configuration names.
func (c *Config) Platform() Platform {
	return Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion}
}

// ParseConfig reads an image configuration (opencontainers/image-spec,
// config.md) as strictly as ParseManifest reads a manifest.
func ParseConfig(body []byte) (*Config, error) {
	v, err := parseJSON(body)
	if err != nil {
		return nil, &FormatError{Subject: "image config", Why: func() *FormatError {
			target := &FormatError{}
			_ = errors.As(err, &target)
			return target
		}().Why}
	}
	r := &memberReader{}
	if v.kind != kindObject {
		r.fail("JSON, but not an object")
	}
	c := &Config{
		OS: r.str(v, "os", false), Architecture: r.str(v, "architecture", false),
		Variant: r.str(v, "variant", false), OSVersion: r.str(v, "os.version", false),
	}
	rootfs, _ := r.member(v, "rootfs")
	if rootfs == nil {
		r.fail("no rootfs")
	} else {
		if r.str(rootfs, "type", true) != "layers" {
			r.fail("a rootfs that is not of type layers")
		}
		ids, _ := r.member(rootfs, "diff_ids")
		if ids == nil || ids.kind != kindArray {
			r.fail("a rootfs without diff_ids")
		} else {
			for i := range ids.items {
				if id := &ids.items[i]; !oci.Digest(id.text).IsSHA256() { // nor is a number's text one
					r.fail("a diff_id that is not a sha256 digest")
				} else {
					c.DiffIDs = append(c.DiffIDs, oci.Digest(strings.Clone(id.text)))
				}
			}
		}
	}
	if r.err != nil {
		return nil, &FormatError{Subject: "image config", Why: func() *FormatError {
			target := &FormatError{}
			_ = errors.As(r.err, &target)
			return target
		}().Why}
	}
	return c, nil
}

// memberReader takes members out of objects and keeps the first thing that is wrong.
type memberReader struct{ err error }

// member returns the member of that exact name. Where there is only one that other
// readers take for it, they would see what this one does not: container runtimes read by
// encoding/json.
func (r *memberReader) member(v *value, key string) (*value, bool) {
	if m, ok := v.get(key); ok {
		return m, true
	}
	for _, k := range v.keys {
		if strictjson.Twin(k, key) {
			r.fail("a member %s, which some readers take for %s", strconv.QuoteToASCII(clip(k)), key)
		}
	}
	return nil, false
}

func (r *memberReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = formatErrorf(format, args...)
	}
}

func (r *memberReader) str(v *value, key string, needed bool) string {
	m, ok := r.member(v, key)
	switch {
	case !ok || m.kind == kindNull: // null is how some encoders write "absent"
		if needed {
			r.fail("no %s", key)
		}
		return ""
	case m.kind != kindString || needed && m.text == "":
		r.fail("%s is not a string", key)
	}
	return strings.Clone(m.text) // not a piece of the whole text, which would be held for its sake
}

func (r *memberReader) number(v *value, key string) int64 {
	m, ok := r.member(v, key)
	if !ok || m.kind != kindNumber {
		r.fail("%s is missing or no number", key)
		return 0
	}
	n, err := strconv.ParseInt(m.text, 10, 64)
	if err != nil || strings.HasPrefix(m.text, "-") {
		r.fail("%s is negative or no integer", key)
	}
	return n
}

func (r *memberReader) strings(v *value, key string) map[string]string {
	m, ok := r.member(v, key)
	if !ok || m.kind == kindNull {
		return nil
	}
	if m.kind != kindObject {
		r.fail("%s is not an object", key)
	}
	out := make(map[string]string, len(m.keys))
	for i, k := range m.keys {
		if m.items[i].kind != kindString {
			r.fail("%s holds something that is not a string", key)
		}
		out[strings.Clone(k)] = strings.Clone(m.items[i].text)
	}
	return out
}

func (r *memberReader) descriptors(v *value, key string) []Descriptor {
	list, ok := r.member(v, key)
	if ok && list.kind == kindNull {
		return nil
	}
	if !ok || list.kind != kindArray {
		r.fail("%s is missing or no list", key)
		return nil
	}
	out := make([]Descriptor, 0, len(list.items))
	for i := range list.items {
		out = append(out, r.descriptor(&list.items[i]))
	}
	return out
}

func (r *memberReader) descriptor(v *value) Descriptor {
	if v.kind != kindObject {
		r.fail("a descriptor that is not an object")
	}
	d := Descriptor{
		MediaType:    r.str(v, "mediaType", true),
		Digest:       oci.Digest(r.str(v, "digest", true)),
		Size:         r.number(v, "size"),
		Annotations:  r.strings(v, "annotations"),
		ArtifactType: r.str(v, "artifactType", false),
	}
	if !d.Digest.IsSHA256() {
		r.fail("a descriptor whose digest is not a sha256: %s", strconv.QuoteToASCII(clip(string(d.Digest))))
	}
	if _, foreign := r.member(v, "urls"); foreign {
		r.fail("a descriptor with urls: its content would come from elsewhere")
	}
	p, ok := r.member(v, "platform")
	if !ok || p.kind == kindNull {
		return d
	}
	if p.kind != kindObject {
		r.fail("platform is not an object")
	}
	d.Platform = &Platform{
		OS: r.str(p, "os", false), Architecture: r.str(p, "architecture", false),
		Variant: r.str(p, "variant", false), OSVersion: r.str(p, "os.version", false),
	}
	return d
}
