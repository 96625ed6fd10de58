package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Images lists the tags of images that the mirror holds, in order; those of
// signatures and the like are not among them.
func (d *Dir) Images() (list []registry.Ref) {
	for _, r := range d.repos {
		for _, n := range r.names {
			if n.tag != "" && signed(n.tag) == "" {
				list = append(list, registry.Ref{Host: n.host, Repository: n.repo, Tag: n.tag})
			}
		}
	}
	slices.SortFunc(list, func(a, b registry.Ref) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// Judge verifies the images that the mirror holds of some releases, or of all
// if none is named, with the images of no release that were carried with them.
// v's transport must be this Dir. Layers are left for whoever reads them, since
// nobody can read them unhashed; [Dir.Verify] examines everything.
func (d *Dir) Judge(ctx context.Context, v *verify.Verifier, only []release.Version) (report.Report, error) {
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
func (d *Dir) Verified(r report.Report) func(registry.Ref) bool {
	proved, doubted := map[string]bool{}, map[string]bool{}
	for _, res := range r.Results {
		if res.Kind != "image" {
			continue
		}
		switch {
		case res.Verdict() == report.Verified:
			for _, as := range res.SeenAs {
				proved[as+"@"+res.Digest] = true
			}
			if res.Platform == "" {
				proved[res.Subject+"@"+res.Digest] = true
			}
		case res.Platform == "" || !isDigest(res.Digest) || d.holds(res.Digest):
			doubted[res.Subject] = true
		}
		// One platform under its own name: there is no index to speak of.
		if ref, err := registry.ParseRef(res.Subject); err == nil && res.Verdict() == report.Verified && d.target(ref) == res.Digest {
			proved[res.Subject+"@"+res.Digest] = true
		}
	}
	return func(ref registry.Ref) bool {
		name := ref.String()
		return proved[name+"@"+d.target(ref)] && !doubted[name]
	}
}

// target is the digest that the mirror gives a tag; empty if it has none.
func (d *Dir) target(ref registry.Ref) string {
	if r := d.repos[ref.Host+"/"+ref.Repository]; r != nil {
		return r.tags[ref.Tag].Digest
	}
	return ""
}

func (d *Dir) holds(digest string) bool {
	_, err := fs.Stat(d.fsys, blobPath(digest))
	return err == nil
}

// There is the reference of the copy in a registry, "HOST[/PREFIX]".
func (c Copy) There(registry string) string {
	ref := registry + "/" + c.Ref.Repository
	if c.Ref.Tag != "" {
		return ref + ":" + c.Ref.Tag
	}
	return ref + "@" + c.Digest
}

// Report says of every copy what was proved: of an image what judged, the
// report about the mirror, says of the same digest, and that it was read back
// from the registry, "HOST[/PREFIX]". What judged does not prove is reported as
// it is there, since it was not pushed. Signatures and referrers have a result of
// their own only where they are not as they should be.
func (p *PushResult) Report(judged report.Report, there string) report.Report {
	proof := map[string]report.Result{}
	r := judged
	r.Results = nil
	for _, res := range judged.Results {
		if res.Kind == "image" && res.Verdict() == report.Verified {
			proof[res.Digest] = res
			continue
		}
		r.Results = append(r.Results, res)
	}
	told := map[string]string{} // of each cause the first name that failed for it
	for _, c := range p.Copies {
		res := report.Result{Subject: c.There(there), Kind: "image", Digest: c.Digest, SeenAs: []string{c.Ref.String()}}
		check := report.Check{Name: report.Digest, Required: true, Detail: c.detail(), Evidence: []report.Evidence{
			{What: "manifest", Source: c.There(there), Digest: c.Digest},
		}}
		check.Verdict, check.Reason = c.verdict()
		if c.Err != nil {
			switch why := cause(c); {
			case told[why] == "":
				told[why] = c.There(there)
			case !errors.As(c.Err, new(*PapersError)):
				check.Detail = fmt.Sprintf("%s, as for %s", why, told[why])
			}
		}
		if c.Of != "" && check.Verdict == report.Verified {
			continue
		}
		res.Checks = append(res.Checks, check)
		if of, ok := proof[c.Digest]; ok && c.Of == "" {
			res.Release, res.Platform = of.Release, of.Platform
			for _, k := range of.Checks {
				if k.Name != report.Digest {
					res.Checks = append(res.Checks, k)
				}
			}
		}
		r.Results = append(r.Results, res)
	}
	return r
}

func (c Copy) detail() string {
	switch c.State {
	case Kept:
		return "the registry had it, with every byte of the mirror's manifest"
	case Pushed:
		return "it was pushed, and read back from the registry"
	case Wanted:
		return "it is not there yet"
	}
	return c.Err.Error()
}

// verdict says what a state proves. Only a registry that holds something else
// contradicts anything.
func (c Copy) verdict() (report.Verdict, report.Reason) {
	var corrupt *CorruptError
	var digest *registry.DigestError
	var conflict *ConflictError
	var request *fetch.Error
	switch {
	case c.State == Kept || c.State == Pushed:
		return report.Verified, ""
	case c.State == Wanted:
		return report.Unknown, report.Absent
	case errors.As(c.Err, &conflict), errors.As(c.Err, &digest), errors.As(c.Err, &corrupt):
		return report.Refuted, report.Mismatch
	case errors.As(c.Err, new(*SparseError)), errors.Is(c.Err, fs.ErrNotExist):
		return report.Unknown, report.Incomplete
	case errors.Is(c.Err, context.Canceled), errors.Is(c.Err, context.DeadlineExceeded), fetch.Is(c.Err, fetch.Cancelled):
		return report.Unknown, report.Interrupted
	case errors.As(c.Err, &request):
		return report.Unknown, report.Unreachable
	}
	return report.Unknown, report.Malformed
}
