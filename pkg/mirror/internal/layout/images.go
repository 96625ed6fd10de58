package layout

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
)

// maxNodes bounds what the names of one repository may reach: a thousand
// releases of one image reach about 30,000 manifests, configs and layers.
const maxNodes = 200_000

// A repository is what oci/index.json says about one of them.
type Repository struct {
	Tags    map[string]Descriptor
	Roots   []Descriptor     // the target of every name
	Names   []Name           // that MANIFEST.json agrees to
	Refused map[string]error // tags that MANIFEST.json contradicts
	Reach   func() Reached
}

// A node is a digest that a name of the repository reaches.
type Node struct {
	Descriptor
	IsManifest bool
	Refers     *referrer // what a manifest says it refers to, if it does
	Conflict   bool      // reached with another media type or size as well
}

// Reached holds every digest that a repository may answer for.
type Reached struct {
	Nodes  map[oci.Digest]*Node
	Damage error // the first manifest that could not be followed
}

// Walk follows descriptors from the given roots to everything below them.
func Walk(fsys fs.FS, roots []Descriptor) Reached {
	all := Reached{Nodes: map[oci.Digest]*Node{}}
	note := func(err error) {
		if all.Damage == nil {
			all.Damage = err
		}
	}
	add := func(desc Descriptor, isManifest bool) *Node {
		if old := all.Nodes[desc.Digest]; old != nil {
			old.Conflict = old.Conflict || old.IsManifest != isManifest || old.Size != desc.Size ||
				isManifest && old.MediaType != desc.MediaType
			return nil
		}
		if err := desc.Check(); err != nil {
			note(err)
			return nil
		}
		if len(all.Nodes) >= maxNodes {
			note(fmt.Errorf("a repository of more than %d digests: %w", maxNodes, ErrTooLarge))
			return nil
		}
		n := &Node{Descriptor: desc, IsManifest: isManifest}
		all.Nodes[desc.Digest] = n
		return n
	}
	var queue []*Node
	follow := func(list []Descriptor) {
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
		body, err := ReadFile(fsys, BlobPath(n.Digest), n.Want(), MaxChecked)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a sparse mirror: the platform was not wanted
		}
		if err != nil {
			note(err)
			continue
		}
		m, err := ParseManifestBlob(body)
		if err != nil {
			note(fmt.Errorf("%s: %w", n.Digest, err))
			continue
		}
		follow(m.Manifests)
		for _, desc := range m.Blobs() {
			add(desc, false)
		}
		n.Refers = m.refers()
	}
	return all
}

// ManifestBlob is an image manifest or an index, as far as it names others.
type ManifestBlob struct {
	Manifests    []Descriptor      `json:"manifests"`
	Config       *Descriptor       `json:"config"`
	Layers       []Descriptor      `json:"layers"`
	Subject      *Descriptor       `json:"subject"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
}

func (m ManifestBlob) Blobs() []Descriptor {
	if m.Config == nil {
		return m.Layers
	}
	return append([]Descriptor{*m.Config}, m.Layers...)
}

func ParseManifestBlob(body []byte) (m ManifestBlob, err error) {
	if err := NoDuplicateKeys(body); err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, strictjson.Plain(err)
	}
	if len(m.Manifests) > 0 && len(m.Blobs()) > 0 {
		return m, errors.New("both an index and an image manifest")
	}
	return m, nil
}

// Want is what the bytes must be. A digest that is invalid is what no bytes have.
func (d Descriptor) Want() Want {
	return Want{Sha256: cmp.Or(d.Digest.Hex(), string(d.Digest)), Size: d.Size}
}

// A referrer is a manifest that says what it refers to.
type referrer struct {
	Subject      oci.Digest
	ArtifactType string
	Annotations  map[string]string
}

// refers gives the manifest's subject, and what a list of referrers says of the
// manifest by the OCI distribution specification: its artifactType, else the
// media type of its config, and its annotations (none, if they are unreasonably long).
func (m ManifestBlob) refers() *referrer {
	if m.Subject == nil {
		return nil
	}
	r := &referrer{Subject: m.Subject.Digest, ArtifactType: m.ArtifactType, Annotations: m.Annotations}
	if r.ArtifactType == "" && m.Config != nil {
		r.ArtifactType = m.Config.MediaType
	}
	size := 0
	for k, v := range m.Annotations {
		size += len(k) + len(v)
	}
	if size > MaxAnnotations {
		r.Annotations = nil
	}
	return r
}

// BlobsBelow are the paths of the blobs that a digest reaches, whether or not a name does.
func BlobsBelow(fsys fs.FS, digest oci.Digest, depth int) map[string]bool {
	out := map[string]bool{BlobPath(digest): true}
	body, err := ReadFile(fsys, BlobPath(digest), Want{}, MaxChecked)
	if err != nil || depth > 2 {
		return out
	}
	m, err := ParseManifestBlob(body)
	if err != nil || oci.DigestOf(body) != digest {
		return out
	}
	for _, c := range m.Manifests {
		if c.Check() == nil {
			for name := range BlobsBelow(fsys, c.Digest, depth+1) {
				out[name] = true
			}
		}
	}
	for _, b := range m.Blobs() {
		if b.Check() == nil {
			out[BlobPath(b.Digest)] = true
		}
	}
	return out
}

// maxAnnotations is how long the annotations of a referrer may be, all of them,
// that a list of referrers repeats.
const MaxAnnotations = 4 << 10
