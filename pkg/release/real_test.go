package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sbom"
)

// realdata returns real bytes, or skips the test by name.
func realdata(t testing.TB, name ...string) []byte {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "shared", "realdata"}, name...)...)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no real data at %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRealChangelogs(t *testing.T) {
	for _, c := range []struct {
		version, registry                   string
		files, source, client, server, node int
		images                              []string
		arches                              string
	}{
		{"v1.24.0", "k8s.gcr.io", 24, 2, 11, 5, 6,
			[]string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"}, "amd64 arm arm64 ppc64le s390x"},
		{"v1.27.2", "registry.k8s.io", 22, 2, 11, 4, 5,
			[]string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"}, "amd64 arm64 ppc64le s390x"},
		{"v1.37.0-alpha.1", "registry.k8s.io", 22, 2, 11, 4, 5,
			[]string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl"}, "amd64 arm64 ppc64le s390x"},
	} {
		t.Run(c.version, func(t *testing.T) {
			data := realdata(t, "changelog", "downloads-"+c.version+".md")
			got, err := ParseChangelog(data, version(t, c.version))
			if err != nil {
				t.Fatal(err)
			}
			count := map[string]int{}
			for _, f := range got.Files {
				count[f.Section]++
				if len(f.SHA512) != sha512Hex || f.SHA256 != "" {
					t.Errorf("%s: hashes %q %q", f.Name, f.SHA256, f.SHA512)
				}
				// The text itself has the pair, next to each other.
				if !strings.Contains(string(data), f.Name+") | "+f.SHA512) && !strings.Contains(string(data), f.Name+") | `"+f.SHA512+"`") {
					t.Errorf("%s: the text does not say %s", f.Name, f.SHA512)
				}
			}
			if len(got.Files) != c.files || count["source"] != c.source || count["client"] != c.client || count["server"] != c.server || count["node"] != c.node {
				t.Errorf("%d files: %v", len(got.Files), count)
			}
			var names []string
			for _, m := range got.Images {
				names = append(names, m.Name)
				if m.Registry != c.registry || m.Tag != c.version {
					t.Errorf("%+v", m)
				}
				if arches := strings.Join(m.Arches(), " "); arches != c.arches && m.Name != "conformance" {
					t.Errorf("%s: %s", m.Name, arches)
				}
			}
			if strings.Join(names, " ") != strings.Join(c.images, " ") {
				t.Errorf("images %v", names)
			}
		})
	}
}

// The real table of contents names every version; none of them is a section.
func TestRealTableOfContents(t *testing.T) {
	toc := realdata(t, "changelog", "CHANGELOG-1.27.toc.md")
	if got, err := ChangelogVersions(toc); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	section := realdata(t, "changelog", "downloads-v1.27.2.md")
	got, err := ParseChangelog(append(append(toc, '\n', '\n'), section...), version(t, "v1.27.2"))
	if err != nil || len(got.Files) != 22 {
		t.Errorf("%v", err)
	}
}

// The real provenance and the real SHA256SUMS of one release agree.
func TestRealProvenanceAndSums(t *testing.T) {
	v := version(t, "v1.23.0-alpha.4")
	p, err := ParseProvenance(realdata(t, "provenance", "k8s-1.23.0-alpha.4-provenance.json"), v)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseChecksums(realdata(t, "checksums", "SHA256SUMS.v1.23.0-alpha.4"), v)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Subjects) != 461 || len(s.Sums) != 143 || s.Algorithm != "sha256" {
		t.Fatalf("%d subjects, %d %s sums", len(p.Subjects), len(s.Sums), s.Algorithm)
	}
	byPath := map[string]string{}
	for _, subject := range p.Subjects {
		if subject.Path != "" {
			byPath[subject.Path] = subject.SHA256
		}
	}
	for path, sum := range s.Sums {
		if byPath[path] != sum {
			t.Errorf("%s: %s in SHA256SUMS, %s in the provenance", path, sum, byPath[path])
		}
	}
	r := &Release{Version: v}
	r.Provenance.Value, r.SHA256SUMS.Value = p, s
	if c := Conflicts(r.Claims()); len(c) != 0 {
		t.Errorf("conflicts: %v", c)
	}
}

func TestRealPromotion(t *testing.T) {
	entries, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "realdata", "registry", "*.yaml"))
	if err != nil || len(entries) == 0 {
		t.Skip("no real data at ../shared/realdata/registry")
	}
	for _, path := range entries {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data := realdata(t, "registry", filepath.Base(path))
			p, ok, err := promotionLines(string(data))
			if !ok || err != nil {
				t.Fatalf("not read line by line: %v", err)
			}
			samePromotion(t, p, data)
		})
	}
	p, err := ParsePromotion(realdata(t, "registry", "k8s-staging-kubernetes.kube-apiserver.images.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const digest = "sha256:94e48585629fde3c1d06c6ae8f62885d3052f12a1072ffd97611296525eff5b9"
	if got := p.Digests("kube-apiserver", "v1.27.2"); len(got) != 1 || got[0] != digest {
		t.Errorf("v1.27.2 is %v", got)
	}
	if got := p.Tags("kube-apiserver", digest); len(got) != 1 || got[0] != "v1.27.2" {
		t.Errorf("tags %v", got)
	}
}

func TestRealShapedSBOM(t *testing.T) {
	doc, err := sbom.Parse(realdata(t, "sbom", "GENERATED-bom-v0.4.1-release-shape.spdx"))
	if err != nil {
		t.Fatal(err)
	}
	v := version(t, "v1.27.2")
	images, err := SBOMImages(doc, v)
	if err != nil || len(images) != 2 || images[1].Name != "kube-apiserver" || strings.Join(images[1].Platforms, " ") != "linux/amd64 linux/arm64" {
		t.Errorf("%v, %v", images, err)
	}
	layers, err := SBOMLayers(doc, v, "kube-apiserver", "arm64")
	if err != nil || len(layers) != 1 || layers[0] != "adcb90591d50e3d01a91cf084fe74d63d8e64ac87cce4299e027b4829ac86001" {
		t.Errorf("%v, %v", layers, err)
	}
	sha256, _, err := SBOMFile(doc, v, "bin/linux/amd64/kubectl")
	if err != nil || sha256 != "bfc9fcc4749935dfef142a1c5d768c52f7f0c5609fdc801a41a404f07080b4c6" {
		t.Errorf("%s, %v", sha256, err)
	}
	if err := CheckSBOM(doc, version(t, "v1.27.1")); err == nil {
		t.Error("it spoke for v1.27.1")
	}
}
