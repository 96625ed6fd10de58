package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

// maxNested is how deep an index may lie below the list; indexes of indexes are
// allowed (opencontainers/image-spec, image-index.md), and no known tool writes them.
const maxNested = 3

// The annotations by which a list names an image (opencontainers/image-spec,
// annotations.md; containerd, core/images/annotations.go).
const (
	refNameKey   = "org.opencontainers.image.ref.name"
	imageNameKey = "io.containerd.image.name"
)

// tree reads indexes and manifests by their descriptors. Which digest a file is named
// by is a claim: the reader of the copies decides whether its bytes have it.
type tree struct {
	c *Container
	// where says under which names content of that digest may lie.
	where func(hex string, manifest bool) string
	known map[known]grown
}

type known struct {
	digest    oci.Digest
	mediaType string
	depth     int
}

// grown is a node with what is below it counted.
type grown struct {
	node     sight.Node
	referrer bool
	weight   int
}

func newTree(c *Container, where func(string, bool) string) *tree {
	return &tree{c: c, where: where, known: map[known]grown{}}
}

func inBlobs(hex string, _ bool) string { return blobsFolder + "/" + hex }

// readIndex reads the images that index.json lists.
func (c *Container) readIndex(ctx context.Context, e *entry) error {
	text, err := e.document(ctx, &c.text)
	if err != nil {
		return err
	}
	index, _, err := registry.ParseManifest(registry.OCIIndex, text)
	if err != nil {
		return e.malformed(err)
	}
	t := newTree(c, inBlobs)
	for _, d := range index.Manifests {
		if err := t.add(ctx, indexFile, d, namesOf(d.Annotations)); err != nil {
			return err
		}
	}
	return nil
}

// namesOf gives the names that annotations give an image. A tag alone says nothing
// beside the full name that ends with it.
func namesOf(annotations map[string]string) (names []string) {
	full, short := annotations[imageNameKey], annotations[refNameKey]
	if full != "" {
		names = append(names, full)
	}
	if short != "" && short != full && (full == "" || !strings.HasSuffix(full, ":"+short)) {
		names = append(names, short)
	}
	return names
}

// add takes in one image of a list.
func (t *tree) add(ctx context.Context, list string, d registry.Descriptor, names []string) error {
	g, err := t.node(ctx, d, 0)
	if err != nil {
		return err
	}
	if g.referrer && len(names) == 0 || isBeside(g.node, names) {
		t.c.Referrers++
		return nil
	}
	return t.c.add(list, names, g.node.Blob.Entry, g.node, g.weight)
}

// besideTag is how a tag names what belongs to a digest: cosign's signatures, attestations
// and SBOMs (sigstore/cosign, specs/SIGNATURE_SPEC.md, "Tag-based discovery"), and the
// list of referrers (opencontainers/distribution-spec, "Referrers Tag Schema").
var besideTag = lazyregexp.New(`(?:^|:)sha256-[0-9a-f]{64}(?:\.[a-z0-9]+)?$`)

// isBeside says whether what a list names is no image but what belongs to one, as in a
// layout that was copied with its signatures: each of its names is such a tag, and no
// runtime could run it, since neither the list nor its config names a platform, and none
// of its layers is one of files.
func isBeside(n sight.Node, names []string) bool {
	if len(names) == 0 || n.Err != nil || n.Blob.Absent() || n.Platform != "" || len(n.Children) > 0 || runs(n.ConfigBytes) {
		return false
	}
	return !hasFiles(n) && !slices.ContainsFunc(names, func(name string) bool { return !besideTag().MatchString(name) })
}

// hasFiles says whether a layer is one of files, also of a kind that is not in the closed
// table: containerd goes by what stands before a "+" (core/images, IsLayerType).
func hasFiles(n sight.Node) bool {
	return slices.ContainsFunc(n.Layers, func(b sight.Blob) bool {
		_, known := layer.PackingOf(b.MediaType)
		return known || strings.HasPrefix(b.MediaType, "application/vnd.oci.image.layer.") || strings.HasPrefix(b.MediaType, "application/vnd.docker.image.rootfs.")
	})
}

// node reads what a descriptor points at. The error is one of the whole container:
// what is wrong with this node is in the node.
func (t *tree) node(ctx context.Context, d registry.Descriptor, depth int) (grown, error) {
	key := known{d.Digest, d.MediaType, depth}
	g, ok := t.known[key]
	if !ok {
		var err error
		if g, err = t.grow(ctx, d, depth); err != nil {
			return grown{}, err
		}
		t.known[key] = g
	}
	g.node.Platform = platformOf(d.Platform)
	g.node.Blob.Annotations, g.node.Blob.Size = d.Annotations, d.Size
	// A platform that is named selects it, whatever it says of itself.
	g.referrer = g.referrer && (g.node.Platform == "" || g.node.Platform == "unknown/unknown")
	if g.node.Platform == "" && runs(g.node.ConfigBytes) {
		g.referrer = false // by its config it has a platform
	}
	return g, nil
}

func platformOf(p *registry.Platform) string {
	if p == nil || *p == (registry.Platform{}) {
		return ""
	}
	return p.String()
}

// runs says whether a config names a platform, by which runtimes select an image of
// which the index says none.
func runs(config []byte) bool {
	var c struct{ Architecture any }
	return json.Unmarshal(config, &c) == nil && c.Architecture != nil && c.Architecture != ""
}

