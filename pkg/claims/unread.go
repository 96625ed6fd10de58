package claims

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
)

// An UnreadError says that something was not found while documents that may
// name it could not be read: kverify cannot tell whether it exists, so that it is
// no mistake of the caller's.
type UnreadError struct {
	Err    error    // what was not found
	Unread []string // documents that could not be read, and why
}

func (e *UnreadError) Error() string {
	return fmt.Sprintf("as far as could be read, %v; but not everything could be read: %s; run it again when it can be", e.Err, strings.Join(e.Unread, "; "))
}

// NotFound is err, or an [*UnreadError] if documents could not be read.
func NotFound(err error, unread []string) error {
	if len(unread) == 0 {
		return err
	}
	return &UnreadError{err, unread}
}

// Unread are the documents that may say more of a release and could not be
// read, each with the reason. That a document does not exist, or says nothing of the
// release, is an answer; but not of one that every release has, nor of a mirror that
// does not hold the release.
func (d *Documents) Unread() (list []string) {
	if d == nil {
		return nil
	}
	if d.Release == nil {
		return []string{d.SBOM.Signature.Detail}
	}
	note := func(err error, always bool) {
		var none *release.NoSectionError
		if err == nil || errors.As(err, &none) || !always && fetch.Is(err, fetch.NotFound) {
			return
		}
		if text := err.Error(); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	if err := d.NotHeld(); err != nil {
		list = append(list, err.Error())
	}
	released := d.Release.NotReleased() == nil
	note(d.Release.SBOM.Err, released && d.SignedSince())
	note(d.Release.Changelog.Err, released)
	note(d.Release.Promotion.Err, false)
	note(d.Release.SHA256SUMS.Err, false)
	note(d.Release.SHA512SUMS.Err, false)
	note(d.Release.Provenance.Err, false)
	return list
}
