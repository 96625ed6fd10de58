package cli

import (
	"github.com/spf13/cobra"
)

// mirror is the parent of the commands that make, keep and hand on mirrors.
func (a *app) mirrorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "mirror",
		Short: "Carry releases to where there is no network",
		Long: `Makes and uses mirrors: directories that hold releases with everything that proves
them, so that a mirror can be verified, served and pushed without any network.`,
		RunE: func(c *cobra.Command, _ []string) error { a.running = true; help(a.stdout, c); return nil },
	}
	// A line each, so that they can be added one by one.
	c.AddCommand(a.mirrorCreateCommand())
	c.AddCommand(a.mirrorPruneCommand())
	c.AddCommand(a.mirrorServeCommand())
	c.AddCommand(a.mirrorPushCommand())
	c.AddCommand(a.mirrorConfigCommand())
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("kverify mirror has no %q; there is %s", args[0], orElse(commandNames(c), "nothing yet"))
		}
		return nil
	}
	return c
}
