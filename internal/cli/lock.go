package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

func (a *app) lockCommand() *cobra.Command {
	var flags shared
	c := &cobra.Command{
		Use:   "lock VERSION...",
		Short: "Write down what a release's names hold today, for --lock to compare",
		Long: `Verifies releases as kverify images does, and writes to stdout which digest each image has
on each platform. Given back with --lock, that says what has moved since: another digest
under a name is refuted. Equality proves nothing: what is verified is verified anew.

Only a complete run in which everything is verified makes a lock.`,
		Example: withExamples(
			"kverify lock v1.27.2 > kverify.lock",
			"kverify images v1.27.2 --lock kverify.lock",
			"kubectl get pods -A -o json | kverify verify -f - --lock kverify.lock",
		),
		Args: cobra.MinimumNArgs(1),
	}
	c.RunE = func(c *cobra.Command, args []string) error { return a.lock(c, &flags, args) }
	c.ValidArgsFunction = completeVersions(true, nil)
	flags.add(c)
	flags.addLock(c.Flags())
	c.Flags().Lookup("output").Hidden = true
	return c
}

func (a *app) lock(c *cobra.Command, flags *shared, args []string) error {
	ctx, cancel, set, err := a.begin(c, flags)
	if err != nil {
		return err
	}
	defer cancel()
	v, err := a.verifier(set)
	if err != nil {
		return err
	}
	var versions []release.Version
	for _, spec := range args {
		version, err := a.resolve(ctx, v.Fetch, spec)
		if err != nil {
			return err
		}
		versions = append(versions, version)
	}
	var r report.Report
	a.watch(set, v.Progress, strings.Join(args, " "), func() { r, err = v.Images(ctx, verify.Request{Versions: versions}) })
	a.sayRemarks(set)
	if err != nil {
		return err
	}
	a.code = verdictExit[r.Verdict()]
	if set.lock != "" {
		if err := a.hold(ctx, set, &r); err != nil {
			return err
		}
	}
	l, err := report.NewLock(r)
	if err != nil {
		if r.Verdict() == report.Verified {
			return &usageError{err: err}
		}
		return fmt.Errorf("%w: %s", err, cause(r))
	}
	text, err := l.JSON()
	if err == nil {
		_, err = a.stdout.Write(text)
	}
	return err
}
