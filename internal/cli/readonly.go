package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/verify"
)

// readOnlyRun is one run of a command that reads what is published about releases,
// and examines no bytes.
type readOnlyRun struct {
	app      *app
	set      *settings
	verifier *verify.Verifier // nil until something is asked of the world
}

// readOnly wraps such a command: flags before it, a deadline around it.
func (a *app) readOnly(flags *shared, work func(context.Context, *readOnlyRun, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.begin(c, flags)
		if err != nil {
			return err
		}
		defer cancel()
		return work(ctx, &readOnlyRun{app: a, set: set}, args)
	}
}

// ask returns the verifier, and with it everything that is asked of the world.
func (r *readOnlyRun) ask() (*verify.Verifier, error) {
	if r.verifier == nil {
		v, err := r.app.verifier(r.set)
		if err != nil {
			return nil, err
		}
		r.verifier = v
	}
	return r.verifier, nil
}

// resolve turns what was typed into a version.
func (r *readOnlyRun) resolve(ctx context.Context, spec string) (release.Version, error) {
	if _, _, err := release.Channel(spec); err != nil {
		return release.Version{}, err // before anything is opened
	}
	v, err := r.ask()
	if err != nil {
		return release.Version{}, err
	}
	version, err := r.app.resolve(ctx, v.Fetch, spec)
	r.app.sayRemarks(r.set)
	return version, err
}

// remark tells the reader something that is not part of the answer.
func (r *readOnlyRun) remark(format string, args ...any) {
	if !r.set.quiet {
		r.app.say(format, args...)
	}
}

// origin words whose bytes a document is made of.
func origin(o fetch.Origin) string {
	if o == fetch.Published {
		return "published: read from its publisher"
	}
	return "carried: not read from its publisher itself, so it proves nothing unless it is signed"
}
