package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
)

// uploadsAtOnce is how many blobs travel side by side: enough to hide the
// round trips of small ones, few enough for a registry on a small disk.
const uploadsAtOnce = 16

// blob is a blob and the repositories that need it.
type blob struct {
	layout.Descriptor
	repos []string
}

// blobsToSend collects the blobs of the names that are to be written.
func (j *run) blobsToSend() []*blob {
	all := map[oci.Digest]*blob{}
	for _, n := range j.toWrite() {
		for _, b := range n.doc.Blobs() {
			f := all[b.Digest]
			if f == nil {
				f = &blob{Descriptor: b}
				all[b.Digest] = f
			}
			if !slices.Contains(f.repos, n.repo) {
				f.repos = append(f.repos, n.repo)
			}
		}
	}
	var list []*blob
	for _, f := range all {
		slices.Sort(f.repos)
		list = append(list, f)
	}
	// The largest first, so that the run does not wait for one alone in the end.
	slices.SortFunc(list, func(a, b *blob) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Digest, b.Digest))
	})
	return list
}

// toWrite are the manifests that names which are to be written lead to, lower
// ones before those that name them.
func (j *run) toWrite() (list []*node) {
	seen := map[repoDigest]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if seen[n.repoDigest] {
			return
		}
		seen[n.repoDigest] = true
		for _, c := range n.children {
			visit(c)
		}
		list = append(list, n)
	}
	for _, n := range j.names {
		if n.State == WouldPush {
			visit(n.node)
		}
	}
	slices.SortStableFunc(list, func(a, b *node) int { return cmp.Compare(a.height, b.height) })
	return list
}

// upload sees to it that every blob is where it is needed: sent once and read
// back, and taken over from there by the other repositories.
func (j *run) upload(ctx context.Context) {
	list := j.blobsToSend()
	for _, f := range list {
		j.opts.Progress.total.Add(f.Size)
		if j.opts.DryRun {
			j.counts[registry.Sent]++
			j.counts[registry.Mounted] += len(f.repos) - 1
		}
	}
	if j.opts.DryRun {
		return
	}
	par.Map(ctx, len(list), min(j.opts.Jobs, uploadsAtOnce), func(ctx context.Context, i int) {
		f := list[i]
		home := f.repos[0]
		err := j.put(ctx, home, "", f.Descriptor)
		j.record(home, f.Digest, err)
		for _, repo := range f.repos[1:] {
			switch {
			case errors.As(err, new(*registry.DigestError)): // the mirror's, and so of all
				j.record(repo, f.Digest, err)
			case err != nil:
				j.record(repo, f.Digest, j.put(ctx, repo, "", f.Descriptor))
			default:
				j.record(repo, f.Digest, j.put(ctx, repo, home, f.Descriptor))
			}
		}
	}, func(i int) {
		for _, repo := range list[i].repos {
			j.record(repo, list[i].Digest, context.Cause(ctx))
		}
	})
}

func (j *run) record(repo string, digest oci.Digest, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done[repoDigest{repo, digest}] = err
}

// put brings a blob into a repository, from another one of the registry if it
// can. What was not taken over there is read back.
func (j *run) put(ctx context.Context, repo, from string, b layout.Descriptor) error {
	host, path, _ := strings.Cut(repo, "/")
	if from != "" {
		other, p, _ := strings.Cut(from, "/")
		if from = p; other != host {
			from = ""
		}
	}
	in := registry.Ref{Host: host, Repository: path}
	way, err := j.opts.To.PutBlob(ctx, in, registry.Blob{
		Digest: b.Digest, Size: b.Size, Sent: &j.opts.Progress.sent,
		Open: func() (io.ReadCloser, error) {
			f, _, err := layout.OpenFile(j.dir.FS(), layout.BlobPath(b.Digest))
			return f, err
		},
	}, from, j.opts.Attempts)
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
		j.opts.Progress.total.Add(-b.Size)
	}
	back := func(ctx context.Context) error {
		return j.opts.To.CheckBlob(ctx, in, registry.Descriptor{Digest: b.Digest, Size: b.Size}, j.opts.Attempts)
	}
	if err = back(ctx); isWithheld(err) {
		j.later(repoDigest{repo, b.Digest}, back)
		return nil
	}
	return err
}

