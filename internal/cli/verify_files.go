package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// maxLocal caps the files of one run of verify: a hundred releases.
const maxLocal = 50_000

// localFiles verifies files, and all files of directories.
func localFiles(ctx context.Context, a *command.App, v *verify.Verifier, args []string, spec string) (report.Report, error) {
	var version release.Version
	if spec != "" {
		var err error
		if version, err = a.Resolve(ctx, v.Fetch, spec); err != nil {
			return report.Report{}, err
		}
	}
	var list []verify.LocalFile
	for _, what := range args {
		if !command.IsLocal(what) {
			return report.Report{}, command.Usagef("%q is not a path, and paths are verified alone; write ./%s for a file, and name the rest in another run", what, what)
		}
		info, err := os.Stat(what)
		if err != nil {
			return report.Report{}, command.Usagef("%s: %w; name a file or a directory", what, command.PlainError(err))
		}
		dir, files := filepath.Dir(what), []verify.LocalFile{{Name: filepath.Base(what), Shown: what}}
		if info.IsDir() {
			dir = what
		}
		if resolved, err := filepath.EvalSymlinks(what); err == nil && !info.IsDir() { // a link is followed, as any tool that reads it does
			dir, files[0].Name = filepath.Dir(resolved), filepath.Base(resolved)
		}
		root, err := fetch.OpenDir(dir)
		if err != nil {
			return report.Report{}, command.Usagef("%s: %w; name a file or a directory that can be read", what, command.PlainError(err))
		}
		defer root.Close() //nolint:errcheck,gocritic // only read through, until all files were judged
		if info.IsDir() {
			if files, err = verify.LocalPaths(root, ".", maxLocal); err != nil {
				return report.Report{}, command.Usagef("%s: %w; name fewer at once", what, command.PlainError(err))
			}
			if len(files) == 0 {
				return report.Report{}, command.Usagef("%s has no file that could be one of a release; name another directory", what)
			}
		}
		for _, f := range files {
			f.Root = root
			if info.IsDir() {
				f.Shown = filepath.Join(what, filepath.FromSlash(f.Shown))
			}
			f.Paths = namesOf(f.Shown, filepath.Join(dir, filepath.FromSlash(f.Name)))
			list = append(list, f)
		}
	}
	return v.LocalFiles(ctx, list, version)
}

// namesOf are the absolute paths by which a file is known: as it was named, and
// what its links lead to.
func namesOf(paths ...string) (list []string) {
	for _, p := range paths {
		if full, err := filepath.Abs(p); err == nil {
			list = append(list, filepath.ToSlash(full))
			if resolved, err := filepath.EvalSymlinks(full); err == nil {
				list = append(list, filepath.ToSlash(resolved))
			}
		}
	}
	return command.Unique(list)
}
