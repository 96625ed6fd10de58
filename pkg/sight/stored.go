package sight

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// stored is one image of an image store: of crictl, docker, podman, nerdctl, a node.
type stored struct {
	id      string   // "sha256:…", 64 hex digits, or 12
	tags    []string // "registry.k8s.io/kube-proxy:v1.30.1"
	digests []string // "registry.k8s.io/kube-proxy@sha256:…"
	digest  string   // podman's and docker's "Digest"
	// repository and tag are those of a line of docker image ls.
	repository, tag string

	isImage bool   // it has a member that only images have
	odd     bool   // it has one that only containers, or archives, have
	fault   string // why one of them is no text, or no list of texts
	line    int
}

// member reads a member of an image, as the tools spell them, and goes past any
// other: crictl's id, repoTags and repoDigests; docker's and podman's Id, RepoTags,
// RepoDigests, Names and Digest; ID, Repository, Tag and Digest of a table's line.
func (e *stored) member(c cursor, member string) (err error) {
	switch member {
	case "id", "Id", "ID":
		e.id, err = imageText(c, member, &e.fault)
	case "repoTags", "RepoTags":
		e.isImage = true
		err = e.add(c, member, &e.tags)
	case "repoDigests", "RepoDigests":
		e.isImage = true
		err = e.add(c, member, &e.digests)
	case "Names":
		err = e.add(c, member, &e.tags)
	case "Digest":
		e.digest, err = imageText(c, member, &e.fault)
	case "Repository":
		e.isImage = true
		e.repository, err = imageText(c, member, &e.fault)
	case "Tag":
		e.tag, err = imageText(c, member, &e.fault)
	case "Image", "ImageID", "State", "Layers":
		e.odd = true
		err = c.skip()
	default:
		err = c.skip()
	}
	return err
}

func (e *stored) add(c cursor, member string, to *[]string) error {
	list, err := texts(c, member, &e.fault)
	if len(*to)+len(list) > maxImageNames {
		return &bounds.Error{What: "names of one image", Max: maxImageNames}
	}
	*to = append(*to, list...)
	return err
}

// none is what docker writes in the place of a name, tag or digest.
func none(s string) bool { return s == "" || strings.Contains(s, "<none>") }

// emit hands on a sighting for each digest that the image was pulled by, with the
// id beside it, or one of the id where there is none. A tag of the digest's own
// repository is its name before any other, and every name stands with each.
func (e *stored) emit(f *found, at report.Place) error {
	f.understood = true
	names, fault := e.names()
	fault = firstText(e.fault, fault)
	id := readID(e.id)
	if none(e.id) {
		id = imageID{}
	}
	var also []oci.Digest
	if id.digest != "" && !id.bare {
		also = []oci.Digest{id.digest}
	}
	pulled, wrong := e.pulled()
	fault = firstText(fault, wrong)
	if len(pulled) > 0 && !id.short { // as a store prints for people, beside a whole digest
		fault = firstText(fault, id.fault)
	}
	var seen []oci.Digest
	for _, p := range pulled {
		if slices.Contains(seen, p.digest) {
			continue
		}
		seen = append(seen, p.digest)
		s := Sighting{Digest: p.digest, Reported: true, Fault: fault, Place: at}
		if len(also) > 0 && also[0] != p.digest {
			s.Also = also
		}
		own, _, _ := strings.Cut(p.name, "@")
		for _, first := range []bool{true, false} {
			for _, n := range names {
				if strings.HasPrefix(n, own+":") == first {
					s.addName(n)
				}
			}
		}
		s.addName(p.name)
		if err := f.add(s); err != nil {
			return err
		}
	}
	if len(seen) > 0 {
		return nil
	}
	s := Sighting{Digest: id.digest, Bare: id.bare, Reported: true, Fault: firstText(fault, id.fault), Place: at}
	for _, n := range names {
		s.addName(n)
	}
	if s.Name == "" && s.Digest == "" && s.Fault == "" {
		f.nameless++
		return nil
	}
	return f.add(s)
}

// pulled are the digests that the image was pulled by, and what is wrong with one:
// that says something of the whole image, wherever it stands among the others.
func (e *stored) pulled() (list []imageID, fault string) {
	for _, d := range append(slices.Clone(e.digests), e.digest) {
		if none(d) {
			continue
		}
		p := readID(d)
		if p.fault == "" && p.bare {
			p.fault = "a digest is written as 64 digits alone; a digest is sha256: and 64 lower-case hex digits"
		}
		if p.fault != "" {
			fault = firstText(fault, p.fault)
			continue
		}
		list = append(list, p)
	}
	return list, fault
}

// names are the references of the image without digests, and what is wrong with one.
func (e *stored) names() (names []string, fault string) {
	tags := e.tags
	if !none(e.repository) && !none(e.tag) {
		tags = append(slices.Clone(tags), e.repository+":"+e.tag)
	} else if !none(e.repository) {
		tags = append(slices.Clone(tags), e.repository)
	}
	for _, t := range tags {
		if none(t) {
			continue
		}
		w := readWritten(t)
		fault = firstText(fault, w.fault)
		if w.name != "" {
			names = append(names, w.name)
		}
	}
	return names, fault
}

func firstText(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
