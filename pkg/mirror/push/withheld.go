package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
)

// A WithheldError says that a registry holds something and does not hand it out,
// so that the client cannot say whether it is what was sent.
type WithheldError struct {
	Ref registry.Ref // in the mirror
	Err error        // the registry's answer
}

func (e *WithheldError) Error() string {
	return fmt.Sprintf("%s: the registry has taken it and does not hand it out, with all signatures of the mirror there: %v; its project may hand out only what it finds signed or scanned itself (in Harbor: Configuration, Deployment security): turn that off, or meet it, and push again; the tag was not set",
		e.Ref, e.Err)
}

// Unwrap gives the registry's answer.
func (e *WithheldError) Unwrap() error { return e.Err }

// An AttachedError says that a tag was not set since its signature, or something
// else that refers to the image, is not in the registry.
type AttachedError struct {
	Ref      registry.Ref // of the image, in the mirror
	Attached registry.Ref // that could not be put
	Why      string
}

func (e *AttachedError) Error() string {
	return fmt.Sprintf("%s: the tag was not set, since %s, which is about it, could not be put: %s", e.Ref, e.Attached, e.Why)
}

// A TypeError says that a registry takes no manifest of this media type.
type TypeError struct {
	Ref       registry.Ref
	MediaType string
	Err       error // the registry's answer
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("%s: the registry does not take a manifest of type %s: %v; its bytes are what is signed, so that it cannot be converted: use a registry that takes Docker's media types",
		e.Ref, e.MediaType, e.Err)
}

// Unwrap gives the registry's answer.
func (e *TypeError) Unwrap() error { return e.Err }

// refusesType says whether a registry refused a manifest for its type: 415, or a
// word for a manifest of Docker's that it cannot read.
func refusesType(err error, mediaType string) bool {
	var request *fetch.Error
	var refused *registry.RefusedError
	switch {
	case !errors.As(err, &request) || !strings.HasPrefix(mediaType, "application/vnd.docker."):
		return false
	case request.Status == http.StatusUnsupportedMediaType:
		return true
	}
	return request.Status == http.StatusBadRequest && errors.As(err, &refused) && slices.Contains(refused.Codes, "MANIFEST_INVALID")
}

// isWithheld says whether reading was refused, by a rule and not for want of the
// thing: Harbor answers 412 where an image must be signed or scanned, others 403.
func isWithheld(err error) bool {
	var request *fetch.Error
	return errors.As(err, &request) && (request.Status == http.StatusPreconditionFailed || request.Status == http.StatusForbidden)
}

// later remembers what could not be read back yet.
func (j *run) later(at repoDigest, back func(ctx context.Context) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unread == nil {
		j.unread = map[repoDigest]func(ctx context.Context) error{}
	}
	j.unread[at] = back
}

// roots puts the images themselves by their digests, if the registry withholds
// things: signatures must find what they are of.
func (j *run) roots(ctx context.Context) {
	if len(j.unread) == 0 {
		return
	}
	var nodes []*node
	for _, n := range j.names {
		if n.State == WouldPush && n.Of == "" && !slices.Contains(nodes, n.node) {
			nodes = append(nodes, n.node)
		}
	}
	slices.SortStableFunc(nodes, func(a, b *node) int { return a.height - b.height })
	for h := range layout.MaxDepth {
		level := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return n.height != h })
		par.Map(ctx, len(level), j.opts.Jobs, func(ctx context.Context, i int) {
			n := level[i]
			host, repo, _ := strings.Cut(n.repo, "/")
			_, err := j.writeManifest(ctx, registry.Ref{Host: host, Repository: repo, Digest: n.repoDigest.digest}, n, true)
			j.record(n.repo, n.repoDigest.digest, err)
		}, func(i int) { j.record(level[i].repo, level[i].repoDigest.digest, context.Cause(ctx)) })
	}
}

// readBack reads what could not be read at once, now that everything but the
// images' tags is there. What still cannot be read fails.
func (j *run) readBack(ctx context.Context) {
	var at []repoDigest
	for p := range j.unread {
		at = append(at, p)
	}
	slices.SortFunc(at, func(a, b repoDigest) int {
		return strings.Compare(a.repo+"@"+string(a.digest), b.repo+"@"+string(b.digest))
	})
	errs := make([]error, len(at))
	par.Map(ctx, len(at), j.opts.Jobs, func(ctx context.Context, i int) { errs[i] = j.unread[at[i]](ctx) },
		func(i int) { errs[i] = context.Cause(ctx) })
	for i, err := range errs {
		if err == nil {
			continue
		}
		if isWithheld(err) {
			host, repo, _ := strings.Cut(at[i].repo, "/")
			err = &WithheldError{Ref: registry.Ref{Host: host, Repository: repo, Digest: at[i].digest}, Err: err}
		}
		j.record(at[i].repo, at[i].digest, err)
		for _, n := range j.names {
			if n.Of != "" && n.State == Pushed && n.node.repoDigest == at[i] {
				n.fail(err)
			}
		}
	}
}

// whole says why the tag of an image must not be set: something that it leads to
// was not read back, or something that is about it could not be put.
func (j *run) whole(n *name) error {
	if err := j.below(n.node); err != nil {
		return err
	}
	repo := n.entry.Host + "/" + n.entry.Repo
	open, seen := j.tree(n.node, nil), map[oci.Digest]bool{}
	for len(open) > 0 {
		digest := open[0]
		open = open[1:]
		if seen[digest] {
			continue
		}
		seen[digest] = true
		for _, attached := range j.about[repoDigest{repo, digest}] {
			if attached.Err != nil {
				return &AttachedError{Ref: n.Ref, Attached: attached.Ref, Why: attached.Err.Error()}
			}
			open = j.tree(attached.node, open)
		}
	}
	return nil
}

// below says what of a tree is not there, or was not read back.
func (j *run) below(n *node) error {
	if err := j.ready(n); err != nil {
		return err
	}
	for _, c := range n.children {
		if err := j.below(c); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.done[n.repoDigest]
}

// tree adds a manifest's digest and those below it to a list.
func (j *run) tree(n *node, list []oci.Digest) []oci.Digest {
	list = append(list, n.repoDigest.digest)
	for _, c := range n.children {
		list = j.tree(c, list)
	}
	return list
}

// again asks once more for a tag that could not be read before its signatures
// were there. done says that it is the mirror's already.
func (j *run) again(ctx context.Context, n *name) (done bool, err error) {
	have, err := j.opts.To.Manifest(ctx, n.Ref)
	var request *fetch.Error
	switch {
	case err == nil && have.Digest == n.Digest:
		return true, nil
	case err == nil && !j.opts.Overwrite:
		return false, &ConflictError{Ref: n.Ref, Want: string(n.Digest), Have: string(have.Digest)}
	case errors.As(err, &request) && request.Status == http.StatusPreconditionFailed && !j.opts.Overwrite: // it is there, whatever it is
		return false, &WithheldError{Ref: n.Ref, Err: err}
	}
	return false, nil
}
