package sbom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// realdata returns the bytes of a real document, or skips the test by name.
func realdata(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "realdata", "sbom", name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no real data at %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRealDocuments(t *testing.T) {
	for _, c := range []struct {
		name                    string
		version                 string
		files, packages, joined int
	}{
		{"GENERATED-bom-v0.4.1-release-shape.spdx", "SPDX-2.3", 8, 8, 20},
		{"etcd-v3.4.16.spdx", "SPDX-2.2", 1362, 80, 1442},
		{"bom-testdata-nginx.spdx", "SPDX-2.2", 0, 1185, 1193},
		{"bom-testdata-images.spdx.json", "SPDX-2.2", 0, 23, 23},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := realdata(t, c.name)
			doc, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if doc.SPDXVersion != c.version || len(doc.Files) != c.files || len(doc.Packages) != c.packages || len(doc.Relationships) != c.joined {
				t.Errorf("%s: %d files, %d packages, %d relationships", doc.SPDXVersion, len(doc.Files), len(doc.Packages), len(doc.Relationships))
			}
			if bytes.HasPrefix(data, []byte("SPDXVersion")) {
				// What the text says, counted without us.
				for tag, want := range map[string]int{"\nFileName:": len(doc.Files), "\nPackageName:": len(doc.Packages), "\nRelationship:": len(doc.Relationships)} {
					if n := bytes.Count(data, []byte(tag)); n != want {
						t.Errorf("%q stands %d times, read %d", tag, n, want)
					}
				}
			}
			root := doc.Tree()
			if f, p := root.Count(KindFile), root.Count(KindPackage); f != c.files || p != c.packages {
				t.Errorf("the tree has %d files and %d packages", f, p)
			}
			roundTrip(t, data, JSON)
			roundTrip(t, data, TagValue)
		})
	}
}

// roundTrip writes data in another form and back, and wants the same document.
func roundTrip(t *testing.T, data []byte, through Format) {
	t.Helper()
	var once, twice bytes.Buffer
	if err := Convert(&once, data, through); err != nil {
		t.Fatalf("to %s: %v", through, err)
	}
	if Detect(once.Bytes()) != through {
		t.Fatalf("%s was written as something else", through)
	}
	if err := Convert(&twice, once.Bytes(), Detect(data)); err != nil {
		t.Fatalf("back from %s: %v", through, err)
	}
	want, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(twice.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	d := Diff(want, got)
	// Lifting a file out of its package may say by a relationship what the nesting said.
	for i := 0; i < len(d.Relationships); {
		if c := d.Relationships[i]; c.Old == "" && strings.Contains(c.Subject, " CONTAINS ") {
			d.Relationships = append(d.Relationships[:i], d.Relationships[i+1:]...)
			continue
		}
		i++
	}
	if !d.Empty() {
		t.Errorf("through %s it changed: %+v", through, d)
	}
}

func TestRealBrokenDocument(t *testing.T) {
	data := realdata(t, "bom-testdata-external-references.spdx.json")
	_, err := Parse(data)
	if err == nil || !strings.Contains(err.Error(), "names no SPDX version") {
		t.Errorf("got %v", err)
	}
}
