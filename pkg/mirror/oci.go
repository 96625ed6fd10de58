package mirror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"

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

// readIndex fills d.repos from the layout.
func (d *Dir) readIndex() error {
	if body, err := d.readAll("oci/oci-layout", want{}, 4096); err != nil {
		return err
	} else if !json.Valid(body) || !strings.Contains(string(body), `"imageLayoutVersion"`) {
		return errors.New("oci/oci-layout: no imageLayoutVersion in it")
	}
	body, err := d.readAll("oci/index.json", want{}, maxIndexFile)
	if err != nil {
		return err
	}
	names, err := parseIndex(body)
	if err != nil {
		return fmt.Errorf("oci/index.json: %w", err)
	}
	for _, n := range names {
		key := n.host + "/" + n.repo
		r := d.repos[key]
		if r == nil {
			r = &repository{tags: map[string]descriptor{}, refused: map[string]error{}}
			r.reach = sync.OnceValue(func() reached { return d.walk(r.roots) })
			d.repos[key] = r
		}
		if !slices.Contains(d.hosts, n.host) {
			d.hosts = append(d.hosts, n.host)
		}
		if err := d.manifest.agrees(n); err != nil {
			r.refused[n.tag] = err
			continue
		}
		if n.tag != "" {
			r.tags[n.tag] = n.target
		}
		r.roots = append(r.roots, n.target)
		r.names = append(r.names, n)
	}
	return nil
}

// answerOCI answers the read half of the distribution specification.
func (d *Dir) answerOCI(req *http.Request, host string) *answer {
	for _, half := range []string{"MANIFEST.json", "oci"} {
		if err := d.broken[half]; err != nil {
			return d.ociRefuse(err)
		}
	}
	switch req.URL.Path {
	case "/v2/":
		return fromJSON(http.StatusOK, struct{}{})
	case "/v2/_catalog":
		return d.answerCatalog(req, host)
	}
	parts := strings.Split(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
	if len(parts) < 3 {
		return ociError(http.StatusNotFound, codeName, "no such address")
	}
	repo, kind, ref := strings.Join(parts[:len(parts)-2], "/"), parts[len(parts)-2], parts[len(parts)-1]
	r := d.repos[host+"/"+repo]
	if r == nil {
		return ociError(http.StatusNotFound, codeName, fmt.Sprintf("%s/%s is not in the mirror %s", host, repo, d.path))
	}
	switch kind {
	case "manifests":
		return d.answerManifest(r, host+"/"+repo, ref)
	case "blobs":
		return d.answerBlob(req, r, host+"/"+repo, ref)
	case "referrers":
		return d.answerReferrers(req, r, ref)
	case "tags":
		if ref == "list" {
			return answerTags(req, repo, r)
		}
	}
	return ociError(http.StatusNotFound, codeName, "no such address")
}

func (d *Dir) answerManifest(r *repository, name, ref string) *answer {
	var target descriptor
	if isDigest(ref) {
		n, a := d.find(r, name, ref)
		if a != nil {
			return a
		}
		if !n.isManifest {
			return ociError(http.StatusNotFound, codeManifest, fmt.Sprintf("%s@%s is no manifest", name, ref))
		}
		target = n.descriptor
	} else {
		if err := r.refused[ref]; err != nil {
			return d.ociRefuse(fmt.Errorf("%s:%s: %w", name, ref, err))
		}
		var ok bool
		if target, ok = r.tags[ref]; !ok {
			return ociError(http.StatusNotFound, codeManifest, fmt.Sprintf("%s:%s is not in the mirror %s", name, ref, d.path))
		}
	}
	// Nothing else is sent as what the lists say that it is: a browser would take a
	// page for one of this server's.
	if !isManifestType(target.MediaType) {
		return d.ociRefuse(fmt.Errorf("%s@%s: %.100q is no media type of a manifest", name, target.Digest, target.MediaType))
	}
	body, err := d.readAll(blobPath(target.Digest), target.want(), maxChecked)
	if err != nil {
		return d.ociFailure(codeManifest, name+"@"+target.Digest, err)
	}
	a := fromBytes(http.StatusOK, target.MediaType, body)
	a.header["Docker-Content-Digest"] = target.Digest
	a.sum = target.want().sha256
	return a
}

// isManifestType says whether a media type is that of an image manifest or an
// index (opencontainers/image-spec, media-types.md, and Docker's).
func isManifestType(mediaType string) bool {
	return slices.Contains([]string{
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	}, mediaType)
}

func (d *Dir) answerBlob(req *http.Request, r *repository, name, ref string) *answer {
	if !isDigest(ref) {
		return ociError(http.StatusNotFound, codeBlob, fmt.Sprintf("%q is no sha256 digest", ref))
	}
	n, a := d.find(r, name, ref)
	if a != nil {
		return a
	}
	if n.isManifest {
		return ociError(http.StatusNotFound, codeBlob, fmt.Sprintf("%s@%s is no blob", name, ref))
	}
	body, size, err := d.body(req.Context(), blobPath(ref), n.want())
	if err != nil {
		return d.ociFailure(codeBlob, name+"@"+ref, err)
	}
	return &answer{status: http.StatusOK, size: size, sum: n.want().sha256, body: body, header: map[string]string{
		"Content-Type": "application/octet-stream", "Docker-Content-Digest": ref,
	}}
}

// find looks a digest up among what the names of r reach.
func (d *Dir) find(r *repository, name, digest string) (*node, *answer) {
	all := r.reach()
	n := all.nodes[digest]
	switch {
	case n == nil && all.damage != nil:
		return nil, d.ociRefuse(all.damage)
	case n == nil:
		return nil, ociError(http.StatusNotFound, codeManifest,
			fmt.Sprintf("%s@%s is not in the mirror %s: no name of that repository reaches it", name, digest, d.path))
	case n.conflict:
		return nil, d.ociRefuse(fmt.Errorf("%s@%s is described in two ways that differ", name, digest))
	}
	return n, nil
}

// walk follows descriptors from the given roots to everything below them.
func (d *Dir) walk(roots []descriptor) reached {
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
		body, err := d.readAll(blobPath(n.Digest), n.want(), maxChecked)
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

// blobPath is where the layout keeps a digest that passed isDigest.
func blobPath(digest string) string {
	return "oci/blobs/sha256/" + strings.TrimPrefix(digest, "sha256:")
}

func (d *Dir) ociFailure(code, what string, err error) *answer {
	if errors.Is(err, fs.ErrNotExist) {
		return ociError(http.StatusNotFound, code, fmt.Sprintf("%s is not in the mirror %s", what, d.path))
	}
	return d.ociRefuse(fmt.Errorf("%s: %w", what, err))
}
