package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/trust"
)

// Published gives the name in registry.k8s.io of an image that is named by
// where it lay before (k8s.gcr.io), or by one of the registries behind it: the
// projects k8s-artifacts-prod in Artifact Registry and in gcr.io. These are not
// read: the image is, under the name that it has.
func Published(ref registry.Ref) (registry.Ref, bool) {
	repo := ref.Repository
	switch host := ref.Host; {
	case host == "k8s.gcr.io":
		ref.Host = ImageHost
		return ref, true
	case artifactRegistry().MatchString(host):
		repo = cutPrefix(repo, "k8s-artifacts-prod/images/")
	case slices.Contains([]string{"gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"}, host):
		repo = cutPrefix(repo, "k8s-artifacts-prod/")
	default:
		return ref, false
	}
	if repo == "" {
		return ref, false
	}
	// The project's own images are promoted under kubernetes/ too.
	if name := cutPrefix(repo, "kubernetes/"); name != "" && !strings.Contains(name, "/") {
		repo = name
	}
	ref.Host, ref.Repository = ImageHost, repo
	return ref, true
}

var artifactRegistry = lazyregexp.New(`^[a-z]+(-[a-z]+[0-9]+)?-docker\.pkg\.dev$`)

// cutPrefix is what follows a prefix, or nothing where it is not one.
func cutPrefix(s, prefix string) string {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return ""
	}
	return rest
}

// publishers are hosts where others publish images of their own. What has the
// name of one of Kubernetes' images there may be a copy; what has not is not a copy.
var publishers = []string{
	"docker.io", "index.docker.io", "registry-1.docker.io", "quay.io", "ghcr.io", "gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io",
	"public.ecr.aws", "mcr.microsoft.com", "nvcr.io", "registry.gitlab.com", "registry.redhat.io", "registry.access.redhat.com",
}

// upstreams are where projects publish themselves what Kubernetes builds anew
// under the same name: another image, and no copy.
var upstreams = []string{"quay.io/coreos/etcd", "gcr.io/etcd-development/etcd", "docker.io/coredns/coredns", "index.docker.io/coredns/coredns"}

// copyOf reads a reference as a copy of an image of registry.k8s.io: what it is
// there, and below which prefix the copy lies. sure says that Kubernetes
// publishes an image of that name; ok is false for what cannot be a copy.
func copyOf(ref registry.Ref) (image registry.Ref, prefix string, sure, ok bool) {
	if slices.Contains(upstreams, ref.Host+"/"+ref.Repository) {
		return ref, "", false, false
	}
	cut := strings.LastIndexByte(ref.Repository, '/') + 1
	if rest, two := strings.CutSuffix(ref.Repository, "coredns/coredns"); two && (rest == "" || strings.HasSuffix(rest, "/")) {
		cut = len(rest)
	}
	image = ref
	image.Host, image.Repository = ImageHost, ref.Repository[cut:]
	sure = IsPublishedName(image.Repository)
	return image, strings.TrimSuffix(ref.Repository[:cut], "/"), sure, sure || !slices.Contains(publishers, ref.Host)
}

// IsPublishedName says whether Kubernetes publishes an image of that name, or of that name and
// an architecture.
func IsPublishedName(name string) bool {
	return slices.ContainsFunc(publishedNames(), func(im string) bool {
		rest, ok := strings.CutPrefix(name, im)
		return ok && (rest == "" || im != "coredns/coredns" && slices.Contains(release.Arches, strings.TrimPrefix(rest, "-")))
	})
}

// publishedNames are the images of every release that this kverify knows, and those that
// kubeadm takes besides.
func publishedNames() []string {
	names := []string{"pause", "etcd", "coredns", "coredns/coredns"}
	for _, row := range trust.EmbeddedPolicy().Inventory {
		names = append(names, row.Images...)
	}
	return Unique(names)
}

// MeantImage words which image was most likely meant by a name that Kubernetes does not
// publish; empty for one that it does, or if none is near.
func MeantImage(ref registry.Ref) string {
	if ref.Host != ImageHost || IsPublishedName(ref.Repository) {
		return ""
	}
	if meant := guess.DidYouMean(ref.Repository, publishedNames()); meant != "" {
		return fmt.Sprintf("%s: kverify knows no image %q%s", ref, ref.Repository, meant)
	}
	return ""
}

// Elsewhere is the error for an image that is not in registry.k8s.io. scheme is
// what was written before the name, if anything was.
func Elsewhere(what, scheme string, ref registry.Ref, accepted string) error {
	image, prefix, sure, ok := copyOf(ref)
	if !ok {
		return Usagef("%q is not in %s, and only images that Kubernetes publishes there are verified; %s", what, ImageHost, accepted)
	}
	host := ref.Host
	if host == "docker.io" {
		host = "index.docker.io" // where its API is
	}
	if scheme == "" {
		if scheme = "https://"; registry.PlainHTTP(host) {
			scheme = "http://"
		}
	}
	command := "kverify verify " + image.String() + " --endpoint " + ImageHost + "=" + strings.TrimSuffix(scheme+host+"/"+prefix, "/")
	if !sure {
		return Usagef("%q is not in %s, and only images that Kubernetes publishes there are verified; if it is a copy of %s, write: %s", what, ImageHost, image, command)
	}
	return Usagef("%q is not in %s, where Kubernetes publishes %s; to judge it as a copy of that, write: %s", what, ImageHost, image.Repository, command)
}
