package world

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Real data lies beside the checkout, if at all; none of it is ours to commit.
const realData = "../../../shared/realdata"

func readReal(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(realData, path))
	if os.IsNotExist(err) {
		t.Skipf("no real data: %s", filepath.Join(realData, path))
	}
	must(err)
	return string(b)
}

var sha512Hex = regexp.MustCompile(`[0-9a-f]{128}`)

// The download sections are the real ones but for the hashes.
func TestChangelogIsLikeTheRealOne(t *testing.T) {
	for _, version := range []string{"v1.24.0", "v1.27.2"} {
		want := sha512Hex.ReplaceAllString(readReal(t, "changelog/downloads-"+version+".md"), "HASH")
		w := New(Options{Versions: []string{version}})
		got := sha512Hex.ReplaceAllString(string(w.File(ChangelogURL(version))), "HASH")
		_, got, _ = strings.Cut(got, "<!-- END MUNGE: GENERATED_TOC -->\n\n")
		got, _, _ = strings.Cut(got, "\n## Changelog since")
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			g, r := strings.Split(got, "\n"), strings.Split(want, "\n")
			for i := range min(len(g), len(r)) {
				if g[i] != r[i] {
					t.Fatalf("%s, line %d:\n got %q\nwant %q", version, i+1, g[i], r[i])
				}
			}
			t.Errorf("%s: %d lines, want %d", version, len(g), len(r))
		}
	}
}

// Real manifest lists keep their bytes when printed our way.
func TestManifestListsAreLikeTheRealOnes(t *testing.T) {
	paths, _ := filepath.Glob(filepath.Join(realData, "registry/manifests/*.json"))
	pause, _ := filepath.Glob(filepath.Join(realData, "signatures/pause-3.10/manifests/sha256_ee65*.json"))
	if len(paths) == 0 {
		t.Skipf("no real data: %s", filepath.Join(realData, "registry/manifests"))
	}
	for _, path := range append(paths, pause...) {
		b, err := os.ReadFile(path)
		must(err)
		var list struct {
			SchemaVersion int          `json:"schemaVersion"`
			MediaType     string       `json:"mediaType"`
			Manifests     []descriptor `json:"manifests"`
		}
		must(json.Unmarshal(b, &list))
		if !bytes.Equal(threeSpaces(list), b) {
			t.Errorf("%s: printed otherwise", path)
		}
	}
}

// The SBOM has the tags of the real tool, in its order, but for hashes and names.
func TestSBOMIsLikeTheRealOne(t *testing.T) {
	want := readReal(t, "sbom/GENERATED-bom-v0.4.1-release-shape.spdx")
	got := string(New(Options{Versions: []string{"v1.27.2"}}).File(SBOMURL("v1.27.2")))
	hashes := regexp.MustCompile(`\b(?:[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{40})\b`)
	// block is what stands between two texts, hashes hidden.
	block := func(s, from, to string) string {
		i := strings.Index(s, from)
		if i < 0 {
			t.Fatalf("no %q", from)
		}
		s = hashes.ReplaceAllString(s[i:], "HASH")
		if j := strings.Index(s[1:], to); j >= 0 {
			s = s[:j+1]
		}
		return s
	}
	created := regexp.MustCompile(`Created: .*`)
	for _, c := range [][2]string{
		{"SPDXVersion: ", "FileName: "},
		{"FileName: bin/linux/amd64/kubectl\n", "\nFileName: "},
		{"FileName: bin/windows/amd64/kubectl.exe\n", "\nFileName: "},
		{"FileName: bin/darwin/arm64/kubectl\n", "\nFileName: "},
		{"FileName: kubernetes-server-linux-amd64.tar.gz\n", "\nFileName: "},
		{"PackageName: conformance-amd64.tar\n", "##### Package"},
		{"PackageName: kube-apiserver.tar\n", "##### Package"},
	} {
		g := created.ReplaceAllString(block(got, c[0], c[1]), "")
		w := created.ReplaceAllString(block(want, c[0], c[1]), "")
		g, _, _ = strings.Cut(g, "\n\nRelationship") // the last file of either
		w, _, _ = strings.Cut(w, "\n\nRelationship")
		if strings.TrimSpace(g) != strings.TrimSpace(w) {
			t.Errorf("%s\ngot  %q\nwant %q", c[0], g, w)
		}
	}
	for _, line := range []string{
		"Relationship: SPDXRef-Package-registry.k8s.io-kube-apiserver-arm64-v1.27.2 CONTAINS SPDXRef-Package-registry.k8s.io-kube-apiserver-arm64-v1.27.2-sha256-",
		"\nRelationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-Package-registry.k8s.io-kube-apiserver-arm64-v1.27.2\n",
		"Relationship: SPDXRef-Package-registry.k8s.io-conformance-amd64-v1.27.2 GENERATED_FROM DocumentRef-kubernetes-v1.27.2:SPDXRef-Package-kubernetes\n",
	} {
		if !strings.Contains(got, line) || !strings.Contains(want, line) {
			t.Errorf("no line %q", line)
		}
	}
}
