package mirror

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/release"
)

// pauses are the tags of pause that the registry is known to hold.
func (n Nodes) pauses() (tags []string) {
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
func (n Nodes) sandbox(runtime, defaults, howto string) string {
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
func (n Nodes) sandboxContainerd() string {
	return n.sandbox("containerd", "By default that is\n# pause:3.6 in containerd 1.6, pause:3.8 in 1.7 and pause:3.10 in 2.0; \"containerd config default | grep pause\" says it.",
		"[plugins.\"io.containerd.grpc.v1.cri\"]                        # containerd 1.x, in /etc/containerd/config.toml\n"+
			"  sandbox_image = \"%s\"\n"+
			"[plugins.\"io.containerd.cri.v1.images\".pinned_images]        # containerd 2.x\n"+
			"  sandbox = \"%s\"\n")
}

// sandboxCRIO is for CRI-O: crio.conf(5).
func (n Nodes) sandboxCRIO() string {
	return n.sandbox("CRI-O", "Which one by\n# default differs between its versions; \"crio config --default | grep pause_image\" says it.",
		"[crio.image]        # in /etc/crio/crio.conf.d/50-pause.conf\n  pause_image = \"%s\"\n")
}