func (t *tree) grow(ctx context.Context, d registry.Descriptor, depth int) (grown, error) {
	g := grown{node: sight.Node{Role: roleOf(d.MediaType)}, weight: 1}
	n := &g.node
	e, err := t.find(d, true)
	switch {
	case err != nil:
		n.Err = err
		n.Blob = t.absent(d, true)
		return g, nil //nolint:nilerr // it is the node's
	case e == nil:
		n.Blob = t.absent(d, true)
		return g, nil
	}
	n.Blob = e.blob(d, false)
	if n.Role == sight.Untold {
		n.Err = e.malformed(fmt.Errorf("its media type, %.100q, is neither an index's nor a manifest's", d.MediaType))
		return g, nil
	}
	text, err := e.document(ctx, &t.c.text)
	if err != nil {
		n.Err = err
		return g, fatal(ctx, err)
	}
	n.Bytes = text
	index, image, err := registry.ParseManifest(d.MediaType, text)
	switch {
	case err != nil:
		n.Err = e.malformed(err)
		return g, nil
	case index != nil && depth > maxNested:
		n.Err = e.malformed(fmt.Errorf("indexes lie more than %d deep in one another", maxNested))
		return g, nil
	case index != nil:
		err = t.children(ctx, &g, index, depth)
		return g, err
	}
	err = t.image(ctx, &g, image)
	// What belongs to another image has no files: a runtime would unpack and run them, whatever the
	// subject, and a data base may name them as it likes.
	g.referrer = image.Subject != nil && !hasFiles(*n)
	return g, err
}

// fatal picks the errors that end the reading of the whole container.
func fatal(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errTooMuchText) {
		return err
	}
	return nil
}

func roleOf(mediaType string) sight.Role {
	switch mediaType {
	case registry.DockerIndex, registry.OCIIndex:
		return sight.Index
	case registry.DockerManifest, registry.OCIManifest:
		return sight.Manifest
	}
	return sight.Untold
}

func (t *tree) children(ctx context.Context, g *grown, index *registry.Index, depth int) error {
	for _, d := range index.Manifests {
		child, err := t.node(ctx, d, depth+1)
		if err != nil {
			return err
		}
		if g.weight += child.weight; g.weight > maxNodes {
			return t.c.tooMany()
		}
		if child.referrer {
			g.node.Referrers++
			continue
		}
		g.node.Children = append(g.node.Children, child.node)
	}
	return nil
}

func (t *tree) image(ctx context.Context, g *grown, image *registry.Image) error {
	n := &g.node
	config, e, err := t.blob(image.Config, false)
	if n.Config = config; err != nil {
		n.Err = err
	}
	if e != nil {
		// Where the manifest is not an image but, say, a signature, it may be anything.
		text, err := e.document(ctx, &t.c.text)
		if err := fatal(ctx, err); err != nil {
			return err
		}
		if err == nil {
			n.ConfigBytes = text
		} else if isImageConfig(image.Config.MediaType) {
			n.Err = err
		}
	}
	for _, d := range image.Layers {
		b, _, err := t.blob(d, true)
		if err != nil && n.Err == nil {
			n.Err = err
		}
		n.Layers = append(n.Layers, b)
	}
	g.weight += 1 + len(n.Layers)
	if g.weight > maxNodes {
		return t.c.tooMany()
	}
	return nil
}

func isImageConfig(mediaType string) bool {
	return mediaType == "application/vnd.docker.container.image.v1+json" || mediaType == "application/vnd.oci.image.config.v1+json"
}

// blob gives what a descriptor points at, and its entry if it lies there.
func (t *tree) blob(d registry.Descriptor, isLayer bool) (sight.Blob, *entry, error) {
	e, err := t.find(d, false)
	if e == nil {
		return t.absent(d, false), nil, err
	}
	t.c.rememberBlob(e)
	b := e.blob(d, isLayer)
	return b, e, nil
}

func (t *tree) find(d registry.Descriptor, manifest bool) (*entry, error) {
	return t.c.find(t.where(d.Digest.Hex(), manifest))
}

func (t *tree) absent(d registry.Descriptor, manifest bool) sight.Blob {
	return sight.Blob{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, Annotations: d.Annotations, Entry: t.where(d.Digest.Hex(), manifest)}
}

// readDirManifest reads manifest.json of a directory of skopeo's: a manifest, or an
// index whose manifests lie in files of their own (containers/image, directory).
func (c *Container) readDirManifest(ctx context.Context, e *entry) error {
	text, err := e.document(ctx, &c.text)
	if err != nil {
		return err
	}
	mediaType, err := mediaTypeOf(text)
	if err != nil {
		return e.malformed(err)
	}
	content, err := e.hash(ctx)
	if err != nil {
		return err
	}
	root := registry.Descriptor{MediaType: mediaType, Digest: content.Digest, Size: content.Size}
	t := newTree(c, func(hex string, manifest bool) string {
		switch {
		case !manifest:
			return hex
		case hex == content.Digest.Hex():
			return manifestFile
		}
		return hex + ".manifest.json"
	})
	return t.add(ctx, manifestFile, root, nil)
}

// mediaTypeOf reads the media type of a manifest that no index names: its own,
// or OCI's for its shape.
func mediaTypeOf(text []byte) (string, error) {
	if err := strictjson.Check(text); err != nil {
		return "", err
	}
	members, err := strictjson.Object(text)
	if err != nil {
		return "", strictjson.Plain(err)
	}
	if own, ok := members["mediaType"]; ok && string(own) != `""` {
		var mediaType string
		err := json.Unmarshal(own, &mediaType)
		if err != nil || roleOf(mediaType) == sight.Untold {
			return "", fmt.Errorf("its media type, %.100s, is neither an index's nor a manifest's", own)
		}
		return mediaType, nil
	}
	_, isIndex := members["manifests"]
	_, isImage := members["layers"]
	switch {
	case isIndex:
		return registry.OCIIndex, nil
	case isImage:
		return registry.OCIManifest, nil
	}
	return "", errors.New("it is neither an index nor a manifest")
}
