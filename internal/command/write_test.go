package command

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	write := func(path string, content []byte) error {
		_, err := writeFile(path, func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		return err
	}
	file, link := filepath.Join(dir, "report"), filepath.Join(dir, "link")
	if err := os.Symlink("report", link); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"one", "two"} {
		if err := write(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(file); string(got) != content {
			t.Errorf("%q", got)
		}
	}
	if err := write(link, []byte("three")); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Lstat(link); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link became a file")
	}
	if got, _ := os.ReadFile(file); string(got) != "three" {
		t.Errorf("%q", got)
	}
	if err := write(dir, []byte("x")); err == nil {
		t.Error("wrote to a directory")
	}
	if err := write(filepath.Join(dir, "none", "report"), []byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	// What could not be drawn, or not to its end, leaves what was there.
	drawn, written := writeFile(file, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return io.ErrNoProgress
	})
	if got, _ := os.ReadFile(file); string(got) != "three" || !errors.Is(drawn, io.ErrNoProgress) || written != nil {
		t.Errorf("%q, %v, %v", got, drawn, written)
	}
	drawn, written = writeFile(file, func(io.Writer) error { return io.ErrNoProgress })
	if got, _ := os.ReadFile(file); string(got) != "three" || !errors.Is(drawn, io.ErrNoProgress) || written != nil {
		t.Errorf("%q, %v, %v", got, drawn, written)
	}
}
