package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// request is what is to be verified, by the names that were given.
type request struct {
	what    []string // each once
	release string   // --release, of files
	shard   *report.Shard
	seen    seenFlags
}

// releaseAlone is the release that was asked for, empty if none was. It stands alone: the verdict
// on it is of its files too, and that on a release among others would be of its images only. What
// a list names stands in it, and is no release that was asked for.
func releaseAlone(n request) (spec string, err error) {
	i := slices.IndexFunc(n.what, isRelease)
	if i < 0 {
		return "", nil
	}
	spec = n.what[i]
	rest := slices.Delete(slices.Clone(n.what), i, i+1)
	noName := func(w string) bool { return isRelease(w) || strings.ContainsAny(w, "/:") } // of an image of it
	switch {
	case len(rest)+len(n.seen.lists) == 0:
		if _, err := os.Lstat(spec); err == nil {
			return spec, command.Usagef("%q is both a release and a file here; run this from another directory", spec)
		}
		return spec, nil
	case len(n.seen.lists) == 0 && slices.ContainsFunc(rest, command.IsLocal) && n.release == "":
		return spec, command.Usagef("%q is a release, which is verified alone; write kverify verify %s, and name the rest in another run, with --release %s if the files are of it", spec, spec, spec)
	case len(n.seen.lists) == 0 && !slices.ContainsFunc(rest, noName):
		return spec, command.Usagef("%q is a release, which is verified alone; write kverify verify %s, or for some of its images kverify images %s %s", spec, spec, spec, strings.Join(rest, " "))
	}
	return spec, command.Usagef("%q is a release, which is verified alone; write kverify verify %s, and name the rest in another run", spec, spec)
}

// isRelease says whether WHAT is a version or a channel.
func isRelease(what string) bool {
	_, _, err := release.Channel(what)
	return err == nil
}
