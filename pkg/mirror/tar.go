package mirror

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// maxEntries caps the members of an archive: a hundred releases of 2,500
	// files, with what lies beside each.
	maxEntries = 2_000_000
	// maxName caps a member's path; the longest of a release has under 150 bytes.
	maxName = 1024
	// maxPadding caps the zeros behind the end; tools fill up some blocks.
	maxPadding = 16 << 20
)

// tarFS is an archive as a file system: an index over an [io.ReaderAt]. Its
// members are regular files and directories with plain relative paths, each
// once; anything else makes it no mirror.
type tarFS struct {
	data    io.ReaderAt
	files   map[string]tarEntry
	folders map[string][]string // children, as they come: who lists a folder puts them in order
	base    string              // what it is laid over, as its first header says; see [Mirror.Base]
}

type tarEntry struct{ offset, size int64 }

// readTar indexes an archive. It reads headers alone.
func readTar(data io.ReaderAt, size int64) (*tarFS, error) {
	t := &tarFS{data: data, files: map[string]tarEntry{}, folders: map[string][]string{".": nil}}
	section := io.NewSectionReader(data, 0, size)
	r := tar.NewReader(section)
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			if err := onlyZeros(section); err != nil {
				return nil, err
			}
			break
		}
		if err != nil {
			return nil, err
		}
		if n >= maxEntries {
			return nil, fmt.Errorf("more than %d members: %w", maxEntries, layout.ErrTooLarge)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			if t.base, err = baseOf(h, n); err != nil {
				return nil, err
			}
			continue
		}
		name := strings.TrimPrefix(h.Name, "./")
		folder := h.Typeflag == tar.TypeDir
		if folder {
			name = strings.TrimSuffix(name, "/")
			if name == "" || name == "." {
				continue // the directory itself
			}
		}
		switch {
		case len(name) > maxName || !layout.IsClean("/"+name):
			return nil, fmt.Errorf("the member %.100q is not a plain path", h.Name)
		case !folder && h.Typeflag != tar.TypeReg:
			return nil, fmt.Errorf("the member %.100q is neither a file nor a directory", h.Name)
		case sparse(h):
			return nil, fmt.Errorf("the member %.100q is stored with holes", h.Name)
		}
		if err := t.add(name, folder, section, h.Size, size); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// onlyZeros refuses what follows the end of an archive. Some tools read on there,
// and would unpack other files than were verified.
func onlyZeros(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for total := 0; ; {
		n, err := r.Read(buf)
		if total += n; total > maxPadding {
			return fmt.Errorf("what follows the end of the archive: %w of %d bytes", layout.ErrTooLarge, maxPadding)
		}
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			return errors.New("something follows the end of the archive, which some tools unpack too")
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// baseOf reads the one global header that an archive may begin with: a comment that names
// the mirror which it is laid over. Any other record would mean something to tools that unpack it.
func baseOf(h *tar.Header, at int) (string, error) {
	digest, ok := strings.CutPrefix(h.PAXRecords["comment"], layout.BaseComment)
	if at > 0 || len(h.PAXRecords) != 1 || !ok || !oci.Digest(digest).IsSHA256() {
		return "", errors.New("it has a global header that an archive of a mirror has not")
	}
	return digest, nil
}

func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func (t *tarFS) add(name string, folder bool, section io.Seeker, size, end int64) error {
	if _, twice := t.files[name]; twice {
		return fmt.Errorf("the member %.100q is there twice", name)
	}
	if folder {
		return t.folder(name)
	}
	if _, twice := t.folders[name]; twice {
		return fmt.Errorf("the member %.100q is both a file and a directory", name)
	}
	if err := t.folder(path.Dir(name)); err != nil {
		return err
	}
	// The reader has taken the header's blocks and nothing more.
	offset, err := section.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if size < 0 || offset+size > end {
		return fmt.Errorf("the member %.100q is cut off", name)
	}
	t.files[name] = tarEntry{offset, size}
	t.folders[path.Dir(name)] = append(t.folders[path.Dir(name)], path.Base(name))
	return nil
}

// folder makes a directory, and those above it.
func (t *tarFS) folder(name string) error {
	if _, ok := t.folders[name]; ok {
		return nil
	}
	if _, isFile := t.files[name]; isFile {
		return fmt.Errorf("the member %.100q is both a file and a directory", name)
	}
	if err := t.folder(path.Dir(name)); err != nil {
		return err
	}
	t.folders[name] = nil
	t.folders[path.Dir(name)] = append(t.folders[path.Dir(name)], path.Base(name))
	return nil
}

// Open implements [fs.FS].
func (t *tarFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if e, ok := t.files[name]; ok {
		return &tarFile{SectionReader: io.NewSectionReader(t.data, e.offset, e.size), info: tarInfo{name: path.Base(name), size: e.size}}, nil
	}
	if list, ok := t.folders[name]; ok {
		return &tarFolder{info: tarInfo{name: path.Base(name), folder: true}, fsys: t, path: name, list: list}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Stat implements [fs.StatFS].
func (t *tarFS) Stat(name string) (fs.FileInfo, error) {
	if e, ok := t.files[name]; ok {
		return tarInfo{name: path.Base(name), size: e.size}, nil
	}
	if _, ok := t.folders[name]; ok {
		return tarInfo{name: path.Base(name), folder: true}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

type tarFile struct {
	*io.SectionReader
	info tarInfo
}

func (f *tarFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *tarFile) Close() error               { return nil }

type tarFolder struct {
	info tarInfo
	fsys *tarFS
	path string
	list []string
}

func (f *tarFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *tarFolder) Close() error               { return nil }
func (f *tarFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.path, Err: errors.New("is a directory")}
}

// ReadDir implements [fs.ReadDirFile].
func (f *tarFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if len(f.list) == 0 && n > 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.list) {
		n = len(f.list)
	}
	out := make([]fs.DirEntry, n)
	for i, base := range f.list[:n] {
		info, err := f.fsys.Stat(path.Join(f.path, base))
		if err != nil {
			return nil, err
		}
		out[i] = fs.FileInfoToDirEntry(info)
	}
	f.list = f.list[n:]
	return out, nil
}

type tarInfo struct {
	name   string
	size   int64
	folder bool
}

func (i tarInfo) Name() string       { return i.name }
func (i tarInfo) Size() int64        { return i.size }
func (i tarInfo) IsDir() bool        { return i.folder }
func (i tarInfo) ModTime() time.Time { return time.Time{} }
func (i tarInfo) Sys() any           { return nil }
func (i tarInfo) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
