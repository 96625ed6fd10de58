package release

import "fmt"

// A NotReleasedError says that a version does not exist, as far as the
// documents that every release adds to can tell.
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
