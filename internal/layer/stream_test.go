package layer_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/kverify/kverify/internal/layer"
)

// The streams count what they are made of, and say where they do not end cleanly.
func TestStreams(t *testing.T) {
	content := bytes.Repeat([]byte("a layer, "), 300_000)
	gz, zst := packings(t, content)
	var footer bytes.Buffer
	w, err := gzip.NewWriterLevel(&footer, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Extra = append([]byte("SG\x16\x00"), "0000000000000123STARGZ"...)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	checked, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	skip := []byte{0x5d, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'G', 'N', 'U'}
	big := bytes.Repeat([]byte{7}, 1<<20)
	tests := map[string]struct {
		packed  []byte
		packing string
		want    []byte
		members int
		table   bool
		bad     bool
	}{
		"plain":                        {packed: content, want: content, members: 1},
		"empty":                        {members: 1},
		"gzip":                         {packed: gz, packing: layer.Gzip, want: content, members: 1},
		"gzip of two members":          {packed: slices.Concat(gz, gz), packing: layer.Gzip, want: slices.Concat(content, content), members: 2},
		"gzip with eStargz's footer":   {packed: slices.Concat(gz, footer.Bytes()), packing: layer.Gzip, want: content, members: 2, table: true},
		"gzip and zeros behind it":     {packed: slices.Concat(gz, make([]byte, 512)), packing: layer.Gzip, want: content, members: 1, bad: true},
		"gzip and a byte behind it":    {packed: append(slices.Clone(gz), 1), packing: layer.Gzip, want: content, members: 1, bad: true},
		"gzip and half a header":       {packed: slices.Concat(gz, gz[:5]), packing: layer.Gzip, want: content, members: 1, bad: true},
		"gzip cut off":                 {packed: gz[:len(gz)-1], packing: layer.Gzip, want: content, members: 1, bad: true},
		"zstd":                         {packed: zst, packing: layer.Zstd, want: content, members: 1},
		"zstd of one segment, no sum":  {packed: checked.EncodeAll(content, nil), packing: layer.Zstd, want: content, members: 1},
		"zstd of one small segment":    {packed: checked.EncodeAll([]byte("x"), nil), packing: layer.Zstd, want: []byte("x"), members: 1},
		"zstd of one repeated byte":    {packed: checked.EncodeAll(big, nil), packing: layer.Zstd, want: big, members: 1},
		"zstd of two frames":           {packed: slices.Concat(zst, zst), packing: layer.Zstd, want: slices.Concat(content, content), members: 2},
		"zstd and a frame skipped":     {packed: slices.Concat(zst, skip), packing: layer.Zstd, want: content, members: 1, table: true},
		"zstd behind a frame skipped":  {packed: slices.Concat(skip, zst), packing: layer.Zstd, want: content, members: 1, table: true},
		"zstd and zeros behind it":     {packed: slices.Concat(zst, make([]byte, 512)), packing: layer.Zstd, want: content, members: 1, bad: true},
		"zstd and two bytes behind it": {packed: slices.Concat(zst, zst[:2]), packing: layer.Zstd, want: content, members: 1, bad: true},
		"zstd cut off":                 {packed: zst[:len(zst)-1], packing: layer.Zstd, want: content, members: 1, bad: true},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			if got := layer.Packing(c.packed); got != c.packing {
				t.Errorf("packed as %q, want %q", got, c.packing)
			}
			s, err := layer.Unpack(bytes.NewReader(c.packed), c.packing)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			got, err := io.ReadAll(s)
			if (err != nil) != c.bad || s.Members != c.members || s.SecondTable != c.table {
				t.Errorf("%d members, second table %v, %v; want %d, %v, an error %v", s.Members, s.SecondTable, err, c.members, c.table, c.bad)
			}
			if !c.bad && !bytes.Equal(got, c.want) {
				t.Errorf("%d bytes, want %d", len(got), len(c.want))
			}
		})
	}
}

func TestPackingOfTheClosedTable(t *testing.T) {
	for mediaType, want := range map[string]string{
		"application/vnd.oci.image.layer.v1.tar":            layer.Plain,
		"application/vnd.docker.image.rootfs.diff.tar.gzip": layer.Gzip,
		"application/vnd.oci.image.layer.v1.tar+zstd":       layer.Zstd,
	} {
		if got, ok := layer.PackingOf(mediaType); !ok || got != want {
			t.Errorf("%s: %q, %v", mediaType, got, ok)
		}
	}
	for _, mediaType := range []string{"", "x.tar+gzip", "application/vnd.oci.image.layer.v1.tar+xz", "application/vnd.oci.image.layer.v1.tar+gzip; a=b", "application/octet-stream"} {
		if _, ok := layer.PackingOf(mediaType); ok {
			t.Errorf("%q is a layer's", mediaType)
		}
	}
}

func FuzzStream(f *testing.F) {
	gz, zst := packings(f, []byte("a layer\n"))
	f.Add(gz)
	f.Add(zst)
	f.Add(slices.Concat(gz, gz))
	f.Add(slices.Concat(zst, zst, []byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, packed []byte) {
		packing := layer.Packing(packed)
		s, err := layer.Unpack(bytes.NewReader(packed), packing)
		if err != nil {
			return
		}
		defer s.Close()
		got, err := io.ReadAll(io.LimitReader(s, 1<<20))
		if err != nil || len(got) == 1<<20 {
			return
		}
		// What came to a clean end is what the other reader makes of it.
		other, err := layer.Decompress(bytes.NewReader(packed), "x.tar"+map[string]string{layer.Gzip: "+gzip", layer.Zstd: "+zstd"}[packing])
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		again, err := io.ReadAll(other)
		if err != nil || !bytes.Equal(got, again) || errors.Is(err, layer.ErrTrailing) {
			t.Errorf("%d bytes; the other reader: %d, %v", len(got), len(again), err)
		}
	})
}
