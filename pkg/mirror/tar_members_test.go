package mirror

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// An archive is a file system like any other, and its members are files and folders of
// plain names, each once and whole.
func TestMembersOfAnArchive(t *testing.T) {
	file := func(name string, size int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size}
	}
	folder := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
	packed := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	sparse := packed(tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 3, PAXRecords: map[string]string{"XNU.sparse.x": "1"}})
	whole := packed(file("a", 3), file("b/c", 600))
	for name, tt := range map[string]struct {
		data []byte
		want string // names of its files, in order; "" if it is refused
	}{
		"files and folders":          {packed(folder("b/"), file("b/c", 600), file("a", 3), file("b/d/e", 0)), "a b/c b/d/e"},
		"with its own folder":        {packed(folder("./"), file("./a", 3)), "a"},
		"with its own folder, plain": {packed(folder("."), file("a", 3)), "a"},
		"a folder after its file":    {packed(file("b/c", 1), folder("b/")), "b/c"},
		"a folder twice":             {packed(folder("b/"), folder("b/"), file("b/c", 1)), "b/c"},
		"zeros behind its end":       {append(bytes.Clone(whole), make([]byte, 10240)...), "a b/c"},
		"a MiB of zeros behind it":   {append(bytes.Clone(whole), make([]byte, maxPadding+1)...), ""},
		"a byte behind its end":      {append(append(bytes.Clone(whole), make([]byte, 512)...), 1), ""},
		"a file twice":               {packed(file("a", 3), file("a", 3)), ""},
		"a folder of a file's name":  {packed(file("a", 3), folder("a/")), ""},
		"a file below a file":        {packed(file("a", 3), file("a/b", 3)), ""},
		"a file two below a file":    {packed(file("a", 3), file("a/b/c", 3)), ""},
		"a file of a folder's name":  {packed(file("a/b", 3), file("a", 3)), ""},
		"a path above":               {packed(file("../a", 3)), ""},
		"a path of its limit":        {packed(file(strings.Repeat("a/", maxName/2-1)+"bc", 3)), strings.Repeat("a/", maxName/2-1) + "bc"},
		"a path of more":             {packed(file(strings.Repeat("a/", maxName/2)+"b", 3)), ""},
		"a folder below a file":      {packed(file("a", 3), folder("a/b/")), ""},
		"a file of no name":          {packed(file(".", 3)), ""},
		"a path with a line end":     {packed(file("a\nb", 3)), ""},
		"a link":                     {packed(tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b"}), ""},
		"a file with holes":          {bytes.ReplaceAll(sparse, []byte("XNU.sparse"), []byte("GNU.sparse")), ""},
		"cut off in a file":          {whole[:3*512], ""},
	} {
		got, err := readTar(bytes.NewReader(tt.data), int64(len(tt.data)))
		if (err == nil) != (tt.want != "") || (got != nil) != (tt.want != "") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil || got == nil {
			continue
		}
		if len(got.files) != len(strings.Fields(tt.want)) {
			t.Errorf("%s: %v", name, got.files)
		}
		if err := fstest.TestFS(got, strings.Fields(tt.want)...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A folder of an archive is listed whole to who asks for no number, and else in parts to its end.
func TestFoldersOfAnArchive(t *testing.T) {
	a := &tarFS{files: map[string]tarEntry{"b/c": {}, "b/d": {}}, folders: map[string][]string{".": {"b", "e"}, "b": {"d", "c"}, "e": nil}}
	for _, tt := range []struct {
		folder string
		n      int
		want   []int // entries of each reading; -1 for its end
	}{
		{"b", 0, []int{2, 0}}, {"b", -1, []int{2, 0}}, {"b", 1, []int{1, 1, -1}}, {"b", 2, []int{2, -1}}, {"b", 3, []int{2, -1}}, {"e", 0, []int{0, 0}}, {"e", 1, []int{-1, -1}},
	} {
		f, err := a.Open(tt.folder)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range tt.want {
			list, err := f.(fs.ReadDirFile).ReadDir(tt.n)
			if want < 0 && (!errors.Is(err, io.EOF) || len(list) > 0) || want >= 0 && (err != nil || len(list) != want) {
				t.Errorf("%s by %d, %d: %d entries, %v, want %d", tt.folder, tt.n, i, len(list), err, want)
			}
		}
	}
	for name, want := range map[string]error{"../x": fs.ErrInvalid, "x": fs.ErrNotExist, "b/c/d": fs.ErrNotExist} {
		if _, err := a.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
