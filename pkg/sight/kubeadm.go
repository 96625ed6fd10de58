package sight

import (
	"cmp"
	"fmt"
)

// kubeadm is a ClusterConfiguration (k8s.io/kubernetes
// cmd/kubeadm/app/apis/kubeadm/v1beta4), as far as it names images.
type kubeadm struct {
	version, repository string
	fault               string // why the repository is no text
	dns, etcd           configured
}

// configured is one image of a configuration.
type configured struct {
	repository, tag string
	fault           string // why one of them is no text
	line            int
}

// The names that kubeadm gives them (cmd/kubeadm/app/images): CoreDNS has a
// directory in Kubernetes' own registry alone.
const ownRegistry = "registry.k8s.io"

func (a *kubeadm) member(c cursor, member string) (taken bool, err error) {
	switch member {
	case "kubernetesVersion":
		a.version, err = c.text()
	case "imageRepository":
		a.repository, err = imageText(c, member, &a.fault)
	case "dns":
		a.dns.line = c.line()
		err = a.dns.read(c)
	case "etcd":
		a.etcd.line = c.line()
		err = c.object(every, func(member string) error {
			if member != "local" {
				return c.skip()
			}
			return a.etcd.read(c)
		})
	default:
		return false, nil
	}
	return true, err
}

func (i *configured) read(c cursor) error {
	return c.object(every, func(member string) (err error) {
		switch member {
		case "imageRepository":
			i.repository, err = imageText(c, member, &i.fault)
		case "imageTag":
			i.tag, err = imageText(c, member, &i.fault)
		default:
			err = c.skip()
		}
		return err
	})
}

// emit hands on the images that the configuration names. Those that it leaves
// to kubeadm are kubeadm's to list.
func (a *kubeadm) emit(f *found) error {
	f.understood = true
	if a.version != "" && len(f.hints) < maxKinds {
		f.hints = append(f.hints, fmt.Sprintf("a kubeadm configuration names %s, and few images; kubeadm config images list --config FILE names them all", plain(a.version)))
	}
	for _, i := range []struct {
		name string
		configured
	}{{"coredns", a.dns}, {"etcd", a.etcd}} {
		at := placeInList(i.line, "kubeadm ClusterConfiguration "+i.name)
		if i.repository == "" && i.tag != "" {
			i.fault = cmp.Or(i.fault, a.fault)
		}
		if i.tag == "" && i.fault == "" {
			continue
		}
		if i.fault != "" {
			if err := f.add(Sighting{Fault: i.fault, Version: a.version, Place: at}); err != nil {
				return err
			}
			continue
		}
		repository := cmp.Or(i.repository, a.repository, ownRegistry)
		name := i.name
		if name == "coredns" && repository == ownRegistry {
			name = "coredns/coredns"
		}
		w := readWritten(repository + "/" + name + ":" + i.tag)
		if err := f.add(Sighting{Name: w.name, Digest: w.digest, Fault: w.fault, Version: a.version, Place: at}); err != nil {
			return err
		}
	}
	return nil
}
