package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

const (
	// maxJSON caps one document: an index, a manifest, a config, a list of images.
	// Registries take no larger manifest (opencontainers/distribution-spec, spec.md).
	maxJSON = 4 << 20
	// maxText caps all documents of a container that are held at once: a thousand
	// images' are some 10 MB.
	maxText = 64 << 20
)

var errTooMuchText = &bounds.Error{What: "bytes of JSON documents", Max: maxText}

var errNoDocument = errors.New("it is no JSON document")

// entry is a file of a container, read once.
type entry struct {
	path string // of the container, as it was given
	name string // in it
	size int64  // bytes; what its reader gives may differ
	open func() (io.ReadCloser, error)
	all  *allowance

	named bool // in Container.blobs

	mu      sync.Mutex
	content *sight.Content // once it is hashed
	text    []byte         // once it is read as a document
	kept    bool
}

// hash reads the bytes once, and says what they are. The error is one of reading.
func (e *entry) hash(ctx context.Context) (sight.Content, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.content != nil {
		return *e.content, nil
	}
	if err := context.Cause(ctx); err != nil {
		return sight.Content{}, err
	}
	f, err := e.open()
	if err != nil {
		return sight.Content{}, e.unread(err)
	}
	defer f.Close()
	c, err := hashAll(ctx, f, e.size, e.all)
	if err != nil {
		return sight.Content{}, e.unread(err)
	}
	e.content = &c
	return c, nil
}

func looksLikeJSON(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// document is the whole of a small file that may be JSON. Its hash is of the same bytes.
func (e *entry) document(ctx context.Context, budget *int64) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kept {
		return e.text, nil
	}
	if e.size > maxJSON {
		return nil, e.tooLarge()
	}
	if e.open == nil {
		return nil, e.malformed(errNoDocument) // or it would have been kept
	}
	f, err := e.open()
	if err != nil {
		return nil, e.unread(err)
	}
	defer f.Close()
	text, err := bounds.Read(&steady{ctx: ctx, r: f}, maxJSON)
	if err != nil {
		return nil, e.unread(err)
	}
	if !looksLikeJSON(text) {
		return nil, e.malformed(errNoDocument)
	}
	if *budget -= int64(len(text)); *budget < 0 {
		return nil, fmt.Errorf("%s: %w", shownPath(e.path, e.name), errTooMuchText)
	}
	return text, e.holdDocument(ctx, text)
}

func (e *entry) tooLarge() error {
	return fmt.Errorf("%s: %w", shownPath(e.path, e.name), &bounds.Error{What: "bytes of a JSON document", Max: maxJSON})
}

// first reads the first n bytes, or fewer if it has no more.
func (e *entry) first(ctx context.Context, n int) ([]byte, error) {
	f, err := e.open()
	if err != nil {
		return nil, e.unread(err)
	}
	defer f.Close()
	r := &steady{ctx: ctx, r: f}
	text, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, e.unread(err)
	}
	return text, nil
}

// holdDocument holds a document, and says what its bytes are.
func (e *entry) holdDocument(ctx context.Context, text []byte) error {
	c, err := hashAll(ctx, bytes.NewReader(text), int64(len(text)), e.all)
	if err != nil {
		return e.unread(err)
	}
	e.text, e.kept, e.content = text, true, &c
	return nil
}

// unread says that the bytes could not be read. What ends too early has been read
// as far as it goes, and is incomplete.
func (e *entry) unread(err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Path: e.path, Entry: e.name, Why: "it ends too early", Err: err}
	}
	return fmt.Errorf("%s could not be read: %w", shownPath(e.path, e.name), err)
}

func (e *entry) malformed(err error) error {
	return malformed(e.path, e.name, err)
}

// malformed makes an error of bytes one of the container's.
func malformed(path, name string, err error) error {
	var limit *bounds.Error
	if errors.As(err, &limit) {
		return fmt.Errorf("%s: %w", shownPath(path, name), err)
	}
	why := err.Error()
	var form *registry.FormatError
	if errors.As(err, &form) {
		why = form.Why
	}
	return &Error{Path: path, Entry: name, Why: why, Err: err}
}

// blob is what lies there as its manifest names it. A layer's media type, where it has one, must
// be in the closed table and that of the bytes; its annotations may tell of a second table.
func (e *entry) blob(d registry.Descriptor, isLayer bool) sight.Blob {
	b := sight.Blob{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, Annotations: d.Annotations, Entry: e.name}
	b.Read = func(ctx context.Context) (sight.Content, error) {
		c, err := e.hash(ctx)
		if err != nil {
			return sight.Content{}, err
		}
		if isLayer && d.MediaType != "" {
			holdMediaType(&c, d.MediaType)
		}
		c.SecondTable = c.SecondTable || hasSecondTable(d.Annotations)
		if c.Err != nil {
			c.Err = e.malformed(c.Err)
		}
		return c, nil
	}
	return b
}

func holdMediaType(c *sight.Content, mediaType string) {
	packing, ok := layer.PackingOf(mediaType)
	switch {
	case !ok:
		c.Err = fmt.Errorf("its media type, %.100q, is no layer's", mediaType)
	case packing != c.Packed:
		c.Err = fmt.Errorf("its media type is %s, and its bytes are packed otherwise (%s)", mediaType, orPlain(c.Packed))
	default:
		return
	}
	c.Unpacked, c.Joined = "", ""
}

func orPlain(packing string) string {
	if packing == layer.Plain {
		return "not at all"
	}
	return packing
}

// hasSecondTable knows the annotations by which runtimes find one: those of
// containerd/stargz-snapshotter (docs/estargz.md) and of containers/storage
// (pkg/chunked, which writes zstd:chunked).
func hasSecondTable(annotations map[string]string) bool {
	for key := range annotations {
		if slices.ContainsFunc([]string{"containerd.io/snapshot/stargz", "io.github.containers.zstd-chunked", "io.containers.zstd-chunked"}, func(p string) bool { return strings.HasPrefix(key, p) }) {
			return true
		}
	}
	return false
}
