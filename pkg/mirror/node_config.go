package mirror

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
)

// NodeForms are what [NodeConfig.Config] writes for.
var NodeForms = []string{"containerd", "crio", "kubeadm", "docker", "k3s", "talos"}

// NodeConfig says how nodes find the images of registry.k8s.io inside: in a registry
// that a mirror was pushed to, or that serves one.
type NodeConfig struct {
	Registry *url.URL // scheme, host, and as its path the prefix of the repositories
	CA       string   // path, on the node, of the CA that signed the registry's certificate; empty is the system's

	// Version is what kubeadm is to install; zero leaves it out.
	Version release.Version
	// Images are tags that the registry holds, as [Mirror.Images] lists them; none
	// if that is not known.
	Images []registry.Ref
}

// hostAndPrefix is "HOST[/PREFIX]".
func (n NodeConfig) hostAndPrefix() string { return n.Registry.Host + n.Registry.Path }

func (n NodeConfig) plain() bool { return n.Registry.Scheme == "http" }

// Config writes one of [NodeForms], with the file that it belongs into named
// in its first line. What it writes leads to the registry inside and nowhere
// else: no node falls back to the internet. Formats: containerd, docs/hosts.md;
// containers-registries.conf(5); kubeadm.k8s.io/v1beta3 and v1beta4;
// dockerd(8).
func (n NodeConfig) Config(form string) (string, error) {
	if strings.ContainsFunc(n.CA, func(r rune) bool { return r < ' ' || r == 0x7f }) || n.CA != "" && n.plain() {
		return "", fmt.Errorf("a CA at %q is of no use to %s; leave one of them out", n.CA, n.Registry)
	}
	switch form {
	case "containerd":
		return n.containerd(), nil
	case "crio":
		return n.crio(), nil
	case "kubeadm":
		return n.kubeadm(), nil
	case "docker":
		return n.docker(), nil
	case "k3s":
		return n.k3s(), nil
	case "talos":
		return n.talos(), nil
	}
	return "", fmt.Errorf("there is no configuration for %q; there are %s%s", form, strings.Join(NodeForms, ", "), guess.DidYouMean(form, NodeForms))
}

// ownNames are the registry's, today's first.
var ownNames = []string{layout.HostImages, layout.HostFormer}

func (n NodeConfig) containerd() string {
	base := n.Registry.Scheme + "://" + n.Registry.Host
	if n.Registry.Path != "" { // the API's root then stands before the prefix
		base += "/v2" + n.Registry.Path
	}
	fields := func(indent string) string {
		s := indent + "capabilities = [\"pull\", \"resolve\"]\n"
		if n.Registry.Path != "" {
			s += indent + "override_path = true\n"
		}
		if n.CA != "" {
			s += fmt.Sprintf("%sca = %q\n", indent, n.CA)
		}
		return s
	}
	// Up to 1.6 a file without [host] is not read at all, and containerd asks
	// registry.k8s.io; without server it does so after the host has failed.
	return "# /etc/containerd/certs.d/registry.k8s.io/hosts.toml\n" +
		"# containerd reads it if config_path of its registry settings is /etc/containerd/certs.d;\n" +
		"# it needs no restart. With the registry as server too, nothing is asked of registry.k8s.io.\n" +
		"# The same file in /etc/containerd/certs.d/k8s.gcr.io leads images by that older name here too.\n" +
		n.sandboxContainerd() +
		fmt.Sprintf("server = %q\n%s\n[host.%q]\n%s", base, fields(""), base, fields("  "))
}

func (n NodeConfig) crio() string {
	var b strings.Builder
	b.WriteString("# /etc/containers/registries.conf.d/50-registry.k8s.io.conf\n" +
		"# For CRI-O, and Podman, Skopeo and Buildah too; CRI-O reads it on reload (SIGHUP). With the\n" +
		"# registry as location, nothing is asked of registry.k8s.io.\n")
	b.WriteString(n.sandboxCRIO())
	if n.CA != "" {
		fmt.Fprintf(&b, "# The CA goes to /etc/containers/certs.d/%s/ca.crt: cp %s there.\n", n.Registry.Host, n.CA)
	}
	for i, host := range ownNames {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "[[registry]]\nprefix = %q\nlocation = %q\n", host, n.hostAndPrefix())
		if n.plain() {
			b.WriteString("insecure = true\n")
		}
	}
	return b.String()
}

