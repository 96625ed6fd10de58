package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/registry"
)

// uploadsAtOnce is how many blobs travel side by side: enough to hide the
// round trips of small ones, few enough for a registry on a small disk.
const uploadsAtOnce = 16

// freight is a blob and the repositories that need it.
type freight struct {
	layout.Descriptor
	repos []string
}

// freight collects the blobs of the names that are to be written.
func (j *pushing) freight() []*freight {
	all := map[string]*freight{}
	for _, n := range j.wanted() {
		for _, b := range n.doc.Blobs() {
			f := all[b.Digest]
			if f == nil {
				f = &freight{Descriptor: b}
				all[b.Digest] = f
			}
			if !slices.Contains(f.repos, n.repo) {
				f.repos = append(f.repos, n.repo)
			}
		}
	}
	var list []*freight
	for _, f := range all {
		slices.Sort(f.repos)
		list = append(list, f)
	}
	// The largest first, so that nobody waits for one alone in the end.
	slices.SortFunc(list, func(a, b *freight) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Digest, b.Digest))
	})
	return list
}

// wanted are the manifests that names which are to be written lead to, lower
// ones before those that name them.
func (j *pushing) wanted() (list []*pushNode) {
	seen := map[place]bool{}
	var visit func(n *pushNode)
	visit = func(n *pushNode) {
		if seen[n.place] {
			return
		}
		seen[n.place] = true
		for _, c := range n.children {
			visit(c)
		}
		list = append(list, n)
	}
	for _, n := range j.names {
		if n.State == Wanted {
			visit(n.node)
		}
	}
	slices.SortStableFunc(list, func(a, b *pushNode) int { return cmp.Compare(a.height, b.height) })
	return list
}

// upload sees to it that every blob is where it is needed: sent once and read
// back, and taken over from there by the other repositories.
func (j *pushing) upload(ctx context.Context) {
	list := j.freight()
	for _, f := range list {
		j.Progress.total.Add(f.Size)
		if j.DryRun {
			j.counts[registry.Sent]++
			j.counts[registry.Mounted] += len(f.repos) - 1
		}
	}
	if j.DryRun {
		return
	}
	par.Map(ctx, len(list), min(j.Jobs, uploadsAtOnce), func(ctx context.Context, i int) {
		f := list[i]
		home := f.repos[0]
		err := j.put(ctx, home, "", f.Descriptor)
		j.tried(home, f.Digest, err)
		for _, repo := range f.repos[1:] {
			switch {
			case errors.As(err, new(*registry.DigestError)): // the mirror's, and so of all
				j.tried(repo, f.Digest, err)
			case err != nil:
				j.tried(repo, f.Digest, j.put(ctx, repo, "", f.Descriptor))
			default:
				j.tried(repo, f.Digest, j.put(ctx, repo, home, f.Descriptor))
			}
		}
	}, func(i int) {
		for _, repo := range list[i].repos {
			j.tried(repo, list[i].Digest, context.Cause(ctx))
		}
	})
}

func (j *pushing) tried(repo, digest string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done[place{repo, digest}] = err
}

// put brings a blob into a repository, from another one of the registry if it
// can. What was not taken over there is read back.
func (j *pushing) put(ctx context.Context, repo, from string, b layout.Descriptor) error {
	host, path, _ := strings.Cut(repo, "/")
	if from != "" {
		other, p, _ := strings.Cut(from, "/")
		if from = p; other != host {
			from = ""
		}
	}
	way, err := j.To.PutBlob(ctx, host, path, registry.Blob{
		Digest: b.Digest, Size: b.Size, Sent: &j.Progress.sent,
		Open: func() (io.ReadCloser, error) {
			f, _, err := layout.OpenFile(j.dir.FS(), layout.BlobPath(b.Digest))
			return f, err
		},
	}, from, j.Attempts)
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.counts[way]++
	j.mu.Unlock()
	switch way {
	case registry.Mounted:
		return nil
	case registry.Present:
		j.Progress.total.Add(-b.Size)
	}
	back := func(ctx context.Context) error {
		return j.To.CheckBlob(ctx, host, path, b.Digest, b.Size, j.Attempts)
	}
	if err = back(ctx); isWithheld(err) {
		j.later(place{repo, b.Digest}, back)
		return nil
	}
	return err
}

