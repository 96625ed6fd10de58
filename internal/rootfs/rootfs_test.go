package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
)

// unpack reads one layer that is not compressed, under a limit of bytes.
func unpack(layer []byte, limit int64, program string) error {
	fs := New(context.Background(), []string{program})
	fs.left = limit
	return fs.Add(bytes.NewReader(layer), "application/vnd.oci.image.layer.v1.tar", oci.Digest(diffID(layer)))
}

// allowed is the work that the tests allow: a hostile layer wants more than any limit.
const allowed = 1 << 24

// unpackWork is the work that joining one layer took.
func unpackWork(layer []byte) (int64, error) {
	fs := New(context.Background(), []string{"usr/bin/program"})
	fs.work = allowed
	err := fs.Add(bytes.NewReader(layer), "application/vnd.oci.image.layer.v1.tar", oci.Digest(diffID(layer)))
	return allowed - fs.work, err
}

func diffID(layer []byte) string {
	sum := sha256.Sum256(layer)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// tarOf is an archive of names (or headers), each followed by its content.
func tarOf(files ...any) []byte {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		var h tar.Header
		switch f := files[i].(type) {
		case string:
			h = tar.Header{Name: f, Typeflag: tar.TypeReg}
		case tar.Header:
			h = f
		}
		body, _ := files[i+1].([]byte)
		if h.Typeflag != tar.TypeXGlobalHeader { // which has neither
			h.Mode, h.Size = 0o755, int64(len(body))
		}
		if err := t.WriteHeader(&h); err != nil {
			panic(err)
		}
		_, _ = t.Write(body)
	}
	if err := t.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// layerOf is a layer of entries: links where a target is given, files elsewhere.
func layerOf(t *testing.T, n int, entry func(i int) (name, link string)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range n {
		name, link := entry(i)
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
		if link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Joining layers costs by the names that are looked at, never the square of the
// entries: what is far from an entry is not looked at, and work is counted.
func TestLayersCostWhatTheyHold(t *testing.T) {
	const n = 6_000
	deep := strings.Repeat("a/", 200)
	for name, tt := range map[string]struct {
		entry func(i int) (string, string)
		most  int64 // of work, in bytes of names
		fails bool
	}{
		"links, and files elsewhere that have links below": {func(i int) (string, string) {
			if i%2 == 0 {
				return fmt.Sprintf("l/%d/x", i), "y"
			}
			return fmt.Sprintf("l/%d", i-1), ""
		}, 2 << 20, false},
		"whiteouts beside links": {func(i int) (string, string) {
			if i%2 == 0 {
				return fmt.Sprintf("l/%d", i), "y"
			}
			return fmt.Sprintf("m/.wh.%d", i), ""
		}, 2 << 20, false},
		"whiteouts of what this layer has put": {func(i int) (string, string) {
			if i < n/2 {
				return fmt.Sprintf("l/%d", i), "y"
			}
			return ".wh.l", ""
		}, allowed, true},
		"opaque directories": {func(i int) (string, string) {
			if i < n/2 {
				return fmt.Sprintf("l/%d", i), "y"
			}
			return "l/.wh..wh..opq", ""
		}, allowed, true},
		"deep names":     {func(i int) (string, string) { return fmt.Sprint(deep, i), "" }, allowed, true},
		"a longer name":  {func(int) (string, string) { return strings.Repeat("a", 5000), "" }, 1 << 20, true},
		"a longer link":  {func(int) (string, string) { return "a", strings.Repeat("a", 5000) }, 1 << 20, true},
		"a deeper name":  {func(int) (string, string) { return strings.Repeat("a/", 300) + "a", "" }, 1 << 20, true},
		"links to links": {func(i int) (string, string) { return fmt.Sprintf("l%d/x", i), fmt.Sprintf("../l%d", i+1) }, 2 << 20, false},
	} {
		work, err := unpackWork(layerOf(t, n, tt.entry))
		if work > tt.most+5000 || (err != nil) != tt.fails {
			t.Errorf("%s: work of %d, at most %d; %v", name, work, tt.most, err)
		}
	}
}

// A bomb costs what its limit allows, and no more.
func TestUnpackLimits(t *testing.T) {
	zeros := tarOf("bomb", make([]byte, 1<<20), "usr/local/bin/kube-proxy", []byte("x"))
	if err := unpack(zeros, 1<<19, "/usr/local/bin/kube-proxy"); err == nil || !strings.Contains(err.Error(), "more than is read") {
		t.Errorf("bytes: %v", err)
	}
	if err := unpack(zeros, 2<<20, "/usr/local/bin/kube-proxy"); err != nil {
		t.Errorf("within the limit: %v", err)
	}
	var many []any
	for range 2000 {
		many = append(many, "x", nil)
	}
	crowd := tarOf(many...)
	for range 100 {
		if err := unpack(crowd, 1<<30, "/usr/local/bin/kube-proxy"); err != nil {
			t.Fatal(err)
		}
	}
}

// The least that such a layer can cost: its bytes hashed by whoever says what they should be,
// as a layer, and twice as a program.
func BenchmarkHash(b *testing.B) {
	layer := tarOf("usr/local/bin/kube-apiserver", machineCode())
	b.SetBytes(int64(len(layer)))
	for b.Loop() {
		h := io.MultiWriter(sha256.New(), sha256.New(), sha256.New(), sha512.New())
		if _, err := io.Copy(h, bytes.NewReader(layer)); err != nil {
			b.Fatal(err)
		}
	}
}

// machineCode is as compressible as machine code, about.
func machineCode() []byte {
	program := make([]byte, 120<<20)
	for i := range program {
		program[i] = byte(i*i>>7) & byte(i>>3)
	}
	return program
}

// A layer as large as that of kube-apiserver: what contents costs a platform
// beyond the bytes of the network.
func BenchmarkUnpack(b *testing.B) {
	layer := tarOf("usr/local/bin/kube-apiserver", machineCode())
	b.SetBytes(int64(len(layer)))
	b.ReportAllocs()
	for b.Loop() {
		if err := unpack(layer, 1<<30, "/usr/local/bin/kube-apiserver"); err != nil {
			b.Fatal(err)
		}
	}
}

// Whatever a layer holds, a program of it is a plain file with the hashes of its last
// bytes, a link, or something else; and no work is beyond the limit.
func FuzzAdd(f *testing.F) {
	f.Add(tarOf("usr/bin/program", []byte("x"), "usr/bin/.wh.program", nil), tarOf(tar.Header{Name: "usr/bin/program", Typeflag: tar.TypeSymlink, Linkname: "../bin/other"}, nil))
	f.Add(tarOf("a/usr/bin/program", []byte("x")), tarOf(tar.Header{Name: "usr", Typeflag: tar.TypeSymlink, Linkname: "a/usr"}, nil, ".wh..wh..opq", nil))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		fs := New(t.Context(), []string{"/usr/bin/program"})
		fs.left = 1 << 20
		for _, layer := range [][]byte{lower, upper} {
			if err := fs.Add(bytes.NewReader(layer), "application/vnd.oci.image.layer.v1.tar", oci.Digest(diffID(layer))); err != nil {
				return
			}
		}
		n, err := fs.At("/usr/bin/program")
		if err != nil || n == nil {
			return
		}
		if plain := n.SHA256 != "" && n.SHA512 != ""; plain == (n.Link != "" || n.Kind != "") && n.Link+n.Kind != "" {
			t.Fatalf("%+v is two things", n)
		}
	})
}
