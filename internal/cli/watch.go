package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/watch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/spf13/cobra"
)

// supported is the WHAT that stands for the minors that are supported.
const supported = "supported"

// The least time between two rounds, and the most: what is shorter is no way to treat a registry
// that others pay for.
const (
	leastEvery = time.Minute
	mostEvery  = 31 * 24 * time.Hour
)

func watchCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var own watchFlags
	c := &cobra.Command{
		Use:   "watch [WHAT...] [-f LIST]",
		Short: "Verify again and again, and tell what has changed",
		Long: `Verifies releases and images over and over, and tells of each change in a line on stdout: a
new release, a tag that has another digest, a verdict that is another, and what is refuted,
once. WHAT is a minor such as 1.27, of which the newest patch is watched, a channel such as
stable, a version, an image such as registry.k8s.io/pause:3.10, or the word ` + supported + ` for the
newest patch of every supported minor, which is also what is watched if nothing is named.
-f, --as, --arch and --strict are those of kverify verify; a LIST is read again when it changes.

A round reads the channels and the tags. What is new or has moved is verified at once, as
kverify verify does, what was not verified in every round, and the rest after --reverify.
What cannot be read is unknown. What was refuted stays refuted until it was verified.

With --once, everything is verified once, for a CronJob: the exit code is that of kverify
verify over all of it. --state keeps what was seen, so that a change between two runs is told;
it is a hint, and after a start everything is verified anew.

--metrics serves /metrics for Prometheus and /healthz. --webhook gets a JSON document for each
event, and again until it takes it; no credentials of registries are sent there.

SIGINT and SIGTERM end it, with 130 and 143.`,
		Example: command.WithExamples(
			"kverify watch  # the newest patch of every supported minor, every hour",
			"kverify watch 1.27 registry.k8s.io/pause:3.10 --every 15m  # a minor and an image",
			"kverify watch -f images.txt --state DIR --metrics :9090  # a list, for Prometheus",
			"kverify watch supported -f images.txt --once --state DIR  # a round for a CronJob",
			"kverify watch --state DIR --webhook https://alerts.example.com/kverify --webhook-auth-file FILE",
		),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return slices.DeleteFunc(append([]string{supported}, command.Versions()...), func(w string) bool { return slices.Contains(args, w) }), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&own.once, "once", false, "verify everything once, and end with the exit code of the verdict")
	_ = f.SetAnnotation("once", command.NotFromEnvironment, nil)
	f.DurationVar(&own.every, "every", time.Hour, "begin a round after this `TIME`")
	f.DurationVar(&own.jitter, "jitter", 0, "and up to this `TIME` later, at random (default a tenth of --every)")
	f.DurationVar(&own.reverify, "reverify", 24*time.Hour, "verify what was verified again after this `TIME`")
	f.StringVar(&own.state, "state", "", "keep what was seen, and what waits for the webhook, in this `DIR`")
	f.StringVar(&own.metrics, "metrics", "", "serve /metrics and /healthz on this `ADDRESS`, such as :9090")
	f.StringVar(&own.webhook, "webhook", "", "post each event to this `URL`")
	f.StringVar(&own.authFile, "webhook-auth-file", "", "with what is in this `FILE` as Authorization, such as Bearer SECRET")
	f.StringVarP(&own.output, "output", "o", "text", "write events as `FORMAT`: text, or json for a line of JSON each")
	_ = f.SetAnnotation("output", command.NotFromEnvironment, nil) // KVERIFY_OUTPUT names formats of reports
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	own.seen.add(c)
	flags.AddOver(c)
	c.RunE = func(c *cobra.Command, args []string) error { return watchWhat(a, c, &flags, &own, args) }
	return c
}

// watchWhat runs until it is told to end, or for one round.
func watchWhat(a *command.App, c *cobra.Command, flags *command.Shared, own *watchFlags, args []string) error {
	ctx, cancel, set, err := a.Begin(c, flags)
	if err != nil {
		return err
	}
	defer cancel()
	if err := own.seen.Read(c.Flags()); err != nil {
		return err
	}
	if !c.Flags().Changed("jitter") {
		own.jitter = own.every / 10
	}
	if err := own.check(); err != nil {
		return err
	}
	run := &watching{app: a, set: set, own: own, watch: &watch.Watcher{
		Every: own.every, Jitter: own.jitter, Reverify: own.reverify, Metrics: &watch.Metrics{Tool: command.ThisBuild().Tool()},
	}}
	if err := run.sort(args); err != nil {
		return err
	}
	set.Again, set.Meter, set.Repeats = true, run.watch.Metrics.Meter, &run.watch.Metrics.Repeats
	if _, err := a.Verifier(set); err != nil { // flags that make no sense, before anything is watched
		return err
	}
	a.SayJudge()
	if own.state != "" {
		store, err := watch.OpenStore(own.state)
		if err != nil {
			return &command.UsageError{Err: fmt.Errorf("--state: %w", err)}
		}
		defer store.Close()
		run.watch.Store = store
	}
	hook, err := webhook(ctx, set, own)
	if err != nil {
		return err
	}
	if hook != nil {
		run.watch.Send = hook.Send
	}
	run.watch.Open, run.watch.Tell, run.watch.Say = run.open, run.tell, run.say
	return run.run(ctx)
}

