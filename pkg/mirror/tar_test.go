package mirror

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// FuzzTar holds that whatever is taken for an archive has only plain paths,
// each within its bytes, and that all of it can be walked and read.
func FuzzTar(f *testing.F) {
	add := func(headers ...tar.Header) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			_ = w.WriteHeader(&h)
			_, _ = w.Write(make([]byte, h.Size))
		}
		_ = w.Close()
		f.Add(b.Bytes())
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "oci/oci-layout", Size: 3}, tar.Header{Typeflag: tar.TypeDir, Name: "files/"})
	add(tar.Header{Typeflag: tar.TypeReg, Name: "a/b/c", Size: 600}, tar.Header{Typeflag: tar.TypeSymlink, Name: "a/x", Linkname: "/"})
	f.Fuzz(func(t *testing.T, data []byte) {
		archive, err := readTar(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		found := 0
		err = fs.WalkDir(archive, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			found++
			if !fs.ValidPath(name) || !layout.IsClean("/"+name) {
				t.Errorf("accepted %q", name)
			}
			file, err := archive.Open(name)
			if err != nil {
				return err
			}
			n, err := io.Copy(io.Discard, file)
			if info, _ := file.Stat(); err == nil && n != info.Size() {
				t.Errorf("%q has %d bytes of %d", name, n, info.Size())
			}
			return err
		})
		if err != nil || found != len(archive.files) {
			t.Errorf("%d of %d files can be walked: %v", found, len(archive.files), err)
		}
	})
}

// A global header speaks of all members that follow, to tools that unpack: an archive may
// have one, first, and it names the mirror below and nothing else.
func TestGlobalHeaderNamesTheBaseAlone(t *testing.T) {
	comment := layout.BaseComment + "sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		records map[string]string
		late    bool
		want    bool
	}{
		"the base":              {map[string]string{"comment": comment}, false, true},
		"behind a member":       {map[string]string{"comment": comment}, true, false},
		"another path for all":  {map[string]string{"comment": comment, "path": "files/x"}, false, false},
		"a size for all":        {map[string]string{"size": "7"}, false, false},
		"another comment":       {map[string]string{"comment": "of a commit"}, false, false},
		"a digest alone":        {map[string]string{"comment": "sha256:" + strings.Repeat("a", 64)}, false, false},
		"a digest that is none": {map[string]string{"comment": layout.BaseComment + "sha256:aa"}, false, false},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		member := func(name, text string) {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte(text))
		}
		if c.late {
			member("files/dl.k8s.io/release/stable.txt", "v1.27.2")
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: c.records}); err != nil {
			t.Fatal(err)
		}
		if !c.late {
			member("files/dl.k8s.io/release/stable.txt", "v1.27.2")
		}
		_ = w.Close()
		path := filepath.Join(t.TempDir(), "m.tar")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path)
		if (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			if !errors.Is(err, ErrNotMirror) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if d.Base() != "sha256:"+strings.Repeat("a", 64) {
			t.Errorf("%s: base %q", name, d.Base())
		}
		_ = d.Close()
	}
}
