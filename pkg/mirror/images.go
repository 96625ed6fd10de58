package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/kverify/kverify/internal/strictjson"
)

// maxNodes bounds what the names of one repository may reach: a thousand
// releases of one image reach about 30,000 manifests, configs and layers.
const maxNodes = 200_000

// A repository is what oci/index.json says about one of them.
type repository struct {
	tags    map[string]descriptor
	roots   []descriptor     // the target of every name
	names   []name           // that MANIFEST.json agrees to
	refused map[string]error // tags that MANIFEST.json contradicts
	reach   func() reached
}

// A node is a digest that a name of the repository reaches.
type node struct {
	descriptor
	isManifest bool
	refers     *referrer // what a manifest says it refers to, if it does
	conflict   bool      // reached with another media type or size as well
}

// reached holds every digest that a repository may answer for.
type reached struct {
	nodes  map[string]*node
	damage error // the first manifest that could not be followed
}

// walk follows descriptors from the given roots to everything below them.
func walk(fsys fs.FS, roots []descriptor) reached {
	all := reached{nodes: map[string]*node{}}
	note := func(err error) {
		if all.damage == nil {
			all.damage = err
		}
	}
	add := func(desc descriptor, isManifest bool) *node {
		if old := all.nodes[desc.Digest]; old != nil {
			old.conflict = old.conflict || old.isManifest != isManifest || old.Size != desc.Size ||
				isManifest && old.MediaType != desc.MediaType
			return nil
		}
		if err := desc.check(); err != nil {
			note(err)
			return nil
		}
		if len(all.nodes) >= maxNodes {
			note(fmt.Errorf("a repository of more than %d digests: %w", maxNodes, errTooLarge))
			return nil
		}
		n := &node{descriptor: desc, isManifest: isManifest}
		all.nodes[desc.Digest] = n
		return n
	}
	var queue []*node
	follow := func(list []descriptor) {
		for _, desc := range list {
			if n := add(desc, true); n != nil {
				queue = append(queue, n)
			}
		}
	}
	follow(roots)
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		body, err := readFile(fsys, blobPath(n.Digest), n.want(), maxChecked)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a sparse mirror: the platform was not wanted
		}
		if err != nil {
			note(err)
			continue
		}
		m, err := parseManifestBlob(body)
		if err != nil {
			note(fmt.Errorf("%s: %w", n.Digest, err))
			continue
		}
		follow(m.Manifests)
		for _, desc := range m.blobs() {
			add(desc, false)
		}
		n.refers = m.refers()
	}
	return all
}

// manifestBlob is an image manifest or an index, as far as it names others.
type manifestBlob struct {
	Manifests    []descriptor      `json:"manifests"`
	Config       *descriptor       `json:"config"`
	Layers       []descriptor      `json:"layers"`
	Subject      *descriptor       `json:"subject"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
}

func (m manifestBlob) blobs() []descriptor {
	if m.Config == nil {
		return m.Layers
	}
	return append([]descriptor{*m.Config}, m.Layers...)
}

func parseManifestBlob(body []byte) (m manifestBlob, err error) {
	if err := noDuplicateKeys(body); err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, strictjson.Plain(err)
	}
	if len(m.Manifests) > 0 && len(m.blobs()) > 0 {
		return m, errors.New("both an index and an image manifest")
	}
	return m, nil
}

func (d descriptor) want() want {
	return want{sha256: strings.TrimPrefix(d.Digest, "sha256:"), size: d.Size}
}

// A referrer is a manifest that says what it refers to.
type referrer struct {
	subject      string // digest
	artifactType string
	annotations  map[string]string
}

// refers gives the manifest's subject, and what a list of referrers says of the
// manifest by the OCI distribution specification: its artifactType, else the
// media type of its config, and its annotations (none, if they are unreasonably long).
func (m manifestBlob) refers() *referrer {
	if m.Subject == nil {
		return nil
	}
	r := &referrer{subject: m.Subject.Digest, artifactType: m.ArtifactType, annotations: m.Annotations}
	if r.artifactType == "" && m.Config != nil {
		r.artifactType = m.Config.MediaType
	}
	size := 0
	for k, v := range m.Annotations {
		size += len(k) + len(v)
	}
	if size > maxAnnotations {
		r.annotations = nil
	}
	return r
}

// outside are the blobs that a digest reaches which no name does.
func outside(fsys fs.FS, digest string, depth int) map[string]bool {
	out := map[string]bool{blobPath(digest): true}
	body, err := readFile(fsys, blobPath(digest), want{}, maxChecked)
	if err != nil || depth > 2 {
		return out
	}
	sum := sha256.Sum256(body)
	m, err := parseManifestBlob(body)
	if err != nil || "sha256:"+hex.EncodeToString(sum[:]) != digest {
		return out
	}
	for _, c := range m.Manifests {
		if c.check() == nil {
			for name := range outside(fsys, c.Digest, depth+1) {
				out[name] = true
			}
		}
	}
	for _, b := range m.blobs() {
		if b.check() == nil {
			out[blobPath(b.Digest)] = true
		}
	}
	return out
}

// maxAnnotations is how long the annotations of a referrer may be, all of them,
// that a list of referrers repeats.
const maxAnnotations = 4 << 10
