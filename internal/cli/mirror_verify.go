package cli

import (
	"github.com/kverify/kverify/internal/command"
	"github.com/spf13/cobra"
)

// mirrorVerifyCommand is "kverify verify DIR" under the name that is looked for here.
func mirrorVerifyCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	c := &cobra.Command{
		Use:   "verify DIR|FILE.tar",
		Short: "Verify a mirror, as kverify verify DIR does",
		Long: `Verifies a whole mirror, a directory or a tar archive of it: every blob, every layer,
every signature and file again from its bytes, that everything is there that was asked
for, and that nothing else is. It opens no socket.`,
		Example: command.WithExamples(
			"kverify mirror verify DIR",
			"kverify mirror verify mirror.tar --key cosign.pub  # and what its operator vouches for",
		),
		Args: command.Needs(1, 1, "a mirror", "kverify mirror verify DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			a.Running = true
			if err := a.FromEnvironment(c); err != nil {
				return err
			}
			return verifyMirror(a, c, &flags, args)
		},
	}
	flags.AddAccept(c)
	flags.Add(c)
	return c
}
