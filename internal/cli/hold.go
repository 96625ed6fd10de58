package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// hold holds a report against the lock that --lock names.
func (a *app) hold(ctx context.Context, set *settings, r *report.Report) error {
	f, err := fetch.OpenInput(ctx, set.lock)
	if err != nil {
		return usagef("--lock %s: %w; name a file that kverify lock wrote", set.lock, plainError(err))
	}
	defer func() { _ = f.Close() }()
	l, err := report.ReadLock(set.lock, f)
	if err != nil {
		var bad *report.LockError
		if errors.As(err, &bad) {
			return &usageError{err: fmt.Errorf("--lock %w", err)}
		}
		return err
	}
	h := l.Hold(r)
	if !set.quiet {
		a.say("lock %s: %d subjects as they were, %d moved, %d not in it", set.lock, h.Equal, h.Moved, h.New)
	}
	return nil
}
