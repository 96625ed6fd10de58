package mirror

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
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
