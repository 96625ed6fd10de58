package release

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sbom"
)

// Entries of one path are one claim if both hashes are there and equal, however
// many they are; whatever else stands there twice is ambiguous (rule 9).
func TestSBOMFileListedTwice(t *testing.T) {
	v := version(t, "v1.27.2")
	const path = "bin/windows/arm64/kubectl.exe"
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	one := sbom.Checksums{SHA1: a[:40], SHA256: a, SHA512: a + a}
	with := func(edit func(*sbom.Checksums)) sbom.Checksums { c := one; edit(&c); return c }
	noSHA1 := with(func(c *sbom.Checksums) { c.SHA1 = "" })
	otherSHA1 := with(func(c *sbom.Checksums) { c.SHA1 = b[:40] })
	noSHA512 := with(func(c *sbom.Checksums) { c.SHA512 = "" })
	noSHA256 := with(func(c *sbom.Checksums) { c.SHA256 = "" })
	other512 := with(func(c *sbom.Checksums) { c.SHA512 = b + b })
	other256 := with(func(c *sbom.Checksums) { c.SHA256 = b })
	upper := with(func(c *sbom.Checksums) { c.SHA512 = strings.ToUpper(c.SHA512) })
	for _, c := range []struct {
		name    string
		entries []sbom.Checksums
		one     bool
	}{
		{"once", []sbom.Checksums{one}, true},
		{"twice, as krel does", []sbom.Checksums{one, one}, true},
		{"three times", []sbom.Checksums{one, one, one}, true},
		{"one without sha1", []sbom.Checksums{one, noSHA1}, true},
		{"the first without sha1", []sbom.Checksums{noSHA1, one, one}, true},
		{"another sha512", []sbom.Checksums{one, other512}, false},
		{"another sha256", []sbom.Checksums{one, other256}, false},
		{"another sha1", []sbom.Checksums{one, otherSHA1}, false},
		{"another sha1 behind one without", []sbom.Checksums{noSHA1, one, otherSHA1}, false},
		{"one without sha512", []sbom.Checksums{one, noSHA512}, false},
		{"the first without sha512", []sbom.Checksums{noSHA512, one}, false},
		{"both without sha512", []sbom.Checksums{noSHA512, noSHA512}, false},
		{"both without sha256", []sbom.Checksums{noSHA256, noSHA256}, false},
		{"one without any", []sbom.Checksums{one, {}}, false},
		{"capitals", []sbom.Checksums{one, upper}, false},
		{"two, and a third that differs", []sbom.Checksums{one, one, other512}, false},
		{"one that differs between two", []sbom.Checksums{one, other256, one}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := ourSBOM(t)
			for _, sums := range c.entries {
				doc.Files = append(doc.Files, sbom.File{Name: path, ID: "SPDXRef-File-x", Checksums: sums})
			}
			sha256, sha512, err := SBOMFile(doc, v, path)
			var ambiguous *AmbiguousError
			if c.one && (err != nil || sha256 != a || sha512 != a+a) || !c.one && (!errors.As(err, &ambiguous) || sha256+sha512 != "") {
				t.Errorf("%s, %s, %v", sha256, sha512, err)
			}
			all := SBOMAmbiguous(doc)
			if c.one && len(all) != 0 || !c.one && (len(all) != 1 || all[path].Error() != err.Error()) {
				t.Errorf("%v", all)
			}
			if sha256, _, err := SBOMFile(doc, v, "bin/linux/amd64/kubectl"); err != nil || len(sha256) != 64 {
				t.Errorf("another file of the document: %v", err)
			}
		})
	}
}

// fieldCase returns a small input that was cut down from real data, or skips.
func fieldCase(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "cases", name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no case at %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCaseSBOMFileTwice(t *testing.T) {
	doc, err := sbom.Parse(fieldCase(t, "sbom-file-twice.spdx"))
	if err != nil {
		t.Fatal(err)
	}
	sha256, sha512, err := SBOMFile(doc, version(t, "v1.25.4"), "bin/windows/amd64/kubectl.exe")
	if err != nil || sha256 != "e7f31d365254caa74d7b578949124626efea07d64597d2113d16bf64e642ad49" || len(sha512) != 128 {
		t.Errorf("%s, %s, %v", sha256, sha512, err)
	}
}

// Everything in the real release SBOM can be used: its files, two of them listed
// twice, its images, and their layers, which are the archives' layer.tar.
func TestRealReleaseSBOM(t *testing.T) {
	text := realdata(t, "sbom", "kubernetes-release-v1.25.4.spdx")
	doc, err := sbom.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	v := version(t, "v1.25.4")
	if err := CheckSBOM(doc, v); err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, f := range doc.Files {
		paths[f.Name] = true
		if err := CheckPath(f.Name); err != nil {
			t.Error(err)
		}
	}
	if len(doc.Files) != 113 || len(paths) != 111 {
		t.Errorf("%d files of %d paths", len(doc.Files), len(paths))
	}
	for path := range paths {
		if sha256, sha512, err := SBOMFile(doc, v, path); err != nil || len(sha256) != 64 || len(sha512) != 128 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if twice := SBOMAmbiguous(doc); len(twice) != 0 {
		t.Errorf("%v", twice)
	}
	images, err := SBOMImages(doc, v)
	if err != nil || len(images) != 5 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	n, layered := 0, 0
	for _, im := range images {
		for _, arch := range im.Arches() {
			n++
			if _, _, err := SBOMArchive(doc, v, im.Name, arch); err != nil {
				t.Error(err)
			}
			layers, err := SBOMLayers(doc, v, im.Name, arch)
			if err != nil || len(layers) == 0 {
				t.Errorf("%s %s: %d layers, %v", im.Name, arch, len(layers), err)
			}
			layered += len(layers)
			for _, sum := range layers { // here the id ends in the checksum itself
				if _, err := onePackage(doc, v, imageID(v, im.Name, arch)+layerIDInfix+sum); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if in := bytes.Count(text, []byte("/layer.tar\n")); n != 25 || layered != in {
		t.Errorf("%d images by architecture, %d layers of %d", n, layered, in)
	}
}
