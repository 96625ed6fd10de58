//go:build unix

package fetch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// stated is a reader that says what it is.
type stated struct {
	io.Reader
	mode fs.FileMode
	size int64
	err  error
}

func (s stated) Stat() (fs.FileInfo, error) { return s, s.err }
func (s stated) Name() string               { return "f" }
func (s stated) Size() int64                { return s.size }
func (s stated) Mode() fs.FileMode          { return s.mode }
func (s stated) ModTime() time.Time         { return time.Time{} }
func (s stated) IsDir() bool                { return s.mode.IsDir() }
func (s stated) Sys() any                   { return nil }

// TestReadingUpToALimit holds that no more is read than the limit and a byte, and that only a file's
// own size is believed beforehand.
func TestReadingUpToALimit(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		text   string
		mode   fs.FileMode
		size   int64
		err    error // of the size
		cut    error
		limit  int64
		want   error
		unread bool
	}{
		"a file": {"0123456789", 0, 10, nil, nil, 10, nil, false}, "one that has grown": {"0123456789", 0, 4, nil, nil, 10, nil, false}, "one that has shrunk": {"0123", 0, 10, nil, nil, 10, nil, false}, "an empty one": {"", 0, 0, nil, nil, 0, nil, false},
		"a large one": {"0123456789", 0, 10, nil, nil, 9, ErrTooBig, true}, "one that has grown too large": {"0123456789", 0, 4, nil, nil, 9, ErrTooBig, false},
		"a pipe": {"0123456789", fs.ModeNamedPipe, 1 << 40, nil, nil, 10, nil, false}, "too much of it": {"0123456789", fs.ModeNamedPipe, 0, nil, nil, 9, ErrTooBig, false}, "no size": {"0123456789", 0, 1 << 40, broken, nil, 10, nil, false},
		"a long one": {strings.Repeat("x", 5000), fs.ModeNamedPipe, 0, nil, nil, 5000, nil, false}, "broken": {"0123456789", 0, 10, nil, broken, 10, broken, false},
	} {
		r := &readSoFar{Reader: iotest.HalfReader(strings.NewReader(tt.text))}
		all := io.Reader(r)
		if tt.cut != nil {
			all = io.MultiReader(r, iotest.ErrReader(tt.cut))
		}
		got, err := readCapped(stated{all, tt.mode, tt.size, tt.err}, tt.limit)
		if !errors.Is(err, tt.want) || err == nil && string(got) != tt.text || err != nil && got != nil || r.n > int(tt.limit)+1 || tt.unread && r.n > 0 {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), r.n, err)
		}
	}
}

// TestPipesEnd holds that what came through a pipe is all of it once its writer has ended, and that one
// that is written into and not read is given up.
func TestPipesEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := OpenInput(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := OpenOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	full := out.(*outlet) //nolint:forcetypeassert // it is one
	full.stall = 10 * time.Millisecond
	n, err := full.Write(make([]byte, 4<<20))
	if !errors.Is(err, errNoReader) || n >= 4<<20 {
		t.Errorf("nobody reads: %d bytes, %v", n, err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(in); err != nil || len(text) != n+4 || string(text[:4]) != "text" {
		t.Errorf("%d bytes of %d, %v", len(text), n+4, err)
	}
	if n, err := full.Write([]byte{0}); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("once it is closed: %d bytes, %v", n, err)
	}
}

// TestWhatIsNoOutput holds that what is not there, or is a file or a directory, is refused at once.
func TestWhatIsNoOutput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{filepath.Join(dir, "none"): fs.ErrNotExist, file: ErrNotRegular, dir: ErrNotRegular, os.DevNull: nil} {
		began := time.Now()
		out, err := OpenOutput(path)
		if !errors.Is(err, want) || (err == nil) != (want == nil) || time.Since(began) > pipeGrace {
			t.Errorf("%s: %v", path, err)
		}
		if out != nil {
			_ = out.Close()
		}
	}
}

// TestKindsOfFiles holds how what is no file is called.
func TestKindsOfFiles(t *testing.T) {
	for m, want := range map[fs.FileMode]string{
		fs.ModeSymlink: "symbolic link", fs.ModeNamedPipe: "named pipe", fs.ModeDir: "directory", fs.ModeDevice: "device", fs.ModeDevice | fs.ModeCharDevice: "device", fs.ModeSocket: "socket", fs.ModeIrregular: "special file",
	} {
		if got := KindOf(m | 0o644); got != want {
			t.Errorf("%s: %s", m, got)
		}
	}
}

