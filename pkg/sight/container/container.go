// Package container reads what tools write images into: archives of docker and of OCI,
// layouts, skopeo's directories, containerd's content store. It says what lies there, as
// copies, and what its bytes hash to; it has no network and no trust.
package container

import (
	"context"
	"fmt"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// maxNodes caps the manifests and blobs of a container, each counted as often as it
// is named: a caller that walks through the copies walks through so many.
const maxNodes = 100_000

// The names by which a container is known.
const (
	layoutFile       = "oci-layout" // opencontainers/image-spec, image-layout.md
	indexFile        = "index.json" // the same
	manifestFile     = "manifest.json"
	repositoriesFile = "repositories"
	versionFile      = "version" // of skopeo's dir: (containers/image, directory/directory_dest.go)
	versionWords     = "Directory Transport Version"
	blobsFolder      = "blobs/sha256"
	ingestFolder     = "ingest" // of containerd's content store (plugins/content/local)
)

// Container is what holds images: an archive, a layout, a directory of skopeo's, a
// content store. It was read as far as its lists and documents; layers are hashed
// when [Blob.Read] is called.
type Container struct {
	// Kind says what it is, in words: "an OCI layout", "an archive of docker's form".
	Kind string
	// Referrers counts what its lists name beside images: manifests with a subject, and
	// what cosign's tags name, that no platform selects.
	Referrers int

	path   string
	copies []sight.Copy
	blobs  []*entry // of layers and configs, each once
	close  func() error
	// find gives the file of a name within it, or nil where none lies there.
	find  func(name string) (*entry, error)
	text  int64 // bytes of documents that may still be held
	nodes int   // of maxNodes
}

// Copies gives each image as each list calls it: first those of index.json, then
// those of manifest.json and repositories, in their order.
func (c *Container) Copies() []sight.Copy { return c.copies }

// Close releases the container; its blobs can be read no more.
func (c *Container) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

// Hash reads every layer and config that is named and lies there, at most workers at
// a time, so that [Blob.Read] answers at once. What goes wrong is said there again.
func (c *Container) Hash(ctx context.Context, workers int) {
	par.Map(ctx, len(c.blobs), workers, func(ctx context.Context, i int) {
		_, _ = c.blobs[i].hash(ctx)
	}, nil)
}

// add takes in a copy, which has so many nodes and blobs.
func (c *Container) add(list string, names []string, entry string, root sight.Node, weight int) error {
	if c.nodes += weight; c.nodes > maxNodes {
		return c.tooMany()
	}
	c.copies = append(c.copies, sight.Copy{Names: names, List: list, Place: report.Place{Source: c.path, Entry: entry}, Root: root})
	return nil
}

func (c *Container) tooMany() error {
	return fmt.Errorf("%s: %w", c.path, &bounds.Error{What: "manifests and layers", Max: maxNodes})
}

// rememberBlob remembers a blob that lies there, for Hash.
func (c *Container) rememberBlob(e *entry) {
	if !e.named {
		e.named = true
		c.blobs = append(c.blobs, e)
	}
}
