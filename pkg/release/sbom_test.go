package release

import (
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sbom"
)

func ourSBOM(t testing.TB, edits ...string) *sbom.Document {
	t.Helper()
	text := string(testdata(t, "sbom-v1.27.2.spdx"))
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the SBOM has no %q", edits[i])
		}
		text = strings.ReplaceAll(text, edits[i], edits[i+1])
	}
	doc, err := sbom.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSBOM(t *testing.T) {
	doc, v := ourSBOM(t), version(t, "v1.27.2")
	images, err := SBOMImages(doc, v)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "sbom-images.golden.json", images)
	layers, err := SBOMLayers(doc, v, "kube-proxy", "arm64")
	if err != nil {
		t.Fatal(err)
	}
	// The second layer's name and id are not its hash.
	golden(t, "sbom-layers.golden.json", layers)
	sha256, sha512, err := SBOMFile(doc, v, "bin/linux/amd64/kubectl")
	if err != nil || len(sha256) != 64 || len(sha512) != 128 {
		t.Errorf("%s, %s, %v", sha256, sha512, err)
	}
	archive, _, err := SBOMArchive(doc, v, "conformance", "arm64")
	if err != nil || len(archive) != 64 {
		t.Errorf("%s, %v", archive, err)
	}
	if got, err := SBOMVersion(doc); err != nil || got != v {
		t.Errorf("%v, %v", got, err)
	}
}

// Another version's document is refused, whichever of its parts gives it away.
func TestSBOMWrongVersion(t *testing.T) {
	v := version(t, "v1.27.2")
	for name, c := range map[string]struct {
		doc  *sbom.Document
		got  string
		want string
	}{
		"name":      {ourSBOM(t, "DocumentName: Kubernetes Release v1.27.2", "DocumentName: Kubernetes Release v1.27.1"), "v1.27.1", "DocumentName"},
		"longer":    {ourSBOM(t, "DocumentName: Kubernetes Release v1.27.2", "DocumentName: Kubernetes Release v1.27.20"), "v1.27.20", "DocumentName"},
		"source":    {ourSBOM(t, "https://sbom.k8s.io/v1.27.2/release", "https://sbom.k8s.io/v1.27.2/source"), "https://sbom.k8s.io/v1.27.2/source", "DocumentNamespace"},
		"namespace": {ourSBOM(t, "https://sbom.k8s.io/v1.27.2/release", "https://sbom.k8s.io/v1.27.1/release"), "https://sbom.k8s.io/v1.27.1/release", "DocumentNamespace"},
		"an image":  {ourSBOM(t, "kube-proxy-arm64-v1.27.2", "kube-proxy-arm64-v1.27.1"), "v1.27.1", "package"},
		"a candidate": {ourSBOM(t, "kube-proxy-arm64-v1.27.2", "kube-proxy-arm64-v1.27.2-rc.0"),
			"v1.27.2-rc.0", "package"},
		"all of it":   {ourSBOM(t, "v1.27.2", "v1.27.1"), "v1.27.1", "DocumentName"},
		"an old name": {ourSBOM(t, "PackageName: kube-proxy.tar", "PackageName: k8s.gcr.io/kube-proxy-amd64:v1.27.1"), "v1.27.1", "package"},
	} {
		t.Run(name, func(t *testing.T) {
			var e *WrongVersionError
			err := CheckSBOM(c.doc, v)
			if !errors.As(err, &e) || e.Want != "v1.27.2" || e.Got != c.got || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if _, err := SBOMImages(c.doc, v); !errors.As(err, &e) {
				t.Errorf("SBOMImages: %v", err)
			}
		})
	}
}

