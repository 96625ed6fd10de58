package world

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// sbom renders the release SBOM in the shape that sigs.k8s.io/bom gives it:
// files first and in no order, then one package an image and architecture, its
// layers as packages that it CONTAINS. Names in dropped ("image" or "image
// arch") are left out.
func (r *release) sbom(dropped func(image, arch string) bool) []byte {
	var b strings.Builder
	r.sbomHead(&b)

	files := slices.Clone(r.files)
	slices.SortFunc(files, func(x, y file) int { return strings.Compare(hexSHA1([]byte(x.path)), hexSHA1([]byte(y.path))) })
	b.WriteString("##### Files independent of packages\n\n")
	var ids []string
	for _, f := range files {
		for _, built := range []string{f.built, f.also} {
			if built != "" {
				ids = append(ids, r.sbomFile(&b, f, built))
			}
		}
	}
	for _, id := range ids {
		fmt.Fprintf(&b, "\nRelationship: SPDXRef-DOCUMENT DESCRIBES %s\n", id)
	}
	for _, arch := range r.arches {
		for _, im := range r.images {
			if im.core && !dropped(im.name, arch) {
				r.sbomImage(&b, im, im.platform(arch))
			}
		}
	}
	return []byte(b.String())
}

// sbomFile writes a file under its id, which is made of where it was built.
func (r *release) sbomFile(b *strings.Builder, f file, built string) (id string) {
	id = "SPDXRef-File-workspace-src-k8s.io-kubernetes-C95output-" + r.version + "-" + strings.ReplaceAll(built, "/", "-")
	kind := "FileType: BINARY\nFileType: APPLICATION\n"
	if strings.HasSuffix(f.path, ".tar.gz") {
		kind = "FileType: ARCHIVE\n"
	}
	fmt.Fprintf(b, "FileName: %s\nSPDXID: %s\n%s%sLicenseConcluded: Apache-2.0\nLicenseInfoInFile: NOASSERTION\nFileCopyrightText: NOASSERTION\n\n",
		f.path, id, checksums("File", f.body), kind)
	return id
}

func (r *release) sbomHead(b *strings.Builder) {
	fmt.Fprintf(b, `SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: Kubernetes Release %[1]s
DocumentNamespace: https://sbom.k8s.io/%[1]s/release
ExternalDocumentRef:DocumentRef-kubernetes-%[1]s https://sbom.k8s.io/%[1]s/source SHA1: %[2]s
Creator: Organization: Kubernetes Release Engineering
Creator: Tool: sigs.k8s.io/bom/pkg/spdx
Created: %[3]s



`, r.version, hexSHA1(r.sourceSBOM()), r.time.Format(time.RFC3339))
}

func (r *release) sbomImage(b *strings.Builder, im *image, p *platformImage) {
	id := sprintf("SPDXRef-Package-%s-%s-%s-%s", r.host, im.name, p.Architecture, r.version)
	archive, dirs := dockerArchive(r.archiveRef(im.name, p.Architecture), p)
	name := im.name + ".tar"
	switch {
	case r.host != HostRegistry: // older tools
		name = r.archiveRef(im.name, p.Architecture)
	case im.name == "conformance":
		name = "conformance-" + p.Architecture + ".tar"
	}
	built := sprintf("/workspace/src/k8s.io/kubernetes/_output-%s/release-images/%s/%s", r.version, p.Architecture, name)
	sbomPackage(b, name, id, built, archive)

	contained := []string{}
	for i, l := range p.layers {
		hex, body := strings.TrimPrefix(l.diffID, "sha256:"), l.tar
		if slices.Contains(contained, id+"-sha256-"+hex) {
			if im.name != "kube-proxy" {
				continue // a repeated layer stands once
			}
			hex, body = dirs[i], nil // or as the link in the archive, read as an empty file
		}
		layerID := id + "-sha256-" + hex
		sbomPackage(b, "sha256:"+hex, layerID, dirs[i]+"/layer.tar", body)
		contained = append(contained, layerID)
	}
	b.WriteByte('\n')
	for _, layerID := range contained {
		fmt.Fprintf(b, "Relationship: %s CONTAINS %s\n", id, layerID)
	}
	fmt.Fprintf(b, "Relationship: %s GENERATED_FROM DocumentRef-kubernetes-%s:SPDXRef-Package-kubernetes\n", id, r.version)
	fmt.Fprintf(b, "\nRelationship: SPDXRef-DOCUMENT DESCRIBES %s\n\n", id)
}

func sbomPackage(b *strings.Builder, name, id, fileName string, body []byte) {
	fmt.Fprintf(b, `##### Package: %[1]s

PackageName: %[1]s
SPDXID: %[2]s
%[3]sPackageDownloadLocation: NONE
FilesAnalyzed: false
PackageLicenseConcluded: NOASSERTION
PackageFileName: %[4]s
PackageLicenseDeclared: NOASSERTION
PackageCopyrightText: NOASSERTION

`, name, id, checksums("Package", body), fileName)
}

func checksums(of string, body []byte) string {
	return sprintf("%[1]sChecksum: SHA1: %[2]s\n%[1]sChecksum: SHA256: %[3]s\n%[1]sChecksum: SHA512: %[4]s\n",
		of, hexSHA1(body), hexSHA256(body), hexSHA512(body))
}

// sourceSBOM is the other SBOM of a release; nothing here looks into it.
func (r *release) sourceSBOM() []byte {
	return fmt.Appendf(nil, `SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: Kubernetes Source %[1]s
DocumentNamespace: https://sbom.k8s.io/%[1]s/source
Creator: Organization: Kubernetes Release Engineering
Creator: Tool: sigs.k8s.io/bom/pkg/spdx
Created: %[2]s

##### Package: kubernetes

PackageName: kubernetes
SPDXID: SPDXRef-Package-kubernetes
PackageDownloadLocation: git+https://github.com/kubernetes/kubernetes@%[1]s
FilesAnalyzed: false
PackageLicenseConcluded: Apache-2.0
PackageLicenseDeclared: Apache-2.0
PackageCopyrightText: NOASSERTION

Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-Package-kubernetes
`, r.version, r.time.Format(time.RFC3339))
}
