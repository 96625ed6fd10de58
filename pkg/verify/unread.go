package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
)

// An UnreadError says that something was not found while documents that may
// name it could not be read: nobody can tell whether it exists, so that it is
// no mistake of the caller's.
type UnreadError struct {
	Err    error    // what was not found
	Unread []string // documents that could not be read, and why
}

func (e *UnreadError) Error() string {
	return fmt.Sprintf("as far as could be read, %v; but not everything could be read: %s; run it again when it can be", e.Err, strings.Join(e.Unread, "; "))
}

func notFound(err error, unread []string) error {
	if len(unread) == 0 {
		return err
	}
	return &UnreadError{err, unread}
}

// unread are the documents that may say more of a release and could not be
// read, each with the reason. That a document does not exist, or says that the
// release does not, is an answer; but not of one that every release has.
func (f *facts) unread() (list []string) {
	if f == nil {
		return nil
	}
	if f.rel == nil {
		return []string{f.sbom.signature.Detail}
	}
	note := func(err error, always bool) {
		var never *release.NotReleasedError
		if err == nil || errors.As(err, &never) || !always && fetch.Is(err, fetch.NotFound) {
			return
		}
		if text := err.Error(); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	released := f.rel.NotReleased() == nil
	note(f.rel.SBOM.Err, released && f.signedSince())
	note(f.rel.Changelog.Err, released)
	note(f.rel.Promotion.Err, false)
	note(f.rel.SHA256SUMS.Err, false)
	note(f.rel.SHA512SUMS.Err, false)
	note(f.rel.Provenance.Err, false)
	return list
}
