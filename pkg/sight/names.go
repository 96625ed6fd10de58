package sight

import (
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/registry"
)

// Kind is how a name stands to Kubernetes' own.
type Kind uint8

// The kinds. What is [Foreign] or a [Vendor]'s is not judged; everything else is.
const (
	NoName  Kind = iota // no name, or no reference
	Foreign             // nothing points at Kubernetes
	Vendor              // alike, with a tag of a vendor's own build
	Alike               // at another host, with the last path element of one of the images
	Ours                // at Kubernetes' own registry, or at a name that is mapped there
)

// String gives "foreign", "vendor", "alike", "ours" or "no name".
func (k Kind) String() string {
	if k > Ours {
		k = NoName
	}
	return [...]string{"no name", "foreign", "vendor", "alike", "ours"}[k]
}

// Names tells whose a name is. It rests on names alone: whether a digest is in a
// release's table, and the image so Kubernetes', is for the caller that has the table to decide.
type Names struct {
	// Registry is where Kubernetes publishes, "registry.k8s.io".
	Registry string
	// Inventory are the repositories there, of a release and of kubeadm, such as
	// "kube-proxy", "etcd" and "coredns/coredns".
	Inventory []string
	// Architectures are those of repositories of one architecture: "kube-proxy-arm64".
	Architectures []string
	// Map is what --as gave. [Former] is built in.
	Map Mapping
}

// Former is the registry that Kubernetes published in until 2023, whose images
// are those of its own registry.
const Former = "k8s.gcr.io"

// Classify says whose a name is, and for [Ours] what it is called at Kubernetes'
// own registry, with its tag and digest; for any other kind the reference is the
// name as [ReadName] reads it.
//
// At an own or mapped name nothing is foreign, whatever the tag. A mapped name that
// is none of the inventory, whose last element is that of exactly one image there,
// is that image: kubeadm writes CoreDNS without its directory into private
// registries, and Harbor's proxies put a project before it.
func (n Names) Classify(name string) (Kind, registry.Ref) {
	ref, err := ReadName(name)
	if err != nil {
		return NoName, registry.Ref{}
	}
	if ref.Host == n.Registry {
		return Ours, ref
	}
	if mapped, _, ok := n.Map.Apply(ref); ok {
		return Ours, n.unflattened(mapped)
	}
	if ref.Host == Former {
		ref.Host = n.Registry
		return Ours, n.unflattened(ref)
	}
	switch image, _ := n.byLast(ref.Repository); {
	case image == "":
		return Foreign, ref
	case isVendors(ref.Tag):
		return Vendor, ref
	}
	return Alike, ref
}

// Advice is the alias that would make a name that is [Alike] ours, for --as:
// "harbor.corp/k8s=registry.k8s.io"; empty for a name of another kind.
func (n Names) Advice(name string) string {
	kind, ref := n.Classify(name)
	if kind != Alike {
		return ""
	}
	image, arch := n.byLast(ref.Repository)
	repository := "/" + ref.Repository
	if arch != "" {
		repository = strings.TrimSuffix(repository, "-"+arch)
	}
	before, whole := strings.CutSuffix(repository, "/"+image)
	if !whole {
		before = strings.TrimSuffix(repository, "/"+path.Base(image))
	}
	return Alias{From: ref.Host + before, To: n.Registry}.String()
}

// unflattened gives a mapped name the path that its image has at Kubernetes' own registry.
func (n Names) unflattened(ref registry.Ref) registry.Ref {
	if n.has(ref.Repository) {
		return ref
	}
	image, arch := n.byLast(ref.Repository)
	for _, i := range n.Inventory {
		if i != image && path.Base(i) == path.Base(image) {
			return ref // two have that element
		}
	}
	if image == "" {
		return ref
	}
	ref.Repository = image
	if arch != "" {
		ref.Repository += "-" + arch
	}
	return ref
}

// has says whether a repository is one of the inventory, or one architecture's.
func (n Names) has(repository string) bool {
	return slices.Contains(n.Inventory, repository) || slices.ContainsFunc(n.Architectures, func(a string) bool {
		return slices.Contains(n.Inventory, strings.TrimSuffix(repository, "-"+a))
	})
}

// byLast finds an image with the last path element of the repository, and the
// architecture at its end.
func (n Names) byLast(repository string) (image, arch string) {
	for _, i := range n.Inventory {
		if path.Base(i) == path.Base(repository) {
			return i, ""
		}
	}
	for _, a := range n.Architectures {
		base := strings.TrimSuffix(repository, "-"+a)
		for _, i := range n.Inventory {
			if path.Base(i) == path.Base(base) {
				return i, a
			}
		}
	}
	return "", ""
}

// vendors are the ends of tags that vendors give to builds of their own: EKS
// and EKS Distro, GKE, RKE2, K3s, and VMware. The list is closed: what it holds is
// not judged.
var vendors = lazyregexp.New(`^v?[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.-]*(?:-eks(?:-[0-9a-z]+)*|-eksbuild\.[0-9]+|-gke\.[0-9]+|-rke2r[0-9]+|-k3s[0-9]+|_vmware\.[0-9]+)$`)

func isVendors(tag string) bool { return vendors().MatchString(tag) }
