//go:build unix

package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPrivateNamesAreLocked holds when a file that was opened by a private name is this run's: nobody
// else has it locked, and the name still leads to it.
func TestPrivateNamesAreLocked(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(dir string) error
		want   error
	}{
		"nothing":        {func(string) error { return nil }, nil},
		"it is gone":     {func(dir string) error { return os.Remove(filepath.Join(dir, "a")) }, fs.ErrNotExist},
		"it was renamed": {func(dir string) error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")) }, fs.ErrNotExist},
		"another is there": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "a")), os.WriteFile(filepath.Join(dir, "a"), nil, 0o600))
		}, ErrNotRegular},
		"another run has it": {func(dir string) error {
			f, err := os.Open(filepath.Join(dir, "a"))
			if err == nil {
				t.Cleanup(func() { _ = f.Close() })
				err = lock(f)
			}
			return err
		}, ErrBusy},
	} {
		root, dir := tempRoot(t)
		f, err := root.Create("a")
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.change(dir); err != nil {
			t.Fatal(err)
		}
		if err := lockNamed(root, "a", f); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
		_ = f.Close()
	}
}

// TestOpeningAPart holds whose parts are opened, what takes the place of the others, and what is left as it is.
func TestOpeningAPart(t *testing.T) {
	put := func(mode fs.FileMode) func(string) error {
		return func(part string) error { return os.WriteFile(part, []byte("kept"), mode) }
	}
	for name, tt := range map[string]struct {
		file string
		set  func(part string) error
		want string // its content, or the error's kind
	}{
		"none":                   {"f", func(string) error { return nil }, ""},
		"one of its own":         {"f", put(0o600), "kept"},
		"one that others read":   {"f", put(0o644), "kept"},
		"in a directory":         {"a/b/f", func(string) error { return nil }, ""},
		"of two names":           {"f", func(part string) error { return errors.Join(put(0o600)(part), os.Link(part, part+"2")) }, ""},
		"another run's":          {"f", func(part string) error { return errors.Join(put(0o600)(part), lockFile(t, part)) }, "busy"},
		"a link":                 {"f", func(part string) error { return os.Symlink("x", part) }, "not regular"},
		"a directory":            {"f", func(part string) error { return os.Mkdir(part, 0o700) }, "not regular"},
		"a pipe":                 {"f", func(part string) error { return syscall.Mkfifo(part, 0o600) }, "not regular"},
		"a link as the file":     {"f", func(part string) error { return os.Symlink("x", strings.Replace(part, ".f"+partSuffix, "f", 1)) }, "not regular"},
		"no directory to put it": {"a/f", func(part string) error { return os.WriteFile(filepath.Dir(part), nil, 0o600) }, "failed"},
	} {
		root, dir := tempRoot(t)
		parent, base := filepath.Split(tt.file)
		part := filepath.Join(dir, parent, "."+base+partSuffix)
		if err := tt.set(part); err != nil {
			t.Fatal(name, err)
		}
		p, err := openPart(root, tt.file)
		var got string
		var local *FileError
		switch {
		case err == nil:
			text, _ := os.ReadFile(part)
			got = string(text)
			if info, err := p.file.Stat(); err != nil || info.Mode().Perm() != 0o600 || oneName(info) != nil || p.h256 == nil || p.h512 == nil || !p.origin || p.name != tt.file {
				t.Errorf("%s: %v %+v", name, info, p)
			}
			// It is this run's alone, until it is closed, twice at will.
			if _, err := openPart(root, tt.file); !errors.Is(err, ErrBusy) {
				t.Errorf("%s: opened twice: %v", name, err)
			}
			for range 2 {
				if err := p.Close(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		case errors.Is(err, ErrBusy):
			got = "busy"
		case errors.Is(err, ErrNotRegular):
			got = "not regular"
		default:
			got = "failed"
		}
		if got != tt.want || err != nil && (!errors.As(err, &local) || local.Hint == "") {
			t.Errorf("%s: %q %v", name, got, err)
		}
		if name == "of two names" {
			if text, err := os.ReadFile(part + "2"); err != nil || string(text) != "kept" {
				t.Errorf("the other name stands for %q, %v", text, err)
			}
		}
	}
}

// lockFile locks what stands there until the test has ended.
func lockFile(t *testing.T, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = f.Close() })
	return lock(f)
}

