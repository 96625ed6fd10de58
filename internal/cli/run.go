package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// begin reads the flags and the environment of a command, and starts its
// deadline; the caller cancels.
func (a *app) begin(c *cobra.Command, flags *shared) (ctx context.Context, cancel context.CancelFunc, set *settings, err error) {
	a.running = true
	if err := a.fromEnvironment(c); err != nil {
		return nil, nil, nil, err
	}
	if set, err = flags.read(c); err != nil {
		return nil, nil, nil, err
	}
	if set.timeout > 0 {
		ctx, cancel = context.WithTimeout(c.Context(), set.timeout)
	} else {
		ctx, cancel = context.WithCancel(c.Context())
	}
	set.ctx = ctx
	if set.own, err = set.ownTLS.read(ctx); err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, cancel, set, nil
}

// verifying wraps a command that makes a report: flags before it, output and
// exit code after it.
func (a *app) verifying(flags *shared, work func(context.Context, *verify.Verifier, []string) (report.Report, error)) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		for _, what := range args {
			if info, err := os.Stat(what); isLocal(what) && err == nil && info.IsDir() {
				set.judged = append(set.judged, what)
			}
		}
		if set.endpoints[imageHost] == nil && !slices.ContainsFunc(args, isLocal) {
			// Policy and trusted root are read while this travels.
			set.onNetwork = func(live *fetch.Live) { live.Connect(ctx, imageHost) }
		}
		v, err := a.verifier(set)
		if err != nil {
			return err
		}
		accepted, err := set.accepted(v.Policy)
		if err != nil {
			return err
		}
		var r report.Report
		a.watch(set, v.Progress, strings.Join(args, " "), func() { r, err = work(ctx, v, args) })
		a.sayRemarks(set)
		if err != nil {
			return err
		}
		if set.lock != "" {
			if err := a.hold(ctx, set, &r); err != nil {
				return err
			}
		}
		r.Accepted = accepted
		if a.code = verdictExit[r.Verdict()]; r.Excused() {
			a.code = verdictExit[report.Verified]
		}
		return a.write(r, set)
	}
}
