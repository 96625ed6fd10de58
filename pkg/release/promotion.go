package release

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// maxPromotion is the size of the largest promotion manifest that is read;
	// that of the core images has 1.4 MB and grows by some 100 KB a year.
	maxPromotion = 8 << 20
	// maxNodes caps the values of one that is not written line by line: a YAML reader
	// makes some 250 bytes of each, and the two that "a," has are one.
	maxNodes      = 250_000
	promotionName = "promotion manifest"
)

// Promotion is a promotion manifest: which digest of which image was given
// which tags, for indexes ("kube-proxy") and for the images of one
// architecture ("kube-proxy-arm64"). Digests are "sha256:<hex>".
// See https://github.com/kubernetes/k8s.io/tree/main/registry.k8s.io.
type Promotion struct {
	images map[string]map[oci.Digest][]string // image -> digest -> tags
}

// ParsePromotion reads a promotion manifest: a YAML list of
//
//   - name: kube-proxy
//     dmap:
//     "sha256:<hex>": ["v1.27.2"]
//
// A digest that one image lists twice, an unknown field, a malformed name,
// digest or tag is a [*FormatError]. An image may stand in two places: its
// entries are joined.
//
// A manifest written line by line as above, as they all are, is read line by
// line, in a tenth of the time that a YAML reader takes; any other goes to the
// YAML reader.
func ParsePromotion(data []byte) (*Promotion, error) {
	if len(data) > maxPromotion {
		return nil, &LimitError{promotionName, "bytes", maxPromotion}
	}
	if p, ok, err := promotionLines(string(data)); ok {
		return p, err
	}
	return promotionYAML(data)
}

// promotionYAML reads any form of YAML.
func promotionYAML(data []byte) (*Promotion, error) {
	if bounds.YAML(data, maxNodes) != nil {
		return nil, &LimitError{promotionName, "values", maxNodes}
	}
	var list []struct {
		Name string              `json:"name"`
		Dmap map[string][]string `json:"dmap"`
	}
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return nil, &FormatError{Document: promotionName, Why: "no list of images: " + quote(err.Error())}
	}
	p := &Promotion{images: map[string]map[oci.Digest][]string{}}
	for _, e := range list {
		digests, err := p.image(e.Name)
		if err != nil {
			return nil, err
		}
		for digest, tags := range e.Dmap {
			if err := addPromoted(digests, e.Name, oci.Digest(digest), tags); err != nil {
				return nil, err
			}
		}
	}
	return p.checked()
}

// promotionLines reads the line-by-line form. ok is false at the first line
// that is not of it.
func promotionLines(text string) (p *Promotion, ok bool, err error) {
	p = &Promotion{images: map[string]map[oci.Digest][]string{}}
	name, open := "", false // open: within a dmap
	var digests map[oci.Digest][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		if line[0] == '#' {
			// What is not plain may be no comment to YAML, or end one: it breaks
			// lines at CR, NEL, LS and PS, and refuses bytes that are not UTF-8.
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
				return nil, false, nil
			}
			continue
		}
		if rest, isDigest := strings.CutPrefix(line, `    "`); isDigest && open {
			digest, list, cut := strings.Cut(rest, `": [`)
			tags, isList := quotedList(list)
			if !cut || !isList || strings.ContainsAny(digest, `"\`) {
				return nil, false, nil
			}
			if err := addPromoted(digests, name, oci.Digest(digest), tags); err != nil {
				return nil, true, err
			}
			continue
		}
		if rest, isName := strings.CutPrefix(line, "- name: "); isName {
			// Only what YAML cannot take for anything but text.
			if !imageName(rest) || rest[0] < 'a' || yamlWords[rest] {
				return nil, false, nil
			}
			name, open = rest, false
			if digests, err = p.image(name); err != nil {
				return nil, true, err
			}
			continue
		}
		if line != "  dmap:" || name == "" || open {
			return nil, false, nil
		}
		open = true
	}
	p, err = p.checked()
	return p, true, err
}

// yamlWords are the plain words in lower case that YAML does not take for text.
var yamlWords = map[string]bool{"null": true, "true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true}

// quotedList reads `"a", "b"]`.
func quotedList(s string) ([]string, bool) {
	s, ok := strings.CutSuffix(s, "]")
	if !ok {
		return nil, false
	}
	if s == "" {
		return []string{}, true
	}
	var out []string
	for item := range strings.SplitSeq(s, ", ") {
		if len(item) < 2 || item[0] != '"' || item[len(item)-1] != '"' || strings.ContainsAny(item[1:len(item)-1], `"\`) {
			return nil, false
		}
		out = append(out, item[1:len(item)-1])
	}
	return out, true
}

