package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// The exit codes, the same for every command and output format.
const (
	ExitVerified   = 0
	ExitRefuted    = 1
	ExitUsage      = 2
	ExitUnknown    = 3
	exitInterrupt  = 130
	exitTerminated = 143
)

// verdictExit maps a report's verdict to the exit code.
var VerdictExit = map[report.Verdict]int{
	report.Verified: ExitVerified,
	report.Refuted:  ExitRefuted,
	report.Unknown:  ExitUnknown,
}

// ExitCode maps the end of a run to the exit code: why it was stopped, the
// kind of its error, and the code that its report has earned (0 if it made
// none). An error never lets a run end in 0, and never hides a refutation.
func ExitCode(ctx context.Context, err error, earned int) int {
	var stop Stopped
	if errors.As(context.Cause(ctx), &stop) {
		return stop.Code()
	}
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE): // the reader had enough
		return earned
	case errors.Is(err, context.DeadlineExceeded): // --timeout ended it, whatever it was about to read
		if earned == ExitVerified {
			return ExitUnknown
		}
		return earned
	case isUsage(err):
		return ExitUsage
	case earned != ExitVerified:
		return earned
	}
	if OfOutput(err) {
		return ExitUsage
	}
	var word *vouch.Error
	if errors.As(err, &word) && word.Refuted {
		return ExitRefuted
	}
	return ExitUnknown
}

// OfOutput says whether err lies in how an answer was to be written, so that there is one.
func OfOutput(err error) bool {
	var file *outputError
	var refused *render.RefusedError
	return errors.As(err, &file) || errors.As(err, &refused)
}

// isUsage says whether err lies in what the caller asked for.
func isUsage(err error) bool {
	var (
		own     *UsageError
		asked   *verify.UsageError
		version *release.VersionError
		ref     *registry.RefError
		file    *trust.FileError
		minor   *support.MinorError
		skew    *support.SkewError
		span    *release.RangeError
		saved   *report.FileError
		keep    *create.KeepError
	)
	return errors.As(err, &own) || errors.As(err, &asked) || errors.As(err, &version) ||
		errors.As(err, &ref) || errors.As(err, &file) || errors.Is(err, mirror.ErrNotMirror) ||
		errors.As(err, &minor) || errors.As(err, &skew) || errors.As(err, &span) || errors.As(err, &saved) || errors.As(err, &keep)
}

// UsageError reports a command line that cannot be carried out: what was given,
// what is wrong with it and what to write instead. hint is a line of its own.
type UsageError struct {
	Err  error
	Hint string
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

func Usagef(format string, args ...any) error { return &UsageError{Err: fmt.Errorf(format, args...)} }

// An outputError says which file of -o was not written, and why. It makes a run that
// would end in 0 end in 2, and hides no other verdict.
type outputError struct {
	format, file string
	err          error
}

func (e *outputError) Error() string {
	return fmt.Sprintf("-o %s=%s: %v; nothing was written there", e.format, e.file, e.err)
}
func (e *outputError) Unwrap() error { return e.err }

// timeUp is the cause of a context that --timeout ended.
type timeUp time.Duration

func (t timeUp) Error() string { return "--timeout " + time.Duration(t).String() + " was over" }

// Is makes it an end of the run's context, wherever a cause is looked at.
func (t timeUp) Is(target error) bool { return target == context.DeadlineExceeded }

// Stopped is the cause of a context that a signal ended.
type Stopped struct{ Signal os.Signal }

func (s Stopped) Error() string { return "stopped by " + s.Signal.String() }

// Is makes it an end of the run's context, wherever a cause is looked at.
func (s Stopped) Is(target error) bool { return target == context.Canceled }

// by is what a person did.
func (s Stopped) by() string {
	if s.Signal == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "Ctrl-C"
}

func (s Stopped) Code() int {
	if s.Signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupt
}
