package layout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/pkg/oci"
)

// A layer that is read by a check of contents can be carried: both know the same
// packings.
func TestZstdLayerIsCarried(t *testing.T) {
	content := bytes.Repeat([]byte("a layer\n"), 10_000)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := z.EncodeAll(content, nil)
	hash := func(b []byte) string { h := sha256.Sum256(b); return "sha256:" + hex.EncodeToString(h[:]) }
	const zstdType = "application/vnd.oci.image.layer.v1.tar+zstd"
	var differs *LayerError
	for name, tt := range map[string]struct {
		mediaType, diffID string
		packed            []byte
		right             func(error) bool
	}{
		"whole":                {zstdType, hash(content), packed, func(err error) bool { return err == nil }},
		"of other bytes":       {zstdType, hash(packed), packed, func(err error) bool { return errors.As(err, &differs) }},
		"cut short":            {zstdType, hash(content), packed[:len(packed)-3], func(err error) bool { return errors.As(err, &differs) }},
		"something after it":   {zstdType, hash(content), append(bytes.Clone(packed), "x"...), func(err error) bool { return errors.As(err, &differs) }},
		"not packed at all":    {zstdType, hash(content), content, func(err error) bool { return errors.As(err, &differs) }},
		"an unknown packing":   {"application/vnd.oci.image.layer.v1.tar+xz", hash(content), packed, func(err error) bool { return errors.Is(err, layer.ErrType) }},
		"under a gzip's type":  {"application/vnd.oci.image.layer.v1.tar+gzip", hash(content), packed, func(err error) bool { return errors.As(err, &differs) }},
		"unpacked, and a .tar": {"application/vnd.oci.image.layer.v1.tar", hash(content), content, func(err error) bool { return err == nil }},
	} {
		got, err := HashLayer(bytes.NewReader(tt.packed), oci.Digest(hash(tt.packed)), Unpacked{tt.mediaType, []oci.Digest{oci.Digest(tt.diffID)}})
		if !tt.right(err) || got != oci.Digest(hash(tt.packed)) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}