// TestRoomOnTheDisk holds that no file is begun for which there is no room beside the rest of those
// that are on their way, and that each gives back what it has taken.
func TestRoomOnTheDisk(t *testing.T) {
	root, _ := tempRoot(t)
	part := func(name string, share, there float64) *Part {
		t.Helper()
		p, err := openPart(root, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		free, known := freeSpace(p.file)
		if !known {
			t.Skip("the free space is not known here")
		}
		p.Size = int64(there * float64(free))
		if p.state.Length = int64(share * float64(free)); share < 0 {
			p.state.Length = -1
		}
		if err := p.file.Truncate(p.Size); err != nil { // without a block of it
			t.Skip(err)
		}
		return p
	}
	for name, tt := range map[string]struct {
		first, there, second, has float64 // shares of what is free
		want                      bool
	}{
		"both": {0.3, 0, 0.3, 0, true}, "not beside the first": {0.7, 0, 0.7, 0, false}, "beside the first's rest": {0.7, 0.6, 0.7, 0, true}, "its rest, beside the first": {0.7, 0, 0.7, 0.6, true},
		"of no known length": {0.7, 0, -1, 0, true}, "beside one of no known length": {-1, 0, 0.7, 0, true}, "not by itself": {-1, 0, 1.5, 0, false}, "nothing more": {0.7, 0, 0.7, 0.7, true}, "beside a longer one": {0.1, 0.9, 0.7, 0, true},
	} {
		reserve := new(DiskReserve)
		release, err := reserve.reserve(part("first", tt.first, tt.there))
		if err != nil {
			t.Fatal(name, err)
		}
		second := part("second", tt.second, tt.has)
		again, err := reserve.reserve(second)
		var local *FileError
		if (err == nil) != tt.want || err != nil && (!errors.As(err, &local) || local.Name != "second" || local.Hint == "") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			again()
		}
		if release(); len(reserve.active) != 0 {
			t.Errorf("%s: %d are on their way", name, len(reserve.active))
		}
		if _, err = reserve.reserve(second); (err == nil) != (tt.want || tt.second < 1) {
			t.Errorf("%s, once the first has ended: %v", name, err)
		}
		for _, name := range []string{"first", "second"} {
			_ = root.Remove("." + name + partSuffix)
		}
	}
	var none *DiskReserve
	for share, want := range map[float64]bool{0.9: true, 1.5: false} {
		if _, err := none.reserve(part("alone", share, 0)); (err == nil) != want {
			t.Errorf("%v of it, with no reserve: %v", share, err)
		}
		_ = root.Remove(".alone" + partSuffix)
	}
	free, _ := freeSpace(part("free", 0, 0).file)
	for need, want := range map[int64]bool{0: true, -1: true, free / 2: true, 2 * free: false} {
		err := CheckFree(root, need)
		var local *FileError
		if (err == nil) != want || err != nil && (!errors.As(err, &local) || local.Name != filepath.Clean(root.Name())) {
			t.Errorf("%d bytes: %v", need, err)
		}
	}
	_ = root.Close()
	var local *FileError
	if err := CheckFree(root, 0); !errors.As(err, &local) {
		t.Errorf("a directory that was closed: %v", err)
	}
}

// TestNoFreeSpaceIsKnown holds that a file that was closed has none that is known.
func TestNoFreeSpaceIsKnown(t *testing.T) {
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if free, known := freeSpace(f); !known || free <= 0 {
		t.Errorf("%d bytes, known %v", free, known)
	}
	_ = f.Close()
	if free, known := freeSpace(f); known || free != 0 {
		t.Errorf("closed: %d bytes, known %v", free, known)
	}
}

// TestRegularFiles holds what is read of a directory by its own name alone, and how much.
func TestRegularFiles(t *testing.T) {
	root, dir := tempRoot(t)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o600), os.Symlink("f", filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "dir"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		limit int64
		want  error
	}{{"f", 4, nil}, {"f", 3, ErrTooBig}, {"link", 4, ErrNotRegular}, {"dir", 4, ErrNotRegular}, {"none", 4, fs.ErrNotExist}} {
		text, err := ReadRegular(root, tt.name, tt.limit)
		if !errors.Is(err, tt.want) || (err == nil) != (string(text) == "text") {
			t.Errorf("%s, %d bytes: %q %v", tt.name, tt.limit, text, err)
		}
		f, err := OpenRegular(root, tt.name)
		if bad := tt.want != nil && tt.limit == 4; (err != nil) != bad || (f == nil) != bad {
			t.Errorf("%s: %v", tt.name, err)
		}
		if f != nil {
			_ = f.Close()
		}
	}
}

// TestWhoseFileItIs holds that a file of which no owner and no names are known is taken for one's own.
func TestWhoseFileItIs(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := errors.Join(os.WriteFile(one, nil, 0o600), os.WriteFile(two, nil, 0o600), os.Link(two, filepath.Join(dir, "three"))); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{one: nil, two: ErrNotAlone} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := alone(info); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := errors.Join(alone(stated{}), oneName(stated{})); err != nil {
		t.Error(err)
	}
}
