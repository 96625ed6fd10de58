package mirrors

import (
	"context"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

// verifyCommand is "kverify verify DIR" under the name that is looked for here.
func verifyCommand(a *command.App) *cobra.Command {
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
			return Verify(a, c, &flags, args)
		},
	}
	flags.AddAccept(c)
	flags.Add(c)
	for _, name := range elsewhere {
		if f := c.Flags().Lookup(name); f != nil {
			f.Hidden = true // known only to be refused in words
		}
	}
	return c
}

// elsewhere are flags of kverify verify that make no sense for a whole mirror.
var elsewhere = []string{"mirror", "endpoint", "release", "shard", "checks", "arch", "platform"}

// Verify verifies a mirror, a directory or a tar archive of one, by its own bytes.
func Verify(a *command.App, c *cobra.Command, flags *command.Shared, args []string) error {
	for _, flag := range elsewhere {
		if c.Flags().Changed(flag) {
			return command.Usagef("--%s does not go with a mirror: everything in a mirror is verified by its own bytes; leave it out", flag)
		}
	}
	if err := c.Flags().Set("mirror", args[0]); err != nil {
		return err
	}
	return a.Verifying(flags, func(ctx context.Context, v *verify.Verifier, args []string) (report.Report, error) {
		dir, err := mirror.Open(args[0])
		if err != nil {
			return report.Report{}, err
		}
		defer dir.Close() //nolint:errcheck // only read
		return dir.Verify(ctx, v)
	})(c, args)
}
