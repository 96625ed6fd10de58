package sight

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
)

// maxLists is how deep lists may stand in lists: kubectl writes one, and what
// puts several together may write two.
const maxLists = 3

// maxOthers is how many members of an object are kept, to say what it is instead.
const maxOthers = 64

// value reads one JSON value or YAML document of a list, whatever its shape.
func (f *found) value(c cursor) error {
	if c.kind() == '[' {
		return c.list(func() error { return f.thing(c, "", 1) })
	}
	return f.thing(c, "", 0)
}

// thing is what one object may turn out to be: the members come in any order,
// so that everything is read that any shape has.
type thing struct {
	kube  kube
	adm   kubeadm
	image stored

	items, images bool     // it has such a list
	others        []string // its further members
}

// thing reads one object. kind is what an entry of a list has that gives none
// itself, as the entries of a PodList of the server do.
func (f *found) thing(c cursor, kind string, depth int) error {
	if c.kind() != '{' {
		f.odd++
		return c.skip()
	}
	t := thing{}
	t.kube.kind = kind
	t.image.line = c.line()
	if err := c.object(every, func(member string) error { return t.member(f, c, member, depth) }); err != nil {
		return err
	}
	k := &t.kube
	switch {
	case len(k.containers)+len(k.reported)+len(k.node) > 0 || k.kubelet != "":
		return k.emit(f)
	case t.image.isImage && !t.image.odd:
		return t.image.emit(f, placeInList(t.image.line, ""))
	case k.kind == "ClusterConfiguration" && strings.HasPrefix(k.version, "kubeadm.k8s.io/"):
		return t.adm.emit(f)
	case t.items || t.images:
		return nil
	case k.kind != "" && (k.version != "" || kind != ""):
		k.without(f)
		return nil
	}
	if what := alien(t.others); what != "" {
		return &ListError{Source: f.source, Line: c.line(), Why: "it is " + what, Hint: alienHint(what), NotAList: f.count == 0}
	}
	f.odd++
	return nil
}

func (t *thing) member(f *found, c cursor, member string, depth int) (err error) {
	switch member {
	case "kind":
		if s, err := c.text(); err != nil || s != "" {
			t.kube.kind = s
			return err
		}
	case "apiVersion":
		t.kube.version, err = c.text()
	case "metadata":
		err = t.kube.metadata(c)
	case "spec", "template":
		err = t.kube.walk(c)
	case "status":
		err = t.kube.status(c, &t.image)
	case "items":
		if depth == maxLists {
			return &bounds.Error{What: "lists in one another", Max: maxLists}
		}
		t.items, f.understood = true, true // null is an empty one
		of := strings.TrimSuffix(t.kube.kind, "List")
		err = c.list(func() error { return f.thing(c, of, depth+1) })
	case "images":
		err = t.readImages(f, c)
	default:
		if taken, err := t.adm.member(c, member); taken || err != nil {
			return err
		}
		if len(t.others) < maxOthers {
			t.others = append(t.others, member)
		}
		err = t.image.member(c, member)
	}
	return err
}

// readImages reads the list of crictl images, of objects, or of kubeadm config
// images list, of names, and hands on each as it comes.
func (t *thing) readImages(f *found, c cursor) error {
	if c.kind() != '[' {
		return c.skip()
	}
	t.images = true
	n := 0
	return c.list(func() error {
		n++
		at := placeInList(c.line(), fmt.Sprintf("image %d", n))
		if c.kind() == '"' {
			s, err := c.text()
			if err != nil {
				return err
			}
			w := readWritten(s)
			return f.add(Sighting{Name: w.name, Digest: w.digest, Fault: w.fault, Place: at})
		}
		if fault := otherThan(c, '{', "it"); fault != "" {
			if err := c.skip(); err != nil {
				return err
			}
			return f.add(Sighting{Fault: fault, Place: at})
		}
		var e stored
		if err := c.object(every, func(member string) error { return e.member(c, member) }); err != nil {
			return err
		}
		if !e.isImage {
			f.odd++
			return nil
		}
		return e.emit(f, at)
	})
}
