package verify

import (
	"archive/tar"
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// LocalFile is a file on disk that may be one of a release.
type LocalFile struct {
	Root     *os.Root
	Name     string // in Root, slash-separated
	Shown    string // as the user knows it
	Progress *fetch.Transfer
}

const (
	// maxScanned caps what is read of a file for a hint of its version: the
	// largest programs have some 150 MB.
	maxScanned = 512 << 20
	// maxHints caps the releases that are asked about one file.
	maxHints = 3
	// maxReleases caps the releases that are asked about all files of a run: what a
	// file says of itself costs its writer nothing, and each release some twenty requests.
	maxReleases = 12
	// localAtOnce bounds the disk's work.
	localAtOnce = 4
)

// LocalFiles verifies files on disk: which file of which release they are, and
// that they are that. version names the release; the zero value takes what a
// path or the file itself says, which is a hint that chooses whom to ask and
// proves nothing. The only error is a [*UsageError].
func (v *Verifier) LocalFiles(ctx context.Context, list []LocalFile, version release.Version) (report.Report, error) {
	if len(list) == 0 {
		return report.Report{}, usagef("no file was named")
	}
	known := map[release.Version]*Files{}
	sums := make([]fetch.Sums, len(list))
	errs := make([]error, len(list))
	hints := make([][]release.Version, len(list))
	par.Map(ctx, len(list), localAtOnce, func(_ context.Context, i int) {
		sums[i], errs[i] = fetch.HashFile(list[i].Root, list[i].Name, list[i].Progress)
		if hints[i] = []release.Version{version}; version.IsZero() && errs[i] == nil {
			hints[i] = hintsOf(list[i])
		}
	}, func(i int) { errs[i] = context.Canceled })
	dropped := fewReleases(hints)
	var first *Files
	var order []release.Version
	for _, h := range append([][]release.Version{{version}}, hints...) {
		for _, w := range h {
			if known[w] != nil {
				continue
			}
			f, err := v.Files(w)
			if err != nil {
				return report.Report{}, err
			}
			known[w] = f
			if first == nil {
				first = f
			}
			if !w.IsZero() {
				order = append(order, w)
			}
		}
	}
	for i := range list {
		if dropped[i] && len(hints[i]) == 0 {
			errs[i] = errManyReleases
		}
	}
	results := make([]report.Result, len(list))
	used := make([]release.Version, len(list))
	par.Map(ctx, len(list), localAtOnce, func(ctx context.Context, i int) {
		results[i], used[i] = localResult(ctx, first, list[i], sums[i], errs[i], hints[i], known, !version.IsZero())
	}, func(i int) {
		results[i], _ = localResult(ctx, first, list[i], sums[i], context.Canceled, nil, known, false)
	})

	var all []report.Result
	var versions []release.Version
	for _, w := range order {
		if slices.Contains(used, w) {
			versions = append(versions, w)
			all = append(all, known[w].documents()...)
		}
	}
	all = append(all, results...)
	var subjects []string
	for _, f := range list {
		subjects = append(subjects, f.Shown)
	}
	return first.report(ctx, report.Scope{Subjects: subjects}, versions, all), nil
}

var errManyReleases = fmt.Errorf("these files speak of more than %d releases, and this one's was not asked; name it with --release VERSION", maxReleases)

// fewReleases leaves of all files' hints the releases that most of them speak of, no
// more than maxReleases, and says of each file whether it lost one.
func fewReleases(hints [][]release.Version) (dropped []bool) {
	votes, at := map[release.Version]int{}, map[release.Version]int{}
	var all []release.Version
	for _, list := range hints {
		for _, v := range list {
			if votes[v]++; votes[v] == 1 {
				at[v], all = len(all), append(all, v)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b release.Version) int {
		return cmp.Or(cmp.Compare(votes[b], votes[a]), cmp.Compare(at[a], at[b]))
	})
	asked := map[release.Version]bool{}
	for _, v := range all[:min(len(all), maxReleases)] {
		asked[v] = true
	}
	dropped = make([]bool, len(hints))
	for i, list := range hints {
		n := len(list)
		hints[i] = slices.DeleteFunc(slices.Clone(list), func(v release.Version) bool { return !asked[v] })
		dropped[i] = len(hints[i]) < n
	}
	return dropped
}

func localResult(ctx context.Context, r *Files, l LocalFile, sums fetch.Sums, err error, hints []release.Version, known map[release.Version]*Files, named bool) (report.Result, release.Version) {
	say := func(c report.Check) (report.Result, release.Version) {
		res := report.Result{Subject: l.Shown, Kind: "file", Checks: []report.Check{c}}
		if sums.SHA256 != "" {
			res.Digest = "sha256:" + sums.SHA256
		}
		return res, release.Version{}
	}
	if errors.Is(err, errManyReleases) {
		return say(r.check(report.Digest, report.Unknown, report.Limit, "%v", err))
	}
	if err != nil {
		return say(r.failed(report.Digest, err))
	}
	if len(hints) == 0 {
		return say(r.check(report.Digest, report.Unknown, report.NoClaim, "nothing in its path or in itself says of which release it is; name it with --release VERSION"))
	}
	base := path.Base(l.Name)
	for _, v := range hints {
		f := known[v]
		f.kept.add("sha256:"+sums.SHA256, bundleBeside(l.Root, l.Name))
		found := f.Find(ctx, sums)
		if len(found) == 0 {
			continue
		}
		judged := f.Judge(ctx, mostLike(found, l.Shown), sums)
		judged.Result.SeenAs = []string{judged.Result.Subject}
		judged.Result.Subject = l.Shown
		return judged.Result, v
	}
	v := hints[0]
	f := known[v]
	var should []string // files of the release by that name
	for _, it := range f.Load(ctx).Items {
		if !it.Image && IsSubject(it.Subject) && path.Base(it.Subject) == base {
			should = append(should, it.Subject)
		}
	}
	if named && len(should) > 0 {
		res, used := say(f.check(report.Digest, report.Refuted, report.Mismatch, "this is no %s of %s: none of the %d that its documents list has these bytes (sha256 %s)", base, v, len(should), brief(sums.SHA256)))
		res.Release = v.String()
		return res, used
	}
	if notes := f.listing.Notes; len(f.items) == 0 && len(notes) > 0 {
		return say(f.check(report.Digest, report.Unknown, report.Unreachable, "the documents of %s could not be read: %s", v, notes[0]))
	}
	var names []string
	for _, h := range hints {
		names = append(names, h.String())
	}
	return say(f.check(report.Digest, report.Unknown, report.NoClaim,
		"no file of %s has these bytes; if it is of another release, name it with --release VERSION", strings.Join(names, " or ")))
}

// documents are the results of the release's own documents, once they are read.
func (f *Files) documents() []report.Result {
	if f.facts == nil {
		return nil
	}
	return f.facts.results()
}

// mostLike chooses among files of the same bytes the one whose name is the
// nearest.
func mostLike(paths []string, shown string) string {
	for _, p := range paths {
		if strings.HasSuffix(shown, p) {
			return p
		}
	}
	for _, p := range paths {
		if path.Base(p) == path.Base(shown) {
			return p
		}
	}
	return paths[0]
}

var versionForm = regexp.MustCompile(`v1\.[0-9]{1,3}\.[0-9]{1,3}(?:-(?:alpha|beta|rc)\.[0-9]{1,3})?`)

// hintsOf are the versions that a path, an archive's own "version" file, or the
// text in a program names, the likeliest first.
func hintsOf(l LocalFile) []release.Version {
	if hints := versionsIn(l.Shown); len(hints) > 0 {
		return hints[:1]
	}
	f, err := l.Root.Open(l.Name)
	if err != nil {
		return nil
	}
	defer f.Close()
	if strings.HasSuffix(l.Name, ".tar.gz") {
		return archiveHints(f)
	}
	counts := map[string]int{}
	rd := bufio.NewReaderSize(io.LimitReader(f, maxScanned), 1<<20)
	for overlap := 64; ; {
		text, err := rd.Peek(1 << 20)
		for _, m := range versionForm.FindAll(text, -1) {
			if len(counts) < 4096 {
				counts[string(m)]++
			}
		}
		if err != nil || len(text) <= overlap {
			break
		}
		_, _ = rd.Discard(len(text) - overlap)
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	var hints []release.Version
	for _, name := range names {
		// Libraries of the same form are of lower minors than any release in use.
		if v, err := release.ParseVersion(name); err == nil && v.Minor >= 16 && len(hints) < maxHints {
			hints = append(hints, v)
		}
	}
	return hints
}

func versionsIn(text string) (hints []release.Version) {
	for _, m := range versionForm.FindAllString(text, -1) {
		if v, err := release.ParseVersion(m); err == nil {
			hints = append(hints, v)
		}
	}
	slices.Reverse(hints) // the last element of a path says most
	return hints
}

// archiveHints reads the file "version" near the beginning of a release's
// tarball.
func archiveHints(r io.Reader) []release.Version {
	zr, err := gzip.NewReader(io.LimitReader(r, maxScanned))
	if err != nil {
		return nil
	}
	tr := tar.NewReader(io.LimitReader(zr, maxScanned))
	for range 100_000 {
		h, err := tr.Next()
		if err != nil {
			return nil
		}
		if path.Base(h.Name) == "version" {
			text, _ := io.ReadAll(io.LimitReader(tr, 256))
			return versionsIn(string(text))
		}
	}
	return nil
}

// LocalPaths lists the regular files of a directory that may be files of a
// release: not the parts and bundles that downloads leave, nor checksums and
// signatures.
func LocalPaths(root *os.Root, dir string, limit int) ([]string, error) {
	var out []string
	entries, err := func() ([]os.DirEntry, error) {
		d, err := root.Open(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.ReadDir(-1)
	}()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.Name()[0] == '.':
		case e.IsDir():
			more, err := LocalPaths(root, name, limit-len(out))
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		case e.Type().IsRegular() && !accompanies(e.Name()):
			out = append(out, name)
		}
		if len(out) > limit {
			return nil, fmt.Errorf("more than %d files", limit)
		}
	}
	return out, nil
}

func accompanies(name string) bool {
	for _, suffix := range []string{BundleSuffix, ".sig", ".cert", ".sha256", ".sha512", ".docker_tag"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return release.DescribeFile(name).Kind == "document"
}
