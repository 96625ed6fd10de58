//go:build unix

package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// listed is what is in a directory, by name.
func listed(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestPrivateNames holds which a file has, that they fit into a directory's entry, and that none is another's.
func TestPrivateNames(t *testing.T) {
	long := strings.Repeat("n", maxBase)
	for name, tt := range map[string]struct {
		base string
		n    int
		want string
	}{
		"the first": {"f", 0, ".f.new.kverify-part"}, "the second": {"f", 1, ".f.new1.kverify-part"}, "as long as may be": {long[:236], 0, "." + long[:236] + ".new.kverify-part"},
	} {
		if got := newName(tt.base, tt.n); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	seen := map[string]bool{}
	for _, base := range []string{"f", "g", long, long[:254], long[:237], long[:236], long[:235]} {
		for n := range newNames + 1 {
			name := newName(base, n)
			if seen[name] || len(name) > maxBase || !IsPart(name) {
				t.Errorf("%d of %.10s: %s", n, base, name)
			}
			seen[name] = true
		}
	}
	if got := scratchOf("a/b/f"); got != "a/b/.f.new4.kverify-part" {
		t.Error(got)
	}
}

// TestWhatIsLeftOver holds what is removed of runs that were killed: all that has a private name of the file,
// and is neither another run's nor a directory.
func TestWhatIsLeftOver(t *testing.T) {
	name := func(dir string, n int) string { return filepath.Join(dir, newName("f", n)) }
	for what, tt := range map[string]struct {
		set  func(dir string) error
		temp int // the private name that is taken; -1 for a random one
		left string
	}{
		"nothing": {func(string) error { return nil }, 0, ""},
		"one":     {func(dir string) error { return os.WriteFile(name(dir, 0), nil, 0o600) }, 0, ""},
		"the others": {func(dir string) error {
			return errors.Join(os.WriteFile(name(dir, 1), nil, 0o600), os.WriteFile(name(dir, 3), nil, 0o600))
		}, 0, ""},
		"a link":      {func(dir string) error { return os.Symlink("f", name(dir, 0)) }, 0, ""},
		"a pipe":      {func(dir string) error { return syscall.Mkfifo(name(dir, 0), 0o600) }, 0, ""},
		"a directory": {func(dir string) error { return os.Mkdir(name(dir, 0), 0o700) }, 1, newName("f", 0)},
		"another run's": {func(dir string) error {
			return errors.Join(os.WriteFile(name(dir, 0), nil, 0o600), lockFile(t, name(dir, 0)))
		}, 1, newName("f", 0)},
		"a later run's": {func(dir string) error {
			return errors.Join(os.WriteFile(name(dir, 2), nil, 0o600), lockFile(t, name(dir, 2)))
		}, 0, newName("f", 2)},
		"another file's": {func(dir string) error { return os.WriteFile(filepath.Join(dir, newName("g", 0)), nil, 0o600) }, 0, newName("g", 0)},
		"all are taken": {func(dir string) (err error) {
			for n := range newNames {
				err = errors.Join(err, os.Mkdir(name(dir, n), 0o700))
			}
			return err
		}, -1, ".f.new.kverify-part .f.new1.kverify-part .f.new2.kverify-part .f.new3.kverify-part"},
	} {
		root, dir := tempRoot(t)
		if err := tt.set(dir); err != nil {
			t.Fatal(err)
		}
		f, err := Create(root, "f", 0o640)
		if err != nil {
			t.Fatal(what, err)
		}
		if random := f.temp != newName("f", max(0, tt.temp)); random != (tt.temp < 0) || !IsPart(f.temp) {
			t.Errorf("%s: it is written as %s", what, f.temp)
		}
		if n, err := f.Write([]byte("text")); n != 4 || err != nil {
			t.Error(what, n, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "f")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it has its name already", what)
		}
		if err := f.Commit(); err != nil {
			t.Error(what, err)
		}
		if err := f.Discard(); err != nil {
			t.Errorf("%s: discarded once it had its name: %v", what, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(text) != "text" {
			t.Errorf("%s: %q %v", what, text, err)
		}
		if got := strings.TrimSpace(strings.TrimSuffix(listed(t, dir), "f")); got != tt.left {
			t.Errorf("%s: left %s", what, got)
		}
		// What is cleared by itself is the same, but for what was in use.
		if err := os.WriteFile(name(dir, 1), nil, 0o600); err == nil {
			ClearNew(root, "f")
			if got := strings.TrimSpace(strings.TrimSuffix(listed(t, dir), "f")); got != tt.left {
				t.Errorf("%s: cleared, and left %s", what, got)
			}
		}
	}
}

// TestClearing holds what is said of a private name: that it is free now, or is not.
func TestClearing(t *testing.T) {
	root, dir := tempRoot(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), nil, 0o600), os.WriteFile(in("locked"), nil, 0o600), lockFile(t, in("locked")), os.Mkdir(in("dir"), 0o700), os.Symlink("locked", in("link")), syscall.Mkfifo(in("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"none": true, "none/f": true, "file": true, "link": true, "pipe": true, "locked": false, "dir": false, "locked/f": false, "": false} {
		if got := clearName(root, name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if got := listed(t, dir); got != "dir locked" {
		t.Errorf("left %s", got)
	}
}

// TestWhatGetsNoName holds that a file which others have changed, or that cannot be written, gets no name,
// and that nothing is left of it.
func TestWhatGetsNoName(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(f *NewFile, dir string) error
		left   string
	}{
		"gone": {func(f *NewFile, dir string) error { return os.Remove(filepath.Join(dir, f.temp)) }, ""},
		"another": {func(f *NewFile, dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, f.temp)), os.WriteFile(filepath.Join(dir, f.temp), []byte("evil"), 0o600))
		}, ""},
		"closed":           {func(f *NewFile, _ string) error { return f.file.Close() }, ""},
		"a directory":      {func(_ *NewFile, dir string) error { return os.Mkdir(filepath.Join(dir, "f"), 0o700) }, "f"},
		"nothing":          {func(*NewFile, string) error { return nil }, "f"},
		"nothing, quickly": {func(f *NewFile, _ string) error { f.Quick = true; return nil }, "f"},
		"another, quickly": {func(f *NewFile, dir string) error {
			f.Quick = true
			return errors.Join(os.Remove(filepath.Join(dir, f.temp)), os.WriteFile(filepath.Join(dir, f.temp), []byte("evil"), 0o600))
		}, ""},
	} {
		root, dir := tempRoot(t)
		f, err := Create(root, "f", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("text")); err != nil {
			t.Fatal(err)
		}
		if err := tt.change(f, dir); err != nil {
			t.Fatal(err)
		}
		err = f.Commit()
		var local *FileError
		if good := strings.HasPrefix(name, "nothing"); (err == nil) != good || err != nil && (!errors.As(err, &local) || local.Name != "f") || listed(t, dir) != tt.left {
			t.Errorf("%s: %v, left %s", name, err, listed(t, dir))
		}
		if _, err := f.Write([]byte("x")); !errors.As(err, &local) || local.Name != "f" {
			t.Errorf("%s: written to once it is over: %v", name, err)
		}
	}
	root, dir := tempRoot(t)
	for _, name := range []string{"", "../f", ".f", "none/f"} {
		if err := WriteFile(root, name, []byte("x"), 0o600); err == nil || listed(t, dir) != "" {
			t.Errorf("%q: %v, left %s", name, err, listed(t, dir))
		}
	}
	if err := WriteFile(root, "f", []byte("x"), 0o600); err != nil || listed(t, dir) != "f" {
		t.Error(err)
	}
	if err := SyncDir(root, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestForgetting holds what an interrupted download has left of a file: its part, what lay ahead and its state, unless
// another run is at it.
func TestForgetting(t *testing.T) {
	const part, state = ".f.kverify-part", ".f.kverify-part.json"
	scratch := scratchOf("f")
	for name, tt := range map[string]struct {
		files []string
		set   func(dir string) error
		left  string
	}{
		"all of it":          {[]string{part, state, scratch}, nil, ""},
		"a state alone":      {[]string{state}, nil, ""},
		"what lay ahead":     {[]string{scratch}, nil, ""},
		"nothing":            {nil, nil, ""},
		"another run is at":  {[]string{part, state}, func(dir string) error { return lockFile(t, filepath.Join(dir, part)) }, part + " " + state},
		"at all of it":       {[]string{part, state, scratch}, func(dir string) error { return lockFile(t, filepath.Join(dir, part)) }, part + " " + state + " " + scratch},
		"a directory":        {[]string{state}, func(dir string) error { return os.Mkdir(filepath.Join(dir, part), 0o700) }, part + " " + state},
		"a state's link":     {[]string{part}, func(dir string) error { return os.Symlink("x", filepath.Join(dir, state)) }, state},
		"another file's":     {[]string{".g.kverify-part", "f"}, nil, ".g.kverify-part f"},
		"a link as the part": {[]string{state}, func(dir string) error { return os.Symlink("x", filepath.Join(dir, part)) }, ""},
	} {
		root, dir := tempRoot(t)
		for _, file := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if tt.set != nil {
			if err := tt.set(dir); err != nil {
				t.Fatal(err)
			}
		}
		if Forget(root, "f"); listed(t, dir) != tt.left {
			t.Errorf("%s: left %s", name, listed(t, dir))
		}
	}
}

// TestErrorsWithoutTheirPath holds what is left of an error of this machine's files for who names them better.
func TestErrorsWithoutTheirPath(t *testing.T) {
	path, link := &fs.PathError{Op: "open", Path: "p", Err: fs.ErrExist}, &os.LinkError{Op: "link", Old: "a", New: "b", Err: fs.ErrPermission}
	other := errors.New("other")
	for _, tt := range []struct{ err, bare, without error }{
		{path, fs.ErrExist, fs.ErrExist}, {link, fs.ErrPermission, fs.ErrPermission}, {other, other, other}, {fmt.Errorf("x: %w", path), fs.ErrExist, fs.ErrExist}, {nil, nil, nil},
		{&FileError{Name: "n", Err: path}, fs.ErrExist, path}, {&FileError{Name: "n", Err: other}, &FileError{Name: "n", Err: other}, other},
	} {
		if got := WithoutPath(tt.err); got != tt.without { //nolint:errorlint // the very one
			t.Errorf("%v: %v", tt.err, got)
		}
		if got := bare(tt.err); fmt.Sprint(got) != fmt.Sprint(tt.bare) {
			t.Errorf("%v: bare %v", tt.err, got)
		}
	}
	for err, full := range map[error]bool{syscall.ENOSPC: true, syscall.EIO: false} {
		for _, got := range []error{(&NewFile{name: "f"}).local(err), (&Part{part: "f"}).local(err)} {
			var local *FileError
			if !errors.As(got, &local) || local.Name != "f" || !errors.Is(got, err) || strings.Contains(local.Hint, "free some space") != full {
				t.Errorf("%v: %v", err, got)
			}
		}
	}
	if err := (&Part{}).local(nil); err != nil {
		t.Error(err)
	}
}

// TestDiscarding holds that what is given up is a run's own file alone, and that what cannot be removed is told.
func TestDiscarding(t *testing.T) {
	root, dir := tempRoot(t)
	create := func() *NewFile {
		f, err := Create(root, "f", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := create()
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	second := create() // which has the private name that the first had
	if err := errors.Join(first.Discard(), second.Commit()); err != nil || listed(t, dir) != "f" {
		t.Errorf("%v, left %s", err, listed(t, dir))
	}
	third := create()
	if err := errors.Join(third.Discard(), third.Discard()); err != nil || listed(t, dir) != "f" {
		t.Errorf("%v, left %s", err, listed(t, dir))
	}
	fourth := create()
	temp := filepath.Join(dir, fourth.temp)
	if err := errors.Join(os.Remove(temp), os.MkdirAll(filepath.Join(temp, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := fourth.Discard(); err == nil {
		t.Error("it is still there")
	}
}

// TestLocks holds that one who has locked a file keeps others away, for as long as it is open.
func TestLocks(t *testing.T) {
	root, _ := tempRoot(t)
	f, err := root.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	other, err := root.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := errors.Join(Lock(f), Lock(f)); err != nil {
		t.Error(err)
	}
	if err := Lock(other); !errors.Is(err, ErrBusy) {
		t.Errorf("locked twice: %v", err)
	}
	_ = f.Close()
	if err := Lock(other); err != nil {
		t.Error(err)
	}
}
