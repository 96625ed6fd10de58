package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/oci"
)

// rememberingTree is a directory of n files of a size, long enough unchanged to be remembered.
func rememberingTree(t *testing.T, n, size int) (dir string, m *Memory, fsys fs.FS, wants []Want) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("nothing is remembered here: no change times")
	}
	dir, m = t.TempDir(), new(Memory)
	for i := range n {
		body := make([]byte, size)
		copy(body, fmt.Sprint(i))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), body, 0o600); err != nil {
			t.Fatal(err)
		}
		wants = append(wants, Want{Sha256: oci.DigestOf(body).Hex(), Size: int64(size)})
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return dir, m, Remember(NonBlocking{root}, m), wants
}

// TestMemory holds that what is remembered is handed out while its file is as it was, and that
// no change of the file, its name or what it must be is missed, with its time set back or not.
func TestMemory(t *testing.T) {
	changes := map[string]func(path string) error{
		"in place": func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("x"), 3)
			return err
		},
		"another in its place": func(path string) error {
			if err := os.WriteFile(path+"-other", make([]byte, 64), 0o600); err != nil {
				return err
			}
			return os.Rename(path+"-other", path)
		},
		"cut":     func(path string) error { return os.Truncate(path, 3) },
		"removed": os.Remove,
		"a link": func(path string) error {
			if err := os.Rename(path, path+"-moved"); err != nil {
				return err
			}
			if err := os.WriteFile(path+"-other", make([]byte, 64), 0o600); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(path)+"-other", path)
		},
	}
	dir, m, fsys, wants := rememberingTree(t, len(changes), 64)
	if _, err := ReadFile(fsys, "0", wants[0], MaxChecked); err != nil || len(m.files) != 0 {
		t.Fatalf("remembered at once, %v", err)
	}
	time.Sleep(settled + 100*time.Millisecond)
	i := 0
	for what, change := range changes {
		name := fmt.Sprint(i)
		first, err := ReadFile(fsys, name, wants[i], MaxChecked)
		again, err2 := ReadFile(fsys, name, wants[i], MaxChecked)
		if err != nil || err2 != nil || &first[0] != &again[0] {
			t.Fatalf("not remembered: %v %v", err, err2)
		}
		if _, err := ReadFile(fsys, name, wants[(i+1)%len(wants)], MaxChecked); !IsCorrupt(err) {
			t.Errorf("%s: read as what it is not: %v", what, err)
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		_ = os.Chtimes(path, info.ModTime(), info.ModTime())
		if _, err := ReadFile(fsys, name, wants[i], MaxChecked); !IsCorrupt(err) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: not noticed: %v", what, err)
		}
		i++
	}
}

// TestMemoryIsBounded reads more than fits, and nothing that is large.
func TestMemoryIsBounded(t *testing.T) {
	const n = maxRemembered/maxRememberedFile + 8
	_, m, fsys, wants := rememberingTree(t, n, maxRememberedFile)
	time.Sleep(settled + 100*time.Millisecond)
	for i, w := range wants {
		if _, err := ReadFile(fsys, fmt.Sprint(i), w, MaxChecked); err != nil {
			t.Fatal(err)
		}
	}
	held := int64(0)
	for _, f := range m.files {
		held += f.size()
	}
	if held != m.size || held > maxRemembered || held < maxRemembered/2 {
		t.Errorf("%d bytes held, %d counted", held, m.size)
	}
	_, m, fsys, wants = rememberingTree(t, 1, maxRememberedFile+1)
	time.Sleep(settled + 100*time.Millisecond)
	if _, err := ReadFile(fsys, "0", wants[0], MaxChecked); err != nil || len(m.files) != 0 {
		t.Errorf("a large file: %v, %d remembered", err, len(m.files))
	}
}
