package cli

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"syscall"

	"github.com/kverify/kverify/internal/cli/mirrors"
	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
	"github.com/spf13/cobra"
)

func rootCommand(a *command.App) *cobra.Command {
	asked := false
	c := &cobra.Command{
		Use:   "kverify",
		Short: "One verdict for one Kubernetes version",
		Long:  "kverify proves that the images of a Kubernetes release are the ones that Kubernetes released.",
		Example: command.WithExamples(
			"kverify images v1.27.2  # every image, on every architecture",
			"kverify images v1.27.2 kube-proxy --arch arm64  # one of them",
			"kverify images v1.27.2 --mirror DIR  # with no network",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2  # an image by its name",
			"kverify images v1.27.2 -o json=report.json  # the verdict for a program",
		),
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.Prepare,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return command.NoCommand(c, args[0])
			}
			a.Running = true
			if asked {
				return sayVersion(a, "text")
			}
			command.Help(a.Stderr, c) // an answer to nothing that was asked: not for a pipe
			a.Code = command.ExitUsage
			return nil
		},
		Args: cobra.ArbitraryArgs,
	}
	c.Flags().BoolVar(&asked, "version", false, "say which kverify this is, as kverify version does")
	_ = c.Flags().SetAnnotation("version", command.NotFromEnvironment, nil)
	c.SetFlagErrorFunc(command.WrongFlag)
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { command.Help(a.Stdout, c) })
	c.AddCommand(imagesCommand(a), downloadCommand(a), verifyCommand(a), listCommand(a), sbomCommand(a), notesCommand(a), reportCommand(a), releasesCommand(a), skewCommand(a), policyCommand(a), trustCommand(a), mirrors.Command(a), imageVerifierCommand(a), lockCommand(a), watchCommand(a), versionCommand(a), completionCommand(a))
	c.AddCommand(command.Topics()...)
	c.SetHelpCommand(a.HelpCommand())
	c.CompletionOptions.DisableDefaultCmd = true
	command.CompletePathsOnly(c)
	return c
}

// Run executes the command line in a.Args and returns its exit code. It is [Main]
// without a process: the caller brings the arguments, the environment, the streams
// and, if a.Network is set, what answers in the place of the network.
func Run(ctx context.Context, a *command.App) (code int) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			if p, ok := v.(*par.Panic); ok {
				v, stack = p.Value, p.Stack
			}
			a.Say("a fault of kverify itself (%v); nothing was verified; please report it with this:\n%s", v, stack)
			code = command.ExitUnknown
		}
	}()
	root := rootCommand(a)
	root.SetArgs(command.Explained(command.FlagsLast(root, a.Args)))
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	err := root.ExecuteContext(ctx)
	var usage *command.UsageError
	if err != nil && !a.Running && !errors.As(err, &usage) && !errors.Is(err, syscall.EPIPE) {
		err = &command.UsageError{Err: err, Hint: "try: kverify help"}
	}
	if err == nil && a.Drained {
		return command.ExitVerified
	}
	if !errors.As(err, &usage) {
		a.SayJudge()
	}
	switch code = command.ExitCode(ctx, err, a.Code); {
	case err == nil || errors.Is(err, syscall.EPIPE):
	case errors.As(context.Cause(ctx), new(command.Stopped)) && !command.OfOutput(err):
		a.Say("%v; nothing was verified", context.Cause(ctx))
	case errors.As(err, &usage) && usage.Hint != "":
		a.Say("%v\n%s", err, usage.Hint)
	default:
		a.Say("%v", err)
	}
	a.SayRemarks()
	return code
}

// Commands is the tree of kverify's commands, of which completions and man pages are
// made. It has no streams and no environment; to run it is [Main]'s.
func Commands() *cobra.Command {
	return rootCommand(&command.App{Getenv: func(string) string { return "" }, Stdout: io.Discard, Stderr: io.Discard})
}
