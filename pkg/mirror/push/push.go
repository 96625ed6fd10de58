// Package push writes a mirror into a registry: [Run] pushes what is admitted,
// tags, repositories of single architectures, signatures and referrers, with the
// digests that they have in the mirror, and [Result.Report] says of every name
// what was proved.
//
//	push.go      which names, what they lead to, and what is there already
//	send.go      blobs, then manifests from below, and tags last
//	withheld.go  registries that hand out only what is signed or scanned
//	causes.go    one cause, told once
//	report.go    the report
package push

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// Options say what is pushed, and how.
//
// A tag is set last, after everything that it leads to, its signatures
// included, was sent and read back from the registry. So whatever a push that
// was broken off has left behind, a tag that is there is whole, and the next
// push continues from what it finds.
type Options struct {
	// To writes; its Endpoints lead from the names' host to where the copies go.
	To *registry.Client
	// Admit says whether a tag of an image may be pushed: [Run] asks for
	// every one, and pushes no other. Signatures and referrers follow what they
	// are of. Nil admits nothing.
	Admit func(ref registry.Ref) bool

	Jobs      int  // requests at once; below one means 16
	Attempts  int  // how often a blob is sent at most; below one means 1
	Overwrite bool // give tags that name something else what the mirror says
	DryRun    bool // ask what is there and change nothing

	// Progress, if not nil, can be polled from elsewhere.
	Progress *Progress
}

// Progress counts bytes of blobs. The zero value is ready to use.
type Progress struct{ sent, total atomic.Int64 }

// Counts returns how many bytes have gone out, those of attempts that failed
// among them, and how many there are to send, as far as that is known.
func (p *Progress) Counts() (sent, total int64) { return p.sent.Load(), p.total.Load() }

// A Name is what became of one name.
type Name struct {
	Ref    registry.Ref // in the mirror: a tag, or a digest that has no tag
	Digest oci.Digest
	// Of is the digest that a signature or referrer is about; empty for an image.
	Of    oci.Digest
	State State
	Err   error // why it is not there; set exactly if State is Failed
	// Note says what a person should know although it is there.
	Note string
}

// State is what became of a name. The zero value is Failed.
type State uint8

const (
	Failed       State = iota // it is not there, or not as it should be
	AlreadyThere              // the registry had it already
	Pushed                    // it was written, and read back
	WouldPush                 // it would be written, were this no dry run
)

// Result is what a push did.
type Result struct {
	Names []Name // by name
	// Blobs by how they came there, and the bytes of those that were sent. In a
	// dry run Sent and Bytes are what would be sent at most.
	Sent, Mounted, Present int
	Bytes                  int64
}

// A ConflictError says that a tag names something else in the registry.
type ConflictError struct {
	Ref        registry.Ref // in the mirror
	Want, Have string       // digests in the mirror and in the registry
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the registry's %s:%s is %s already, and not the mirror's %s; nothing was changed; look which of them is right, and give --overwrite to replace it",
		e.Ref.Repository, e.Ref.Tag, e.Have, e.Want)
}

// Classify refutes: the registry's manifest was read.
func (e *ConflictError) Classify() (report.Verdict, report.Reason) {
	return report.Refuted, report.Mismatch
}

// A SparseError says that a registry does not take an index of which it has
// not all platforms.
type SparseError struct {
	Ref    registry.Ref
	Absent []oci.Digest // what the mirror does not hold
	Err    error        // the registry's answer
}

func (e *SparseError) Error() string {
	return fmt.Sprintf("%s: the mirror holds only some of its platforms (%d are absent), and this registry takes no index that is not whole; make the mirror with all architectures, set validation.manifests.indexes.platforms to none in the registry's configuration, or use the repositories of single architectures: %v",
		e.Ref, len(e.Absent), e.Err)
}

// Unwrap gives the registry's answer.
// Classify says that the mirror does not hold all of it.
func (e *SparseError) Classify() (report.Verdict, report.Reason) {
	return report.Unknown, report.Incomplete
}

func (e *SparseError) Unwrap() error { return e.Err }

// Run pushes every admitted name of a mirror, with its signatures and
// referrers. One name that fails stops no other. The error is that of a mirror
// whose lists cannot be read; whatever else goes wrong is its name's.
func Run(ctx context.Context, d *mirror.Mirror, p Options) (*Result, error) {
	if err := d.Readable(); err != nil {
		return nil, err
	}
	if p.Admit == nil {
		p.Admit = func(registry.Ref) bool { return false }
	}
	if p.Jobs < 1 {
		p.Jobs = 16
	}
	if p.Attempts < 1 {
		p.Attempts = 1
	}
	if p.Progress == nil {
		p.Progress = new(Progress)
	}
	job := &run{opts: p, dir: d, nodes: map[repoDigest]*node{}, done: map[repoDigest]error{}}
	job.plan()
	job.readRegistry(ctx)
	job.upload(ctx)
	if !p.DryRun {
		job.write(ctx)
	}
	return job.result(), nil
}

