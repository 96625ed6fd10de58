//go:build unix

package mirror

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// vanishing is a directory whose files are removed once they have been listed.
type vanishing struct {
	fs.FS
	dir string
}

func (v vanishing) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(v.FS, name)
	for _, e := range entries {
		if !e.IsDir() && err == nil {
			err = os.Remove(filepath.Join(v.dir, filepath.FromSlash(name), e.Name()))
		}
	}
	return entries, err
}

// A file that goes while it is looked for is not known, and nothing is accused.
func TestWalksOfWhatVanishes(t *testing.T) {
	look := func() *Mirror {
		dir := tree{"files/x": "x"}.write(t)
		return &Mirror{fsys: vanishing{os.DirFS(dir), dir}}
	}
	a := &audit{dir: look(), sizes: map[string]int64{}}
	a.walk(t.Context())
	if len(a.findings) != 1 || a.findings[0].what != "files/x" || a.findings[0].verdict != report.Unknown || a.findings[0].reason != report.Malformed || len(a.sizes) != 0 {
		t.Errorf("an audit: %v, %v", a.findings, a.sizes)
	}
	s := survey{dir: look(), sizes: map[oci.Digest]int64{}}
	s.amounts()
	if s.out.Partial == "" || s.out.Files.Count != 0 {
		t.Errorf("an overview: %+v", s.out)
	}
}
