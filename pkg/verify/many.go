package verify

import (
	"context"
	"slices"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// releasesAtOnce is how many releases are examined side by side. Each holds its
// documents only so long, which keeps the memory of a run flat in their number;
// four fill the registry's budget of requests.
const releasesAtOnce = 4

// Many verifies the images of many releases as one job: one pool of
// connections, one budget of requests, one memory of what was read, one report.
// What is said of a release is what [Verifier.Images] says of it alone.
//
// A shard examines every n-th release, or of a single release every n-th image;
// nil examines all. The only error is a [*UsageError].
func (v *Verifier) Many(ctx context.Context, versions []release.Version, names, arches []string, shard *report.Shard) (report.Report, error) {
	r, err := v.start()
	if err != nil {
		return report.Report{}, err
	}
	if len(versions) == 0 {
		return report.Report{}, usagef("no release was named")
	}
	scope := report.Scope{Names: names, Platforms: arches, Shard: shard}
	for i, w := range versions {
		if slices.Contains(versions[:i], w) {
			return report.Report{}, usagef("%s is named twice", w)
		}
		scope.Subjects = append(scope.Subjects, w.String())
	}
	mine := versions
	if len(versions) > 1 {
		if mine, err = share(versions, shard, "releases"); err != nil {
			return report.Report{}, err
		}
		r.shared = new(release.Shared)
	}
	results, errs := make([][]report.Result, len(mine)), make([]error, len(mine))
	one := func(ctx context.Context, i int) {
		b := newBatch(r, Request{Version: mine[i], Names: names, Arches: arches})
		if len(versions) == 1 && shard != nil {
			if b.mine, errs[i] = b.share(shard); errs[i] != nil {
				return
			}
		}
		if errs[i] = b.start(); errs[i] == nil {
			errs[i] = b.all(ctx)
		}
		if errs[i] == nil {
			results[i] = b.results(ctx)
		}
	}
	par.Map(ctx, len(mine), releasesAtOnce, one, func(i int) {
		c := r.check(report.Inventory, report.Unknown, report.Interrupted, "the run was interrupted before this release was looked at")
		c.Required = true
		results[i] = []report.Result{{Subject: mine[i].String(), Kind: "release", Release: mine[i].String(), Checks: []report.Check{c}}}
	})
	for _, err := range errs {
		if err != nil {
			return report.Report{}, err
		}
	}
	return r.report(ctx, scope, mine, slices.Concat(results...)), nil
}

// share takes every n-th of a list that whoever serves the releases has no
// influence on, so that nothing can fall between two shards.
func share[T any](list []T, s *report.Shard, what string) ([]T, error) {
	if s == nil {
		return list, nil
	}
	if s.Count < 1 || s.Index < 0 || s.Index >= s.Count {
		return nil, usagef("there is no shard %s", s)
	}
	if s.Count > len(list) {
		return nil, usagef("%d %s cannot be split into %d shards", len(list), what, s.Count)
	}
	var mine []T
	for i := s.Index; i < len(list); i += s.Count {
		mine = append(mine, list[i])
	}
	return mine, nil
}

// share chooses the images of a release that belong to a shard: of those that
// the policy names every n-th, and of those that only a document names, which
// are not known yet, those of the first.
func (b *batch) share(s *report.Shard) (func(name string) bool, error) {
	var known []string
	for n := range b.lists {
		if b.wanted(n) {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	mine, err := share(known, s, "images that the policy names")
	return func(name string) bool {
		return slices.Contains(mine, name) || s.Index == 0 && !slices.Contains(known, name)
	}, err
}

// ShareReferences takes the part of a shard out of a list of references.
func ShareReferences(refs []registry.Ref, s *report.Shard) ([]registry.Ref, error) {
	return share(refs, s, "images")
}
