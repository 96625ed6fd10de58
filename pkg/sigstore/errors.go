package sigstore

import (
	"errors"
	"fmt"

	"github.com/kverify/kverify/pkg/report"
)

// MismatchError reports two things that must be equal and are not: a contradiction
// that was read.
type MismatchError struct {
	What      string // what contradicts what, in words
	Want, Got string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s (expected %.100s, found %.100s)", e.What, e.Want, e.Got)
}

// EntryError says why no entry of a transparency log counts for a signature. It is
// never a refutation: another shard of the log may hold the entry that counts.
type EntryError struct {
	Reason report.Reason
	Detail string
}

func (e *EntryError) Error() string { return e.Detail }

// ErrNoEntry says that a signature has no log entry beside it.
var ErrNoEntry = errors.New("no log entry beside it")