// repoDigest is a digest in a repository, "host/path".
type repoDigest struct {
	repo   string
	digest oci.Digest
}

// run is one run of a push.
type run struct {
	opts  Options
	dir   *mirror.Mirror
	names []*name              // what is pushed, in order
	nodes map[repoDigest]*node // every manifest that they lead to

	mu     sync.Mutex
	done   map[repoDigest]error // blobs and manifests that were tried, and why one is not there
	counts [3]int               // of blobs, by registry.Way
	listed sync.Mutex           // one writer at a time of stand-ins for lists of referrers

	unread map[repoDigest]func(ctx context.Context) error // what has yet to be read back
	about  map[repoDigest][]*name                         // signatures and referrers, by what they are of
}

// name is one name on its way.
type name struct {
	entry layout.Name
	Name
	node   *node
	hidden bool // the registry did not say what it has
}

func (n *name) fail(err error) { n.State, n.Err = Failed, err }

func (n *name) subject() registry.Ref {
	return registry.Ref{Host: n.entry.Host, Repository: n.entry.Repo, Digest: n.Of}
}

// node is a manifest in a repository.
type node struct {
	repoDigest
	layout.Descriptor
	body     []byte
	doc      layout.ManifestBlob
	children []*node      // that the mirror holds
	absent   []oci.Digest // and those that it does not
	height   int          // 0 for a manifest without children
	err      error        // why it cannot be read
}

