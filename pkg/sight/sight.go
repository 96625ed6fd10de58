// Package sight reads what other tools wrote of images: lists, and the states of
// clusters and nodes. It says what is in them, as sightings, and judges nothing: it
// has no network and no trust, and every name in it is the writer's word. Package
// container reads archives and layouts as copies, and package packages debs and rpms.
// What a digest is worth is for package seen to say, which holds it against a release that
// was examined.
package sight

import (
	"context"

	"github.com/kverify/kverify/pkg/oci"
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

// Sighting is a digest, a name, or both, that stood in a list: what another program
// saw. There are no bytes behind it. One with a Version and nothing else is a
// line that names a whole release.
type Sighting struct {
	// Digest is "sha256:<64 hex>", or empty where only a name was written.
	Digest oci.Digest
	Role   Role
	// Also are further digests that the same entry gives the same image, as
	// "sha256:<64 hex>" of an untold role: an image store's id beside its repoDigests.
	Also []oci.Digest
	// Bare says that the digest was written as 64 hex digits alone. So CRI-O and
	// podman write the id of their storage, which is mostly a config's digest and
	// sometimes is not: it cannot contradict a name.
	Bare bool
	// Name is the reference that was written beside the digest, as it stands there
	// ("registry.k8s.io/kube-proxy:v1.30.1", "nginx"), or empty; [ReadName] reads it.
	// In a pod's status it is the spec's.
	Name string
	// Others are further names of the same image in the same place, in the
	// order in which they stand there. Each is a claim as Name is.
	Others []string
	// Version is the release that the place itself names, such as a kubeadm
	// configuration's kubernetesVersion; a hint, or empty.
	Version string
	// Reported says that a runtime or kubelet said so of what it has: an empty
	// Digest means that it has none yet, and nothing is to be fetched in its place.
	Reported bool
	// Fault says why what stands here cannot be judged, and what to do, such as
	// "the id has 12 digits ...; give --no-trunc"; empty where there is none.
	Fault string
	Place report.Place
}

// Copy is one image as one list of a container calls it: an entry of
// index.json, of docker's manifest.json, a directory of skopeo's. A container
// with two lists of its images gives the copies of both.
type Copy struct {
	// Names are the references that the list gives the image, as they stand there, or
	// a tag alone; may be empty. They are not escaped.
	Names []string
	// List is the list's own name: "index.json", "manifest.json" or "repositories", or
	// "blobs/sha256" of a content store, which has none.
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
	// absent Blob.
	Children []Node
	// Referrers counts what is left out of Children: manifests with a subject that
	// no platform selects, such as signatures.
	Referrers int
	// Config and ConfigBytes are an image's.
	Config      Blob
	ConfigBytes []byte
	// Layers are an image's, in its order, each at its place.
	Layers []Blob
	// Err says why what lies there cannot be read as what it should be; the fields
	// that would come of it are empty then, and nothing is proved or disproved by
	// it. It is a [*container.Error], wraps a [*bounds.Error], or is one of reading.
	Err error
}

// Blob is one piece of content, and knows how to say what its bytes are.
type Blob struct {
	// Digest and Size are what the document that names it says; they may be empty and 0.
	Digest      oci.Digest
	Size        int64
	MediaType   string
	Annotations map[string]string
	// Entry is where it lies within the container.
	Entry string
	// Read hashes the bytes, from the first to the last; it may be called more than
	// once and side by side, and reads them once. An error says that they could not
	// be read: nothing is known of them. It is nil for a blob that is absent.
	Read func(context.Context) (Content, error)
}

// Absent says that the blob is named and does not lie there.
func (b Blob) Absent() bool { return b.Read == nil }

// Content is what the bytes of a blob are. They were read to their end.
type Content struct {
	Digest oci.Digest // "sha256:<hex>" of the bytes as they lie there
	Size   int64      // bytes, as they lie there
	// Packed names the compression that the bytes have: "gzip", "zstd", or "" for none.
	Packed string
	// Unpacked is the digest of a layer's bytes with gzip or zstd taken off
	// (the form of a diff_id), the same as Digest for a plain tar. It is empty if
	// the bytes do not come to the clean end of exactly one stream, or if their
	// media type is no layer's, or is that of another packing.
	Unpacked oci.Digest
	// Joined is that of several streams, one behind the other, each with a clean
	// end; else empty. Some readers join them and some stop behind the first, so
	// that equality proves nothing, and a difference is one for every reader.
	Joined oci.Digest
	// SecondTable says that the layer carries a further table of contents
	// (eStargz's footer, a zstd frame that is skipped, the annotations of either),
	// by which some runtimes unpack it.
	SecondTable bool
	// Err says why Unpacked is empty: a [*container.Error], or what wraps a
	// [*bounds.Error] where a limit was met.
	Err error
}
