package describe

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sbom"
	"github.com/kverify/kverify/pkg/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

const evil = "\x1b[2J\u202e\u009b31m\r\xff"

func hex(c string) string { return strings.Repeat(c, 64) }

func claim(d release.Document, s report.Strength, sum string) verify.StrongClaim {
	return verify.StrongClaim{Claim: release.Claim{Document: d, Digest: oci.Digest("sha256:" + sum), URL: "https://example.com/" + string(d)}, Strength: s}
}

func sampleListing() *verify.Listing {
	v := release.Version{Major: 1, Minor: 27, Patch: 2}
	file := func(path string, claims ...verify.StrongClaim) verify.Entry {
		return verify.Entry{Subject: path, Info: release.DescribeFile(path), URL: v.FileURL(path), SHA256: hex("a"), Claims: claims}
	}
	bad := file("kubernetes.tar.gz", claim(release.DocChangelog, report.Published, hex("a")), claim(release.DocSHA256SUMS, report.Carried, hex("b")))
	bad.SHA256, bad.Conflict = "", "sha256 is aaaaaaaaaaaa... in changelog, but bbbbbbbbbbbb... in SHA256SUMS"
	odd := file(evil, claim(release.Document(evil), report.Carried, evil))
	odd.Conflict = evil
	return &verify.Listing{Version: v, Verdict: report.Refuted, Notes: []string{evil}, Items: []verify.Entry{
		file("bin/linux/arm64/kubectl", claim(release.DocSBOM, report.Signed, hex("a")), claim(release.DocSHA256SUMS, report.Carried, hex("a"))),
		bad, odd, file("kubernetes-src.tar.gz"),
		{Subject: "registry.k8s.io/kube-proxy:v1.27.2", Image: true, Info: release.DescribeImage("registry.k8s.io/kube-proxy:v1.27.2"),
			Platforms: []string{"linux/amd64", "linux/arm64"}, SHA256: hex("c"), Claims: []verify.StrongClaim{claim(release.DocPromotion, report.Published, hex("c"))}},
	}}
}

func sampleSBOM() *sbom.Document {
	image := "SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2"
	sums := func(c string) sbom.Checksums { return sbom.Checksums{SHA256: hex(c)} }
	return &sbom.Document{
		SPDXVersion: "SPDX-2.3", Name: "Kubernetes Release v1.27.2", Namespace: "https://sbom.k8s.io/v1.27.2/release", Created: evil, Creators: []string{"Tool: bom"},
		Files:    []sbom.File{{Name: "bin/linux/arm64/kubectl", ID: "SPDXRef-File-kubectl", Checksums: sums("a")}, {Name: evil, ID: "SPDXRef-File-evil", Checksums: sbom.Checksums{SHA256: evil}}},
		Packages: []sbom.Package{{Name: "kube-proxy.tar", ID: image, Checksums: sums("b")}, {Name: "sha256:" + hex("c"), ID: image + "-sha256-" + hex("c"), Checksums: sums("c")}},
		Relationships: []sbom.Relationship{{From: image, Type: "CONTAINS", To: image + "-sha256-" + hex("c")},
			{From: sbom.DocumentID, Type: "DESCRIBES", To: image}},
	}
}

func sampleNotes() NotesView {
	v := release.Version{Major: 1, Minor: 27, Patch: 2}
	older := release.Version{Major: 1, Minor: 27, Patch: 1}
	return NotesView{Version: v, Since: release.Version{Major: 1, Minor: 27}, Sources: []NotesSource{{URL: v.ChangelogURL(), Digest: "sha256:" + hex("a"), Origin: fetch.Published}}, Notes: []release.Note{
		{Version: v, Kind: "bug", Heading: "Bug or Regression", Text: "One ([#1](https://github.com/x/pull/1), [@a](https://github.com/a)) [SIG Node]\n  - inner\n\n\tcode"},
		{Version: v, Kind: "bug", Heading: "Bug or Regression", Text: evil},
		{Version: older, Kind: "feature", Heading: evil, Text: strings.Repeat("a long text ", 400) + "END"},
	}}
}

