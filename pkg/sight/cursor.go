package sight

import (
	"cmp"
	"fmt"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
)

// cursor stands before one value of a document, JSON or YAML, and every method
// but kind and line goes past it. So one reader of each shape serves both, and
// JSON is never held in memory.
type cursor interface {
	// kind is '{' for an object, '[' for a list, '"' for text, '0' for a number, 't' or 'f' for a
	// truth value, 'n' for null, and something else where nothing can be read.
	kind() byte
	// object visits the members, with the cursor before each value, which visit
	// goes past. None of those in guard may stand twice. A value that is not an object is skipped.
	object(guard nameSet, visit func(name string) error) error
	// list does the same with a list.
	list(visit func() error) error
	// text gives a text, or its first [maxKept] bytes; empty for a value of another type.
	text() (string, error)
	skip() error
	// line is that of the value, counted from 1; 0 in JSON.
	line() int
}

// The lists of a pod's spec that name images, and those of its status that say
// what became of them (k8s.io/api core/v1, PodSpec and PodStatus).
var podLists = []struct{ spec, status, what string }{
	{"initContainers", "initContainerStatuses", "init container"},
	{"containers", "containerStatuses", "container"},
	{"ephemeralContainers", "ephemeralContainerStatuses", "ephemeral container"},
	{"volumes", "", "image volume"},
}

// looked are the names of members that any reader here looks at. Two members of
// one object whose names fold to the same of them, such as "image" and "Image",
// are refused: another reader might take the other one. In a member that is not read,
// nothing can be shown.
var looked = func() map[string]nameSet {
	bits := map[string]nameSet{}
	for _, name := range []string{
		"kind", "apiVersion", "metadata", "name", "namespace", "items", "spec", "template", "status",
		"containers", "initContainers", "ephemeralContainers", "volumes", "image", "reference", "imageID",
		"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses",
		"images", "names", "nodeInfo", "kubeletVersion",
		"id", "repoTags", "repoDigests", "digest", "repository", "tag",
		"kubernetesVersion", "imageRepository", "imageTag", "dns", "etcd", "local",
	} {
		bits[strictjson.Fold(name)] = 1 << len(bits)
	}
	return bits
}()

// lookedAt is the bit of a name, or 0.
func lookedAt(name string) nameSet { return looked[strictjson.Fold(name)] }

// nameSet is a set of names of one object, by their bits.
type nameSet uint64

// every are all that are looked at. Where a walk goes through objects whose names
// users choose, such as labels, only podMembers count.
const every = ^nameSet(0)

var podMembers = func() (m nameSet) {
	for _, l := range podLists {
		m |= lookedAt(l.spec)
	}
	return m
}()

// add refuses a name that was seen already.
func (m *nameSet) add(name string, bit nameSet) error {
	if *m&bit != 0 {
		return fmt.Errorf("the key %.60q stands twice in one object, in this or another spelling", name)
	}
	*m |= bit
	return nil
}

// maxKept is how much of a text is kept: no name or reference is as long.
const maxKept = 1 << 10

// imageText reads a text in which an image is named, the value of member. What is there and
// is no text names an image too, though none that can be judged: it is a fault. So it is with
// "image: {{ .Values.image }}", in which YAML reads an object. Null is an absent text, as it is
// to Kubernetes and to every tool that is written in Go.
func imageText(c cursor, member string, fault *string) (string, error) {
	*fault = cmp.Or(*fault, otherThan(c, '"', member))
	return c.text()
}

// otherThan words the fault of a member whose value is there, and is not of the kind.
func otherThan(c cursor, kind byte, member string) string {
	is := c.kind()
	switch {
	case is == kind || kindNames[is] == "":
		return ""
	case is == '{' && kind == '"':
		return member + " is an object, not a text, as a template without quotes is; render it first: helm template ... | kverify verify -f -"
	}
	return fmt.Sprintf("%s is %s, not %s, so that nothing says which image is meant; correct it", member, kindNames[is], kindNames[kind])
}

var kindNames = map[byte]string{'{': "an object", '[': "a list", '"': "a text", '0': "a number", 't': "true", 'f': "false"}

// texts reads a list of texts, the value of member, each of which names an image.
func texts(c cursor, member string, fault *string) (list []string, err error) {
	*fault = cmp.Or(*fault, otherThan(c, '[', member))
	err = c.list(func() error {
		if c.kind() != '"' {
			*fault = cmp.Or(*fault, otherThan(c, '"', "an entry of "+member))
		}
		s, err := c.text()
		if len(list) == maxImageNames {
			return &bounds.Error{What: "names of one image", Max: maxImageNames}
		}
		list = append(list, s)
		return err
	})
	return list, err
}
