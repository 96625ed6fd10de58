package files

import (
	"archive/tar"
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

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

// VerifyLocal verifies files on disk: which file of which release they are, and
// that they are that. version names the release; the zero value takes what a
// path or the file itself says, which is a hint that chooses whom to ask and
// proves nothing. of makes the verifier of a release. The only error is a
// [*report.UsageError].
func VerifyLocal(ctx context.Context, of func(release.Version) (*Verifier, error), list []LocalFile, version release.Version) (report.Report, error) {
	if len(list) == 0 {
		return report.Report{}, session.Usagef("no file was named")
	}
	known := map[release.Version]*Verifier{}
	sums := make([]fetch.Sums, len(list))
	errs := make([]error, len(list))
	hints := make([][]release.Version, len(list))
	par.Map(ctx, len(list), localAtOnce, func(ctx context.Context, i int) {
		if errs[i] = list[i].Odd; errs[i] != nil {
			return
		}
		sums[i], errs[i] = fetch.HashFile(ctx, list[i].Root, list[i].Name, list[i].Progress)
		if hints[i] = []release.Version{version}; version.IsZero() && errs[i] == nil {
			hints[i] = hintsOf(ctx, list[i])
		}
	}, func(i int) { errs[i] = context.Canceled })
	dropped := fewReleases(hints)
	var first *Verifier
	var order []release.Version
	for _, h := range append([][]release.Version{{version}}, hints...) {
		for _, w := range h {
			if known[w] != nil {
				continue
			}
			f, err := of(w)
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
			errs[i] = &manyReleasesError{}
		}
	}
	results := make([]report.Result, len(list))
	used := make([]release.Version, len(list))
	run := localRun{first, known, !version.IsZero()}
	par.Map(ctx, len(list), localAtOnce, func(ctx context.Context, i int) {
		results[i], used[i] = run.result(ctx, list[i], sums[i], errs[i], hints[i])
	}, func(i int) {
		results[i], _ = run.result(ctx, list[i], sums[i], context.Canceled, nil)
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
	return first.session.Report(ctx, report.Scope{Subjects: subjects}, versions, all), nil
}

// manyReleasesError says that a file's release was left out, as the files name too many.
type manyReleasesError struct{}

func (*manyReleasesError) Error() string {
	return fmt.Sprintf("these files name more than %d releases, and this one's was not asked; name it with --release VERSION", maxReleases)
}

// Classify says that a limit was met.
func (*manyReleasesError) Classify() (report.Verdict, report.Reason) {
	return report.Unknown, report.Limit
}

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

// localRun is what the judging of local files shares.
type localRun struct {
	first        *Verifier // of any release: judges what is of none
	known        map[release.Version]*Verifier
	releaseGiven bool // the caller says which release it is
}

func (r localRun) result(ctx context.Context, l LocalFile, sums fetch.Sums, err error, hints []release.Version) (report.Result, release.Version) {
	say := func(c report.Check) (report.Result, release.Version) {
		return l.result(sums, c), release.Version{}
	}
	if err != nil {
		return say(r.first.session.Failed(report.Digest, err))
	}
	if len(hints) == 0 {
		return say(r.first.session.Check(report.Digest, report.Unknown, report.NoClaim, "nothing in its path or in itself says of which release it is; name it with --release VERSION"))
	}
	for _, v := range hints {
		f := r.known[v]
		f.session.Entries.Add(sums.Digest(), bundleBeside(l.Root, l.Name))
		if found := f.Find(ctx, sums); len(found) > 0 {
			return f.local(ctx, l, sums, found), v
		}
	}
	v := hints[0]
	f := r.known[v]
	if f.Load(ctx); r.releaseGiven {
		if res, ok := f.otherBytes(l, sums); ok {
			return res, v
		}
	}
	gone := slices.IndexFunc(hints, func(h release.Version) bool { return r.known[h].NotHeld(ctx) == nil }) < 0
	if gone { // nothing of any of them could be compared
		return say(f.session.Failed(report.Digest, f.NotHeld(ctx)))
	}
	var unread, names []string
	for _, h := range hints {
		names = append(names, h.String())
		r.known[h].Load(ctx)
		unread = append(unread, r.known[h].docs.Unread()...)
	}
	none := fmt.Errorf("no file of %s has these bytes", strings.Join(names, " or "))
	if len(unread) > 0 {
		return say(f.session.Check(report.Digest, report.Unknown, report.Unreachable, "%v", claims.NotFound(none, unread)))
	}
	return say(f.session.Check(report.Digest, report.Unknown, report.NoClaim,
		"%v; if it is of another release, name it with --release VERSION", none))
}

func (l LocalFile) result(sums fetch.Sums, checks ...report.Check) report.Result {
	res := report.Result{Subject: l.Shown, Kind: report.KindFile, Checks: checks}
	if sums.SHA256 != "" {
		res.Digest = string(sums.Digest())
	}
	return res
}

// local judges bytes that the release has, under the name that they have here:
// under a name or path of a file of the release they must be that file's.
func (f *Verifier) local(ctx context.Context, l LocalFile, sums fetch.Sums, found []string) report.Result {
	chosen := found
	for _, local := range l.paths() {
		list, _ := meant(f.pathsByName[strings.ToLower(path.Base(local))], local)
		if len(list) == 0 {
			continue
		}
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(p string) bool { return !slices.Contains(list, p) })
		if len(chosen) == 0 {
			res := l.result(sums, f.session.Check(report.Digest, report.Refuted, report.Mismatch,
				"its name is that of %s of %s, but its bytes are those of %s (sha256 %s)", orMore(list), f.Version, orMore(found), brief(sums.SHA256)))
			res.Release, res.SeenAs = f.Version.String(), []string{f.Version.FileURL(found[0])}
			return res
		}
	}
	judged := f.Judge(ctx, chosen[0], sums)
	judged.Result.SeenAs = []string{judged.Result.Subject}
	judged.Result.Subject = l.Shown
	if shared(chosen[0], l.paths()[0]) <= strings.Count(chosen[0], "/") {
		judged.Result.Notes = append(judged.Result.Notes, fmt.Sprintf("its bytes are those of %s of %s", orMore(chosen), f.Version))
	}
	return judged.Result
}

// otherBytes refutes bytes that no file of the release has under the name of
// one, if the hash of every file that it may mean was read.
func (f *Verifier) otherBytes(l LocalFile, sums fetch.Sums) (report.Result, bool) {
	for _, local := range l.paths() {
		list, whole := meant(f.pathsByName[strings.ToLower(path.Base(local))], local)
		unclaimed := slices.ContainsFunc(list, func(p string) bool {
			return !slices.ContainsFunc(f.items[p].Claims, func(c claims.Claim) bool {
				return c.Digest.Validate() == nil
			})
		})
		// What was not read may name another file of that name.
		if len(list) == 0 || unclaimed || !whole && len(f.docs.Unread()) > 0 {
			continue
		}
		res := l.result(sums, f.session.Check(report.Digest, report.Refuted, report.Mismatch,
			"this is not a %s of %s: none of the %d that its documents list has these bytes (sha256 %s)", path.Base(local), f.Version, len(list), brief(sums.SHA256)))
		res.Release = f.Version.String()
		return res, true
	}
	return report.Result{}, false
}

// paths are the names by which a file is known here, slash-separated.
func (l LocalFile) paths() []string {
	if len(l.Paths) == 0 {
		return []string{filepath.ToSlash(l.Shown)}
	}
	return l.Paths
}

// orMore names the first of several.
func orMore(paths []string) string {
	if len(paths) == 1 {
		return paths[0]
	}
	return fmt.Sprintf("%s (or %d others)", paths[0], len(paths)-1)
}

// documents are the results of the release's own documents, once they are read.
func (f *Verifier) documents() []report.Result {
	if f.docs == nil {
		return nil
	}
	return f.docs.Results()
}

var versionForm = lazyregexp.New(`v1\.[0-9]{1,3}\.[0-9]{1,3}(?:-(?:alpha|beta|rc)\.[0-9]{1,3})?`)

// hintsOf are the versions that a path, an archive's own "version" file, or the
// text in a program names, the likeliest first.
func hintsOf(ctx context.Context, l LocalFile) []release.Version {
	if hints := versionsIn(l.Shown); len(hints) > 0 {
		return hints[:1]
	}
	f, err := fetch.OpenRegular(l.Root, l.Name)
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
		for _, m := range versionForm().FindAll(text, -1) {
			if len(counts) < 4096 {
				counts[string(m)]++
			}
		}
		if err != nil || len(text) <= overlap || ctx.Err() != nil {
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
	for _, m := range versionForm().FindAllString(text, -1) {
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
