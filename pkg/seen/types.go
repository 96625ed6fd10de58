package seen

import (
	"slices"

	"github.com/kverify/kverify/pkg/convert"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// A claim is what a name says: that something is this image. Names are carried
// claims (rule 31): one chooses the table that counts, and proves nothing.
type claim struct {
	seen     string       // the name as it was seen
	ref      registry.Ref // at the policy's registry: image and tag, or image and digest
	platform string       // "os/arch..." that the name says; empty says nothing
	listed   []string     // what each index above says, where it says any
	pinned   oci.Digest   // beside the tag in a copy's name: it may contradict, and shows nothing
}

// standing is whose a name is.
type standing struct {
	kind sight.Kind
	own  bool // it is the name at Kubernetes' own registry, and was not mapped
}

// A table is one genuine image: what was found out about its name, and the
// digests of everything that its index leads to. Those are bytes that the signed
// index names, so that equality with one of them is equality with the image.
type table struct {
	ref       registry.Ref
	index     *report.Result // of the index, or of the one manifest that the name has; empty where there is none
	platforms []*genuine
	derived   []derived // forms of the index
	read      bool      // it was made of all results of an examination
	whole     bool      // every platform was verified, and its config read
	lacking   []string  // platforms that were not
}

// genuine is one platform of a table.
type genuine struct {
	of       *table
	result   report.Result
	image    *registry.Image
	manifest []byte
	config   []byte
	diffIDs  []oci.Digest
	platform registry.Platform // of the config
	derived  []derived
	err      error // why manifest or config could not be read
}

// A hit is one digest of a table, and what it is the digest of.
type hit struct {
	table *table
	of    *genuine // nil for an index
	role  sight.Role
	form  *derived // set where a converter would write it
}

// derived is what a named converter must write of something genuine (rule 29).
type derived struct {
	convert.Derived
	role sight.Role
}

// another is what a digest is that was seen under a name which is not its own, and by whose
// word: that of a signed image, or of the catalogue.
type another struct {
	name     string
	strength report.Strength
	source   string
	document oci.Digest // that of the source
}

// evidence says whose word it is. Where the digest was seen is no part of it.
func (a another) evidence() report.Evidence {
	return report.Evidence{What: "claim", Source: a.source, Digest: string(a.document), Strength: &a.strength, Fields: map[string]string{report.FieldSays: "the digest is that of " + a.name}}
}

// A finding is what came of one index or one platform of a copy.
type finding struct {
	verdict report.Verdict
	reason  report.Reason
	detail  string

	of       *genuine   // the platform that it is; nil for an index, and where it is not one of them
	index    *table     // the table of an index that was found in it, or was not
	platform string     // as the copy says it, where it is not one of ours
	digest   oci.Digest // of what was seen
	role     sight.Role
	form     *derived
	by       *another // who contradicts; nil for the bytes themselves
	notes    []string
}

// thing is what was seen in one place.
type thing struct {
	seen     string // the name as it stands there; empty where there is none
	claim    *claim // of a name that is ours, or was mapped to ours
	at       standing
	digests  []oci.Digest // of one image: what is known of one of them is known of it
	written  []oci.Digest // those in its names beside other digests: they may contradict, and show nothing
	bare     bool         // the first digest is a storage's id, which cannot contradict
	role     sight.Role
	reported bool // by a runtime: nothing is fetched for it
	fault    string
	also     []string // further names
}

// digest is the first of them, or empty.
func (t thing) digest() oci.Digest {
	if len(t.digests) == 0 {
		return ""
	}
	return t.digests[0]
}

// write takes in digests that stand in its name. The first is its digest where it has
// none, and was not reported.
func (t *thing) write(inName []oci.Digest) {
	for _, d := range inName {
		switch {
		case d == "":
		case len(t.digests) == 0 && !t.reported:
			t.digests = []oci.Digest{d}
		case !slices.Contains(t.digests, d) && !slices.Contains(t.written, d):
			t.written = append(t.written, d)
		}
	}
}

// toldDigests are its digests, and those in its names.
func (t thing) toldDigests() []oci.Digest {
	if len(t.written) == 0 || len(t.digests) == 0 {
		return t.digests
	}
	return slices.Concat(t.digests, t.written)
}

// group is one thing, with every place where it was seen.
type group struct {
	thing
	places []report.Place
	more   int
}

// held is one container, with the claims that the names of its copies make.
type held struct {
	name   string
	copies []heldCopy
}

type heldCopy struct {
	sight.Copy
	claims []claim
	at     standing
	tag    string   // where its list names no repository, and a tag alone
	wrong  []string // names that are no reference, so that nothing says whose they are
}
