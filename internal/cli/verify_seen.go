package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
	"github.com/kverify/kverify/pkg/sight/packages"
	"github.com/kverify/kverify/pkg/verify"
)

// seenInput sorts what was named: copies and lists, which are judged by what was
// seen of them, and what is judged by itself. The caller closes it.
type seenInput struct {
	seen.Input
	files []string // paths of no container
	// either are containers that have the name of an image's archive in a release,
	// which is a file with a hash of its own.
	either []string
	lists  []*sight.List
	mapped []registry.Ref // names that were mapped to ours, among Refs
	close  []func() error
	// remarks say what in a container was not judged.
	remarks []string
}

func (in *seenInput) Close() {
	for _, f := range in.close {
		_ = f()
	}
}

// isSeen says whether a run is about what others pulled. KVERIFY_AS alone, which may stand in
// every environment, makes a release or an image under its own name no copy.
func isSeen(n request) bool {
	return len(n.seen.lists) > 0 || slices.ContainsFunc(n.what, func(what string) bool {
		mapped := (len(n.seen.as) > 0 || n.seen.strict) && !isRelease(what) && !strings.HasPrefix(what, command.ImageHost+"/")
		return isDigest(what) || command.IsLocal(what) || mapped
	})
}

// verifySeen verifies what others pulled, and files.
func verifySeen(ctx context.Context, a *command.App, v *verify.Verifier, n request) (report.Report, error) {
	aliases, err := sight.ParseMapping(v.Policy.Images.Registry, n.seen.as...)
	if err != nil {
		return report.Report{}, &command.UsageError{Err: err}
	}
	j := &seen.Judge{
		Verifier: v, Names: seen.NamesOf(v.Policy, aliases), Strict: n.seen.strict, Arches: n.seen.Arches,
	}
	if err := knownArches(j.Arches); err != nil {
		return report.Report{}, err
	}
	in, err := readSeen(ctx, a, j, n)
	if err != nil {
		return report.Report{}, err
	}
	defer in.Close()
	j.Copies = a.Copies(v, in.mapped)
	if err := releaseFilesFirst(ctx, a, v, in, n.release); err != nil {
		return report.Report{}, err
	}
	if len(in.Releases) > 0 && len(in.Lists)+len(in.Refs)+len(in.Digests)+len(in.Copies)+len(in.Packages) == 0 {
		return report.Report{}, command.Usagef("%q is not a path, and files are verified alone; write --release %s for the release that they are of", in.Releases[0], in.Releases[0])
	}
	if len(in.files) > 0 {
		if in.Before, err = localFiles(ctx, a, v, in.files, n.release); err != nil {
			return report.Report{}, err
		}
		if len(in.Lists)+len(in.Releases)+len(in.Refs)+len(in.Digests)+len(in.Copies)+len(in.Packages) == 0 {
			return in.Before, nil
		}
	}
	if n.release != "" {
		if j.Release, err = a.Resolve(ctx, v.Fetch, n.release); err != nil {
			return report.Report{}, err
		}
	}
	r, err := j.Judge(ctx, in.Input)
	var list *sight.ListError
	if errors.As(err, &list) {
		return r, &command.UsageError{Err: err}
	}
	for _, remark := range in.remarks {
		a.SayLater(remark)
	}
	for _, l := range in.lists {
		unjudged := l.Unjudged()
		for _, note := range l.Notes() {
			if !slices.Contains(unjudged, note) { // the verdict's line says those
				a.SayLater(note)
			}
		}
		r.Scope.Remarks = append(r.Scope.Remarks, unjudged...)
	}
	for _, version := range in.Releases {
		r.Scope.Remarks = append(r.Scope.Remarks, fmt.Sprintf("of %s its images alone: kverify verify %s verifies its files too", version, version))
	}
	return r, err
}

// releaseFilesFirst takes an archive that is a file of a release, byte by byte, for that file.
func releaseFilesFirst(ctx context.Context, a *command.App, v *verify.Verifier, in *seenInput, spec string) error {
	if len(in.either) == 0 {
		return nil
	}
	r, err := localFiles(ctx, a, v, in.either, spec)
	if err != nil {
		return err
	}
	for _, path := range in.either {
		i := slices.IndexFunc(r.Results, func(res report.Result) bool {
			return res.Kind == "file" && slices.Contains(res.SeenAs, path) || res.Subject == path
		})
		if i < 0 || r.Results[i].Verdict() != report.Verified {
			continue
		}
		in.files = append(in.files, path)
		in.Copies = slices.DeleteFunc(in.Copies, func(c seen.Container) bool { return c.Name == path })
	}
	return nil
}

func readSeen(ctx context.Context, a *command.App, j *seen.Judge, n request) (*seenInput, error) {
	in := &seenInput{}
	fail := func(err error) (*seenInput, error) {
		in.Close()
		return nil, err
	}
	if len(n.seen.lists) > 0 {
		a.HoldMany()
	}
	stdin := false
	for _, path := range n.seen.lists {
		if path == "" {
			return fail(command.Usagef("-f names no file; write -f FILE, or -f - for stdin"))
		}
		if path == "-" && stdin {
			return fail(command.Usagef("-f - is named twice, and stdin is read once; name each list once"))
		}
		stdin = stdin || path == "-"
		r, err := openList(ctx, path)
		if err != nil {
			return fail(err)
		}
		in.close = append(in.close, r.Close)
		l := sight.NewList(path, r)
		in.lists = append(in.lists, l)
		in.Lists = append(in.Lists, l.All(ctx))
		in.Subjects = append(in.Subjects, "-f "+path)
	}
	for _, what := range n.what {
		if err := sortWhat(ctx, a, j, in, what); err != nil {
			return fail(err)
		}
	}
	return in, nil
}

