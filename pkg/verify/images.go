package verify

import (
	"context"
	"slices"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// releasesAtOnce is how many releases are examined side by side. Each holds its
// documents only so long, which keeps the memory of a run flat in their number;
// four fill the registry's budget of requests.
const releasesAtOnce = 4

// Images verifies the images of releases: each index, each of its platforms,
// and the per-architecture repositories. Several releases are one job: one pool of
// connections, one budget of requests, one memory of what was read, one report. The
// results stand in a fixed order, whatever came first over the network.
//
// The only error is a [*UsageError]: whatever goes wrong with a subject is that
// subject's verdict, and hides no other's.
func (v *Verifier) Images(ctx context.Context, req Request) (report.Report, error) {
	return v.releases(ctx, req, false)
}

// Release verifies everything about releases that can be proved without
// downloading their files: the images as [Verifier.Images] does, the SBOM, and
// for each file that the digests which the release's documents claim agree and
// that one of those claims counts.
//
// The only error is a [*UsageError].
func (v *Verifier) Release(ctx context.Context, req Request) (report.Report, error) {
	return v.releases(ctx, req, true)
}

// releases examines the images of releases, and their files on the word of their
// documents.
func (v *Verifier) releases(ctx context.Context, req Request, files bool) (report.Report, error) {
	r, err := v.newRun()
	if err != nil {
		return report.Report{}, err
	}
	scope := report.Scope{Names: req.Names, Platforms: req.Arches, Shard: req.Shard}
	mine, err := r.chooseReleases(req, &scope)
	if err != nil {
		return report.Report{}, err
	}
	results, errs := make([][]report.Result, len(mine)), make([]error, len(mine))
	one := func(ctx context.Context, i int) {
		b := newImageSet(r, mine[i], req.Names, req.Arches)
		b.everything = files
		if len(req.Versions) == 1 && req.Shard != nil {
			if errs[i] = b.chooseShard(req.Shard); errs[i] != nil {
				return
			}
		}
		if errs[i] = b.examineAll(ctx); errs[i] != nil {
			return
		}
		results[i] = b.results()
		if files && r.needs(report.Binding) && !b.neverReleased() && !b.notHeld() {
			results[i] = append(results[i], b.docs.Files(req.Names, req.Arches)...)
		}
	}
	if len(mine) == 1 {
		one(ctx, 0)
	} else {
		par.Map(ctx, len(mine), releasesAtOnce, one, func(i int) {
			results[i] = []report.Result{r.releaseResult(mine[i], report.Interrupted, "the run was interrupted before this release was looked at")}
		})
	}
	for _, err := range errs {
		if err != nil {
			return report.Report{}, err
		}
	}
	return r.session.Report(ctx, scope, mine, slices.Concat(results...)), nil
}

// chooseReleases returns the releases of the request's shard, and notes all of them
// in the scope.
func (r *run) chooseReleases(req Request, scope *report.Scope) ([]release.Version, error) {
	if len(req.Versions) == 0 {
		return nil, session.Usagef("no release was named")
	}
	for i, w := range req.Versions {
		if slices.Contains(req.Versions[:i], w) {
			return nil, session.Usagef("%s is named twice", w)
		}
		scope.Subjects = append(scope.Subjects, w.String())
	}
	if len(req.Versions) == 1 {
		return req.Versions, nil
	}
	r.session.Shared = new(release.Shared)
	return share(req.Versions, req.Shard, "releases")
}

// releaseResult is that of a release of which nothing was examined.
func (r *run) releaseResult(v release.Version, reason report.Reason, format string, args ...any) report.Result {
	c := r.check(report.Inventory, report.Unknown, reason, format, args...)
	c.Required = true
	return report.Result{Subject: v.String(), Kind: report.KindRelease, Release: v.String(), Checks: []report.Check{c}}
}
