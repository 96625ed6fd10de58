package verify

import (
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// image is one image to examine: an index (or, for a digest that was asked for
// by itself, a single manifest), its platforms, and their own repositories.
type image struct {
	name string     // path in the registry, such as "kube-proxy" or "coredns/coredns"
	tag  string     // may be empty if pin is set
	pin  oci.Digest // digest that the caller demands, or empty
	// platformPin is the digest that the caller demands of the one architecture
	// in arches, or empty.
	platformPin oci.Digest
	version     release.Version // of the release it is said to belong to; zero if of none
	core        bool            // built with the release: has per-arch repositories, and stands in its lists
	arches      []string        // examine only these architectures; none means all
	oses        []string        // examine only these systems; none means all
	expect      []string        // architectures that must be there
	// askedFor is the name that the caller gave, where what is examined for it has
	// another; zero if it has none.
	askedFor registry.Ref
	// child is the digest that the caller demands of one platform, whichever it
	// is, beside the tag of an index. That index is judged with it (rule 20).
	child oci.Digest
	index oci.Digest // of a child: the digest of the index that a document gave; empty is what the tag names
	// narrowed says that arches and oses are what a mirror holds, and not what the
	// caller asked for.
	narrowed bool
	left     []*platform  // that a mirror says it has not, so that they are not examined
	other    report.Check // what one of them contradicts all the same
	own      bool         // asked for by the name of the repository that one architecture has for itself
	// early has for architectures that must be there the manifest that their own
	// repository has under the tag: it is asked for before the index names any.
	early map[string]func() (*registry.Manifest, error)

	// What was found.
	digest            oci.Digest
	mediaType         string
	digestCheck       report.Check
	signed            signed
	platforms         []*platform
	boundTo           []release.Version // by the binding, for an image that is named by its digest alone
	records           []*record         // of its promotion, those that were asked for and verified
	attested          []report.Check    // what was asked for beyond the signature
	binding, contents report.Check
	single            bool // no index: platforms is empty
	stray             bool // child is not a platform of the index that was read
	carriedAlong      bool // child is named by the index, for no platform
}

// placing is a reference, and the image that it stands for.
type placing struct {
	ref    registry.Ref
	name   string // of the image
	placed *image // nil where the reference alone says which image it is
}

// platform is one manifest that an index names.
type platform struct {
	arch, name string // "arm64"; "linux/arm64"
	desc       registry.Descriptor
	seenAs     []string

	digestCheck report.Check
	signed      signed
	diffIDs     []oci.Digest          // of the config, uncompressed layers in order
	layers      []oci.Digest          // of the manifest, compressed layers in order
	blobs       []registry.Descriptor // the same
	repository  string                // where they can be had
	config      oci.Digest            // digest
	absent      string                // name of its own that a stand-in does not have
	attested    []report.Check        // of its own, if it was asked for itself

	binding, contents report.Check
}

// linux says whether it is of the one system that releases have images for. One
// that is expected and was not found counts as such.
func (p *platform) linux() bool { return p.desc.Platform == nil || p.desc.Platform.OS == "linux" }

func (im *image) ref() registry.Ref {
	return registry.Ref{Tag: im.tag, Repository: im.name, Digest: im.pin}
}

func (r *run) subject(im *image) string {
	if im.askedFor.Repository != "" {
		return im.askedFor.String()
	}
	return r.refOf(im).String()
}

func (r *run) refOf(im *image) registry.Ref {
	ref := im.ref()
	ref.Host = r.session.Policy.Images.Registry
	return ref
}

// in names a repository of the registry that the policy names.
func (r *run) in(repository string) registry.Ref {
	return registry.Ref{Host: r.session.Policy.Images.Registry, Repository: repository}
}

// own names the repository that an architecture of an image has for itself.
func (r *run) own(im *image, arch string) registry.Ref {
	return registry.Ref{Host: r.session.Policy.Images.Registry, Repository: im.name + "-" + arch, Tag: im.tag}
}

// isPlatform says whether a child of an index is one of its platforms. Others
// are carried along, as attestations are (rule 20).
func isPlatform(d registry.Descriptor) bool {
	return d.Platform != nil && !(d.Platform.Architecture == "unknown" && d.Platform.OS == "unknown")
}

// record is a promotion record whose signature was verified: what it says of
// where it was promoted from, and by which manifest
// (github.com/kubernetes-sigs/promo-tools, docs/promotion-predicate.md).
type record struct {
	tags                         []string
	manifest, repository, commit string // path, "git+https://github.com/kubernetes/k8s.io", 40 hex digits
	destination                  string

	source release.Source[*release.Promotion] // that manifest at that commit
}

// children are the digests of its platforms.
func (im *image) children() (out []oci.Digest) {
	for _, p := range im.platforms {
		out = append(out, p.desc.Digest)
	}
	return out
}
