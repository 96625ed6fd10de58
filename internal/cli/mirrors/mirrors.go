// Package mirrors has the commands below "kverify mirror", a file each.
package mirrors

import (
	"github.com/kverify/kverify/internal/command"
	"github.com/spf13/cobra"
)

// Command is the parent of the commands that make, keep and hand on mirrors.
func Command(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "mirror",
		Short: "Carry releases to where there is no network",
		Long: `Makes and uses mirrors: directories that hold releases with everything that proves
them, so that a mirror can be verified, served and pushed without any network.`,
	}
	// A line each, so that they can be added one by one.
	c.AddCommand(createCommand(a))
	c.AddCommand(keygenCommand(a))
	c.AddCommand(showCommand(a))
	c.AddCommand(verifyCommand(a))
	c.AddCommand(pruneCommand(a))
	c.AddCommand(serveCommand(a))
	c.AddCommand(pushCommand(a))
	c.AddCommand(configCommand(a))
	return a.Group(c)
}
