package release

// kubeadmImages are the images that a kubeadm asks for beside those of its
// release: cmd/kubeadm/app/constants of these tags. The constants change with
// patches too, so that a version which is not in the list is not known.
var kubeadmImages = map[string][3]string{
	"v1.24.0": {"3.7", "3.5.3-0", "v1.8.6"},
	"v1.25.0": {"3.8", "3.5.4-0", "v1.9.3"},
	"v1.26.0": {"3.9", "3.5.6-0", "v1.9.3"},
	"v1.27.0": {"3.9", "3.5.7-0", "v1.10.1"},
	"v1.27.1": {"3.9", "3.5.7-0", "v1.10.1"},
	"v1.27.2": {"3.9", "3.5.7-0", "v1.10.1"},
	"v1.28.0": {"3.9", "3.5.9-0", "v1.10.1"},
	"v1.29.0": {"3.9", "3.5.10-0", "v1.11.1"},
}

// KubeadmImages returns the images, such as "registry.k8s.io/pause:3.9", that
// the kubeadm of that version asks for beside those of the release. ok is false
// where it is not known: "kubeadm config images list" says it then.
func KubeadmImages(v Version) (images []string, ok bool) {
	tags, ok := kubeadmImages[v.String()]
	if !ok {
		return nil, false
	}
	for i, name := range []string{"pause", "etcd", "coredns/coredns"} {
		images = append(images, registryHost+"/"+name+":"+tags[i])
	}
	return images, true
}
