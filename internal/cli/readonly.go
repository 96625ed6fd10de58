package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/verify"
)

// reader is one run of a command that reads what is published about releases,
// and examines no bytes.
type reader struct {
	*app
	set      *settings
	verifier *verify.Verifier // nil until something is asked of the world
}

// reading wraps such a command: flags before it, a deadline around it.
func (a *app) reading(flags *shared, work func(context.Context, *reader, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		return work(ctx, &reader{app: a, set: set}, args)
	}
}

// ask returns the verifier, and with it everything that is asked of the world.
func (r *reader) ask() (*verify.Verifier, error) {
	if r.verifier == nil {
		v, err := r.app.verifier(r.set)
		if err != nil {
			return nil, err
		}
		r.verifier = v
	}
	return r.verifier, nil
}

// resolve turns what was typed into a version.
func (r *reader) resolve(ctx context.Context, spec string) (release.Version, error) {
	if _, _, err := release.Channel(spec); err != nil {
		return release.Version{}, err // before anything is opened
	}
	v, err := r.ask()
	if err != nil {
		return release.Version{}, err
	}
	version, err := r.app.resolve(ctx, v.Fetch, spec)
	r.sayRemarks(r.set)
	return version, err
}

// remark tells the reader something that is no part of the answer.
func (r *reader) remark(format string, args ...any) {
	if !r.set.quiet {
		r.say(format, args...)
	}
}

// origin words whose bytes a document is made of.
func origin(o fetch.Origin) string {
	if o == fetch.Published {
		return "published: read from its publisher"
	}
	return "carried: not read from its publisher itself, so it proves nothing unless it is signed"
}

// versionOrFile tells the two apart; what may be both is a usage error.
func versionOrFile(arg string) (isFile bool, err error) {
	_, _, bad := release.Channel(arg)
	isPath := strings.ContainsRune(arg, os.PathSeparator) || strings.Contains(arg, "/")
	_, missing := os.Lstat(arg)
	switch {
	case bad == nil && missing == nil:
		return false, usagef("%q is both a version and a file here; write ./%s for the file, or run this from another directory for the version", arg, arg)
	case bad == nil:
		return false, nil
	case missing == nil || isPath:
		return true, nil
	}
	if err := foreignVersion(arg); err != nil {
		return false, err
	}
	return false, usagef("%q is neither a version nor a file here; write a version such as v1.27.2, or the path of a file", arg)
}

// foreignVersion is the error of a version that somebody else made out of an
// upstream one, as clusters and packages print them; nil for anything else. It
// names the upstream version, and stands for it nowhere: other bytes bear it.
func foreignVersion(arg string) error {
	_, err := release.ParseVersion(arg)
	var e *release.VersionError
	if errors.As(err, &e) && !e.Upstream.IsZero() {
		return err
	}
	return nil
}

// needs says what a command must be given.
func needs(least, most int, what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		hint := "try: " + c.CommandPath() + " --help"
		name := strings.TrimPrefix(c.CommandPath(), "kverify ")
		switch {
		case len(args) < least && len(args) == 0:
			return &usageError{err: fmt.Errorf("%s needs %s and got none; write %s", name, what, example), hint: hint}
		case len(args) < least:
			return &usageError{err: fmt.Errorf("%s needs %s and got %q alone; write %s", name, what, strings.Join(args, " "), example), hint: hint}
		case most >= 0 && len(args) > most:
			return &usageError{err: fmt.Errorf("%s takes %s and got %q besides; write %s", name, what, strings.Join(args[most:], " "), example), hint: hint}
		}
		return nil
	}
}

// completeVersions completes the first argument with versions and channels that
// are known without asking anybody, and later ones with others.
func completeVersions(files bool, others func(given []string) []string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		if files {
			directive = cobra.ShellCompDirectiveDefault
		}
		if len(args) > 0 && others != nil {
			return others(args), directive
		}
		if len(args) > 0 && !files {
			return nil, directive
		}
		return versions(), directive
	}
}

// versions are the channels, and the newest patch of every minor as embedded.
func versions() []string {
	newest, _ := release.Snapshot()
	out := []string{"stable", "latest"}
	for _, v := range newest {
		out = append(out, v.String())
	}
	return out
}

// chosen reads a repeatable flag of words, each of which must be known.
func chosen(flag string, given, known []string) error {
	for _, g := range given {
		if !slices.Contains(known, g) {
			return usagef("--%s %q: there is none of that name; name one of %s", flag, g, strings.Join(known, ", "))
		}
	}
	return nil
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
