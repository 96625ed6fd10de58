package command

import (
	"errors"
	"fmt"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// Hold holds a report against the lock that --lock names.
func (a *App) Hold(set *Settings, r *report.Report) error {
	l, err := set.readLock()
	if err != nil {
		return err
	}
	h := l.Hold(r)
	if !set.Quiet {
		a.Say("lock %s: %d subjects as they were, %d moved, %d not in it", set.Lock, h.Equal, h.Moved, h.New)
	}
	return nil
}

// readLock reads the file that --lock names, once: it may be a pipe.
func (set *Settings) readLock() (report.Lock, error) {
	if set.lock != nil {
		return *set.lock, nil
	}
	f, err := fetch.OpenInput(set.Ctx, set.Lock)
	if err != nil {
		return report.Lock{}, Usagef("--lock %s: %w; name a file that kverify lock wrote", set.Lock, PlainError(err))
	}
	defer func() { _ = f.Close() }()
	l, err := report.ReadLock(set.Lock, f)
	if err != nil {
		var bad *report.LockError
		if errors.As(err, &bad) {
			return l, &UsageError{Err: fmt.Errorf("--lock %w", err)}
		}
		return l, err
	}
	set.lock = &l
	return l, nil
}
