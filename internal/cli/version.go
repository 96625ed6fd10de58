package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/spf13/cobra"
)

// covers says what a catalogue knows, a line an image.
func covers(c *trust.Catalogue) (lines []string) {
	for _, i := range c.Coverage() {
		line := fmt.Sprintf("%s: %s, %s to %s", i.Image, command.Count(i.Tags, "tag"), i.First, i.Last)
		if i.Children > 0 {
			line += fmt.Sprintf(", and %d single platforms", i.Children)
		}
		lines = append(lines, line)
	}
	return lines
}

func versionCommand(a *command.App) *cobra.Command {
	format := ""
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which kverify this is, and what it trusts",
		Example: command.WithExamples(
			"kverify version",
			"kverify version -o json  # for a program",
		),
		Args: command.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			a.Running = true
			return sayVersion(a, format)
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "text", "`FORMAT`: text or json")
	_ = c.Flags().SetAnnotation("output", command.NotFromEnvironment, nil)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func sayVersion(a *command.App, format string) error {
	b, c := command.ThisBuild(), trust.EmbeddedCatalogue()
	b.Catalogue, b.Covers = c.Source().Digest, covers(c)
	switch format {
	case "json":
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(b)
	case "text":
		revision := ""
		if b.Revision != "" {
			revision = ", revision " + b.Revision
		}
		if b.Time != "" {
			revision += ", of " + b.Time
		}
		_, err := fmt.Fprintf(a.Stdout, "kverify %s (%s, %s%s)\npolicy        %s\ntrusted root  %s\ncatalogue     %s\n  %s\n",
			b.Version, b.Go, b.Platform, revision, b.Policy, b.TrustedRoot, b.Catalogue, strings.Join(b.Covers, "\n  "))
		return err
	}
	return command.Usagef("-o %q: there is no format %q; write -o text or -o json", format, format)
}
