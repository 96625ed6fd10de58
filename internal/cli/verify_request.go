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

// releaseAlone is the release that was asked for, empty if none was. It stands alone: its
// verdict is one, and not one among others.
func releaseAlone(what []string) (spec string, err error) {
	i := slices.IndexFunc(what, isRelease)
	if i < 0 {
		return "", nil
	}
	spec = what[i]
	rest := slices.Delete(slices.Clone(what), i, i+1)
	noName := func(w string) bool { return isRelease(w) || strings.ContainsAny(w, "/:") } // of an image of it
	switch {
	case len(rest) > 0 && !slices.ContainsFunc(rest, noName):
		return spec, command.Usagef("%q is a release, which is verified alone; write kverify verify %s, or for some of its images kverify images %s %s", spec, spec, spec, strings.Join(rest, " "))
	case len(rest) > 0:
		return spec, command.Usagef("%q is a release, which is verified alone; write kverify verify %s, and name the rest in another run", spec, spec)
	}
	if _, err := os.Lstat(spec); err == nil {
		return spec, command.Usagef("%q is both a release and a file here; run this from another directory", spec)
	}
	return spec, nil
}

// isRelease says whether WHAT is a version or a channel.
func isRelease(what string) bool {
	_, _, err := release.Channel(what)
	return err == nil
}
