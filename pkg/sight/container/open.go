package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/fetch"
)

// Open reads the container at a path, which is recognised by what it holds:
//
//   - an OCI layout: a directory with oci-layout
//   - a directory that skopeo wrote as "dir:", whose file version says so
//   - containerd's content store: a directory with blobs/sha256 and ingest
//   - an archive: a tar file, or one that gzip or zstd packed, with an OCI layout or
//     docker's manifest.json in it, or both
//
// What is none of these is [ErrNoContainer], which is also said of any file that is
// no archive. Other errors are a [*Error], wrap a [*bounds.Error], or are of
// reading; pipes and devices are [fetch.ErrNotRegular]. A packed archive is read and
// hashed whole, in one pass; of others, the lists and documents are read.
func Open(ctx context.Context, path string) (*Container, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openDirectory(ctx, path)
	}
	f, err := fetch.OpenFile(path)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	if err == nil {
		var c *Container
		if c, err = openArchive(ctx, path, f, info.Size()); err == nil {
			c.close = f.Close
			return c, nil
		}
	}
	_ = f.Close()
	return nil, err
}

func openDirectory(ctx context.Context, path string) (*Container, error) {
	d, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	c := &Container{path: path, find: d.find, close: d.root.Close, text: maxText}
	if err := c.readDirectory(ctx, d); err != nil {
		_ = d.root.Close()
		return nil, err
	}
	return c, nil
}

func (c *Container) readDirectory(ctx context.Context, d *folder) error {
	isLayout, err := c.readLayout(ctx, d.hasFolder(blobsFolder))
	if err != nil {
		return err
	}
	isDir, err := c.readDirTransport(ctx)
	switch {
	case err != nil:
		return err
	case isLayout:
		c.Kind = "an OCI layout"
		_, err = c.readDocker(ctx)
		return err
	case isDir:
		c.Kind = "a directory of skopeo's"
		return nil
	case d.hasFolder(blobsFolder) && d.hasFolder(ingestFolder):
		c.Kind = "a content store of containerd's"
		return c.readStore(ctx, d)
	}
	return fmt.Errorf("%s: %w", c.path, ErrNoContainer)
}

func openArchive(ctx context.Context, path string, f io.ReaderAt, size int64) (*Container, error) {
	m, err := indexTar(ctx, path, f, size)
	if err != nil {
		return nil, err
	}
	c := &Container{path: path, find: m.find, text: maxText}
	if !m.isMember(layoutFile) && !m.isMember(manifestFile) && !m.isMember(repositoriesFile) && !m.folders[blobsFolder] {
		return nil, fmt.Errorf("%s: %w", path, ErrNoContainer)
	}
	// Whatever a list says: two readers might find different members.
	if m.bad != nil {
		return nil, m.bad
	}
	isLayout, err := c.readLayout(ctx, m.folders[blobsFolder])
	if err != nil {
		return nil, err
	}
	isDocker, err := c.readDocker(ctx)
	switch {
	case err != nil:
		return nil, err
	case isLayout && isDocker:
		c.Kind = "an archive of both OCI's and docker's form"
	case isLayout:
		c.Kind = "an archive of OCI's form"
	case isDocker:
		c.Kind = "an archive of docker's form"
	default:
		return nil, fmt.Errorf("%s: %w", path, ErrNoContainer)
	}
	return c, nil
}

// readLayout reads index.json, if it is one: an oci-layout lies beside it, or the
// blobs, which are enough for some readers.
func (c *Container) readLayout(ctx context.Context, hasBlobs bool) (bool, error) {
	mark, err := c.find(layoutFile)
	if err != nil {
		return false, err
	}
	index, err := c.find(indexFile)
	if err != nil || mark == nil && (index == nil || !hasBlobs) {
		return false, err
	}
	if mark != nil {
		text, err := mark.document(ctx, &c.text)
		if err != nil {
			return false, err
		}
		if err := checkLayoutVersion(text); err != nil {
			return false, mark.malformed(err)
		}
	}
	if index == nil {
		return false, &Error{Path: c.path, Entry: indexFile, Why: "it is absent, and lists the images of a layout"}
	}
	return true, c.readIndex(ctx, index)
}

func checkLayoutVersion(text []byte) error {
	if err := strictjson.Check(text); err != nil {
		return err
	}
	members, err := strictjson.Object(text)
	if err != nil {
		return strictjson.Plain(err)
	}
	var version string
	if err := json.Unmarshal(members["imageLayoutVersion"], &version); err != nil || version != "1.0.0" {
		return errors.New("it is of another imageLayoutVersion than 1.0.0")
	}
	return nil
}

// readDirTransport reads manifest.json of a directory whose version says that
// skopeo wrote it.
func (c *Container) readDirTransport(ctx context.Context) (bool, error) {
	version, err := c.find(versionFile)
	if version == nil || err != nil {
		return false, nil //nolint:nilerr // whatever it is, it is no version of skopeo's
	}
	text, err := version.first(ctx, len(versionWords))
	if err != nil || string(text) != versionWords {
		return false, nil //nolint:nilerr // the same
	}
	e, err := c.find(manifestFile)
	if err != nil {
		return false, err
	}
	if e == nil {
		return false, &Error{Path: c.path, Entry: manifestFile, Why: "it is absent, and is what a directory of skopeo's holds"}
	}
	return true, c.readDirManifest(ctx, e)
}
