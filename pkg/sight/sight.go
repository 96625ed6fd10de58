// Package sight reads what other tools wrote of images and programs: lists and
// the states of clusters, archives and layouts, packages. It says what is in
// them, as sightings and copies, and judges nothing: it has no network and no
// trust, and every name in it is the writer's word. What a digest is worth is
// for pkg/verify to say, which holds it against a release that it examined.
package sight

import (
	"context"

	"github.com/kverify/kverify/pkg/report"
)

// Role is what a digest is said to be the digest of.
type Role uint8

// The roles. A runtime's "id" is a config's digest in one store and an index's
// in another, so that most lists leave the role [Untold].
const (
	Untold Role = iota
	Index
	Manifest
	Config
	Program
)

// String gives "index", "manifest", "config", "file", or "digest" where the role is untold.
func (r Role) String() string {
	switch r {
	case Index:
		return "index"
	case Manifest:
		return "manifest"
	case Config:
		return "config"
	case Program:
		return "file"
	default:
		return "digest"
	}
}

// Sighting is a digest, a name, or both, that stood in a list: what somebody
// saw. There are no bytes behind it.
type Sighting struct {
	// Digest is "sha256:<64 hex>", or empty where only a name was written.
	Digest string
	Role   Role
	// Name is the reference that was written beside the digest, in full
	// ("registry.k8s.io/kube-proxy:v1.30.1"), or empty. It is not parsed here.
	Name string
	// Others are further names of the same digest in the same place, in the
	// order in which they stand there.
	Others []string
	// Version is the release that the place itself names, such as a kubeadm
	// configuration's kubernetesVersion; a hint, or empty.
	Version string
	Place   report.Place
}

// Copy is one image as one list of a container calls it: an entry of
// index.json, of docker's manifest.json, a directory of skopeo's. A container
// with two lists of its images gives the copies of both.
type Copy struct {
	// Names are the references that the list gives the image, as they stand there; may be empty.
	Names []string
	// List is the list's own name, such as "index.json" or "manifest.json".
	List  string
	Place report.Place
	// Root is what the list points at.
	Root Node
}

// Node is an index, or an image for one platform.
type Node struct {
	Role Role // Index, Manifest, or Config where no manifest was written
	// Platform is what the list or index that points here says, as
	// "os/arch[/variant][:os.version]"; empty where it says nothing.
	Platform string
	// Blob is the index or manifest. Its digest is empty where there is no manifest.
	Blob Blob
	// Bytes are the index or manifest as they lie there; nil if they are absent.
	Bytes []byte
	// Children are an index's, in its order; those that are absent have an
	// absent Blob. Referrers (manifests with a subject) are left out.
	Children []Node
	// Config and ConfigBytes are an image's.
	Config      Blob
	ConfigBytes []byte
	// Layers are an image's, in its order, each at its place.
	Layers []Blob
}

// Blob is one piece of content, and knows how to say what its bytes are.
type Blob struct {
	// Digest and Size are what whoever points at it says; may be empty and 0.
	Digest      string
	Size        int64
	MediaType   string
	Annotations map[string]string
	// Entry is where it lies within the container.
	Entry string
	// Read hashes the bytes, from the first to the last; it may be called
	// more than once, and reads them once. It is nil for a blob that is absent.
	Read func(context.Context) (Content, error)
}

// Absent says that the blob is named and does not lie there.
func (b Blob) Absent() bool { return b.Read == nil }

// Content is what the bytes of a blob are.
type Content struct {
	Digest string // "sha256:<hex>" of the bytes as they lie there
	Size   int64  // bytes, as they lie there
	// Unpacked is "sha256:<hex>" of a layer's bytes with gzip or zstd taken off
	// (the form of a diff_id), the same as Digest for a plain tar; empty if
	// the bytes do not come to the clean end of exactly one stream.
	Unpacked string
	// Packed names the compression: "gzip", "zstd", or "" for none.
	Packed string
	// Why says what is wrong with the stream, where Unpacked is empty.
	Why string
	// SecondTable says that the layer carries a further table of contents
	// (eStargz's footer, zstd:chunked's skippable frames), by which some
	// runtimes unpack it.
	SecondTable bool
}

// Package is a package of deb or rpm, and the files in it that may be programs of a release.
type Package struct {
	Name    string // "kubelet"
	Version string // as the package has it, "1.30.1-1.1"
	Arch    string // "amd64", in Go's words
	Files   []PackageFile
	// Others counts the files that are no program's.
	Others int
}

// PackageFile is a regular file in a package.
type PackageFile struct {
	Path   string // "usr/bin/kubelet", cleaned
	SHA256 string // 64 hex digits
	SHA512 string // 128 hex digits
	Size   int64  // bytes
}
