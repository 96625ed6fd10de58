package command

import (
	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
)

// CompleteVersions completes the first argument with versions and channels that
// are known without asking anybody, and later ones with others.
func CompleteVersions(files bool, others func(given []string) []string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
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

// Versions are the channels, and the newest patch of every minor as embedded.
func Versions() []string {
	newest, _ := release.Snapshot()
	out := []string{"stable", "latest"}
	for _, v := range newest {
		out = append(out, v.String())
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
