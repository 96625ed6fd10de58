package seen

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight/packages"
	"github.com/kverify/kverify/pkg/verify"
)

// programs are the programs that releases have as files of their own.
var programs = []string{
	"apiextensions-apiserver", "kube-aggregator", "kube-apiserver", "kube-controller-manager", "kube-log-runner",
	"kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubectl-convert", "kubelet", "mounter",
}

// maxSaid caps the releases that are asked about one program beside that of its package.
const maxSaid = 2

// ReadPackage reads a package, with what its programs say of their version.
func ReadPackage(ctx context.Context, name string, r io.Reader) Package {
	said := map[string]*release.Said{}
	p, err := packages.Read(ctx, r, packages.Request{Programs: programs, Also: func(path string) io.Writer {
		said[path] = new(release.Said)
		return said[path]
	}})
	out := Package{Name: name, Package: p, Err: err, Said: map[string][]release.Version{}}
	for path, s := range said {
		out.Said[path] = s.Versions(maxSaid)
	}
	return out
}

// packaged judges the programs in packages: each must be the file of the release that
// the package's name and version say. Scripts and the package's signature are not judged.
func (s *run) packaged(ctx context.Context, list []Package) error {
	known := map[release.Version]*verify.Files{}
	for _, p := range list {
		if why, ok := p.unknownAsWhole(); ok {
			s.put(report.Result{
				Subject: p.Name, Kind: report.KindFile, Places: []report.Place{{Source: p.Name}},
				Checks: []report.Check{{Name: report.Digest, Verdict: why.verdict, Required: true, Reason: why.reason, Detail: why.detail}},
			})
			continue
		}
		if len(p.Files) == 0 {
			s.others = append(s.others, p.Name+" ("+p.Package.Name+")")
			continue
		}
		for _, f := range p.Files {
			res, err := s.program(ctx, known, p, f)
			if err != nil {
				return err
			}
			s.remark("of packages only the programs are judged, and not their scripts, units and signatures")
			res.Notes = append(res.Notes, fmt.Sprintf("the %s package has %d other files, which were not judged", p.Format, p.Others))
			s.put(res)
		}
	}
	for _, v := range slices.SortedFunc(maps.Keys(known), release.Version.Compare) {
		if slices.Contains(s.releases, v.String()) {
			s.inside(known[v].Report(ctx, nil, nil, nil).Results)
		}
	}
	return nil
}

// unknownAsWhole says why a package as a whole is not known: it cannot be read, or it has the name
// of a program and does not have the program.
func (p Package) unknownAsWhole() (why finding, ok bool) {
	if p.Err != nil {
		return unread("the package", p.Err), true
	}
	isNamed := func(f packages.File) bool { return path.Base(f.Path) == p.Package.Name }
	if slices.Contains(programs, p.Package.Name) && !slices.ContainsFunc(p.Files, isNamed) {
		return unknown(report.Incomplete, "the package is called %s and has no program of that name", p.Package.Name), true
	}
	return finding{}, false
}

// program judges one program of a package.
func (s *run) program(ctx context.Context, known map[release.Version]*verify.Files, p Package, f packages.File) (report.Result, error) {
	files := func(v release.Version) (*verify.Files, error) {
		if known[v] == nil {
			one, err := s.verifier.Files(v)
			if err != nil {
				return nil, err
			}
			one.Load(ctx)
			known[v] = one
		}
		return known[v], nil
	}
	sums := fetch.Sums{SHA256: f.SHA256, SHA512: f.SHA512, Size: f.Size}
	shown := p.Name + ": " + f.Path
	say := func(v report.Verdict, why report.Reason, format string, args ...any) report.Result {
		return report.Result{
			Subject: shown, Kind: report.KindFile, Digest: string(oci.FromHex(f.SHA256)), Places: []report.Place{{Source: p.Name, Entry: f.Path}},
			Checks: []report.Check{{Name: report.Digest, Verdict: v, Required: true, Reason: why, Detail: fmt.Sprintf(format, args...)}},
		}
	}
	version, err := release.ParseVersion(p.Release())
	if err != nil {
		return say(report.Unknown, report.NoClaim, "the package's version %q names no release", p.Version), nil //nolint:nilerr // it is the program's result
	}
	want := "bin/linux/" + p.Arch + "/" + f.Path[strings.LastIndexByte(f.Path, '/')+1:]
	for i, v := range append([]release.Version{version}, p.Said[f.Path]...) {
		one, err := files(v)
		if err != nil {
			return report.Result{}, err
		}
		found := one.Find(ctx, sums)
		switch {
		case i == 0 && slices.Contains(found, want):
			res := one.Judge(ctx, want, sums).Result
			res.SeenAs = append(res.SeenAs, shown)
			res.Places = []report.Place{{Source: p.Name, Entry: f.Path}}
			s.addRelease(v)
			return res, nil
		case len(found) > 0:
			return say(report.Refuted, report.Mismatch, "it is %s of %s, and the package says that it is %s of %s", found[0], v, want, version), nil
		}
	}
	first, err := files(version)
	if err != nil {
		return report.Result{}, err
	}
	if unread := first.Load(ctx).Unread; len(unread) > 0 {
		return say(report.Unknown, report.Unreachable, "no document of %s that could be read has these bytes, and some could not: %s", version, list(unread)), nil
	}
	return say(report.Unknown, report.NoClaim, "no file of %s has these bytes; it was rebuilt or stripped, or is another party's", version), nil
}

func (s *run) addRelease(v release.Version) {
	if !slices.Contains(s.releases, v.String()) {
		s.releases = append(s.releases, v.String())
	}
}