// plan chooses the names, and walks to everything that they lead to.
func (j *run) plan() {
	for key, r := range j.dir.Repositories() {
		for tag, err := range r.Refused {
			host, repo, _ := strings.Cut(key, "/")
			pn := &name{Name: Name{Ref: registry.Ref{Host: host, Repository: repo, Tag: tag}}, node: &node{err: err}}
			pn.fail(err)
			j.names = append(j.names, pn)
		}
		var open []*name
		for _, n := range r.Names {
			pn := &name{entry: n, Name: Name{Ref: registry.Ref{Host: n.Host, Repository: n.Repo, Tag: n.Tag, Digest: n.Digest}, Digest: n.Target.Digest}}
			if n.Tag != "" && layout.SubjectOfTag(n.Tag) == "" && j.opts.Admit(pn.Ref) {
				j.add(key, pn)
			} else {
				open = append(open, pn)
			}
		}
		// Signatures and referrers of what was taken, and theirs in turn.
		for again := true; again; {
			again = false
			open = slices.DeleteFunc(open, func(pn *name) bool {
				if pn.Of = j.subject(pn); pn.Of == "" || !j.reaches(key, pn.Of) {
					return false
				}
				j.add(key, pn)
				again = true
				return true
			})
		}
	}
	slices.SortFunc(j.names, func(a, b *name) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
}

func (j *run) add(repo string, pn *name) {
	pn.node = j.walk(repo, pn.entry.Target, 0)
	j.names = append(j.names, pn)
}

// reaches says whether something that was taken is a digest, or names it.
func (j *run) reaches(repo string, digest oci.Digest) bool {
	if j.nodes[repoDigest{repo, digest}] != nil {
		return true
	}
	for at, n := range j.nodes {
		if at.repo == repo && slices.Contains(n.absent, digest) {
			return true
		}
	}
	return false
}

// subject gives what a name is about, if it is about another one.
func (j *run) subject(pn *name) oci.Digest {
	if pn.entry.Tag != "" {
		return layout.SubjectOfTag(pn.entry.Tag)
	}
	body, err := layout.ReadFile(j.dir.FS(), layout.BlobPath(pn.entry.Target.Digest), pn.entry.Target.Want(), layout.MaxChecked)
	if err != nil {
		return ""
	}
	if m, err := layout.ParseManifestBlob(body); err == nil && m.Subject != nil {
		return m.Subject.Digest
	}
	return ""
}

// walk reads a manifest and what is below it, each once.
func (j *run) walk(repo string, desc layout.Descriptor, depth int) *node {
	at := repoDigest{repo, desc.Digest}
	if n := j.nodes[at]; n != nil {
		return n
	}
	n := &node{repoDigest: at, Descriptor: desc}
	j.nodes[at] = n
	if depth > layout.MaxDepth {
		n.err = fmt.Errorf("%s: nested deeper than %d", desc.Digest, layout.MaxDepth)
		return n
	}
	if n.body, n.err = layout.ReadFile(j.dir.FS(), layout.BlobPath(desc.Digest), desc.Want(), layout.MaxChecked); n.err != nil {
		return n
	}
	if n.doc, n.err = layout.ParseManifestBlob(n.body); n.err != nil {
		return n
	}
	for _, child := range n.doc.Manifests {
		if n.err = child.Check(); n.err != nil {
			return n
		}
		if !layout.Exists(j.dir.FS(), layout.BlobPath(child.Digest)) {
			n.absent = append(n.absent, child.Digest)
			continue
		}
		c := j.walk(repo, child, depth+1)
		n.children = append(n.children, c)
		n.height = max(n.height, c.height+1)
	}
	for _, b := range n.doc.Blobs() {
		if n.err = b.Check(); n.err != nil {
			return n
		}
	}
	return n
}

// readRegistry reads every name from the registry: what is there already needs nothing
// more, and this is all that a second push asks.
func (j *run) readRegistry(ctx context.Context) {
	isReferrer := func(n *name) bool { return n.entry.Tag == "" && n.Of != "" }
	one := func(ctx context.Context, i int) {
		n := j.names[i]
		if n.Err != nil || n.State != Failed {
			return
		}
		n.State = WouldPush
		if isReferrer(n) { // it counts as there once it is listed
			list, err := j.opts.To.ReferrersOrNone(ctx, n.subject())
			if err != nil && !fetch.Is(err, fetch.Forbidden) && !isWithheld(err) {
				n.fail(err)
			} else if slices.ContainsFunc(list, func(d registry.Descriptor) bool { return d.Digest == n.Digest }) {
				n.State = AlreadyThere
			}
			return
		}
		have, err := j.opts.To.Manifest(ctx, n.Ref)
		more, fewer := false, false
		if err == nil && n.Of != "" {
			more, fewer = compare(have, n.node)
		}
		switch {
		case err == nil && have.Digest == n.Digest:
			n.State = AlreadyThere
		case more:
			n.State, n.Note = AlreadyThere, "the registry holds these signatures, and more"
		case fewer:
			n.Note = "the registry held some of these signatures"
		case err == nil && !j.opts.Overwrite:
			n.fail(&ConflictError{Ref: n.Ref, Want: string(n.Digest), Have: string(have.Digest)})
		case err == nil, fetch.Is(err, fetch.NotFound):
		case fetch.Is(err, fetch.Forbidden), isWithheld(err): // some registries say so of a repository that is yet to be made, or of what is not signed yet
			n.hidden = true
		case errors.As(err, new(*registry.FormatError)) && j.opts.Overwrite:
		default:
			n.fail(err)
		}
	}
	// One alone finds out whether the registry lists referrers.
	if i := slices.IndexFunc(j.names, isReferrer); i >= 0 {
		one(ctx, i)
	}
	par.Map(ctx, len(j.names), j.opts.Jobs, one, func(i int) { j.names[i].fail(context.Cause(ctx)) })
}

// aSignature is a layer of a manifest of signatures: what is signed, the
// signature, its certificate and log entry.
type aSignature struct {
	digest oci.Digest
	notes  map[string]string
}

// in says whether a list has a signature with everything that proves it: a
// signature without its certificate and log entry is another one.
func (s aSignature) in(list []aSignature) bool {
	return slices.ContainsFunc(list, func(o aSignature) bool {
		if o.digest != s.digest {
			return false
		}
		for k, v := range s.notes {
			if o.notes[k] != v {
				return false
			}
		}
		return true
	})
}

// signatures are the layers of a manifest of signatures; nil for any other manifest.
func signatures[L any](layers []L, of func(L) aSignature) (list []aSignature) {
	for _, l := range layers {
		s := of(l)
		if s.notes["dev.cosignproject.cosign/signature"] == "" {
			return nil
		}
		list = append(list, s)
	}
	return list
}

// compare says which of two manifests of signatures holds all of the other:
// a user inside may have added signatures of their own, and outside some may
// have come later.
func compare(have *registry.Manifest, want *node) (haveAll, wantAll bool) {
	image, err := have.Image()
	if err != nil || want.err != nil {
		return false, false
	}
	there := signatures(image.Layers, func(l registry.Descriptor) aSignature { return aSignature{l.Digest, l.Annotations} })
	ours := signatures(want.doc.Layers, func(l layout.Descriptor) aSignature { return aSignature{l.Digest, l.Annotations} })
	if len(there) == 0 || len(ours) == 0 {
		return false, false
	}
	within := func(a, b []aSignature) bool {
		return !slices.ContainsFunc(a, func(s aSignature) bool { return !s.in(b) })
	}
	return within(ours, there), within(there, ours)
}
