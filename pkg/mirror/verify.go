package mirror

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Verify examines a whole mirror again from its bytes: that it holds exactly
// what its lists say, every blob and every layer, and every image and file of
// every release as [verify.Verifier] does, whose transport must be this Mirror.
//
// What was asked for when the mirror was made is what must be there. Only the
// mirror says what that was, and the report's scope says so.
func (d *Mirror) Verify(ctx context.Context, v *verify.Verifier) (report.Report, error) {
	a := &audit{dir: d, sizes: map[string]int64{}, listed: map[string]bool{}, absent: map[string][]string{}}
	a.walk(ctx)
	a.lists()
	a.contents(ctx, v.Progress)
	if d.base != "" {
		return d.verifyDelta(ctx, v, a)
	}
	var results []report.Result
	var versions []release.Version
	var absent []string
	known := &accounted{names: map[string]oci.Digest{}, files: map[string]bool{}}
	for _, s := range d.scopes() {
		version, carried, err := d.judgeScope(ctx, v, s, true)
		var wrong *scopeError
		switch {
		case errors.As(err, &wrong):
			a.failed(layout.ManifestFile, err)
		case err != nil:
			return report.Report{}, err
		}
		if !version.IsZero() {
			versions = append(versions, version)
		}
		if carried != nil {
			known.admit(carried)
			results = add(results, carried.Report.Results)
			absent = layout.Union(absent, carried.Report.Scope.Absent)
		}
	}
	if len(versions) == 0 {
		a.note(".", report.Unknown, report.NoClaim, "it names no release, so that there is nothing to verify")
	}
	a.unaccountedNames(known, results)
	a.checksNotRun(v, results)
	for _, version := range unique(versions) {
		list, err := a.judgeFiles(ctx, v, version, known.files)
		if err != nil {
			return report.Report{}, err
		}
		results = add(results, list)
	}
	a.files(ctx, v.Progress, known.files)
	a.unaccountedFiles(known, unique(versions))
	a.unlisted()
	results = append(a.results(), append(d.keptOutside(), results...)...)
	r, err := v.Compose(ctx, []string{d.path}, unique(versions), results)
	r.Scope.Absent = stillAbsent(absent, results)
	return r, err
}

// verifyDelta examines an archive that leaves out what another mirror has. What is there can
// contradict its digests; more is not known of it before it lies over that mirror.
func (d *Mirror) verifyDelta(ctx context.Context, v *verify.Verifier, a *audit) (report.Report, error) {
	a.files(ctx, v.Progress, nil)
	a.findings = slices.DeleteFunc(a.findings, func(f finding) bool { return f.verdict != report.Refuted })
	results := a.results()
	own := &results[0]
	own.Notes = nil // of platforms and releases that lie in the other mirror
	for i := range own.Checks {
		switch c := &own.Checks[i]; {
		case c.Name == report.Inventory:
			c.Verdict, c.Reason = report.Unknown, report.Incomplete
			c.Detail = "it was made with --base (MANIFEST.json " + d.base + "): unpack it over that mirror, then verify the mirror"
		case c.Verdict == report.Verified:
			c.Detail = fmt.Sprintf("%d blobs, and the files that are there, are what the lists say", a.blobs)
		}
	}
	var versions []release.Version
	for _, s := range d.scopes() {
		if version, err := release.ParseVersion(s.Release); err == nil {
			versions = append(versions, version)
		}
	}
	return v.Compose(ctx, []string{d.path}, unique(versions), results)
}

// stillAbsent leaves out what another run over the same mirror brought in.
func stillAbsent(absent []string, results []report.Result) (out []string) {
	there := map[string]bool{}
	for _, r := range results {
		if r.Kind == "image" && r.Digest != "" {
			there[strings.TrimSpace(r.Subject+" "+r.Platform)] = true
		}
	}
	for _, name := range absent {
		if !there[name] {
			out = append(out, name)
		}
	}
	return out
}

// scopeError says that what MANIFEST.json was asked for makes no sense.
type scopeError struct{ error }

