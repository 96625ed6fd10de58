package create

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// A record of a change leads to lists and documents alone.
func FuzzChange(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":1,"files":[{"path":"MANIFEST.json"},{"path":"files/dl.k8s.io/x"},{"path":"MANIFEST.json.sigstore.json","remove":true}]}`))
	f.Add([]byte(`{"schemaVersion":1,"files":[{"path":"../x"},{"path":"oci/blobs/sha256/x"},{"path":"files/.x.kverify-part"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := layout.ParseChange(text)
		if err != nil {
			return
		}
		for _, file := range doc.Files {
			list := slices.Contains(append(slices.Clone(layout.Summed), layout.SumsFile), file.Path)
			if !fs.ValidPath(file.Path) || fetch.IsPart(path.Base(file.Path)) || !list && file.Path[:6] != "files/" {
				t.Errorf("accepted %q", file.Path)
			}
		}
	})
}

// Wherever a change was broken off after it counts, readers see all of it.
func TestChangeCountsAtOnce(t *testing.T) {
	for named := range 3 {
		dir := t.TempDir()
		for name, text := range map[string]string{"MANIFEST.json": "old", "oci/index.json": "old", "MANIFEST.json.sigstore.json": "old"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		c := &change{root: root}
		c.put("MANIFEST.json", []byte("new"))
		c.put("oci/index.json", []byte("new"))
		c.remove("MANIFEST.json.sigstore.json")
		doc := layout.Change{SchemaVersion: 1, Files: []layout.ChangedFile{{Path: "MANIFEST.json"}, {Path: "oci/index.json"}, {Path: "MANIFEST.json.sigstore.json", Remove: true}}}
		if err := c.prepare(doc); err != nil {
			t.Fatal(err)
		}
		for _, f := range doc.Files[:named] {
			if err := root.Rename(layout.StagedName(f.Path), f.Path); err != nil {
				t.Fatal(err)
			}
		}
		fsys := root.FS()
		there, err := layout.ReadChange(fsys)
		if err != nil || there == nil {
			t.Fatal(err)
		}
		pending := layout.Overlay(fsys, there)
		for _, name := range []string{"MANIFEST.json", "oci/index.json"} {
			if text, err := layout.ReadIfThere(pending, name, 100); err != nil || string(text) != "new" {
				t.Errorf("%d named: %s is %q, %v", named, name, text, err)
			}
		}
		if text, err := layout.ReadIfThere(pending, "MANIFEST.json.sigstore.json", 100); text != nil || err != nil {
			t.Errorf("%d named: what was removed is %q, %v", named, text, err)
		}
		if err := complete(root, *there); err != nil {
			t.Fatal(err)
		}
		if left := leftovers(root); len(left) > 0 {
			t.Errorf("%d named: left over %q", named, left)
		}
	}
}
