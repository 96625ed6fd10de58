package release

import (
	"fmt"
	"strings"
)

// The hosts that publish releases. Every URL this package asks for is built
// here from a version or a name that was checked, and nothing else.
const (
	filesHost     = "https://dl.k8s.io"
	sbomHost      = "https://sbom.k8s.io"
	rawHost       = "https://raw.githubusercontent.com"
	changelogDir  = rawHost + "/kubernetes/kubernetes/master/CHANGELOG/CHANGELOG-"
	k8sRepository = rawHost + "/kubernetes/k8s.io/"
	promotionDir  = k8sRepository + "main/registry.k8s.io/images/"
)

// SBOMURL returns where the release's SBOM is published, such as
// "https://sbom.k8s.io/v1.27.2/release"; its signature is at the same URL
// with ".sig" behind it. It is also the SBOM's DocumentNamespace.
func (v Version) SBOMURL() string { return sbomHost + "/" + v.String() + "/release" }

// SourceSBOMURL returns where the SBOM of the release's source is published.
func (v Version) SourceSBOMURL() string { return sbomHost + "/" + v.String() + "/source" }

// ChangelogURL returns where the CHANGELOG of the version's minor is published.
func (v Version) ChangelogURL() string { return changelogDir + v.MinorString() + ".md" }

// FileURL returns where the file of that path is published. The path must have
// passed [CheckPath].
func (v Version) FileURL(path string) string {
	return filesHost + "/release/" + v.String() + "/" + path
}

// promotionProjects names the promotion manifest that an image stands in, by its
// name or the first part of it. Every other image without such a part is built by
// Kubernetes itself.
var promotionProjects = map[string]string{
	"etcd":                       "k8s-staging-etcd",
	"coredns":                    "k8s-staging-coredns",
	"kubernetes":                 "k8s-staging-kubernetes",
	"security-profiles-operator": "k8s-staging-sp-operator",
}

// PromotionURL returns where the promotion manifest that lists the image
// ("kube-proxy", "pause", "etcd", "coredns/coredns") is published. The name in
// the manifest is [PromotionName]. Projects promote into a part of their own name
// ("metrics-server/metrics-server" by k8s-staging-metrics-server), but for those
// that are known to have another; where that is not so, there is no such document.
// See https://github.com/kubernetes/k8s.io/tree/main/registry.k8s.io/images.
func PromotionURL(image string) string {
	part, _, isPart := strings.Cut(image, "/")
	project := promotionProjects[part]
	switch {
	case project != "":
	case isPart:
		project = "k8s-staging-" + part
	default:
		project = "k8s-staging-kubernetes"
	}
	return promotionDir + project + "/images.yaml"
}

// PromotionPath returns where the promotion manifest that lists the image lies
// in the repository kubernetes/k8s.io.
func PromotionPath(image string) string {
	return strings.TrimPrefix(PromotionURL(image), k8sRepository+"main/")
}

// PromotionAt returns where the promotion manifest that lists the image is
// published as it was at a commit of 40 hex digits. GitHub serves commits of
// forks there too, so that a source must vouch for the commit.
func PromotionAt(image, commit string) string {
	return k8sRepository + commit + "/" + PromotionPath(image)
}

// PromotionName returns the name under which a promotion manifest lists the
// image: "coredns" for "coredns/coredns", which is without the project's part,
// otherwise the name itself.
func PromotionName(image string) string {
	part, name, ok := strings.Cut(image, "/")
	if !ok || part == "kubernetes" { // of which nothing says that it has the same tags
		return image
	}
	return name
}

// MarkerURL returns where the version marker of that name ("stable",
// "latest-1.27") is published.
func MarkerURL(name string) string { return fmt.Sprintf("%s/release/%s.txt", filesHost, name) }
