package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
	"github.com/spf13/cobra"
)

func rootCommand(a *command.App) *cobra.Command {
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
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		PersistentPreRunE:          a.Prepare,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := "try: kverify help"
				if like := c.SuggestionsFor(args[0]); len(like) > 0 {
					hint = "did you mean: kverify " + like[0]
				}
				return &command.UsageError{Err: fmt.Errorf("there is no command %q; the commands are %s", args[0], command.CommandNames(c)), Hint: hint}
			}
			command.Help(a.Stderr, c)
			return command.Usagef("no command was given; name one of %s", command.CommandNames(c))
		},
		Args: cobra.ArbitraryArgs,
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		err = fmt.Errorf("%s: %w; correct or leave it out", c.Name(), command.FlagError(err))
		return &command.UsageError{Err: err, Hint: "try: " + c.CommandPath() + " --help"}
	})
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { command.Help(a.Stdout, c) })
	c.AddCommand(imagesCommand(a), downloadCommand(a), verifyCommand(a), listCommand(a), sbomCommand(a), notesCommand(a), reportCommand(a), releasesCommand(a), skewCommand(a), policyCommand(a), trustCommand(a), mirrorCommand(a), imageVerifierCommand(a), lockCommand(a), versionCommand(a), completionCommand(a))
	c.AddCommand(command.Topics()...)
	c.SetHelpCommand(a.HelpCommand())
	c.CompletionOptions.DisableDefaultCmd = true
	return c
}

// Run executes the command line in a.Args and returns its exit code. It is [Main]
// without a process: whoever calls brings the arguments, the environment, the streams
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
	root.SetArgs(a.Args)
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
	case errors.As(context.Cause(ctx), new(command.Stopped)):
		a.Say("%v; nothing was verified", context.Cause(ctx))
	case errors.As(err, &usage) && usage.Hint != "":
		a.Say("%v\n%s", err, usage.Hint)
	default:
		a.Say("%v", err)
	}
	return code
}
