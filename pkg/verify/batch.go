package verify

import (
	"slices"

	"github.com/kverify/kverify/pkg/release"
)

// batch is the images of one release that are examined together.
type batch struct {
	run   *run
	req   Request
	known bool // the policy knows the least that this minor holds
	// everything reads all documents, not only those that speak of images.
	everything bool
	// mine chooses the images of a shard; nil means all.
	mine func(name string) bool

	least  []*image // what the policy expects, within the request
	images []*image // everything examined
	facts  *facts   // what the release's own documents say; nil if they are not needed
	// promotions are the manifests that list images which are not of the release itself, by URL.
	promotions map[string]*release.Source[*release.Promotion]
	lists      map[string][]string
}

func newBatch(r *run, req Request) *batch {
	b := &batch{run: r, req: req, lists: map[string][]string{}}
	images, arches, known := r.Policy.Least(req.Version.Minor)
	b.known = known && req.Version.Major == 1
	if b.known {
		for _, name := range images {
			b.expect(name, arches...)
		}
	}
	return b
}

// expect adds to the set of what must be there. Lists only add to one another:
// whoever serves one cannot shrink the set (rule 2).
func (b *batch) expect(name string, arches ...string) {
	for _, a := range arches {
		if !slices.Contains(b.lists[name], a) {
			b.lists[name] = append(b.lists[name], a)
		}
	}
	slices.Sort(b.lists[name])
}

func (b *batch) wanted(name string) bool {
	return len(b.req.Names) == 0 || slices.Contains(b.req.Names, name)
}
