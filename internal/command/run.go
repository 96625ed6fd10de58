package command

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Begin reads the flags and the environment of a command, and starts its
// deadline; the caller cancels, which also closes the mirror that was opened.
func (a *App) Begin(c *cobra.Command, flags *Shared) (ctx context.Context, cancel context.CancelFunc, set *Settings, err error) {
	a.Running = true
	if err := a.FromEnvironment(c); err != nil {
		return nil, nil, nil, err
	}
	if set, err = flags.read(c); err != nil {
		return nil, nil, nil, err
	}
	for _, host := range slices.Sorted(maps.Keys(set.Endpoints)) {
		a.SayLater(meantHost(host))
	}
	if set.Timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(c.Context(), set.Timeout, timeUp(set.Timeout))
	} else {
		ctx, cancel = context.WithCancel(c.Context())
	}
	stop := cancel
	cancel = func() {
		stop()
		set.CloseMirror()
	}
	set.Ctx, set.network, a.quiet = ctx, a.Network, set.Quiet
	a.await = func(what string, work func()) { a.Await(set, what, work) }
	if set.own, err = set.OwnTLS.read(ctx); err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, cancel, set, nil
}

// Verifying wraps a command that makes a report: flags before it, output and
// exit code after it.
func (a *App) Verifying(flags *Shared, work func(context.Context, *verify.Verifier, []string) (report.Report, error)) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.Begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		for _, what := range args {
			if info, err := os.Stat(what); IsLocal(what) && err == nil && info.IsDir() {
				set.judged = append(set.judged, what)
			}
		}
		if set.Endpoints[ImageHost] == nil && !slices.ContainsFunc(args, IsLocal) {
			// Policy and trusted root are read while this travels.
			set.onNetwork = func(live *fetch.Live) { live.Connect(ctx, ImageHost) }
		}
		v, err := a.Verifier(set)
		if err != nil {
			return a.Unvouched(set, err)
		}
		accepted, err := set.accepted(v.Policy)
		if err != nil {
			return err
		}
		var r report.Report
		a.Watch(set, v.Progress, strings.Join(args, " "), func() { r, err = work(ctx, v, args) })
		if err != nil {
			return err // what is to be remarked comes behind it
		}
		a.SayRemarks()
		if set.Lock != "" {
			if err := a.Hold(set, &r); err != nil {
				return err
			}
		}
		r.Accepted = accepted
		if a.Code = VerdictExit[r.Verdict()]; r.Excused() {
			a.Code = VerdictExit[report.Verified]
		}
		return a.Write(r, set)
	}
}
