package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
	"github.com/kverify/kverify/pkg/trust"
)

// Completion is what cobra asks for the words that may stand next.
type Completion = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// CompleteVersions completes the first argument with versions and channels that are known
// without a request, and later ones with others; files says that a path may stand
// in the first place.
func CompleteVersions(files bool, others func(given []string) []string) Completion {
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
		return Versions(), directive
	}
}

// CompleteList completes the last word of a list that commas separate.
func CompleteList(values []string) Completion {
	return func(_ *cobra.Command, _ []string, typed string) (list []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		given := strings.Split(before, ",")
		for _, v := range values {
			if !slices.Contains(given, v) {
				list = append(list, before+v)
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// ImagesOf are the images of a release and the programs of one, as far as they are known without a
// request. Text that is not a version has none.
func ImagesOf(given []string) []string {
	minor, ok := minorOf(given[0])
	if !ok {
		return nil
	}
	names, _, _ := trust.EmbeddedPolicy().MinimumImages(minor)
	return without(names, given[1:])
}

// FilesOf are the programs and kinds of files that a release has, likewise.
func FilesOf(given []string) []string {
	minor, ok := minorOf(given[0])
	if !ok {
		return nil
	}
	names, _, _ := trust.EmbeddedPolicy().MinimumImages(minor)
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "conformance" || n == "pause" }) // images alone
	return without(Unique(slices.Concat([]string{"kubectl", "kubeadm", "kubelet", "kubectl-convert"}, names, release.FileKinds)), given[1:])
}

// NamesOf are both.
func NamesOf(given []string) []string { return Unique(append(FilesOf(given), ImagesOf(given)...)) }

func without(list, given []string) (rest []string) {
	for _, n := range list {
		if !slices.Contains(given, n) {
			rest = append(rest, n)
		}
	}
	return rest
}

// minorOf is the minor of a version; of a channel without one, the newest.
func minorOf(spec string) (int, bool) {
	marker, v, err := release.Channel(spec)
	if err != nil {
		return 0, false
	}
	if marker == "" {
		return v.Minor, true
	}
	if _, branch, ok := strings.Cut(marker, "-"); ok {
		if m, err := support.ParseMinor(branch); err == nil {
			return m.Minor, true
		}
	}
	return NewestMinor(), true
}

// Versions are the channels, and the newest patch of every minor that the policy knows images of.
func Versions() []string {
	newest, _ := release.Snapshot()
	out := []string{"stable", "latest"}
	for _, v := range newest {
		if _, _, known := trust.EmbeddedPolicy().MinimumImages(v.Minor); known {
			out = append(out, v.String())
		}
	}
	return out
}

func NewestMinor() int {
	newest, _ := release.Snapshot()
	return newest[0].Minor
}

// Minors are those of the snapshot.
func Minors() (list []string) {
	for _, c := range support.Embedded().Cycles {
		list = append(list, c.Minor.String())
	}
	return list
}

// pathLike are the words by which help calls what names a file or directory.
var pathLike = []string{"FILE", "DIR", "PATH", "LIST", "WHAT", "FORMAT", "OLD"}

// CompletePathsOnly lets a shell fall back to names of files only where a file belongs: it
// goes over every command, once all are there.
func CompletePathsOnly(c *cobra.Command) {
	isPath := func(text string) bool {
		return slices.ContainsFunc(pathLike, func(w string) bool { return strings.Contains(text, w) })
	}
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 && !isPath(c.Use) && !c.HasSubCommands() {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name, _ := pflag.UnquoteUsage(f)
		if _, known := c.GetFlagCompletionFunc(f.Name); !known && !isPath(name) {
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	})
	for _, sub := range c.Commands() {
		CompletePathsOnly(sub)
	}
}
