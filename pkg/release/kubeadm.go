package release

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// kubeadm.txt says which images the kubeadm of a version asks for beside those
// of its release. It is made by tools/kubeadm from another project's table, which
// its first lines name: facts about constants of kubeadm, and no claim. What it
// says adds to what is expected; the digests of these images are proved as all
// others are.
//
//go:embed kubeadm.txt
var kubeadmText []byte

var kubeadmTable = sync.OnceValue(func() *KubeadmTable {
	t, err := ParseKubeadmTable(kubeadmText)
	if err != nil {
		panic("embedded kubeadm.txt: " + err.Error()) // a test reads it
	}
	return t
})

// A KubeadmTable is which images kubeadm asks for, by version and image.
type KubeadmTable struct {
	Source string // where it is from
	tags   map[Version]map[string]string
}

// kubeadmNames are the images in it. Up to v1.20 CoreDNS lay at the top.
var kubeadmNames = []string{"pause", "etcd", "coredns/coredns", "coredns"}

// NewKubeadmTable makes a table of tags by version and image. A version must
// have pause, etcd and one CoreDNS; the error is a [*FormatError].
func NewKubeadmTable(source string, tags map[Version]map[string]string) (*KubeadmTable, error) {
	for v, images := range tags {
		_, atTop := images["coredns"]
		_, below := images["coredns/coredns"]
		if len(images) != 3 || images["pause"] == "" || images["etcd"] == "" || atTop == below {
			return nil, &FormatError{Document: kubeadmName, Why: fmt.Sprintf("%s: want pause, etcd and one CoreDNS", v)}
		}
		for name, tag := range images {
			if !imageTag(tag) {
				return nil, &FormatError{Document: kubeadmName, Why: fmt.Sprintf("%s: %s has the tag %s", v, name, quote(tag))}
			}
		}
	}
	if strings.ContainsAny(source, "\r\n") || source == "" {
		return nil, &FormatError{Document: kubeadmName, Why: "its source is not one line"}
	}
	return &KubeadmTable{source, tags}, nil
}

const (
	kubeadmName   = "kubeadm.txt"
	kubeadmSource = "# source: "
)

// Text writes the table, the same bytes for the same table: a line for the
// versions of a minor that ask for the same images,
//
//	1.27 pause=3.9 etcd=3.5.7-0 coredns/coredns=v1.10.1: 0-beta.0 0-rc.0 0 1 2
//
// oldest first.
func (t *KubeadmTable) Text() []byte {
	var b strings.Builder
	b.WriteString("# Images that kubeadm asks for beside those of its release; written by tools/kubeadm.\n" + kubeadmSource + t.Source + "\n")
	last := ""
	for _, v := range t.Versions() {
		images := t.tags[v]
		words := []string{v.MinorString()}
		for _, name := range kubeadmNames {
			if tag := images[name]; tag != "" {
				words = append(words, name+"="+tag)
			}
		}
		line := strings.Join(words, " ")
		if line != last {
			if last != "" {
				b.WriteByte('\n')
			}
			b.WriteString(line + ":")
			last = line
		}
		b.WriteString(" " + strings.TrimPrefix(v.Bare(), v.MinorString()+"."))
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// ParseKubeadmTable reads what [KubeadmTable.Text] writes. The error is a
// [*FormatError].
func ParseKubeadmTable(data []byte) (*KubeadmTable, error) {
	tags := map[Version]map[string]string{}
	source := ""
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if s, ok := strings.CutPrefix(line, kubeadmSource); ok {
			source = s
		}
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		head, patches, _ := strings.Cut(line, ": ")
		words := strings.Fields(head)
		if len(words) != 4 {
			return nil, &FormatError{kubeadmName, n, "want MINOR, three images and patches"}
		}
		images := map[string]string{}
		for _, word := range words[1:] {
			name, tag, ok := strings.Cut(word, "=")
			if !ok || !slices.Contains(kubeadmNames, name) {
				return nil, &FormatError{kubeadmName, n, quote(word) + " is not an image of kubeadm"}
			}
			images[name] = tag
		}
		for _, patch := range strings.Fields(patches) {
			v, err := ParseVersion(words[0] + "." + patch)
			if err != nil || tags[v] != nil {
				return nil, &FormatError{kubeadmName, n, quote(patch) + " is not a patch, or appears twice"}
			}
			tags[v] = images
		}
	}
	return NewKubeadmTable(source, tags)
}

// Versions lists the versions in the table, oldest first.
func (t *KubeadmTable) Versions() []Version {
	return slices.SortedFunc(maps.Keys(t.tags), Version.Compare)
}

// Images returns what the kubeadm of that version asks for; ok is false for a
// version that is not in the table.
func (t *KubeadmTable) Images(v Version) (images []string, ok bool) {
	for _, name := range kubeadmNames {
		if tag := t.tags[v][name]; tag != "" {
			images = append(images, registryHost+"/"+name+":"+tag)
		}
	}
	return images, len(images) > 0
}

// KubeadmImages returns the images, such as "registry.k8s.io/pause:3.9", that
// the kubeadm of that version asks for beside those of the release. ok is false
// where it is not known: the constants change with patches, so that nothing is
// concluded from a neighbour. [KubeadmKnown] says how far the table goes.
func KubeadmImages(v Version) (images []string, ok bool) { return kubeadmTable().Images(v) }

// KubeadmKnown returns the newest version of v's minor whose images are known,
// or where none is the newest of all; and the source of the table.
func KubeadmKnown(v Version) (newest Version, source string) {
	of := Version{}
	for _, w := range kubeadmTable().Versions() {
		newest = w
		if w.Major == v.Major && w.Minor == v.Minor {
			of = w
		}
	}
	if !of.IsZero() {
		newest = of
	}
	return newest, kubeadmTable().Source
}