// image returns the digests of that name, which may be new.
func (p *Promotion) image(name string) (map[oci.Digest][]string, error) {
	if !imageName(name) {
		return nil, &FormatError{Document: promotionName, Why: quote(name) + " is not an image name"}
	}
	digests := p.images[name]
	if digests == nil {
		digests = map[oci.Digest][]string{}
		p.images[name] = digests
	}
	return digests, nil
}

func addPromoted(digests map[oci.Digest][]string, name string, digest oci.Digest, tags []string) error {
	bad := func(format string, a ...any) error {
		return &FormatError{Document: promotionName, Why: name + ": " + fmt.Sprintf(format, a...)}
	}
	if !digest.IsSHA256() {
		return bad("%s is not a digest", quote(string(digest)))
	}
	if _, twice := digests[digest]; twice {
		return bad("%s is listed twice", digest)
	}
	for _, tag := range tags {
		if !imageTag(tag) {
			return bad("%s is not a tag", quote(tag))
		}
	}
	digests[digest] = tags
	return nil
}

func (p *Promotion) checked() (*Promotion, error) {
	if len(p.images) == 0 {
		return nil, &FormatError{Document: promotionName, Why: "it lists no image"}
	}
	return p, nil
}

// Images returns the names that the manifest lists, sorted.
func (p *Promotion) Images() []string { return slices.Sorted(maps.Keys(p.images)) }

// Has reports whether the manifest lists that image at all. Where it does not,
// what it says of the image's tags and digests means nothing.
func (p *Promotion) Has(image string) bool {
	_, ok := p.images[image]
	return ok
}

// All goes through the digests of an image, sorted, each with its tags.
func (p *Promotion) All(image string) iter.Seq2[oci.Digest, []string] {
	return func(yield func(oci.Digest, []string) bool) {
		for _, digest := range slices.Sorted(maps.Keys(p.images[image])) {
			if !yield(digest, p.Tags(image, digest)) {
				return
			}
		}
	}
}

// Tags returns every tag that the image's digest was given, sorted; none if
// it is not listed.
func (p *Promotion) Tags(image string, digest oci.Digest) []string {
	return slices.Sorted(slices.Values(p.images[image][digest]))
}

// Digests returns every digest that was given that tag for the image, sorted.
// More than one means that the manifest does not say which the tag names.
func (p *Promotion) Digests(image, tag string) []oci.Digest {
	var out []oci.Digest
	for digest, tags := range p.images[image] {
		if slices.Contains(tags, tag) {
			out = append(out, digest)
		}
	}
	slices.Sort(out)
	return out
}

// ExcerptPromotion takes out of a promotion manifest the lines of those digests
// that keep wants, with the names above them, byte for byte. It is read as the
// whole is, and says of these digests what the whole says. A manifest that is
// not written line by line is given back whole, and one of which nothing is
// kept is nil.
func ExcerptPromotion(data []byte, keep func(name string, digest oci.Digest, tags []string) bool) []byte {
	if _, ok, err := promotionLines(string(data)); !ok || err != nil {
		return data
	}
	var out strings.Builder
	name, head := "", ""
	for line := range strings.Lines(string(data)) {
		text := strings.TrimSuffix(line, "\n")
		if rest, isName := strings.CutPrefix(text, "- name: "); isName {
			name, head = rest, line
			continue
		}
		if text == "  dmap:" {
			head += line
			continue
		}
		rest, isDigest := strings.CutPrefix(text, `    "`)
		if !isDigest {
			continue // blank, or a remark
		}
		digest, list, _ := strings.Cut(rest, `": [`)
		if tags, _ := quotedList(list); keep(name, oci.Digest(digest), tags) {
			out.WriteString(head)
			head = ""
			out.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	if out.Len() == 0 {
		return nil
	}
	return []byte(out.String())
}