// TestListings holds every format to a golden file, and all of them to plain text.
func TestListings(t *testing.T) {
	other := sampleSBOM()
	other.Files[0].SHA256, other.Packages, other.Created = hex("d"), other.Packages[:1], "2023"
	delta := sbom.Diff(sampleSBOM(), other)
	for name, draw := range map[string]func(*bytes.Buffer) error{
		"listing.txt":      func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "table", terminal.Options{}) },
		"listing-wide.txt": func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "wide", terminal.Options{}) },
		"listing.json":     func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "json", terminal.Options{}) },
		"listing.yaml":     func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "yaml", terminal.Options{}) },
		"listing-name.txt": func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "name", terminal.Options{}) },
		"listing-url.txt":  func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "url", terminal.Options{}) },
		"sbom.txt": func(b *bytes.Buffer) error {
			return SBOM(b, SBOMView{Document: sampleSBOM()}, "text", terminal.Options{})
		},
		"sbom.json": func(b *bytes.Buffer) error {
			return SBOM(b, SBOMView{Document: sampleSBOM()}, "json", terminal.Options{})
		},
		"sbom-diff.txt": func(b *bytes.Buffer) error {
			return SBOMDiff(b, SBOMDiffView{Old: "v1", New: evil, Delta: delta}, "text", terminal.Options{})
		},
		"sbom-diff-all.txt": func(b *bytes.Buffer) error {
			return SBOMDiff(b, SBOMDiffView{Old: "v1", New: "v2", Delta: delta, Verbose: true}, "text", terminal.Options{})
		},
		"sbom-diff.yaml": func(b *bytes.Buffer) error {
			return SBOMDiff(b, SBOMDiffView{Old: "v1", New: evil, Delta: delta}, "yaml", terminal.Options{})
		},
		"sbom-same.txt": func(b *bytes.Buffer) error {
			return SBOMDiff(b, SBOMDiffView{Old: "v1", New: "v2"}, "text", terminal.Options{})
		},
		"notes.txt":          func(b *bytes.Buffer) error { return Notes(b, sampleNotes(), "text", terminal.Options{Width: 60}) },
		"notes-markdown.txt": func(b *bytes.Buffer) error { return Notes(b, sampleNotes(), "markdown", terminal.Options{}) },
		"notes.json":         func(b *bytes.Buffer) error { return Notes(b, sampleNotes(), "json", terminal.Options{}) },
		"names.txt":          func(b *bytes.Buffer) error { return Names(b, []string{"a", evil}, "name") },
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := draw(&buf); err != nil {
				t.Fatal(err)
			}
			golden(t, name, buf.Bytes())
			noControls(t, buf.String())
			var tree any
			switch {
			case strings.HasSuffix(name, ".json"):
				if err := json.Unmarshal(buf.Bytes(), &tree); err != nil {
					t.Error(err)
				}
			case strings.HasSuffix(name, ".yaml"):
				if err := yaml.Unmarshal(buf.Bytes(), &tree); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A note is never cut: its parser bounds it.
func TestNotesAreWhole(t *testing.T) {
	for _, format := range []string{"text", "markdown"} {
		var buf bytes.Buffer
		if err := Notes(&buf, sampleNotes(), format, terminal.Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(buf.String(), "a long text END") || strings.Contains(buf.String(), "bytes more") {
			t.Errorf("%s was cut", format)
		}
	}
}

func TestListingWriteError(t *testing.T) {
	broken := errors.New("broken")
	for _, err := range []error{
		Listing(failing{broken}, sampleListing(), "table", terminal.Options{}), SBOM(failing{broken}, SBOMView{Document: sampleSBOM()}, "text", terminal.Options{}),
		SBOMDiff(failing{broken}, SBOMDiffView{Old: "a", New: "b"}, "yaml", terminal.Options{}), Notes(failing{broken}, sampleNotes(), "json", terminal.Options{}),
		Names(failing{broken}, []string{"a"}, "name"),
	} {
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("differs from %s (go test -update writes it anew):\n%s", file, got)
	}
}

func noControls(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r != '\n' && (!unicode.IsPrint(r) || r == '\uFFFD') {
			t.Errorf("%U in the output", r)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