// TestStatesOfParts holds what is believed of what an earlier run wrote beside a part, and that as much is
// read as is written.
func TestStatesOfParts(t *testing.T) {
	const plain = `{"url":"u","etag":"e","lastModified":"m","length":8}`
	for name, tt := range map[string]struct {
		text string
		want string // "" for none
	}{
		"plain": {plain, "{u e m 8}"}, "nothing": {"", ""}, "no JSON": {"{", ""}, "half of it": {plain[:20], ""}, "another thing": {`{"length":"8"}`, ""},
		"a line break in the ETag": {strings.Replace(plain, `"e"`, `"e\n"`, 1), "{u  m 8}"}, "one in the date": {strings.Replace(plain, `"m"`, `"m\r"`, 1), "{u e  8}"}, "DEL": {strings.Replace(plain, `"e"`, `"\u007f"`, 1), "{u  m 8}"}, "a tab": {strings.Replace(plain, `"e"`, `"e\t"`, 1), "{u e\t m 8}"}, "a space": {strings.Replace(plain, `"e"`, `"e f"`, 1), "{u e f m 8}"},
		"as long as may be": {plain + strings.Repeat(" ", maxState-len(plain)), "{u e m 8}"}, "longer": {strings.Repeat(" ", maxState-len(plain)+1) + plain, ""},
	} {
		root, dir := tempRoot(t)
		if err := os.WriteFile(filepath.Join(dir, "p.json"), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, ok := (&Part{root: root, part: "p"}).readState()
		got := ""
		if ok {
			got = fmt.Sprint(s)
		}
		if got != tt.want || !ok && s != (state{}) {
			t.Errorf("%s: %q %+v", name, got, s)
		}
	}
	root, dir := tempRoot(t)
	p := &Part{root: root, part: "p"}
	if _, ok := p.readState(); ok {
		t.Error("there is none")
	}
	for _, etag := range []string{"", `"a"`, strings.Repeat("x", maxState-60), strings.Repeat("x", maxState)} {
		p.state = state{URL: "u", ETag: etag, Length: -1}
		if err := p.writeState(); err != nil {
			t.Fatal(err)
		}
		if s, ok := p.readState(); ok != (len(etag) < maxState) || ok && s != p.state {
			t.Errorf("an ETag of %d characters: %v", len(etag), ok)
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "p.json")), os.Mkdir(filepath.Join(dir, "p.json"), 0o700), os.WriteFile(filepath.Join(dir, "p.json", "x"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var local *FileError
	if err := p.writeState(); !errors.As(err, &local) || local.Name != "p" {
		t.Errorf("something stands in its way: %v", err)
	}
}

// TestIsPart holds which names an interrupted run leaves.
func TestIsPart(t *testing.T) {
	for name, want := range map[string]bool{
		".f.kverify-part": true, ".f.kverify-part.json": true, ".f.new.kverify-part": true, ".kverify-part": true, "f.kverify-part": false, "f.kverify-part.json": false, ".f": false, ".f.json": false, ".f.kverify-part.txt": false, "": false,
	} {
		if got := IsPart(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// TestCommitting holds that only what is complete gets a name, and a sensible one, with the mode that was
// asked for; and that nothing is left of what gets none.
func TestCommitting(t *testing.T) {
	root, dir := tempRoot(t)
	begin := func() *Part {
		p, err := openPart(root, "f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.pump(strings.NewReader("body"), p.file, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.writeState(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := begin()
	if err := p.Commit(0o644); err == nil {
		t.Error("it is not complete")
	}
	p.sum()
	for _, name := range []string{"../f", ".f", "x/../f"} {
		if err := p.CommitAs(name, 0o644); err == nil {
			t.Errorf("%s is a name", name)
		}
	}
	if err := p.CommitAs("a/b/g", 0o640); err != nil {
		t.Error(err)
	}
	info, err := os.Lstat(filepath.Join(dir, "a/b/g"))
	if err != nil || info.Mode() != 0o640 || info.Size() != 4 {
		t.Errorf("%v %v", info, err)
	}
	p = begin()
	p.sum()
	if err := p.Commit(0o600); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := p.Discard(); err != nil {
			t.Error(err)
		}
	}
	p = begin()
	if err := p.Discard(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := syncDir(root, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// lastsFor is a context that ends after so many questions.
type lastsFor struct {
	context.Context //nolint:containedctx // it is one
	questions       int
}

func (c *lastsFor) Err() error {
	if c.questions--; c.questions < 0 {
		return context.Canceled
	}
	return nil
}

// TestHashesOfFiles holds that a file's hashes are those of all its bytes, or none, whenever its run ends.
func TestHashesOfFiles(t *testing.T) {
	root, dir := tempRoot(t)
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	want, whole := Sum([]byte("text")), 0
	for questions := range 6 {
		progress := new(Transfer)
		got, err := HashFile(&lastsFor{t.Context(), questions}, root, "f", progress)
		done, total := progress.Counts()
		switch {
		case err == nil && got == want && done == 4 && total == 4 && progress.Fetched() == 0:
			whole++
		case !errors.Is(err, context.Canceled) || got != Sums{} || total != 4:
			t.Errorf("after %d questions: %+v %v; %d of %d", questions, got, err, done, total)
		}
	}
	if whole != 4 { // it is asked for before each of two reads, and not once all was read
		t.Errorf("it was whole %d times", whole)
	}
	for name, is := range map[string]error{"none": fs.ErrNotExist, ".": ErrNotRegular} {
		var local *FileError
		if got, err := HashFile(t.Context(), root, name, nil); !errors.Is(err, is) || !errors.As(err, &local) || local.Hint == "" || got != (Sums{}) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}