// judgeScope verifies the images and documents of one release, as far as they
// were asked for, and if need be what refers to the images.
func (d *Mirror) judgeScope(ctx context.Context, v *verify.Verifier, s layout.Scope, referrers bool) (version release.Version, carried *verify.Admitted, err error) {
	if version, err = release.ParseVersion(s.Release); err != nil {
		return release.Version{}, nil, &scopeError{err}
	}
	c := verify.AdmitRequest{Version: version, Images: s.Images, Names: s.Names, Arches: s.Arches, OSes: s.OSes, Referrers: referrers, FromMirror: true}
	var damaged error
	for _, name := range s.Also {
		ref, err := registry.ParseRef(name)
		if err != nil {
			damaged = &scopeError{err}
			continue
		}
		c.Also = append(c.Also, ref)
	}
	carried, err = v.Admit(ctx, c)
	var usage *verify.UsageError
	switch {
	case errors.As(err, &usage) && d.manifest != nil: // the list's fault, not the caller's
		return version, nil, &scopeError{err}
	case err != nil:
		return version, nil, err
	}
	return version, carried, damaged
}

func unique(list []release.Version) (out []release.Version) {
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// add appends results, of each subject one: the worse, if two differ.
func add(to, more []report.Result) []report.Result {
	for _, r := range more {
		i := slices.IndexFunc(to, func(o report.Result) bool {
			return o.Kind == r.Kind && o.Subject == r.Subject && o.Platform == r.Platform
		})
		switch {
		case i < 0:
			to = append(to, r)
		case r.Verdict() == report.Refuted || r.Verdict() == report.Unknown && to[i].Verdict() == report.Verified:
			to[i] = r
		}
	}
	return to
}

// judgeFiles judges the files of one release by their bytes.
func (a *audit) judgeFiles(ctx context.Context, v *verify.Verifier, version release.Version, judged map[string]bool) ([]report.Result, error) {
	prefix := version.FileURL("")
	var paths []string
	for _, url := range a.urls() {
		p, ok := strings.CutPrefix(url, prefix)
		if ok && release.CheckPath(p) == nil && verify.IsSubject(p) && !strings.HasSuffix(p, layout.BundleSuffix) {
			paths = append(paths, p)
			judged[url] = true
		}
	}
	if len(paths) == 0 {
		return nil, nil
	}
	files, err := v.WithFileChecks().Files(version)
	if err != nil {
		return nil, err
	}
	results := make([]report.Result, len(paths))
	v.Progress.Begin(len(paths))
	par.Map(ctx, len(paths), hashers, func(ctx context.Context, i int) {
		results[i] = a.dir.judgeFile(ctx, files, paths[i])
		v.Progress.End(1)
	}, func(i int) { results[i] = files.Skipped(paths[i]) })
	return results, nil
}

func (d *Mirror) judgeFile(ctx context.Context, files *verify.Files, p string) report.Result {
	url := files.Version.FileURL(p)
	name := layout.FilePath(url)
	w, _ := d.manifest.Lookup(url)
	sums, err := d.sums(ctx, name)
	if err == nil {
		raw, _ := hex.DecodeString(sums.SHA256)
		err = w.Compare(name, sums.Size, raw)
	}
	if err == nil {
		return files.Judge(ctx, p, sums).Result
	}
	res := files.Skipped(p)
	c := &res.Checks[0]
	c.Verdict, c.Reason = session.Classify(err)
	c.Detail = failure(err)
	return res
}

// sums hashes a file both ways.
func (d *Mirror) sums(ctx context.Context, name string) (fetch.Sums, error) {
	f, _, err := layout.OpenFile(d.fsys, name)
	if err != nil {
		return fetch.Sums{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	a, b := sha256.New(), sha512.New()
	n, err := io.Copy(io.MultiWriter(a, b), layout.WithContext(ctx, f))
	text := func(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
	return fetch.Sums{SHA256: text(a), SHA512: text(b), Size: n}, err
}

// keptOutside reports what is kept outside of everything that is served, because it
// could not be proved when the mirror was made.
func (d *Mirror) keptOutside() (out []report.Result) {
	if d.manifest == nil {
		return nil
	}
	for _, u := range d.manifest.Manifest.Unknown {
		kind := report.KindImage
		if strings.HasPrefix(u.Name, "https://") {
			kind = report.KindFile
		}
		out = append(out, report.Result{Subject: u.Name, Kind: kind, Release: u.Release, Digest: string(u.Digest), Checks: []report.Check{{
			Name: report.Inventory, Required: true, Reason: report.NoClaim,
			Detail: "it could not be proved when the mirror was made, and lies outside of what is served: " + u.Detail,
		}}})
	}
	return out
}

// MaxFindings is how many findings a report of a mirror tells one by one.
const MaxFindings = 200

// results is the mirror's own result, and one for each thing that is not right.
func (a *audit) results() []report.Result {
	missing, wrong := 0, 0
	for _, f := range a.findings {
		if f.verdict == report.Refuted {
			wrong++
		} else {
			missing++
		}
	}
	digest := report.Check{Name: report.Digest, Required: true, Verdict: report.Verified,
		Detail: fmt.Sprintf("%d blobs and %d files, %d bytes, are what the lists say; layers were unpacked", a.blobs, a.fileCount(), a.bytes)}
	if wrong > 0 {
		digest.Verdict, digest.Reason = report.Refuted, report.Mismatch
		digest.Detail = fmt.Sprintf("%d things in it are not what they must be", wrong)
	}
	inventory := report.Check{Name: report.Inventory, Required: true, Verdict: report.Verified, Detail: "everything that is listed is there, and nothing else"}
	if missing > 0 {
		inventory.Verdict, inventory.Reason = report.Unknown, report.Incomplete
		inventory.Detail = fmt.Sprintf("%d things in it are missing, not listed, or cannot be read", missing)
	}
	own := report.Result{Subject: a.dir.path, Kind: "mirror", Checks: []report.Check{inventory, digest}, Notes: a.remarks()}
	out := []report.Result{own}
	for i, f := range a.findings {
		if i == MaxFindings {
			own.Notes = append(own.Notes, fmt.Sprintf("%d more findings are not listed", len(a.findings)-i))
			out[0] = own
			break
		}
		name := report.Inventory
		if f.verdict == report.Refuted {
			name = report.Digest
		}
		out = append(out, report.Result{Subject: f.what, Kind: "mirror", Checks: []report.Check{
			{Name: name, Required: true, Verdict: f.verdict, Reason: f.reason, Detail: f.detail}}})
	}
	return out
}

func (a *audit) fileCount() int {
	if a.dir.manifest == nil {
		return 0
	}
	return len(a.dir.manifest.Files)
}

// remarks say what a reader should know and what changes no verdict.
func (a *audit) remarks() (notes []string) {
	m := a.dir.manifest
	if m == nil {
		return []string{"it has no MANIFEST.json, so that nothing says what it must hold"}
	}
	if m.Manifest.Sums == "" {
		notes = append(notes, "its lists have no checksums of their own (MANIFEST.sha256)")
	}
	for _, s := range a.dir.scopes() { // the mirror's own word, which the report's reader must judge
		what := "no images"
		switch {
		case s.Images && len(s.Names) > 0:
			what = "the images " + strings.Join(s.Names, ", ")
		case s.Images:
			what = "all images"
		}
		if s.Images && len(s.Arches) > 0 {
			what += ", for " + strings.Join(s.Arches, ", ")
		}
		if len(s.Also) > 0 {
			what += "; and " + strings.Join(s.Also, ", ")
		}
		notes = append(notes, fmt.Sprintf("asked for of %s: %s", s.Release, what))
	}
	var absent []string
	for _, list := range a.absent {
		absent = layout.Union(absent, list)
	}
	if len(absent) > 0 {
		notes = append(notes, "it is sparse: indexes name platforms that it has not: "+strings.Join(absent, ", "))
	}
	return append(notes, fmt.Sprintf("made %s by %s %s", m.Manifest.Created, m.Manifest.Tool.Name, m.Manifest.Tool.Version))
}