func (n NodeConfig) kubeadm() string {
	var b strings.Builder
	b.WriteString("# kubeadm init --config FILE\n" +
		"# It is needed only where nodes pull from the registry by its own name; with containerd or CRI-O\n" +
		"# configured to find registry.k8s.io there, kubeadm's defaults are right.\n" +
		"# kubeadm looks for CoreDNS as IMAGEREPOSITORY/coredns, but Kubernetes publishes it, and the mirror\n" +
		"# holds it, as coredns/coredns: hence dns.imageRepository.\n")
	if absent := n.absent("pause", "etcd", "coredns/coredns"); len(absent) > 0 {
		fmt.Fprintf(&b, "# The mirror does not hold %s, which kubeadm needs: make it with --with-kubeadm-images.\n", strings.Join(absent, ", "))
	}
	api := "v1beta3"
	if n.Version.Minor >= 31 { // which brought v1beta4
		api = "v1beta4"
	}
	fmt.Fprintf(&b, "apiVersion: kubeadm.k8s.io/%s\nkind: ClusterConfiguration\n", api)
	if !n.Version.IsZero() {
		fmt.Fprintf(&b, "kubernetesVersion: %s\n", n.Version)
	}
	fmt.Fprintf(&b, "imageRepository: %q\ndns:\n  imageRepository: %q\n", n.hostAndPrefix(), n.hostAndPrefix()+"/coredns")
	return b.String()
}

// absent are those of some repositories that the registry is known not to hold.
func (n NodeConfig) absent(repos ...string) (list []string) {
	for _, repo := range repos {
		if len(n.Images) > 0 && !slices.ContainsFunc(n.Images, func(r registry.Ref) bool { return r.Repository == repo }) {
			list = append(list, repo)
		}
	}
	return list
}

func (n NodeConfig) docker() string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n" +
		"# Docker's registry-mirrors stand in for docker.io alone, never for registry.k8s.io: images are\n" +
		"# pulled by the registry's own name and tagged with the one that Kubernetes uses.\n")
	switch {
	case n.plain():
		fmt.Fprintf(&b, "# dockerd speaks plain HTTP to it if /etc/docker/daemon.json says so, and after a restart:\n#   {\"insecure-registries\": [%q]}\n", n.Registry.Host)
	case n.CA != "":
		fmt.Fprintf(&b, "# The CA goes to /etc/docker/certs.d/%s/ca.crt: cp %s there.\n", n.Registry.Host, n.CA)
	}
	b.WriteString("set -eu\n")
	lines := 0
	for _, ref := range n.Images {
		if slices.ContainsFunc(release.Arches, func(a string) bool { return strings.HasSuffix(ref.Repository, "-"+a) }) {
			continue // the index serves every architecture
		}
		fmt.Fprintf(&b, "docker pull %s/%s:%s\ndocker tag %s/%s:%s %s\n", n.hostAndPrefix(), ref.Repository, ref.Tag, n.hostAndPrefix(), ref.Repository, ref.Tag, ref)
		lines++
	}
	if lines == 0 {
		fmt.Fprintf(&b, "image=${1:?name an image, such as kube-proxy:v1.27.2}\ndocker pull \"%s/$image\"\ndocker tag \"%s/$image\" \"registry.k8s.io/$image\"\n", n.hostAndPrefix(), n.hostAndPrefix())
	}
	return b.String()
}

// pauses are the tags of pause that the registry is known to hold.
func (n NodeConfig) pauses() (tags []string) {
	for _, r := range n.Images {
		if r.Repository == "pause" {
			tags = append(tags, r.Tag)
		}
	}
	return tags
}

