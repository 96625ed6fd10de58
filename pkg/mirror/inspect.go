package mirror

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Inspect verifies what the mirror holds: each release's images, documents and
// inventory, every file by its bytes, and images that belong to no release.
// v reads the mirror, as its transport is a Dir of it.
func (d *Dir) Inspect(ctx context.Context, v *verify.Verifier) (report.Report, error) {
	held := d.Contents()
	var all report.Report
	add := func(r report.Report) {
		results := append(all.Results, r.Results...)
		subjects, releases := append(all.Scope.Subjects, r.Scope.Subjects...), all.Releases
		for _, x := range r.Releases {
			if !slices.Contains(releases, x) {
				releases = append(releases, x)
			}
		}
		interrupted := all.Interrupted || r.Interrupted
		all = r
		all.Results, all.Scope.Subjects, all.Releases, all.Interrupted = results, subjects, releases, interrupted
	}
	for _, version := range held.Versions {
		r, err := v.Release(ctx, verify.Request{Version: version})
		if err != nil {
			return report.Report{}, err
		}
		// What the documents say of files that may not be here is no word on those that are.
		r.Results = slices.DeleteFunc(r.Results, func(x report.Result) bool { return x.Kind == "file" })
		files, err := d.inspectFiles(ctx, v, version, held.Files)
		if err != nil {
			return report.Report{}, err
		}
		r.Results = append(r.Results, files...)
		add(r)
	}
	if refs := others(held.Images, all.Results); len(refs) > 0 {
		r, err := v.References(ctx, refs)
		if err != nil {
			return report.Report{}, err
		}
		add(r)
	}
	if len(held.Versions) == 0 && len(all.Results) == 0 {
		all = report.Report{SchemaVersion: report.SchemaVersion, Tool: v.Tool}
	}
	return all, nil
}

func (d *Dir) inspectFiles(ctx context.Context, v *verify.Verifier, version release.Version, all []HeldFile) ([]report.Result, error) {
	files, err := v.Files(version)
	if err != nil {
		return nil, err
	}
	mine := slices.DeleteFunc(slices.Clone(all), func(f HeldFile) bool {
		return f.Version != version || !verify.IsSubject(f.Path) || strings.HasSuffix(f.Path, bundleSuffix)
	})
	results := make([]report.Result, len(mine))
	par.Map(ctx, len(mine), hashedAtOnce, func(ctx context.Context, i int) {
		sums, err := d.hash(ctx, mine[i].Name)
		if err != nil {
			results[i] = files.Skipped(mine[i].Path)
			if ctx.Err() == nil {
				results[i].Checks[0].Reason, results[i].Checks[0].Detail = report.Unreachable, err.Error()
			}
			return
		}
		results[i] = files.Judge(ctx, mine[i].Path, sums).Result
	}, func(i int) { results[i] = files.Skipped(mine[i].Path) })
	return results, nil
}

// hash reads a file whole.
func (d *Dir) hash(ctx context.Context, name string) (fetch.Sums, error) {
	f, err := d.Open(name)
	if err != nil {
		return fetch.Sums{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	short, long := sha256.New(), sha512.New()
	n, err := io.Copy(io.MultiWriter(short, long), reading{ctx, f})
	return fetch.Sums{SHA256: hex.EncodeToString(short.Sum(nil)), SHA512: hex.EncodeToString(long.Sum(nil)), Size: n}, err
}

// reading ends with its context.
type reading struct {
	ctx context.Context
	io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// others are the images of the mirror that no result is about: those of no
// release, such as pause. Signatures are tags too, and no subjects.
func others(images []HeldImage, results []report.Result) (refs []registry.Ref) {
	seen := map[string]bool{}
	for _, r := range results {
		seen[r.Subject] = true
		for _, s := range r.SeenAs {
			seen[s] = true
		}
	}
	for _, i := range images {
		if i.Host != hostImages || i.Tag == "" || i.IsAttached() || seen[i.String()] {
			continue
		}
		if ref, err := registry.ParseRef(i.String()); err == nil {
			refs = append(refs, ref)
		}
	}
	return refs
}
