package mirror

import (
	"context"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Images lists the tags of images that the mirror holds, in order; those of
// signatures and the like are not among them.
func (d *Mirror) Images() (list []registry.Ref) {
	for _, r := range d.repos {
		for _, n := range r.Names {
			if n.Tag != "" && layout.SubjectOfTag(n.Tag) == "" {
				list = append(list, registry.Ref{Host: n.Host, Repository: n.Repo, Tag: n.Tag})
			}
		}
	}
	slices.SortFunc(list, func(a, b registry.Ref) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// Judge verifies the images that the mirror holds of some releases, or of all
// if none is named, with the images of no release that were carried with them.
// v's transport must be this Mirror. Layers are left for their readers, since
// no reader can have them unhashed; [Mirror.Verify] examines everything.
func (d *Mirror) Judge(ctx context.Context, v *verify.Verifier, only []release.Version) (report.Report, error) {
	var results []report.Result
	var versions []release.Version
	for _, s := range d.scopes() {
		if w, err := release.ParseVersion(s.Release); len(only) > 0 && (err != nil || !slices.Contains(only, w)) {
			continue
		}
		version, carried, err := d.judgeScope(ctx, v, s, false)
		if err != nil {
			return report.Report{}, err
		}
		versions = append(versions, version)
		results = add(results, carried.Report.Results)
	}
	return v.Compose(ctx, []string{d.path}, unique(versions), results)
}

// Verified says of the mirror's images whether a report about the mirror proves
// them: the very digest that the mirror gives the tag, and of an index every
// platform that the mirror holds.
func (d *Mirror) Verified(r report.Report) func(registry.Ref) bool {
	proved, doubted := map[string]bool{}, map[string]bool{}
	for _, res := range r.Results {
		if res.Kind != "image" {
			continue
		}
		switch {
		case res.Verdict() == report.Verified:
			for _, as := range append([]string{res.Subject}, res.SeenAs...) {
				proved[as+"@"+res.Digest] = true
			}
		case res.Platform == "" || !oci.Digest(res.Digest).IsSHA256() || layout.Exists(d.fsys, layout.BlobPath(oci.Digest(res.Digest))):
			doubted[res.Subject] = true
		}
	}
	return func(ref registry.Ref) bool {
		name := ref.String()
		return proved[name+"@"+d.target(ref)] && !doubted[name]
	}
}

// target is the digest that the mirror gives a tag; empty if it has none.
func (d *Mirror) target(ref registry.Ref) string {
	if r := d.repos[ref.Host+"/"+ref.Repository]; r != nil {
		return string(r.Tags[ref.Tag].Digest)
	}
	return ""
}
