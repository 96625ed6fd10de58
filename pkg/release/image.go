package release

import (
	"cmp"
	"slices"
	"strings"
)

const (
	registryHost    = "registry.k8s.io"
	oldRegistryHost = "k8s.gcr.io" // until v1.26.0-beta.0
)

// Image is one image of a release as a document lists it.
type Image struct {
	Registry  string   `json:"registry"`  // "registry.k8s.io", or "k8s.gcr.io" as older documents write it
	Name      string   `json:"name"`      // such as "kube-proxy" or "coredns/coredns"
	Tag       string   `json:"tag"`       // such as "v1.27.2"
	Platforms []string `json:"platforms"` // sorted, such as "linux/amd64"; variants are not listed anywhere
}

// Arches returns the architectures of the image's platforms: "amd64" for
// "linux/amd64".
func (i Image) Arches() []string {
	out := make([]string, 0, len(i.Platforms))
	for _, p := range i.Platforms {
		_, arch, _ := strings.Cut(p, "/")
		out = append(out, arch)
	}
	return out
}

func linux(arch string) string { return "linux/" + arch }

func sortImages(images []Image) {
	slices.SortFunc(images, func(a, b Image) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Tag, b.Tag))
	})
}
