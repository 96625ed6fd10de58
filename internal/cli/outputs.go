package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/render"
)

// addOutput defines -o for a command that makes or reads a report.
func addOutput(c *cobra.Command, values *[]string) {
	c.Flags().StringArrayVarP(values, "output", "o", nil, "write the report as `FORMAT[=FILE]`: "+strings.Join(render.Formats, ", ")+"; repeatable (default table)")
	_ = c.RegisterFlagCompletionFunc("output", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return render.Formats, cobra.ShellCompDirectiveNoFileComp
	})
}
