package container

import (
	"errors"
	"fmt"
	"io"
)

// ErrNoContainer is wrapped where a path is read to hold no images in any form
// that is known: it may be a package, a program, or a directory of files.
var ErrNoContainer = errors.New("no archive, layout or store of images")

// Error says that a container, or something in it, is malformed. It is
// no contradiction: such bytes prove nothing either way. Where they only end too
// early it wraps [io.ErrUnexpectedEOF].
type Error struct {
	Path  string // as it was given
	Entry string // within it; empty for the whole
	Why   string // in words that a terminal may show
	Err   error  // the cause, or nil
}

func (e *Error) Error() string {
	what := "is malformed"
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		what = "is incomplete"
	}
	return fmt.Sprintf("%s %s: %s; have the tool that wrote it write it again", shownPath(e.Path, e.Entry), what, e.Why)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// shownPath is a path and an entry of it, for a message. An entry is another's word.
func shownPath(path, entry string) string {
	if entry == "" {
		return path
	}
	return fmt.Sprintf("%s: %.200q", path, entry)
}
