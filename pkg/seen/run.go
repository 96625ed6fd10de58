package seen

import (
	"context"
	"crypto/sha256"
	"iter"
	"slices"
	"strconv"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/packages"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// Judge judges what was seen elsewhere. Its fields are set before its use and
// not changed after.
type Judge struct {
	// Verifier examines what Kubernetes released; evidence comes from where it reads and
	// from nowhere else, least of all from where a copy lies (rule 31).
	Verifier *verify.Verifier
	// Copies reads private copies, where their names point. Nil reads none: then a
	// name without a digest stays unknown.
	Copies *registry.Client
	// Names says which names are ours, and which were mapped to ours.
	Names sight.Names
	// Arches are the architectures of which copies are judged; none means all.
	Arches []string
	// Release is what is asked of for a digest that has no name; the zero value asks of none.
	Release release.Version
	// Strict makes each image that is not Kubernetes' unknown.
	Strict bool
}

// Input is what is to be judged.
type Input struct {
	Subjects []string          // as the caller was asked, for the report
	Releases []release.Version // of which every image is examined
	Refs     []registry.Ref    // names to be fetched where they point
	Digests  []oci.Digest      // of which nothing else is known
	// Lists yield what was reported. An error that one yields ends the run, and is Judge's.
	Lists    []iter.Seq2[sight.Sighting, error]
	Copies   []Container
	Packages []Package
	// Before is a report of the same verifier that is to be part of this one, such as of files.
	Before report.Report
}

// Container is what one archive, layout or directory holds.
type Container struct {
	Name   string // as it was given
	Copies []sight.Copy
	Err    error // why it cannot be read; Copies is empty then
}

// Package is a package of deb or rpm, as it was read.
type Package struct {
	Name string // as it was given
	*packages.Package
	// Said are the releases that each program's bytes name, by path.
	Said map[string][]release.Version
	Err  error // why it cannot be read; Package is nil then
}

// promotedWith is an image whose promotion manifest has all images of a release.
const promotedWith = "kube-proxy"

// run is one run of a Judge.
type run struct {
	judge    *Judge
	verifier *verify.Verifier
	policy   *trust.Policy

	groups []*group
	byKey  map[[sha256.Size]byte]*group

	alone    []registry.Ref             // names of one architecture, which are examined as they are and make no table
	wanted   []registry.Ref             // what Kubernetes released, to be examined
	asked    map[[sha256.Size]byte]bool // names, by their identifier
	tables   map[string]*table          // by name
	order    []*table
	hits     map[oci.Digest][]hit
	rows     map[oci.Digest][]trust.CatalogueRow // of the catalogue, by digest; nil until one is looked up
	promoted func(context.Context) *release.Promotion
	beyond   map[oci.Digest]bool // digests that were not looked up by themselves, since there were too many
	releases []string
	ofArch   map[string][]report.Result // of the names in alone, by subject
	inner    []report.Result            // of documents, and of names that were asked for themselves

	whole      []release.Version // releases that are to be examined as a whole
	fetched    []claim
	containers []held

	results []report.Result
	merged  map[[sha256.Size]byte]int
	others  []string        // images that are not judged
	counted map[string]bool // of those: a distinct digest, else a distinct name
	vendors int
	remarks []string // for the verdict's line
}

func newRun(j *Judge) *run {
	s := &run{judge: j, verifier: j.Verifier, policy: j.Verifier.Policy,
		byKey: map[[sha256.Size]byte]*group{}, asked: map[[sha256.Size]byte]bool{}, tables: map[string]*table{},
		hits: map[oci.Digest][]hit{}, beyond: map[oci.Digest]bool{}, merged: map[[sha256.Size]byte]int{}, counted: map[string]bool{}}
	if s.policy == nil {
		s.policy = trust.EmbeddedPolicy()
	}
	var once par.Once
	var promotion *release.Promotion
	s.promoted = func(ctx context.Context) *release.Promotion {
		once.Do(func() { promotion = release.LoadPromotion(ctx, s.verifier.Fetch, promotedWith).Value })
		return promotion
	}
	return s
}

// group takes in what was seen in one place; the zero place is none.
func (s *run) group(t thing, place report.Place) {
	words := append(make([]string, 0, 8), t.seen, joinDigests(t.written), strconv.FormatBool(t.reported), strconv.FormatBool(t.bare), t.fault)
	for _, d := range t.digests {
		words = append(words, string(d))
	}
	key := identifier(words...)
	g := s.byKey[key]
	if g == nil {
		g = &group{thing: t}
		s.byKey[key], s.groups = g, append(s.groups, g)
		if t.claim != nil && s.isArch(t.claim.ref) {
			if s.first(t.claim.ref) { // want has none of these names
				s.alone = append(s.alone, t.claim.ref)
			}
		} else if t.claim != nil {
			s.want(t.claim.ref)
		}
	}
	if place != (report.Place{}) && len(g.places) < report.MaxPlaces {
		g.places = append(g.places, place)
	} else if place != (report.Place{}) {
		g.more++
	}
	for _, name := range t.also {
		if name != t.seen && !slices.Contains(g.also, name) && len(g.also) < report.MaxPlaces {
			g.also = append(g.also, name)
		}
	}
}

// want asks for what Kubernetes released under a name.
func (s *run) want(ref registry.Ref) {
	if s.first(ref) {
		s.wanted = append(s.wanted, ref)
	}
}

// first says whether a name is asked for the first time.
func (s *run) first(ref registry.Ref) bool {
	id := identifier(ref.String())
	if s.asked[id] {
		return false
	}
	s.asked[id] = true
	return true
}

// isArch says whether a name is that of one architecture's image. A claim has it
// only where the name itself is asked about: its table is that of the image.
func (s *run) isArch(ref registry.Ref) bool {
	_, arch := s.policy.SplitArch(ref.Repository)
	return arch != ""
}

// remark says something in the verdict's own line, once.
func (s *run) remark(text string) {
	if !slices.Contains(s.remarks, text) {
		s.remarks = append(s.remarks, text)
	}
}

// inside takes over the results of what the others rest on, such as of an SBOM.
func (s *run) inside(results []report.Result) {
	for _, res := range results {
		if res.Kind != report.KindImage && !slices.ContainsFunc(s.inner, func(o report.Result) bool { return o.Subject == res.Subject }) {
			s.inner = append(s.inner, res)
		}
	}
}