// write writes the manifests: those that others name, from below; then
// signatures and referrers; then the images' own tags, from below. When a
// tag can be seen, all that it names is there.
func (j *run) write(ctx context.Context) {
	named := map[*node]bool{}
	stages := map[int][]*name{}
	for _, n := range j.names {
		if n.State != WouldPush {
			continue
		}
		named[n.node] = true
		stage := n.node.height
		if n.Of == "" {
			stage += 2 * layout.MaxDepth
		}
		stages[stage] = append(stages[stage], n)
	}
	below := map[int][]*node{}
	for _, n := range j.toWrite() {
		if !named[n] || j.isChild(n) {
			below[n.height] = append(below[n.height], n)
		}
	}
	j.about = map[repoDigest][]*name{}
	for _, n := range j.names {
		if n.Of != "" {
			at := repoDigest{n.entry.Host + "/" + n.entry.Repo, n.Of}
			j.about[at] = append(j.about[at], n)
		}
	}
	for h := range layout.MaxDepth {
		nodes := below[h]
		par.Map(ctx, len(nodes), j.opts.Jobs, func(ctx context.Context, i int) {
			n := nodes[i]
			host, repo, _ := strings.Cut(n.repo, "/")
			_, err := j.writeManifest(ctx, registry.Ref{Host: host, Repository: repo, Digest: n.repoDigest.digest}, n, true)
			j.record(n.repo, n.repoDigest.digest, err)
		}, func(i int) { j.record(nodes[i].repo, nodes[i].repoDigest.digest, context.Cause(ctx)) })
	}
	j.roots(ctx)
	for s := range 4 * layout.MaxDepth {
		if s == 2*layout.MaxDepth { // from here on images' tags
			j.readBack(ctx)
		}
		names := stages[s]
		par.Map(ctx, len(names), j.opts.Jobs, func(ctx context.Context, i int) {
			n := names[i]
			if err := j.writeName(ctx, n); err != nil {
				n.fail(err)
				return
			}
			n.State = Pushed
		}, func(i int) { names[i].fail(context.Cause(ctx)) })
	}
}

// isChild says whether another manifest of the run names n.
func (j *run) isChild(n *node) bool {
	for _, o := range j.nodes {
		if slices.Contains(o.children, n) {
			return true
		}
	}
	return false
}

func (j *run) writeName(ctx context.Context, n *name) error {
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
	indexed, err := j.writeManifest(ctx, n.Ref, n.node, n.Of != "")
	if err != nil || n.node.doc.Subject == nil || indexed {
		return err
	}
	j.listed.Lock()
	defer j.listed.Unlock()
	subject := n.subject()
	subject.Digest = n.node.doc.Subject.Digest
	return j.opts.To.AddReferrerTag(ctx, subject, n.node.MediaType, n.node.body)
}

// writeManifest writes one manifest, if everything below it is there, and reads it
// back: where the registry refuses that for now, and if it may wait, before the
// images' tags are set.
func (j *run) writeManifest(ctx context.Context, ref registry.Ref, n *node, mayWait bool) (indexed bool, err error) {
	if err := j.ready(n); err != nil {
		return false, err
	}
	indexed, err = j.opts.To.PutManifest(ctx, ref, n.MediaType, n.body)
	var refused *registry.RefusedError
	if len(n.absent) > 0 && errors.As(err, &refused) && slices.ContainsFunc(refused.Codes, layout.MissesContent) {
		return false, &SparseError{Ref: ref, Absent: n.absent, Err: err}
	}
	if refusesType(err, n.MediaType) {
		return false, &TypeError{Ref: ref, MediaType: n.MediaType, Err: err}
	}
	if err != nil {
		return false, err
	}
	back := func(ctx context.Context) error {
		there, err := j.opts.To.Manifest(ctx, ref)
		if err != nil {
			return fmt.Errorf("it was sent and cannot be read back: %w", err)
		}
		if there.Digest != n.repoDigest.digest {
			return &registry.DigestError{Subject: ref.String(), Want: string(n.repoDigest.digest), Got: string(there.Digest), Claim: "what was sent"}
		}
		return nil
	}
	if err = back(ctx); isWithheld(err) {
		if !mayWait {
			return false, &WithheldError{Ref: ref, Err: err}
		}
		j.later(n.repoDigest, back)
		err = nil
	}
	return indexed && err == nil, err
}

// ready says why a manifest cannot be written yet.
func (j *run) ready(n *node) error {
	if n.err != nil {
		return &mirror.RefusedError{Dir: j.dir.Path(), Err: n.err}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range n.doc.Blobs() {
		if err := j.done[repoDigest{n.repo, b.Digest}]; err != nil {
			return err
		}
	}
	for _, c := range n.children {
		if err := j.done[c.repoDigest]; err != nil {
			return fmt.Errorf("its part %s: %w", c.repoDigest.digest, err)
		}
	}
	return nil
}

func (j *run) result() *Result {
	sent, total := j.opts.Progress.Counts()
	if j.opts.DryRun {
		sent = total
	}
	r := &Result{Present: j.counts[registry.Present], Mounted: j.counts[registry.Mounted], Sent: j.counts[registry.Sent], Bytes: sent}
	for _, n := range j.names {
		r.Names = append(r.Names, n.Name)
	}
	return r
}
