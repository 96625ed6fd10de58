package release

import (
	"errors"
	"slices"

	"github.com/kverify/kverify/pkg/fetch"
)

// NotReleased returns a [*NotReleasedError] if what was loaded says that the
// version does not exist: the CHANGELOG, to which every release adds, has no
// section for it or does not exist, and neither does an SBOM. It returns nil
// where that cannot be told:
//
//   - A mirror that does not hold a document says nothing of what was released:
//     see [Release.NotHeld].
//   - A CHANGELOG that a mirror carries is as old as the mirror, and says nothing of
//     versions after the newest that it tells of.
//   - The snapshot that is built in knows the version's minor up to a patch. Of a
//     version up to that only the publisher's own CHANGELOG is believed, and only if it
//     tells of a later one: such a number was skipped.
func (r *Release) NotReleased() error {
	var none *NoSectionError
	noSection := errors.As(r.Changelog.Err, &none)
	if !noSection && !fetch.Is(r.Changelog.Err, fetch.NotFound) {
		return nil
	}
	if r.SBOM.Asked() && !fetch.Is(r.SBOM.Err, fetch.NotFound) {
		return nil // it exists, or may exist: the CHANGELOG is late
	}
	later := noSection && none.Newest.Compare(r.Version) > 0
	newest, known := Newest(r.Version)
	switch {
	case known && r.Version.Compare(newest) <= 0 && !(later && r.Changelog.Origin == fetch.Published):
		return nil
	case r.notThere() != nil && !later:
		return nil
	}
	return &NotReleasedError{Version: r.Version, Document: changelogName + "-" + r.Version.MinorString() + ".md", Err: r.Changelog.Err}
}

// NotHeld returns a [*NotHeldError] if a mirror was asked, and no network, which holds
// nothing of the version by its own lists; nil where [Release.NotReleased] says more.
func (r *Release) NotHeld() error {
	e := r.notThere()
	if e != nil && e.Holds != nil && !slices.Contains(e.Holds, r.Version.String()) && r.NotReleased() == nil {
		return &NotHeldError{Version: r.Version, Mirror: e.Mirror, Holds: e.Holds}
	}
	return nil
}

// notThere is the answer of a mirror which does not hold the SBOM or the CHANGELOG; nil
// without one.
func (r *Release) notThere() *fetch.Error {
	for _, err := range []error{r.SBOM.Err, r.Changelog.Err} {
		var e *fetch.Error
		if errors.As(err, &e) && e.Kind == fetch.NotFound && e.Mirror != "" {
			return e
		}
	}
	return nil
}
