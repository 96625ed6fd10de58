package cli

import (
	"github.com/kverify/kverify/internal/command"
	"github.com/spf13/cobra"
)

// mirror is the parent of the commands that make, keep and hand on mirrors.
func mirrorCommand(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "mirror",
		Short: "Carry releases to where there is no network",
		Long: `Makes and uses mirrors: directories that hold releases with everything that proves
them, so that a mirror can be verified, served and pushed without any network.`,
	}
	// A line each, so that they can be added one by one.
	c.AddCommand(mirrorCreateCommand(a))
	c.AddCommand(mirrorKeygenCommand(a))
	c.AddCommand(mirrorShowCommand(a))
	c.AddCommand(mirrorVerifyCommand(a))
	c.AddCommand(mirrorPruneCommand(a))
	c.AddCommand(mirrorServeCommand(a))
	c.AddCommand(mirrorPushCommand(a))
	c.AddCommand(mirrorConfigCommand(a))
	return a.Group(c)
}
