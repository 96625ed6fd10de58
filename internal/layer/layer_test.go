package layer_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/kverify/kverify/internal/layer"
)

func packings(tb testing.TB, content []byte) (gz, zst []byte) {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes(), z.EncodeAll(content, nil)
}

func TestDecompress(t *testing.T) {
	content := bytes.Repeat([]byte("a layer\n"), 100_000)
	gz, zst := packings(t, content)
	for mediaType, packed := range map[string][]byte{
		"application/vnd.oci.image.layer.v1.tar":                       content,
		"application/vnd.docker.image.rootfs.diff.tar":                 content,
		"application/vnd.oci.image.layer.v1.tar+gzip":                  gz,
		"application/vnd.docker.image.rootfs.diff.tar.gzip":            gz,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    gz,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": gz,
		"application/vnd.oci.image.layer.v1.tar+zstd":                  zst,
		"application/vnd.docker.image.rootfs.diff.tar.zstd":            zst,
	} {
		r, err := layer.Decompress(bytes.NewReader(packed), mediaType)
		if err != nil {
			t.Errorf("%s: %v", mediaType, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, content) || r.Close() != nil {
			t.Errorf("%s: %d bytes, %v", mediaType, len(got), err)
		}
	}
	for _, mediaType := range []string{"", "tar", "application/vnd.oci.image.layer.v1.tar+xz", "application/vnd.oci.image.layer.v1+gzip", "application/octet-stream"} {
		if _, err := layer.Decompress(bytes.NewReader(gz), mediaType); !errors.Is(err, layer.ErrType) {
			t.Errorf("%q: %v", mediaType, err)
		}
	}
	if _, err := layer.Decompress(bytes.NewReader(zst), "x.tar+gzip"); err == nil || errors.Is(err, layer.ErrType) {
		t.Errorf("bytes of another packing: %v", err)
	}
}

func FuzzDecompress(f *testing.F) {
	gz, zst := packings(f, []byte("a layer\n"))
	f.Add("x.tar+gzip", gz)
	f.Add("x.tar+zstd", zst)
	f.Fuzz(func(t *testing.T, mediaType string, packed []byte) {
		r, err := layer.Decompress(bytes.NewReader(packed), mediaType)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20)); err != nil && errors.Is(err, layer.ErrType) {
			t.Errorf("%v", err)
		}
		if err := r.Close(); err != nil && len(packed) == 0 {
			t.Error(err)
		}
	})
}
