package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/par"
)

func (a *app) rootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "kverify",
		Short: "One verdict for one Kubernetes version",
		Long:  "kverify proves that the images of a Kubernetes release are the ones that Kubernetes released.",
		Example: withExamples(
			"kverify images v1.27.2  # every image, on every architecture",
			"kverify images v1.27.2 kube-proxy --arch arm64  # one of them",
			"kverify images v1.27.2 --mirror DIR  # with no network",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2  # an image by its name",
			"kverify images v1.27.2 -o json=report.json  # the verdict for a program",
		),
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		PersistentPreRunE:          notEmpty,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := "try: kverify help"
				if like := c.SuggestionsFor(args[0]); len(like) > 0 {
					hint = "did you mean: kverify " + like[0]
				}
				return &usageError{err: fmt.Errorf("there is no command %q; the commands are %s", args[0], commandNames(c)), hint: hint}
			}
			help(a.stderr, c)
			return usagef("no command was given; name one of %s", commandNames(c))
		},
		Args: cobra.ArbitraryArgs,
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		err = fmt.Errorf("%s: %w; correct or leave it out", c.Name(), flagError(err))
		return &usageError{err: err, hint: "try: " + c.CommandPath() + " --help"}
	})
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { help(a.stdout, c) })
	c.AddCommand(a.imagesCommand(), a.downloadCommand(), a.verifyCommand(), a.listCommand(), a.sbomCommand(), a.notesCommand(), a.reportCommand(), a.releasesCommand(), a.skewCommand(), a.policyCommand(), a.trustCommand(), a.mirrorCommand(), a.imageVerifierCommand(), a.lockCommand(), a.versionCommand(), a.completionCommand())
	c.AddCommand(topics()...)
	c.SetHelpCommand(a.helpCommand())
	c.CompletionOptions.DisableDefaultCmd = true
	return c
}

// run executes the command and turns its end into an exit code.
func (a *app) run(ctx context.Context) (code int) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			if p, ok := v.(*par.Panic); ok {
				v, stack = p.Value, p.Stack
			}
			a.say("a fault of kverify itself (%v); nothing was verified; please report it with this:\n%s", v, stack)
			code = exitUnknown
		}
	}()
	root := a.rootCommand()
	root.SetArgs(a.args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	if err != nil && !a.running && !errors.As(err, &usage) && !errors.Is(err, syscall.EPIPE) {
		err = &usageError{err: err, hint: "try: kverify help"}
	}
	if err == nil && a.drained {
		return exitVerified
	}
	if !errors.As(err, &usage) {
		a.sayJudge()
	}
	switch code = exitCode(ctx, err, a.code); {
	case err == nil || errors.Is(err, syscall.EPIPE):
	case errors.As(context.Cause(ctx), new(stopped)):
		a.say("%v; nothing was verified", context.Cause(ctx))
	case errors.As(err, &usage) && usage.hint != "":
		a.say("%v\n%s", err, usage.hint)
	default:
		a.say("%v", err)
	}
	return code
}
