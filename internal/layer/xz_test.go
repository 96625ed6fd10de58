package layer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os/exec"
	"slices"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/kverify/kverify/internal/layer"
)

func xzOf(tb testing.TB, c xz.WriterConfig, content []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := c.NewWriter(&out)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func unxz(packed []byte) ([]byte, error) {
	r, err := layer.OpenXZ(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestOpenXZ(t *testing.T) {
	content := bytes.Repeat([]byte("a layer\n"), 100_000)
	for name, c := range map[string]xz.WriterConfig{
		"crc64":       {DictCap: 1 << 16},
		"crc32":       {DictCap: 1 << 16, CheckSum: xz.CRC32},
		"sha256":      {DictCap: 1 << 16, CheckSum: xz.SHA256},
		"no check":    {DictCap: 1 << 16, NoCheckSum: true},
		"many blocks": {DictCap: 1 << 16, BlockSize: 1 << 16},
	} {
		for _, want := range [][]byte{content, content[:3], nil} {
			got, err := unxz(xzOf(t, c, want))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes of %d: %v", name, len(got), len(want), err)
			}
		}
	}
}

// TestOpenXZOfXZ reads what the real program writes, at its strongest and in several threads.
func TestOpenXZOfXZ(t *testing.T) {
	program, err := exec.LookPath("xz")
	if err != nil {
		t.Skip("xz is not installed")
	}
	content := bytes.Repeat([]byte("0123456789 a layer\n"), 200_000)
	for _, args := range [][]string{{"-0"}, {"-6"}, {"-0", "-T2", "--block-size=100000"}, {"-C", "sha256"}, {"-C", "none"}} {
		cmd := exec.CommandContext(t.Context(), program, append(args, "-c")...)
		cmd.Stdin = bytes.NewReader(content)
		packed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unxz(packed); err != nil || !bytes.Equal(got, content) {
			t.Errorf("xz %v: %d bytes, %v", args, len(got), err)
		}
	}
}

// withDictionary changes the size of the dictionary that the first block asks for.
func withDictionary(packed []byte, code byte) []byte {
	out := slices.Clone(packed)
	end := 12 + 4*(int(out[12])+1) - 4
	at := bytes.Index(out[12:end], []byte{0x21, 1}) + 12 + 2
	out[at] = code
	binary.LittleEndian.PutUint32(out[end:], crc32.ChecksumIEEE(out[12:end]))
	return out
}

func TestHostileXZ(t *testing.T) {
	good := xzOf(t, xz.WriterConfig{DictCap: 1 << 16}, []byte("a layer\n"))
	if got, err := unxz(withDictionary(good, 28)); err != nil || string(got) != "a layer\n" { // 64 MiB
		t.Errorf("a dictionary of 64 MiB: %q, %v", got, err)
	}
	for _, code := range []byte{29, 36, 40} { // 96 MiB, 1 GiB, 4 GiB
		if _, err := unxz(withDictionary(good, code)); !layer.TooLarge(err) {
			t.Errorf("a dictionary of the code %d: %v", code, err)
		}
	}
	tiny := tinyChunks(100_000)
	if _, err := unxz(tiny); !layer.TooLarge(err) {
		t.Errorf("tiny chunks: %v", err)
	}
	for name, packed := range map[string][]byte{
		"a second stream": slices.Concat(good, good),
		"padding":         append(slices.Clone(good), 0, 0, 0, 0),
		"another byte":    append(slices.Clone(good), 1),
		"no dictionary":   withDictionary(good, 41),
		"nothing":         nil,
		"gzip":            {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, err := unxz(packed); err == nil || layer.TooLarge(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range good {
		if _, err := unxz(good[:n]); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
		flipped := slices.Clone(good)
		flipped[n] ^= 1
		if got, err := unxz(flipped); err == nil {
			t.Errorf("byte %d changed: %q", n, got)
		}
	}
}

// tinyChunks is a stream of n uncompressed chunks of LZMA2 of one byte each, without its end.
func tinyChunks(n int) []byte {
	good := []byte("\xfd7zXZ\x00\x00\x00")
	good = binary.LittleEndian.AppendUint32(good, crc32.ChecksumIEEE(good[6:]))
	block := []byte{2, 0, 0x21, 1, 4, 0, 0, 0}
	good = append(good, block...)
	good = binary.LittleEndian.AppendUint32(good, crc32.ChecksumIEEE(block))
	return append(good, bytes.Repeat([]byte{1, 0, 0, 'x'}, n)...)
}

// FuzzXZ: what the guard lets through is read as the library alone reads it.
func FuzzXZ(f *testing.F) {
	good := xzOf(f, xz.WriterConfig{DictCap: 1 << 16, BlockSize: 1 << 10}, bytes.Repeat([]byte("a layer\n"), 300))
	f.Add(good) // large dictionaries and many chunks cost seconds each under the fuzzer: TestHostileXZ has them
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, err := unxz(packed)
		if err != nil {
			return
		}
		alone, err := xz.ReaderConfig{DictCap: 1 << 12, SingleStream: true}.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(alone)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes and %d: %v", len(got), len(want), err)
		}
	})
}
