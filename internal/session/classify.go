package session

import (
	"context"
	"errors"
	"io/fs"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/rootfs"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// Classified is an error that brings its own row of the table: one of a package that
// this one must not know.
type Classified interface {
	error
	// Classify gives the verdict, Refuted only for a contradiction that was read, and its reason.
	Classify() (report.Verdict, report.Reason)
}

// Classify is the table of errors: it maps what went wrong to a verdict and its
// reason, by the error's type. Only a contradiction refutes; whatever could not be
// fetched or read is Unknown.
func Classify(err error) (report.Verdict, report.Reason) {
	var (
		digest  *registry.DigestError
		format  *registry.FormatError
		version *release.WrongVersionError
		wire    *fetch.Error
		crash   *par.Panic
		differs *sigstore.MismatchError
		layer   *rootfs.DiffIDError
		never   *release.NotReleasedError
		auth    *registry.AuthError
		noFiles *release.NoFilesError
		section *release.NoSectionError
		held    *release.NotHeldError
		local   *fetch.FileError
	)
	var own Classified
	switch {
	case errors.As(err, &own):
		return own.Classify()
	case errors.As(err, &never): // before the section that a CHANGELOG does not have, which it may wrap
		return report.Unknown, report.NotReleased
	case errors.As(err, &noFiles), errors.As(err, &section), errors.As(err, &held):
		return report.Unknown, report.Absent
	case errors.As(err, &digest), errors.As(err, &version), errors.As(err, &differs), errors.As(err, &layer):
		return report.Refuted, report.Mismatch
	case errors.Is(err, context.Canceled):
		return report.Unknown, report.Interrupted
	case errors.As(err, &crash):
		return report.Unknown, report.Internal
	case errors.As(err, &wire):
		switch wire.Kind {
		case fetch.Cancelled: // the run ended, by its time limit too
			return report.Unknown, report.Interrupted
		case fetch.NotFound:
			return report.Unknown, report.Absent
		case fetch.TooLarge:
			return report.Unknown, report.Limit
		case fetch.NotDocument:
			return report.Unknown, report.Malformed
		}
		return report.Unknown, report.Unreachable
	case errors.As(err, &auth):
		return report.Unknown, report.Unreachable
	case errors.As(err, &format):
		return report.Unknown, report.Malformed
	case errors.Is(err, rootfs.ErrLimit):
		return report.Unknown, report.Limit
	case errors.Is(err, fetch.ErrTooBig):
		return report.Unknown, report.Limit
	case errors.As(err, &local), errors.Is(err, fs.ErrNotExist): // this machine's: the network is not at fault
		return report.Unknown, report.Incomplete
	case errors.Is(err, sigstore.ErrNoEntry):
		return report.Unknown, report.Absent
	case errors.Is(err, context.DeadlineExceeded): // the run's own limit: a request's comes in a fetch.Error
		return report.Unknown, report.Interrupted
	}
	return report.Unknown, report.Malformed
}