// check holds the flags against each other.
func (own *watchFlags) check() error {
	switch {
	case own.every < leastEvery || own.every > mostEvery:
		return command.Usagef("--every %v is out of range; give %v to %v", own.every, leastEvery, mostEvery)
	case own.jitter < 0 || own.jitter > own.every:
		return command.Usagef("--jitter %v is out of range; give 0s to the time of --every, %v", own.jitter, own.every)
	case own.reverify < own.every:
		return command.Usagef("--reverify %v is shorter than --every %v; what is verified in each round needs no shorter time", own.reverify, own.every)
	case own.output != "text" && own.output != "json":
		return command.Usagef("-o %q: there is no format %q of events; write -o text or json, and > FILE for a file", own.output, own.output)
	case own.once && own.metrics != "":
		return command.Usagef("--once ends after a round, and --metrics serves while it runs; give one of them")
	case !own.once && slices.Contains(own.seen.lists, "-"):
		return command.Usagef("-f -: stdin is read once; name a file, or give --once")
	case own.authFile != "" && own.webhook == "":
		return command.Usagef("--webhook-auth-file is for a webhook, and none is named; add --webhook URL")
	}
	return nil
}

// sort tells channels, versions and images among what was named.
func (r *watching) sort(args []string) error {
	w := r.watch
	if _, err := sight.ParseMapping(command.ImageHost, r.own.seen.as...); err != nil {
		return &command.UsageError{Err: err}
	}
	for _, what := range command.Unique(args) {
		marker, version, notRelease := release.Channel(what)
		switch {
		case what == supported:
			w.Supported = true
		case notRelease == nil && marker == "":
			w.Versions = append(w.Versions, version)
		case notRelease == nil:
			w.Channels = append(w.Channels, what)
		case command.IsLocal(what) || isDigest(what):
			return command.Usagef("%q does not change by itself, or is verified where it lies; write kverify verify %s", what, what)
		default:
			if len(r.own.seen.as) == 0 {
				if _, err := reference(r.app, what); err != nil {
					return err
				}
			}
			r.named = append(r.named, what)
		}
	}
	for _, list := range r.own.seen.lists {
		if list == "" {
			return command.Usagef("-f names no file; write -f FILE")
		}
		if _, err := stampOf(list); err != nil {
			return command.Usagef("-f %s: %w; name a list of images", list, command.PlainError(err))
		}
	}
	if n := len(w.Versions) + len(w.Channels); n > watch.MaxReleases {
		return command.Usagef("%d versions and channels were named, and a watch takes %d; split them over several watches", n, watch.MaxReleases)
	}
	w.Images = len(r.named)+len(r.own.seen.lists) > 0
	w.Supported = w.Supported || len(args) == 0 && !w.Images
	return knownArches(r.own.seen.Arches)
}

// run watches, beside the server of metrics if there is one.
func (r *watching) run(ctx context.Context) error {
	a := r.app
	a.Code = command.ExitUnknown // whatever ends it but a verdict
	if r.own.once {
		v, err := r.watch.Once(ctx)
		a.Code = command.VerdictExit[v]
		var usage *report.UsageError
		if errors.As(err, &usage) && v != report.Refuted {
			return &command.UsageError{Err: err}
		}
		if ctx.Err() == nil {
			if r.set.Quiet {
				a.Say("%s", r.verdictLine(v, err))
			}
			return nil // an error was said, and the verdict is then none of verified
		}
		return err
	}
	if r.own.metrics == "" {
		r.watch.Run(ctx)
		return nil
	}
	served, err := r.listen(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	par.Do(
		func() {
			defer stop()
			err = served(ctx)
		},
		func() {
			defer stop()
			r.watch.Run(ctx)
		},
	)
	return err
}
