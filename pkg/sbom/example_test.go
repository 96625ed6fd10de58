package sbom_test

import (
	"fmt"

	"github.com/kverify/kverify/pkg/sbom"
)

const document = `SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: Kubernetes Release v1.27.2
DocumentNamespace: https://sbom.k8s.io/v1.27.2/release
Creator: Tool: sigs.k8s.io/bom/pkg/spdx
Created: 2023-05-17T14:00:00Z

PackageName: kube-proxy.tar
SPDXID: SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2

PackageName: layer
SPDXID: SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2-sha256-01
PackageChecksum: SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

Relationship: SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2 CONTAINS SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2-sha256-01
`

func Example() {
	doc, err := sbom.Parse([]byte(document))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Name)
	for _, image := range doc.Tree().Children {
		fmt.Println(image.Name)
		for _, layer := range image.Children {
			fmt.Println("  sha256:" + layer.SHA256)
		}
	}
	// Output:
	// Kubernetes Release v1.27.2
	// kube-proxy.tar
	//   sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
}
