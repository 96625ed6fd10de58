package verify

import (
	"slices"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/release"
)

// imageSet is images that are examined and judged together: those of one release, or
// ones that were named, of one release or of none. What ties an image to a version is
// decided over all of them.
//
// Its steps are [imageSet.examineAll], then [imageSet.outcomes] or [imageSet.results].
type imageSet struct {
	run     *run
	version release.Version // zero if of none
	// oneByOne says that the images were named one by one: nothing says what else was
	// meant, so that no list adds to them and nothing can be missing.
	oneByOne      bool
	names, arches []string // what was asked for; none means all
	known         bool     // the policy knows the least that this minor holds
	// everything reads all documents, not only those that speak of images.
	everything bool
	// noImages reads documents alone.
	noImages bool
	// inShard chooses the images of a shard; nil means all.
	inShard func(name string) bool

	named   []placing         // what was named one by one, of which minimum is made
	minimum []*image          // what can be examined before any document was read
	images  []*image          // everything examined
	docs    *claims.Documents // what the release says itself; nil if it is not needed
	// promotions are the manifests that list images which are not of the release itself, by URL.
	promotions map[string]*release.Source[*release.Promotion]
	lists      map[string][]string // architectures that must be there, by image
}

// newImageSet begins the set of a release's images.
func newImageSet(r *run, v release.Version, names, arches []string) *imageSet {
	b := &imageSet{run: r, version: v, names: names, arches: arches, lists: map[string][]string{}}
	minimum, all, known := r.session.Policy.MinimumImages(v.Minor)
	b.known = known && v.Major == 1
	if b.known {
		for _, name := range minimum {
			b.expect(name, all...)
		}
	}
	return b
}

// expect adds to the set of what must be there. Lists only add to one another:
// an attacker who serves one cannot shrink the set (rule 2).
func (b *imageSet) expect(name string, arches ...string) {
	for _, a := range arches {
		if !slices.Contains(b.lists[name], a) {
			b.lists[name] = append(b.lists[name], a)
		}
	}
	slices.Sort(b.lists[name])
}

func (b *imageSet) wanted(name string) bool {
	return len(b.names) == 0 || slices.Contains(b.names, name)
}

func (b *imageSet) examines(name string) bool {
	return b.wanted(name) && (b.inShard == nil || b.inShard(name))
}
