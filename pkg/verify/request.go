package verify

import (
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Request is what of which releases is to be verified.
type Request struct {
	Versions []release.Version // at least one, each once
	Names    []string          // image names such as "kube-proxy"; none means every image of the release
	Arches   []string          // architectures such as "arm64"; none means all
	// Shard examines every n-th release, or of a single release every n-th image;
	// nil examines all.
	Shard *report.Shard
}

// MirrorScope is what a mirror says that it was made for, of one release. It is the
// word of the server of the mirror: it may narrow an image to architectures,
// as long as one that is expected is among them, and never leaves out an image
// or a file (rules 2, 26). What it leaves out stands in the report's scope.
type MirrorScope struct {
	Release string   // "v1.27.2"
	Images  bool     // images of the release at all
	Names   []string // of them, such as "kube-proxy"; none means all
	Arches  []string // none means all
	OSes    []string // systems, of those of Also; none means all
	Also    []string // images that are not of the release, by name
}

// Also is a second place where what is signed about images may lie: signatures and
// bundles are of a digest, and prove it wherever they lie (rule 14). Images are
// never read from it.
type Also struct {
	Registry *registry.Client
	Name     string // for messages, such as "the mirror ./m"
}
