package sight

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
)

// kube is one object of Kubernetes, or what may turn out to be one.
type kube struct {
	kind, version, namespace, name string

	containers []container
	reported   []container // the entries of a status
	hasStatus  bool
	node       []nodeImage
	nodeNames  int
	kubelet    string
}

// container is an entry of a spec or of a status.
type container struct {
	what        string // "init container"
	name, image string
	imageID     string // of a status
	fault       string // why one of them is no text
	line        int
}

type nodeImage struct {
	names []string
	fault string
	line  int
}

func (k *kube) metadata(c cursor) error {
	return c.object(every, func(member string) (err error) {
		switch member {
		case "name":
			k.name, err = c.text()
		case "namespace":
			k.namespace, err = c.text()
		default:
			err = c.skip()
		}
		return err
	})
}

// walk goes through a spec, of whatever kind, to the pod template in it: lists
// of the names that containers have.
func (k *kube) walk(c cursor) error {
	switch c.kind() {
	case '[':
		return c.list(func() error { return k.walk(c) })
	case '{':
		return c.object(podMembers, func(member string) error {
			i := slices.IndexFunc(podLists, func(l struct{ spec, status, what string }) bool { return l.spec == member })
			if i < 0 || c.kind() != '[' {
				return k.walk(c)
			}
			return c.list(func() error { return k.container(c, podLists[i].what) })
		})
	}
	return c.skip()
}

// container reads an entry of a list of containers or volumes.
func (k *kube) container(c cursor, what string) error {
	volume := what == "image volume"
	if len(k.containers) == maxInItem {
		return &bounds.Error{What: "containers in one object", Max: maxInItem}
	}
	e := container{what: what, line: c.line()}
	isObject, isImage := c.kind() == '{', !volume
	err := c.object(every, func(member string) (err error) {
		switch {
		case member == "name":
			e.name, err = c.text()
		case member == "image" && !volume:
			e.line = c.line()
			e.image, err = imageText(c, "image", &e.fault)
		case member == "image":
			e.fault = otherThan(c, '{', "image")
			isImage = c.kind() == '{' || e.fault != ""
			e.line = c.line()
			err = c.object(every, func(member string) (err error) {
				if member != "reference" {
					return c.skip()
				}
				e.image, err = imageText(c, "reference", &e.fault)
				return err
			})
		default:
			err = c.skip()
		}
		return err
	})
	if isObject && isImage {
		k.containers = append(k.containers, e)
	}
	return err
}

// status reads a pod's or a node's, and what an image store says of one image,
// which crictl also calls a status.
func (k *kube) status(c cursor, store *stored) error {
	return c.object(every, func(member string) error {
		for _, l := range podLists {
			if l.status == member && l.status != "" {
				k.hasStatus = true
				return c.list(func() error { return k.containerStatus(c, l.what) })
			}
		}
		switch member {
		case "images":
			return c.list(func() error { return k.nodeImage(c) })
		case "nodeInfo":
			return c.object(every, func(member string) (err error) {
				if member != "kubeletVersion" {
					return c.skip()
				}
				k.kubelet, err = c.text()
				return err
			})
		case "phase":
			k.hasStatus = true
		}
		return store.member(c, member)
	})
}

func (k *kube) containerStatus(c cursor, what string) error {
	if len(k.reported) == maxInItem {
		return &bounds.Error{What: "containers in one object", Max: maxInItem}
	}
	e := container{what: what, line: c.line()}
	isObject := c.kind() == '{'
	err := c.object(every, func(member string) (err error) {
		switch member {
		case "name":
			e.name, err = c.text()
		case "image":
			e.image, err = imageText(c, "image", &e.fault)
		case "imageID":
			e.line = c.line()
			e.imageID, err = imageText(c, "imageID", &e.fault)
		default:
			err = c.skip()
		}
		return err
	})
	if isObject {
		k.reported = append(k.reported, e)
	}
	return err
}

func (k *kube) nodeImage(c cursor) error {
	e := nodeImage{line: c.line()}
	if c.kind() != '{' {
		return c.skip()
	}
	err := c.object(every, func(member string) (err error) {
		if member != "names" {
			return c.skip()
		}
		e.names, err = texts(c, "names", &e.fault)
		return err
	})
	// Each is counted, so that images without names cost something too.
	if k.nodeNames += 1 + len(e.names); k.nodeNames > maxInItem {
		return &bounds.Error{What: "names of images of one node", Max: maxInItem}
	}
	k.node = append(k.node, e)
	return err
}