// write writes the manifests: those that others name, from below; then
// signatures and referrers; then the images' own tags, from below. A tag that
// somebody sees has everything already.
func (j *pushing) write(ctx context.Context) {
	named := map[*pushNode]bool{}
	stages := map[int][]*pushName{}
	for _, n := range j.names {
		if n.State != Wanted {
			continue
		}
		named[n.node] = true
		stage := n.node.height
		if n.Of == "" {
			stage += 2 * layout.MaxDepth
		}
		stages[stage] = append(stages[stage], n)
	}
	below := map[int][]*pushNode{}
	for _, n := range j.wanted() {
		if !named[n] || j.inner(n) {
			below[n.height] = append(below[n.height], n)
		}
	}
	j.about = map[place][]*pushName{}
	for _, n := range j.names {
		if n.Of != "" {
			at := place{n.entry.Host + "/" + n.entry.Repo, n.Of}
			j.about[at] = append(j.about[at], n)
		}
	}
	for h := range layout.MaxDepth {
		nodes := below[h]
		par.Map(ctx, len(nodes), j.Jobs, func(ctx context.Context, i int) {
			n := nodes[i]
			host, repo, _ := strings.Cut(n.repo, "/")
			_, err := j.manifest(ctx, registry.Ref{Host: host, Repository: repo, Digest: n.place.digest}, n, true)
			j.tried(n.repo, n.place.digest, err)
		}, func(i int) { j.tried(nodes[i].repo, nodes[i].place.digest, context.Cause(ctx)) })
	}
	j.roots(ctx)
	for s := range 4 * layout.MaxDepth {
		if s == 2*layout.MaxDepth { // from here on images' tags
			j.readBack(ctx)
		}
		names := stages[s]
		par.Map(ctx, len(names), j.Jobs, func(ctx context.Context, i int) {
			n := names[i]
			if err := j.name(ctx, n); err != nil {
				n.fail(err)
				return
			}
			n.State = Pushed
		}, func(i int) { names[i].fail(context.Cause(ctx)) })
	}
}

// inner says whether another manifest of the run names n.
func (j *pushing) inner(n *pushNode) bool {
	for _, o := range j.nodes {
		if slices.Contains(o.children, n) {
			return true
		}
	}
	return false
}

func (j *pushing) name(ctx context.Context, n *pushName) error {
	if n.Of == "" {
		if err := j.whole(n); err != nil {
			return err
		}
	}
	if n.hidden && n.Of == "" {
		if done, err := j.again(ctx, n); done || err != nil {
			return err
		}
	}
	indexed, err := j.manifest(ctx, n.Ref, n.node, n.Of != "")
	if err != nil || n.node.doc.Subject == nil || indexed {
		return err
	}
	j.listed.Lock()
	defer j.listed.Unlock()
	subject := n.subject()
	subject.Digest = n.node.doc.Subject.Digest
	return j.To.ListReferrer(ctx, subject, n.node.MediaType, n.node.body)
}

// manifest writes one manifest, if everything below it is there, and reads it
// back: where the registry refuses that for now, and if it may wait, before the
// images' tags are set.
func (j *pushing) manifest(ctx context.Context, ref registry.Ref, n *pushNode, mayWait bool) (indexed bool, err error) {
	if err := j.ready(n); err != nil {
		return false, err
	}
	indexed, err = j.To.PutManifest(ctx, ref, n.MediaType, n.body)
	var refused *registry.RefusedError
	if len(n.absent) > 0 && errors.As(err, &refused) && slices.ContainsFunc(refused.Codes, func(code string) bool {
		return code == "MANIFEST_BLOB_UNKNOWN" || code == layout.CodeManifest || code == layout.CodeBlob
	}) {
		return false, &SparseError{Ref: ref, Absent: n.absent, Err: err}
	}
	if refusesType(err, n.MediaType) {
		return false, &TypeError{Ref: ref, MediaType: n.MediaType, Err: err}
	}
	if err != nil {
		return false, err
	}
	back := func(ctx context.Context) error {
		there, err := j.To.Manifest(ctx, ref)
		if err != nil {
			return fmt.Errorf("it was sent and cannot be read back: %w", err)
		}
		if there.Digest != n.place.digest {
			return &registry.DigestError{Subject: ref.String(), Want: n.place.digest, Got: there.Digest, Claim: "what was sent"}
		}
		return nil
	}
	if err = back(ctx); isWithheld(err) {
		if !mayWait {
			return false, &WithheldError{Ref: ref, Err: err}
		}
		j.later(n.place, back)
		err = nil
	}
	return indexed && err == nil, err
}

// ready says why a manifest cannot be written yet.
func (j *pushing) ready(n *pushNode) error {
	if n.err != nil {
		return &RefusedError{Dir: j.dir.Path(), Err: n.err}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range n.doc.Blobs() {
		if err := j.done[place{n.repo, b.Digest}]; err != nil {
			return err
		}
	}
	for _, c := range n.children {
		if err := j.done[c.place]; err != nil {
			return fmt.Errorf("its part %s: %w", c.place.digest, err)
		}
	}
	return nil
}

func (j *pushing) result() *PushResult {
	sent, total := j.Progress.Counts()
	if j.DryRun {
		sent = total
	}
	r := &PushResult{Present: j.counts[registry.Present], Mounted: j.counts[registry.Mounted], Sent: j.counts[registry.Sent], Bytes: sent}
	for _, n := range j.names {
		r.Copies = append(r.Copies, n.Copy)
	}
	return r
}
