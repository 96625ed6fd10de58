package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/guess"
)

// Help writes a command's help: what it does in a line, examples, and then
// everything else.
func Help(w io.Writer, c *cobra.Command) {
	var b strings.Builder
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(&b, "\n%s\n%s\n", title, text)
		}
	}
	if c.IsAdditionalHelpTopicCommand() {
		_, _ = io.WriteString(w, strings.TrimSpace(c.Long)+"\n")
		return
	}
	fmt.Fprintf(&b, "%s: %s\n", c.CommandPath(), strings.ToLower(c.Short[:1])+c.Short[1:])
	section("Examples:", c.Example)
	usage := "  " + c.UseLine()
	if c.HasAvailableSubCommands() {
		usage = "  " + c.CommandPath() + " COMMAND"
	}
	section("Usage:", usage)
	if long := strings.TrimSpace(c.Long); long != "" && long != c.Short {
		fmt.Fprintf(&b, "\n%s\n", folded(long))
	}
	var commands, topics strings.Builder
	for _, sub := range c.Commands() {
		switch {
		case sub.Hidden:
		case sub.IsAdditionalHelpTopicCommand():
			fmt.Fprintf(&topics, "  kverify help %-12s  %s\n", sub.Name(), sub.Short)
		default:
			fmt.Fprintf(&commands, "  %-14s  %s\n", sub.Name(), sub.Short)
		}
	}
	section("Commands:", commands.String())
	section("Flags:", c.LocalFlags().FlagUsagesWrapped(helpWidth))
	section("More:", topics.String())
	if f := c.Flags().Lookup("mirror"); f != nil {
		section("More:", "  kverify help checks, kverify help environment, kverify help exit-codes")
	}
	_, _ = io.WriteString(w, b.String())
}

// HelpCommand replaces cobra's, for which an unknown topic is not an error.
func (a *App) HelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Help about a command or a topic",
		Example: WithExamples(
			"kverify help images",
			"kverify help exit-codes",
		),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, sub := range about.Commands() {
				if !sub.Hidden {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return &UsageError{Err: fmt.Errorf("there is no help on %q; name a command or a topic%s", strings.Join(args, " "), meantTopic(about, rest)), Hint: "try: kverify help"}
			}
			about.InitDefaultHelpFlag()
			Help(a.Stdout, about)
			return nil
		},
	}
}

// meantTopic words what is below a command, and was most likely meant by what follows it.
func meantTopic(about *cobra.Command, rest []string) string {
	if len(rest) == 0 {
		return ""
	}
	var known []string
	for _, sub := range about.Commands() {
		known = append(known, sub.Name())
	}
	return guess.DidYouMean(rest[0], known)
}
