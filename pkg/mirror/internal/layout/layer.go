package layout

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// maxLayer caps what a layer may unpack to. The largest of a release, that of
// conformance, has about 1 GB.
const maxLayer = 16 << 30

// A LayerError says that a layer does not unpack to what the config of its
// image says.
type LayerError struct {
	Digest    oci.Digest // of the layer
	Want, Got string     // diff_id of the config, and of the bytes
}

func (e *LayerError) Error() string {
	return fmt.Sprintf("the layer %s unpacks to %s, but the config says %s", e.Digest, e.Got, e.Want)
}

// Classify refutes: the layer was unpacked, or is not what its type says.
func (e *LayerError) Classify() (report.Verdict, report.Reason) {
	return report.Refuted, report.Mismatch
}

// Unpacked says what a layer must unpack to.
type Unpacked struct {
	MediaType string
	DiffIDs   []oci.Digest // from the configs that name it; normally one
}

// LayersOf joins the layers of an image with the diff_ids of its config. What
// is not an image of a file system has none.
func LayersOf(img *registry.Image, config *registry.Config) (map[oci.Digest]Unpacked, error) {
	if len(config.DiffIDs) != len(img.Layers) {
		return nil, fmt.Errorf("the config names %d layers, the manifest %d", len(config.DiffIDs), len(img.Layers))
	}
	out := map[oci.Digest]Unpacked{}
	for i, l := range img.Layers {
		if !strings.HasPrefix(l.MediaType, "application/vnd.docker.image.rootfs.") && !strings.HasPrefix(l.MediaType, "application/vnd.oci.image.layer.") {
			continue // a signature's payload, whose manifest has the shape of an image's
		}
		u := out[l.Digest]
		u.MediaType = l.MediaType
		u.DiffIDs = append(u.DiffIDs, config.DiffIDs[i])
		out[l.Digest] = u
	}
	return out, nil
}

// IsConfig says whether a descriptor is of the config of an image.
func IsConfig(mediaType string) bool {
	return mediaType == "application/vnd.docker.container.image.v1+json" || mediaType == "application/vnd.oci.image.config.v1+json"
}

// HashLayer reads bytes to their end and hashes them, packed and unpacked. want
// without diffIDs hashes them packed alone. The error is one of reading, or a
// [*LayerError], or wraps [layer.ErrType]; whether the digest is right the caller
// says, and first.
func HashLayer(r io.Reader, digest oci.Digest, want Unpacked) (sum oci.Digest, err error) {
	packed := sha256.New()
	read := &readErrors{r: r}
	source := io.TeeReader(read, packed)
	if len(want.DiffIDs) > 0 {
		err = unpack(source, digest, want)
	}
	// To the end in any case: the digest is of all bytes.
	if _, e := io.Copy(io.Discard, source); e != nil {
		return "", e
	}
	if read.err != nil { // by which unpacking ended: not what the bytes are, but that they could not be read
		return "", read.err
	}
	return oci.FromHash(packed), err
}

// readErrors remembers the first error of a reader that is not its end.
type readErrors struct {
	r   io.Reader
	err error
}

func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && r.err == nil {
		r.err = err
	}
	return n, err
}

func unpack(source io.Reader, digest oci.Digest, want Unpacked) error {
	plain, err := layer.Decompress(source, want.MediaType)
	if errors.Is(err, layer.ErrType) {
		return fmt.Errorf("%s: %w", digest, err)
	}
	if err != nil {
		return &LayerError{Digest: digest, Want: string(want.DiffIDs[0]), Got: "nothing (" + err.Error() + ")"}
	}
	defer func() { _ = plain.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(plain, maxLayer+1))
	if err != nil {
		return &LayerError{Digest: digest, Want: string(want.DiffIDs[0]), Got: "nothing (" + err.Error() + ")"}
	}
	if n > maxLayer {
		return fmt.Errorf("%s: it unpacks to more than %d bytes: %w", digest, int64(maxLayer), ErrTooLarge)
	}
	got := oci.FromHash(h)
	for _, id := range want.DiffIDs {
		if id != got {
			return &LayerError{Digest: digest, Want: string(id), Got: string(got)}
		}
	}
	return nil
}
