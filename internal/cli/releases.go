package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render/describe"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
	"github.com/spf13/cobra"
)

func releasesCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	all := false
	c := &cobra.Command{
		Use:   "releases [SPEC]",
		Short: "Say which releases are supported, and which version a channel is",
		Long: `Without SPEC, says of every supported minor version which patch is the newest, when
support ends, and when the next patch is planned. With SPEC, says which version that
is and everything that is known of its minor: every patch, with upstream's notes.

SPEC is stable, latest, 1.27, v1.27, stable-1.27, latest-1.27, stable-1, latest-1, or a
version such as v1.27.2 or v1.28.0-rc.1; every command that takes a VERSION takes the
same. 1.27 is the newest patch of that minor, as is stable-1.27; stable-1 is the newest
of version 1, as kubeadm asks for it; latest follows pre-releases alone.

Where upstream cannot be reached, or a mirror does not hold its schedule, the answer
comes from a snapshot that is built in, and says how old it is.`,
		Example: command.WithExamples(
			"kverify releases  # what is supported today",
			"kverify releases 1.27  # everything about one minor",
			"kverify releases 1.27 -o name  # which version that is, for a script",
			"kverify releases -o name  # the newest patch of every supported minor",
			"kverify releases --all -o json  # of all minors, for a program",
		),
		Args: command.Needs(0, 1, "one SPEC at most", "kverify releases 1.27"),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			if all && len(args) > 0 {
				return command.Usagef("--all lists every minor, and %q asks for one; leave one of them out", args[0])
			}
			return releases(ctx, r, all, strings.Join(args, ""))
		}),
		ValidArgsFunction: command.CompleteVersions(false, nil),
	}
	flags.AddTelling(c, describe.ReleasesFormats...)
	c.Flags().BoolVar(&all, "all", false, "minors that are past their end of life, too")
	_ = c.Flags().SetAnnotation("all", command.NotFromEnvironment, nil)
	return c
}

func releases(ctx context.Context, r *command.ReadOnlyRun, all bool, spec string) error {
	view := describe.ReleasesView{Now: time.Now(), All: all, Spec: spec}
	if spec != "" {
		if _, _, err := release.Channel(spec); err != nil {
			return err // before anything is opened
		}
	}
	if err := command.Judges(r.Set); err != nil {
		return err
	}
	client, err := client(r)
	if err != nil {
		return err
	}
	bare := spec != "" && !slices.ContainsFunc(r.Set.Outputs, func(o command.Output) bool { return o.Format != "name" })
	var unresolved, unread error
	par.Do(
		func() {
			if spec != "" {
				view.Version, unresolved = release.Resolve(ctx, client, spec)
			}
		},
		func() {
			if !bare { // a version's name needs no schedule
				view.Schedule, unread = support.Load(ctx, client)
			}
		},
	)
	if unresolved != nil {
		v, ok := fromSchedule(spec, view.Schedule, time.Now())
		if view.Version = v; ok && ctx.Err() == nil {
			// Said even to --quiet: two of upstream's words differ.
			r.App.Say("%v\n%s is %s by the schedule, as of %s", unresolved, spec, v, view.Schedule.AsOf)
			if !fetch.Is(unresolved, fetch.NotFound) && !fetch.Is(unresolved, fetch.Unreachable) {
				r.App.Code = command.ExitUnknown
			}
		} else if view.Version, err = fromSnapshot(r, spec, unresolved); err != nil {
			return err
		}
	}
	if unread != nil {
		if ctx.Err() != nil {
			return unread
		}
		view.Schedule, view.Embedded = support.Embedded(), true
		r.Remark("%v\nthis is the snapshot built in, %s", unread, snapshotAge())
	}
	if view.Schedule != nil && !view.Embedded {
		for _, odd := range view.Schedule.Odd {
			r.Remark("%s", odd)
		}
	}
	if spec != "" {
		if text := command.Meant(spec, view.Version); text != "" {
			r.Remark("%s", text)
		}
	}
	if _, err := r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
		return describe.Releases(w, view, format, o)
	}); err != nil {
		return err
	}
	if !bare && spec != "" {
		if _, known := view.Schedule.Cycle(support.MinorOf(view.Version)); !known {
			return fmt.Errorf("%s: the schedule as of %s knows no %s; check the version, or whether this kverify is up to date", spec, view.Schedule.AsOf, view.Version.MinorString())
		}
	}
	return nil
}

// client makes the client of a command that trusts nothing and so verifies nothing.
func client(r *command.ReadOnlyRun) (*fetch.Client, error) {
	transport, err := r.App.Transport(r.Set)
	if err != nil {
		return nil, err
	}
	return &fetch.Client{Transport: transport, Full: r.App.Full(nil)}, nil
}

// fromSnapshot answers for a marker that could not be asked for: for want of a
// network, or because the mirror does not hold it. What came and is wrong is
// never replaced, and a command that verifies never asks here: an
// attacker who can cut the network must not be able to choose an old version.
func fromSnapshot(r *command.ReadOnlyRun, spec string, err error) (release.Version, error) {
	absent := r.Set.Mirror != "" && fetch.Is(err, fetch.NotFound)
	if !absent && !fetch.Is(err, fetch.Unreachable) {
		return release.Version{}, err
	}
	marker, _, bad := release.Channel(spec)
	kind, branch, _ := strings.Cut(marker, "-")
	if bad != nil || kind != "stable" { // pre-releases are in no snapshot
		return release.Version{}, err
	}
	v, ok := support.Embedded().Stable(time.Now())
	if branch != "" && strings.Contains(branch, ".") {
		m, bad := support.ParseMinor(branch)
		if bad != nil {
			return release.Version{}, err
		}
		v, ok = release.Newest(release.Version{Major: m.Major, Minor: m.Minor})
	}
	if !ok || branch != "" && !strings.HasPrefix(v.Bare(), branch+".") {
		return release.Version{}, err
	}
	// Said even to --quiet: it changes what the answer means.
	r.App.Say("%v\n%s was %s in the snapshot built in, %s; a newer one may be out", err, spec, v, snapshotAge())
	return v, nil
}

// fromSchedule answers for the newest patch of a minor where its marker does
// not: the schedule, which is no older than what is built in, lists it. It answers
// a question about releases; a command that fetches one asks the marker alone.
func fromSchedule(spec string, s *support.Schedule, now time.Time) (release.Version, bool) {
	marker, _, bad := release.Channel(spec)
	branch, stable := strings.CutPrefix(marker, "stable-")
	m, err := support.ParseMinor(branch)
	if bad != nil || !stable || err != nil || s == nil {
		return release.Version{}, false
	}
	c, _ := s.Cycle(m)
	p, ok := c.Newest(now)
	return p.Version, ok
}

// snapshotAge says how old the snapshot is.
func snapshotAge() string {
	s := support.Embedded()
	days, _ := s.AsOf.DaysBefore(time.Now())
	return fmt.Sprintf("as of %s, %s old", s.AsOf, command.Count(days, "day"))
}
