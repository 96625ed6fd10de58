package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/spf13/cobra"
)

// completion replaces cobra's, for which an unknown shell is not an error.
func completionCommand(a *command.App) *cobra.Command {
	scripts := map[string]func(*cobra.Command, io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
		"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
	}
	shells := slices.Sorted(maps.Keys(scripts))
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long:  "Prints the script that completes kverify's commands and flags.\nSHELL is one of " + strings.Join(shells, ", ") + ".",
		Example: command.WithExamples(
			"source <(kverify completion bash)  # in this bash",
			"kverify completion zsh > \"${fpath[1]}/_kverify\"  # in every zsh",
			"kverify completion fish > ~/.config/fish/completions/kverify.fish",
		),
		ValidArgs: shells,
		Args:      command.Needs(1, 1, "one shell", "kverify completion bash"),
		RunE: func(c *cobra.Command, args []string) error {
			if scripts[args[0]] == nil {
				return &command.UsageError{
					Err:  fmt.Errorf("completion got %q; name one shell of %s%s", args[0], strings.Join(shells, ", "), guess.DidYouMean(args[0], shells)),
					Hint: "try: kverify completion --help",
				}
			}
			a.Running = true
			return scripts[args[0]](c.Root(), a.Stdout)
		},
	}
}