// entry is the object's own place: "pod kube-system/etcd-0".
func (k *kube) entry() string {
	kind := strings.ToLower(k.kind)
	switch {
	case kind != "":
	case k.hasStatus:
		kind = "pod"
	case len(k.node) > 0:
		kind = "node"
	default:
		kind = "object"
	}
	name := k.name
	if k.namespace != "" {
		name = k.namespace + "/" + name
	}
	if name == "" {
		return plain(kind)
	}
	return plain(kind) + " " + plain(name)
}

// place is where one of its containers stands.
func (k *kube) place(e container) string {
	if e.name == "" {
		return k.entry() + " " + e.what
	}
	return k.entry() + " " + e.what + " " + plain(e.name)
}

// emit hands on what was read of the object.
func (k *kube) emit(f *found) error {
	if k.kubelet != "" {
		countOne(&f.kubelets, plain(k.kubelet))
	}
	if len(k.node) == atEnd {
		f.nodesAtEnd++
	}
	for _, e := range k.node {
		if err := k.emitNode(f, e); err != nil {
			return err
		}
	}
	// Each container of the spec takes the status of its name; what is left over
	// on either side stands alone.
	told := make(map[string][]int, len(k.reported))
	for i, e := range k.reported {
		key := e.what + " " + e.name
		told[key] = append(told[key], i)
	}
	for _, e := range k.containers {
		var s *container
		key := e.what + " " + e.name
		if left := told[key]; len(left) > 0 {
			s, told[key] = &k.reported[left[0]], left[1:]
		}
		if err := k.emitContainer(f, e, s); err != nil {
			return err
		}
	}
	for i, e := range k.reported {
		if left := told[e.what+" "+e.name]; !slices.Contains(left, i) {
			continue
		}
		if err := k.emitContainer(f, container{what: e.what, name: e.name, line: e.line}, &e); err != nil {
			return err
		}
	}
	return nil
}

// emitContainer hands on one container, with what its status says, or nil.
//
// One without an image, or with null or an empty text, is legal in what is written: the API
// lets what manages a configuration supply it (core/v1, Container.Image), and a server takes
// no pod as long as nothing did. So there is no image to judge, which is counted.
func (k *kube) emitContainer(f *found, e container, status *container) error {
	if e.image == "" && e.fault == "" && status == nil {
		f.understood = true
		f.imageless++
		return nil
	}
	s := Sighting{Place: placeInList(e.line, k.place(e)), Fault: e.fault}
	if e.image != "" {
		w := readWritten(e.image)
		s.Name, s.Digest, s.Fault = w.name, w.digest, cmp.Or(s.Fault, w.fault)
	}
	if isPod := k.kind == "" || k.kind == "Pod"; status == nil && k.hasStatus && isPod && e.what != "image volume" {
		status = &container{} // a pod that is not yet scheduled has a phase alone
	}
	if status == nil {
		return f.add(s)
	}
	s.Reported, s.Digest = true, ""
	id := readID(status.imageID)
	if id.digest == "" && id.fault == "" {
		f.waiting++
	}
	s.Digest, s.Bare, s.Fault = id.digest, id.bare, cmp.Or(s.Fault, status.fault, id.fault)
	s.addStatusImage(status.image)
	s.addName(id.name)
	return f.add(s)
}

// addStatusImage adds what a status calls the image: another of its names, or a
// config's digest where it has none.
func (s *Sighting) addStatusImage(image string) {
	if image == "" {
		return
	}
	if id := readID(image); id.digest != "" && id.name == "" && !id.bare {
		if id.digest != s.Digest {
			s.Also = append(s.Also, id.digest)
		}
		return
	}
	w := readWritten(image)
	if w.fault != "" && s.Fault == "" {
		s.Fault = w.fault
	}
	s.addName(w.name)
}

// emitNode hands on one image of a node.
func (k *kube) emitNode(f *found, e nodeImage) error {
	image := stored{fault: e.fault}
	for _, name := range e.names {
		if strings.Contains(name, "@") {
			image.digests = append(image.digests, name)
		} else {
			image.tags = append(image.tags, name)
		}
	}
	return image.emit(f, placeInList(e.line, k.entry()))
}

// without counts an object that has no pod template.
func (k *kube) without(f *found) {
	f.understood = true
	countOne(&f.without, plain(k.kind))
}