// sandbox says, as comments, which image the sandbox of a pod is made of: the
// runtime asks for it by a name of its own, whatever Kubernetes asks for, and
// without it no pod starts. howto are the lines that set it, with %s for the
// image; defaults says what the runtime asks for by itself.
func (n NodeConfig) sandbox(runtime, defaults, howto string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s itself asks for the sandbox image of every pod, registry.k8s.io/pause. %s\n", runtime, defaults)
	tag := "TAG"
	switch held := n.pauses(); {
	case len(held) > 0:
		tag = held[len(held)-1]
		fmt.Fprintf(&b, "# The mirror holds pause:%s: set it, unless that is what it asks for:\n", strings.Join(held, ", pause:"))
	case len(n.Images) > 0:
		b.WriteString("# The mirror does not hold pause: make it with --with-kubeadm-images, or name the one that is asked for. Set it with\n")
	default:
		b.WriteString("# The registry must hold that one, or the one that is set here:\n")
	}
	if images, ok := release.KubeadmImages(n.Version); ok && tag == "TAG" {
		tag = strings.TrimPrefix(images[0], "registry.k8s.io/pause:")
	}
	for line := range strings.Lines(strings.ReplaceAll(howto, "%s", "registry.k8s.io/pause:"+tag)) {
		b.WriteString("#   " + line)
	}
	return b.String()
}

// sandboxContainerd is for containerd: docs/cri/config.md of its 1.7 and 2.0.
func (n NodeConfig) sandboxContainerd() string {
	return n.sandbox("containerd", "By default that is\n# pause:3.6 in containerd 1.6, pause:3.8 in 1.7 and pause:3.10 in 2.0; \"containerd config default | grep pause\" says it.",
		"[plugins.\"io.containerd.grpc.v1.cri\"]                        # containerd 1.x, in /etc/containerd/config.toml\n"+
			"  sandbox_image = \"%s\"\n"+
			"[plugins.\"io.containerd.cri.v1.images\".pinned_images]        # containerd 2.x\n"+
			"  sandbox = \"%s\"\n")
}

// sandboxCRIO is for CRI-O: crio.conf(5).
func (n NodeConfig) sandboxCRIO() string {
	return n.sandbox("CRI-O", "Which one by\n# default differs between its versions; \"crio config --default | grep pause_image\" says it.",
		"[crio.image]        # in /etc/crio/crio.conf.d/50-pause.conf\n  pause_image = \"%s\"\n")
}

// k3s is the registries.yaml of K3s and RKE2: docs.k3s.io/installation/private-registry,
// docs.rke2.io/install/private_registry.
func (n NodeConfig) k3s() string {
	var b strings.Builder
	b.WriteString("# /etc/rancher/k3s/registries.yaml, of RKE2 /etc/rancher/rke2/registries.yaml; read when it starts.\n" +
		"# Start it with --disable-default-registry-endpoint: else what the registry has not is asked of\n" +
		"# registry.k8s.io. K3s and RKE2 bring components of their own, from other registries than this one.\n")
	b.WriteString("mirrors:\n")
	for _, host := range ownNames {
		fmt.Fprintf(&b, "  %s:\n    endpoint:\n      - %q\n", host, n.Registry.Scheme+"://"+n.Registry.Host)
		if prefix := strings.Trim(n.Registry.Path, "/"); prefix != "" {
			fmt.Fprintf(&b, "    rewrite:\n      \"^(.*)$\": %q\n", prefix+"/$1")
		}
	}
	if n.CA != "" {
		fmt.Fprintf(&b, "configs:\n  %q:\n    tls:\n      ca_file: %q\n", n.Registry.Host, n.CA)
	}
	return b.String()
}

// talos is a document of Talos Linux: docs.siderolabs.com, RegistryMirrorConfig.
func (n NodeConfig) talos() string {
	url, override := n.Registry.Scheme+"://"+n.Registry.Host, ""
	if n.Registry.Path != "" { // the API's root then stands before the prefix
		url, override = url+"/v2"+n.Registry.Path, "    overridePath: true\n"
	}
	var b strings.Builder
	b.WriteString("# A document of Talos Linux 1.12 and later: talosctl patch machineconfig --patch @FILE\n" +
		"# With skipFallback nothing is asked of registry.k8s.io. The kubelet of Talos and its installer come\n" +
		"# from other registries than this one.\n")
	if n.CA != "" {
		fmt.Fprintf(&b, "# The CA at %s goes into a RegistryTLSConfig with the name %s.\n", n.CA, n.Registry.Host)
	}
	for i, host := range ownNames {
		if i > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "apiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: %s\nendpoints:\n  - url: %q\n%sskipFallback: true\n", host, url, override)
	}
	return b.String()
}
