package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// Hold holds a report against the lock that --lock names.
func (a *App) Hold(ctx context.Context, set *Settings, r *report.Report) error {
	f, err := fetch.OpenInput(ctx, set.Lock)
	if err != nil {
		return Usagef("--lock %s: %w; name a file that kverify lock wrote", set.Lock, PlainError(err))
	}
	defer func() { _ = f.Close() }()
	l, err := report.ReadLock(set.Lock, f)
	if err != nil {
		var bad *report.LockError
		if errors.As(err, &bad) {
			return &UsageError{Err: fmt.Errorf("--lock %w", err)}
		}
		return err
	}
	h := l.Hold(r)
	if !set.Quiet {
		a.Say("lock %s: %d subjects as they were, %d moved, %d not in it", set.Lock, h.Equal, h.Moved, h.New)
	}
	return nil
}
