package fetch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// What a run that was killed has left of a file is known to the next one, which
// removes it, and what another run is writing stays.
func TestNewFileKnowsWhatWasLeft(t *testing.T) {
	for _, name := range []string{"r.json", ".hidden", strings.Repeat("n", 246), strings.Repeat("n", 255)} {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		killed := func() { // its file is closed, as by the end of the process, and nothing else done
			f, err := fetch.Create(root, name, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.Write([]byte("half"))
			f.Abandon()
		}
		killed()
		killed()
		if list := entries(t, dir); len(list) != 1 {
			t.Errorf("%d runs that were killed leave %q", 2, list)
		}
		other, err := fetch.Create(root, name, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f, err := fetch.Create(root, name, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write([]byte("whole"))
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		_, _ = other.Write([]byte("later"))
		if err := other.Commit(); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "later" {
			t.Errorf("%q, %v", text, err)
		}
		if list := entries(t, dir); len(list) != 1 {
			t.Errorf("left over: %q", list)
		}
	}
}

// Neither a link nor anything else that stands under a private name is written to.
func TestNewFileFollowsNothing(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.WriteFile(filepath.Join(dir, "victim"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("victim", filepath.Join(dir, ".r.new.kverify-part")); err != nil {
		t.Skip(err)
	}
	if err := os.Link(filepath.Join(dir, "victim"), filepath.Join(dir, ".r.new1.kverify-part")); err != nil {
		t.Skip(err)
	}
	if err := fetch.WriteFile(root, "r", []byte("report"), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "victim")); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	if list := entries(t, dir); len(list) != 2 {
		t.Errorf("left over: %q", list)
	}
}

func entries(t *testing.T, dir string) (list []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		list = append(list, e.Name())
	}
	return list
}
