package release

import (
	"fmt"
	"strings"
)

// A NotReleasedError says that a version does not exist, as far as the
// documents that every release adds to can tell. Only [Release.NotReleased] makes it.
type NotReleasedError struct {
	Version  Version
	Document string // what knows nothing of it
	Err      error  // what was met instead, or nil
}

func (e *NotReleasedError) Error() string {
	return fmt.Sprintf("%s was never released: %s knows nothing of it; see \"kverify releases %s\"",
		e.Version, e.Document, e.Version.MinorString())
}

func (e *NotReleasedError) Unwrap() error { return e.Err }

// A NoSectionError says that a CHANGELOG tells nothing of a version. It may be older
// than the version: see [Release.NotReleased].
type NoSectionError struct {
	Version  Version
	Newest   Version // of those that it tells of
	Document string
}

func (e *NoSectionError) Error() string {
	return fmt.Sprintf("%s knows nothing of %s; the newest that it tells of is %s", e.Document, e.Version, e.Newest)
}

// A NotHeldError says that a mirror, which was asked in the place of the network,
// holds nothing of a release. Whether there is such a release it does not say.
type NotHeldError struct {
	Version Version
	Mirror  string   // as it was named
	Holds   []string // the releases that it holds, newest first
}

// maxHeld is how many releases of a mirror are named; the rest are counted.
const maxHeld = 4

func (e *NotHeldError) Error() string {
	holds := "no release"
	if len(e.Holds) > 0 {
		holds = strings.Join(e.Holds[:min(len(e.Holds), maxHeld)], ", ")
	}
	if more := len(e.Holds) - maxHeld; more > 0 {
		holds += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("the mirror %s does not hold %s; it holds %s; kverify mirror show %s lists what it holds", e.Mirror, e.Version, holds, e.Mirror)
}