func TestSBOMRefuses(t *testing.T) {
	v := version(t, "v1.27.2")
	const proxy = "SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2"
	var (
		none      *NoEntryError
		ambiguous *AmbiguousError
		format    *FormatError
	)
	layers := func(doc *sbom.Document) error { _, err := SBOMLayers(doc, v, "kube-proxy", "arm64"); return err }
	file := func(doc *sbom.Document) error { _, _, err := SBOMFile(doc, v, "bin/linux/amd64/kubectl"); return err }
	check := func(doc *sbom.Document) error { return CheckSBOM(doc, v) }
	images := func(doc *sbom.Document) error { _, err := SBOMImages(doc, v); return err }

	twice := ourSBOM(t)
	twice.Packages = append(twice.Packages, sbom.Package{ID: proxy, Name: "kube-proxy.tar"})
	otherLayer := ourSBOM(t)
	for _, p := range otherLayer.Packages {
		if strings.HasPrefix(p.ID, proxy+"-sha256-") {
			p.SHA256 = strings.Repeat("0", 64)
			otherLayer.Packages = append(otherLayer.Packages, p)
			break
		}
	}
	noSums := ourSBOM(t)
	for i := range noSums.Packages {
		noSums.Packages[i].Checksums = sbom.Checksums{SHA1: strings.Repeat("a", 40)}
	}
	for i := range noSums.Files {
		noSums.Files[i].SHA512 = "NOASSERTION"
	}
	noLayers := ourSBOM(t)
	noLayers.Relationships = nil
	old := ourSBOM(t, "Package-registry.k8s.io-", "Package-k8s.gcr.io-")

	for name, c := range map[string]struct {
		doc    *sbom.Document
		f      func(*sbom.Document) error
		target any
	}{
		"no document":                  {nil, check, &format},
		"an image twice, checked":      {twice, check, &ambiguous},
		"an image twice, used":         {twice, layers, &ambiguous},
		"a layer of two hashes":        {otherLayer, check, &ambiguous},
		"a layer of two hashes, used":  {otherLayer, layers, &ambiguous},
		"no file":                      {ourSBOM(t, "FileName: bin/linux/amd64/kubectl", "FileName: ./bin/linux/amd64/kubectl"), file, &none},
		"no layer checksum":            {noSums, layers, &none},
		"no file checksum":             {noSums, file, &none},
		"no layers":                    {noLayers, layers, &none},
		"no such image":                {ourSBOM(t, "kube-proxy-arm64", "kube-poxy-arm64"), layers, &none},
		"layers of another image only": {ourSBOM(t, "Relationship: "+proxy+" CONTAINS", "Relationship: SPDXRef-DOCUMENT CONTAINS"), layers, &none},
		"an unknown architecture":      {ourSBOM(t, "kube-proxy-arm64-", "kube-proxy-armageddon-"), check, &format},
		"names of an older release":    {old, images, &none},
		"an older release, one image":  {old, layers, &none},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.f(c.doc); err == nil || !errors.As(err, c.target) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
	if err := CheckSBOM(old, v); err != nil {
		t.Errorf("an older release's document still speaks for its files: %v", err)
	}
}

// A layer that an image has twice may stand there twice, and counts twice.
func TestSBOMRepeatedLayer(t *testing.T) {
	doc, v := ourSBOM(t), version(t, "v1.27.2")
	const proxy = "SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2"
	for _, p := range doc.Packages {
		if strings.HasPrefix(p.ID, proxy+"-sha256-") {
			doc.Packages = append(doc.Packages, p)
			doc.Relationships = append(doc.Relationships, sbom.Relationship{From: proxy, Type: "CONTAINS", To: p.ID})
			break
		}
	}
	if err := CheckSBOM(doc, v); err != nil {
		t.Fatal(err)
	}
	layers, err := SBOMLayers(doc, v, "kube-proxy", "arm64")
	if err != nil || len(layers) != 3 || layers[0] != layers[2] {
		t.Errorf("%v, %v", layers, err)
	}
}

func TestDiffSBOM(t *testing.T) {
	a, b := ourSBOM(t), ourSBOM(t, "v1.27.2", "v1.27.3")
	d := DiffSBOM(a, version(t, "v1.27.2"), b, version(t, "v1.27.3"))
	if !d.Empty() {
		t.Errorf("only the version differs, got %+v", d)
	}
	b.Files[1].SHA256 = strings.Repeat("0", 64)
	d = DiffSBOM(a, version(t, "v1.27.2"), b, version(t, "v1.27.3"))
	if len(d.Files) != 1 || d.Files[0].Subject != a.Files[1].Name || len(d.Packages)+len(d.Relationships)+len(d.Document) != 0 {
		t.Errorf("%+v", d)
	}
}
