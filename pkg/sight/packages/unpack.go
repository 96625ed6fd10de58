package packages

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/layer"
)

// unpackedPart reads what is packed as archive, under the caps.
type unpackedPart struct {
	r      io.Reader
	packed *packedCounter
	n, max int64
}

// unpackPart opens a packing by its name: "gzip", "xz", "zstd" or "".
func unpackPart(packed io.Reader, packing string, most int64) (*unpackedPart, error) {
	u := &unpackedPart{packed: &packedCounter{r: packed}, max: most}
	var err error
	switch packing {
	case "":
		u.r = u.packed
	case "gzip":
		u.r, err = layer.Decompress(u.packed, ".tar.gzip")
	case "zstd":
		u.r, err = layer.Decompress(u.packed, ".tar.zstd")
	case "xz":
		u.r, err = layer.OpenXZ(u.packed)
	default:
		err = fmt.Errorf("%w: %.40q", layer.ErrType, packing)
	}
	return u, err
}

func (u *unpackedPart) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	u.n += int64(n)
	switch {
	case u.n > u.max:
		return 0, &bounds.Error{What: "bytes unpacked", Max: u.max}
	case u.n > smallUnpacked && u.n/maxPackageRatio > u.packed.n:
		return 0, &bounds.Error{What: "bytes unpacked of each packed", Max: maxPackageRatio}
	}
	return n, err
}

// close reads what follows an archive's end, which is nothing but zeros, and ends
// the unpacking.
func (u *unpackedPart) close() error {
	if c, ok := u.r.(io.Closer); ok {
		defer c.Close()
	}
	buffer := make([]byte, 4096)
	for {
		n, err := u.Read(buffer)
		if len(bytes.Trim(buffer[:n], "\x00")) > 0 {
			return errors.New("something follows the end of its archive")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// packedCounter counts what was read.
type packedCounter struct {
	r io.Reader
	n int64
}

func (c *packedCounter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
