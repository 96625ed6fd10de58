package command

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/verify"
)

// ReadOnlyRun is one run of a command that reads what is published about releases,
// and examines no bytes.
type ReadOnlyRun struct {
	App      *App
	Set      *Settings
	verifier *verify.Verifier // nil until something is asked of the world
}

// ReadOnly wraps such a command: flags before it, a deadline around it, and beside it, until
// it writes its answer, whom it waits for.
func (a *App) ReadOnly(flags *Shared, work func(context.Context, *ReadOnlyRun, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.Begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		r := &ReadOnlyRun{App: a, Set: set}
		what := append([]string{strings.TrimPrefix(c.CommandPath(), "kverify ")}, args...)
		a.Await(set, strings.Join(what, " "), func() { err = work(ctx, r, args) })
		return err
	}
}

// Ask returns the verifier, and with it everything that is asked of the world.
func (r *ReadOnlyRun) Ask() (*verify.Verifier, error) {
	if r.verifier == nil {
		v, err := r.App.Verifier(r.Set)
		if err != nil {
			return nil, err
		}
		r.verifier = v
	}
	return r.verifier, nil
}

// Resolve turns what was typed into a version.
func (r *ReadOnlyRun) Resolve(ctx context.Context, spec string) (release.Version, error) {
	if _, _, err := release.Channel(spec); err != nil {
		return release.Version{}, err // before anything is opened
	}
	v, err := r.Ask()
	if err != nil {
		return release.Version{}, err
	}
	version, err := r.App.Resolve(ctx, v.Fetch, spec)
	r.App.SayRemarks()
	return version, err
}

// Remark tells the reader something that is not part of the answer.
func (r *ReadOnlyRun) Remark(format string, args ...any) {
	if !r.Set.Quiet {
		r.App.Say(format, args...)
	}
}

// Origin words whose bytes a document is made of.
func Origin(o fetch.Origin) string {
	if o == fetch.Published {
		return "published: read from its publisher"
	}
	return "carried: not read from its publisher itself, so it proves nothing unless it is signed"
}
