// Package layer unpacks layers of images: the one table of their media types, and
// the one decompressor, for a caller that reads what is in a layer and for one that only
// hashes it. What one of them can read the other can carry.
package layer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrType is wrapped where a layer is packed in a way that is not read.
var ErrType = errors.New("a layer that is packed in an unknown way")

// maxWindow caps what a zstd frame may make its reader hold; RFC 8878, section 3.1.1.1.2,
// recommends that a reader accepts 8 MB, and the strongest levels in use write 64 MB.
const maxWindow = 64 << 20

// packings are how layers are packed, by the end of their media types: those of the
// OCI image specification (layer.md), whose zstd is "+zstd", and Docker's.
var packings = []struct {
	suffixes []string
	open     func(io.Reader) (io.ReadCloser, error)
}{
	{[]string{".tar+gzip", ".tar.gzip"}, openGzip},
	{[]string{".tar+zstd", ".tar.zstd"}, openZstd},
	{[]string{".tar"}, func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }},
}

// Decompress reads a layer of this media type as the archive that it packs. It may
// read further than the archive goes; the caller reads packed to its end, if that is
// to be hashed too. The error wraps [ErrType], or is one of the bytes.
func Decompress(packed io.Reader, mediaType string) (io.ReadCloser, error) {
	for _, p := range packings {
		for _, suffix := range p.suffixes {
			if strings.HasSuffix(mediaType, suffix) {
				return p.open(packed)
			}
		}
	}
	return nil, fmt.Errorf("%w: %.80q", ErrType, mediaType)
}

func openGzip(packed io.Reader) (io.ReadCloser, error) {
	return gzip.NewReader(bufio.NewReaderSize(packed, 64<<10))
}

// openZstd does one goroutine's work, in a window that a hostile frame cannot choose.
func openZstd(packed io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}
