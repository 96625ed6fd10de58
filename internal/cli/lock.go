package cli

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

func lockCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	c := &cobra.Command{
		Use:   "lock VERSION...",
		Short: "Write down what a release's names hold today, for --lock to compare",
		Long: `Verifies releases as kverify images does, and writes to stdout which digest each image has
on each platform. Given back with --lock, that says what has moved since: another digest
under a name is refuted. Equality proves nothing: what is verified is verified anew.

Only a complete run in which everything is verified makes a lock.`,
		Example: command.WithExamples(
			"kverify lock v1.27.2 > kverify.lock",
			"kverify images v1.27.2 --lock kverify.lock",
			"kubectl get pods -A -o json | kverify verify -f - --lock kverify.lock",
		),
		Args: command.Needs(1, -1, "a version", "kverify lock v1.27.2 > kverify.lock"),
	}
	c.RunE = func(c *cobra.Command, args []string) error { return lock(a, c, &flags, args) }
	c.ValidArgsFunction = command.CompleteVersions(false, func([]string) []string { return command.Versions() })
	flags.Add(c)
	flags.AddLock(c.Flags())
	c.Flags().Lookup("output").Hidden = true
	return c
}

func lock(a *command.App, c *cobra.Command, flags *command.Shared, args []string) error {
	if c.Flags().Changed("output") { // KVERIFY_OUTPUT is for the commands that make reports
		what := strings.Join(args, " ")
		return command.Usagef("-o is for a report, and kverify lock writes a lock to stdout; write kverify lock %s > FILE, or for a report kverify images %s -o json=FILE", what, what)
	}
	ctx, cancel, set, err := a.Begin(c, flags)
	if err != nil {
		return err
	}
	defer cancel()
	v, err := a.Verifier(set)
	if err != nil {
		return err
	}
	var versions []release.Version
	for _, spec := range args {
		version, err := a.Resolve(ctx, v.Fetch, spec)
		if err != nil {
			return err
		}
		versions = append(versions, version)
	}
	var r report.Report
	a.Watch(set, v.Progress, strings.Join(args, " "), func() { r, err = v.Images(ctx, verify.Request{Versions: versions}) })
	a.SayRemarks()
	if err != nil {
		return err
	}
	a.Code = command.VerdictExit[r.Verdict()]
	if set.Lock != "" {
		if err := a.Hold(set, &r); err != nil {
			return err
		}
	}
	l, err := report.NewLock(r)
	if err != nil {
		if r.Verdict() == report.Verified {
			return &command.UsageError{Err: err}
		}
		return fmt.Errorf("%w: %s", err, command.Cause(r))
	}
	text, err := l.JSON()
	if err == nil {
		_, err = a.Stdout.Write(text)
	}
	return err
}
