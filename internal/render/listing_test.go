package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sbom"
	"github.com/kverify/kverify/pkg/verify"
)

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
		"listing.txt":        func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "table", Options{}) },
		"listing-wide.txt":   func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "wide", Options{}) },
		"listing.json":       func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "json", Options{}) },
		"listing.yaml":       func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "yaml", Options{}) },
		"listing-name.txt":   func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "name", Options{}) },
		"listing-url.txt":    func(b *bytes.Buffer) error { return Listing(b, sampleListing(), "url", Options{}) },
		"sbom.txt":           func(b *bytes.Buffer) error { return SBOM(b, sampleSBOM(), "text", Options{}) },
		"sbom.json":          func(b *bytes.Buffer) error { return SBOM(b, sampleSBOM(), "json", Options{}) },
		"sbom-diff.txt":      func(b *bytes.Buffer) error { return SBOMDiff(b, "v1", evil, delta, "text", Options{}) },
		"sbom-diff-all.txt":  func(b *bytes.Buffer) error { return SBOMDiff(b, "v1", "v2", delta, "text", Options{Verbose: true}) },
		"sbom-diff.yaml":     func(b *bytes.Buffer) error { return SBOMDiff(b, "v1", evil, delta, "yaml", Options{}) },
		"sbom-same.txt":      func(b *bytes.Buffer) error { return SBOMDiff(b, "v1", "v2", sbom.Delta{}, "text", Options{}) },
		"notes.txt":          func(b *bytes.Buffer) error { return Notes(b, sampleNotes(), "text", Options{Width: 60}) },
		"notes-markdown.txt": func(b *bytes.Buffer) error { return Notes(b, sampleNotes(), "markdown", Options{}) },
		"notes.json":         func(b *bytes.Buffer) error { return Notes(b, sampleNotes(), "json", Options{}) },
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
		if err := Notes(&buf, sampleNotes(), format, Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(buf.String(), "a long text END") || strings.Contains(buf.String(), "bytes more") {
			t.Errorf("%s was cut", format)
		}
	}
	// whatever stands where a long text is taken apart
	for n := maxText - 5; n < maxText+5; n++ {
		s := strings.Repeat("x", n) + "é→𝕏" + strings.Repeat("y", maxText)
		if got := escapeWhole(s); got != s {
			t.Errorf("%d: %.30q differs", n, got[n:])
		}
	}
}

func TestListingWriteError(t *testing.T) {
	broken := errors.New("broken")
	for _, err := range []error{
		Listing(failing{broken}, sampleListing(), "table", Options{}), SBOM(failing{broken}, sampleSBOM(), "text", Options{}),
		SBOMDiff(failing{broken}, "a", "b", sbom.Delta{}, "yaml", Options{}), Notes(failing{broken}, sampleNotes(), "json", Options{}),
		Names(failing{broken}, []string{"a"}, "name"),
	} {
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]bool{"SPDXVersion: SPDX-2.3\n\té\n": true, "": true, "\x1b": false, "\u202e": false, "\xff": false, "\r": false} {
		if Printable([]byte(s)) != want {
			t.Errorf("%q: want %v", s, want)
		}
	}
}

// A grid fits into a terminal: its last column is broken at words, or each row is stacked.
// Nothing of it is lost, and a pipe gets a line a row.
func TestGridFits(t *testing.T) {
	head := []string{"NAME", "PLATFORM", "DIGEST", "CLAIMED BY"}
	row := []string{"registry.k8s.io/kube-proxy:v1.27.2", "linux/amd64", "sha256:6da581ae75fd", "signed sbom; carried SHA256SUMS, SHA512SUMS, provenance.json"}
	for width, want := range map[int]string{
		0:   "NAME ",
		200: "NAME ",
		110: "NAME ", // the last column on several lines
		80:  "registry.k8s.io/kube-proxy:v1.27.2\n    platform: linux/amd64  digest: sha256:6da581ae75fd\n    claimed by: signed",
		40:  "registry.k8s.io/kube-proxy:v1.27.2\n    platform: linux/amd64\n    digest: sha256:6da581ae75fd\n    claimed by: signed sbom; carried\n",
	} {
		var buf bytes.Buffer
		writeGrid(&buf, head, []gridRow{{cells: slices.Clone(row), below: ""}}, Options{Width: width})
		got := buf.String()
		if !strings.HasPrefix(got, want) {
			t.Errorf("%d columns:\n%s", width, got)
		}
		for _, word := range strings.Fields(strings.Join(row, " ")) {
			if !strings.Contains(got, word) {
				t.Errorf("%d columns: no %s in\n%s", width, word, got)
			}
		}
		for l := range strings.Lines(got) {
			if width > 0 && len(strings.TrimRight(l, "\n")) > width {
				t.Errorf("%d columns: a line of %d: %s", width, len(l)-1, l)
			}
		}
		if n := strings.Count(got, "\n"); (width == 0 || width == 200) && n != 2 {
			t.Errorf("%d columns: %d lines", width, n)
		}
	}
}
