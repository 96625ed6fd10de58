package sight

import "fmt"

// kubeadm is a ClusterConfiguration (k8s.io/kubernetes
// cmd/kubeadm/app/apis/kubeadm/v1beta4), as far as it names images.
type kubeadm struct {
	version, repository     string
	dnsRepository, dnsTag   string
	etcdRepository, etcdTag string
	dnsLine, etcdLine       int
}

// The names that kubeadm gives them (cmd/kubeadm/app/images): CoreDNS has a
// directory in Kubernetes' own registry alone.
const ownRegistry = "registry.k8s.io"

func (a *kubeadm) member(c cursor, member string) (taken bool, err error) {
	switch member {
	case "kubernetesVersion":
		a.version, err = c.text()
	case "imageRepository":
		a.repository, err = c.text()
	case "dns":
		a.dnsLine = c.line()
		err = imageFrom(c, &a.dnsRepository, &a.dnsTag)
	case "etcd":
		a.etcdLine = c.line()
		err = c.object(every, func(member string) error {
			if member != "local" {
				return c.skip()
			}
			return imageFrom(c, &a.etcdRepository, &a.etcdTag)
		})
	default:
		return false, nil
	}
	return true, err
}

func imageFrom(c cursor, repository, tag *string) error {
	return c.object(every, func(member string) (err error) {
		switch member {
		case "imageRepository":
			*repository, err = c.text()
		case "imageTag":
			*tag, err = c.text()
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
		name, repository, tag string
		line                  int
	}{{"coredns", a.dnsRepository, a.dnsTag, a.dnsLine}, {"etcd", a.etcdRepository, a.etcdTag, a.etcdLine}} {
		if i.tag == "" {
			continue
		}
		repository := i.repository
		if repository == "" {
			repository = a.repository
		}
		if repository == "" {
			repository = ownRegistry
		}
		name := i.name
		if name == "coredns" && repository == ownRegistry {
			name = "coredns/coredns"
		}
		w := readWritten(repository + "/" + name + ":" + i.tag)
		if err := f.add(Sighting{Name: w.name, Digest: w.digest, Fault: w.fault, Version: a.version, Place: placeInList(i.line, "kubeadm ClusterConfiguration "+i.name)}); err != nil {
			return err
		}
	}
	return nil
}
