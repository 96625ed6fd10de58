package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/watch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// open makes what a round reads by. Policy, trusted root and credentials are read anew, so that
// a file that was replaced counts from the next round on.
func (r *watching) open(ctx context.Context) (*watch.Outside, error) {
	v, err := r.app.Verifier(r.set)
	if err != nil {
		return nil, err
	}
	r.app.SayJudge() // if it is another than in the round before
	private := r.privateCopies(v)
	var stamp strings.Builder
	for _, list := range r.own.seen.lists {
		one, err := stampOf(list)
		if err != nil {
			one = err.Error() // the verification says so
		}
		stamp.WriteString(one)
	}
	return &watch.Outside{
		Stamp: stamp.String(),
		Close: r.set.CloseMirror,
		Resolve: func(ctx context.Context, channel string) (release.Version, error) {
			return release.Resolve(ctx, v.Fetch, channel)
		},
		Reads: func(ref registry.Ref) bool {
			return ref.Host == v.Policy.Images.Registry || slices.Contains(r.named, ref.String())
		},
		Digest: func(ctx context.Context, ref registry.Ref) (oci.Digest, error) {
			images := v.Registry
			if ref.Host != v.Policy.Images.Registry {
				images = private
			}
			m, err := images.Manifest(ctx, ref)
			if err != nil {
				return "", err
			}
			return m.Digest, nil
		},
		Judge: func(ctx context.Context, u watch.Unit) (report.Report, error) { return r.judge(ctx, v, u) },
	}, nil
}

// privateCopies reads the names that are mapped to ours.
func (r *watching) privateCopies(v *verify.Verifier) *registry.Client {
	var refs []registry.Ref
	for _, what := range r.named {
		if ref, err := registry.ParseRef(what); err == nil {
			refs = append(refs, ref)
		}
	}
	return r.app.Copies(v, refs)
}

// judge verifies a unit as "kverify verify" does.
func (r *watching) judge(ctx context.Context, v *verify.Verifier, u watch.Unit) (report.Report, error) {
	defer r.app.SayRemarks()
	if u.Name == watch.Images {
		return verifyNamed(ctx, r.app, v, request{what: r.named, seen: r.own.seen})
	}
	return v.Release(ctx, verify.Request{Versions: []release.Version{u.Version}, Arches: slices.Clone(r.own.seen.Arches)})
}