// sortWhat puts one WHAT where it is judged.
func sortWhat(ctx context.Context, a *command.App, j *seen.Judge, in *seenInput, what string) error {
	in.Subjects = append(in.Subjects, what)
	switch {
	case command.IsLocal(what):
		return sortPath(ctx, in, what)
	case isDigest(what):
		in.Digests = append(in.Digests, oci.Digest(what))
		return nil
	}
	if isRelease(what) {
		v, err := a.Resolve(ctx, j.Verifier.Fetch, what)
		in.Releases = append(in.Releases, v)
		return err
	}
	if kind, _ := j.Names.Classify(what); kind == sight.Ours {
		ref, err := registry.ParseRef(what)
		if err != nil {
			return err
		}
		in.Refs, in.mapped = append(in.Refs, ref), append(in.mapped, ref)
		return nil
	}
	ref, err := reference(a, what)
	if err == nil {
		in.Refs = append(in.Refs, ref)
	}
	return err
}

// sortPath tells a container of images from a file of a release, by its content.
func sortPath(ctx context.Context, in *seenInput, path string) error {
	c, err := container.Open(ctx, path)
	switch {
	case errors.Is(err, container.ErrNoContainer), errors.Is(err, fetch.ErrNotRegular), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		if p, ok := readPackage(ctx, path); ok {
			in.Packages = append(in.Packages, p)
			return nil
		}
		if looksLikeList(ctx, path) {
			return command.Usagef("%s is a list, which names images and is not one; write -f %s to judge what it names", path, path)
		}
		in.files = append(in.files, path)
		return nil
	case err != nil:
		in.Copies = append(in.Copies, seen.Container{Name: path, Err: err})
		return nil //nolint:nilerr // it is that container's result
	}
	in.close = append(in.close, c.Close)
	if isImageFile(path) {
		in.either = append(in.either, path)
	}
	if c.Referrers > 0 {
		in.remarks = append(in.remarks, path+": not judged: "+command.Count(c.Referrers, "manifest")+" of what belongs to images, such as signatures")
	}
	in.Copies = append(in.Copies, seen.Container{Name: path, Copies: c.Copies()})
	return nil
}

// readPackage reads a file that begins as a package of deb or rpm does.
func readPackage(ctx context.Context, path string) (seen.Package, bool) {
	f, err := fetch.OpenFile(path)
	if err != nil {
		return seen.Package{}, false
	}
	defer func() { _ = f.Close() }()
	first := make([]byte, 8)
	if n, _ := io.ReadFull(f, first); !packages.Is(first[:n]) {
		return seen.Package{}, false
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return seen.Package{}, false
	}
	return seen.ReadPackage(ctx, path, f), true
}

// isImageFile says whether a path has the name of an image's archive in a release,
// such as kube-proxy.tar, which is a file of it with a hash of its own.
func isImageFile(path string) bool {
	base, ok := strings.CutSuffix(filepath.Base(path), ".tar")
	return ok && command.IsPublishedName(base)
}

// looksLikeList says whether a small text file is a list of images.
func looksLikeList(ctx context.Context, path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return false
	}
	f, err := fetch.OpenFile(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	n := 0
	for s, err := range sight.NewList(path, f).All(ctx) {
		if err != nil || s.Fault != "" {
			return false
		}
		if strings.ContainsAny(s.Name, "/:") || s.Digest != "" {
			n++
		}
	}
	return n > 0
}

// openList opens what -f names, which may be a pipe.
func openList(ctx context.Context, path string) (io.ReadCloser, error) {
	if path == "-" {
		if _, isTerminal := command.Terminal(os.Stdin); isTerminal {
			return nil, command.Usagef("-f -: stdin is a terminal; pipe a list into it, such as: kubectl get pods -A -o json | kverify verify -f -")
		}
		return openStdin(ctx)
	}
	r, err := fetch.OpenInput(ctx, path)
	if err != nil {
		return nil, command.Usagef("-f %s: %w; name a list of images, or - for stdin", path, command.PlainError(err))
	}
	return r, nil
}

// openStdin opens stdin so that reading ends with the context, where the system has a name for it.
func openStdin(ctx context.Context) (io.ReadCloser, error) {
	if r, err := fetch.OpenInput(ctx, "/dev/stdin"); err == nil {
		return r, nil
	}
	return os.Stdin, nil
}

func knownArches(list []string) error {
	for _, arch := range list {
		if !slices.Contains(release.Arches, arch) {
			return command.Usagef("--arch: there is no architecture %q; there are %s%s", arch, strings.Join(release.Arches, ", "), guess.DidYouMean(arch, release.Arches))
		}
	}
	return nil
}
