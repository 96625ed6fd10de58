package registry

import "fmt"

// FormatError says that an answer cannot be read as what was asked for. It is
// no contradiction: such bytes prove nothing either way.
type FormatError struct {
	Subject string // what was asked for: a reference, or "manifest", "image config"
	Why     string // in words that a terminal may show
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: not usable: %s; see what the registry or a proxy before it serves", e.Subject, e.Why)
}

// DigestError says that bytes are not those that their digest names.
type DigestError struct {
	Subject string // the reference or blob that was asked for
	Want    string // "sha256:<hex>", as asked for, or as the registry's header said
	Got     string // of the bytes that came
	Claim   string // who says Want, such as "the reference" or "the header Docker-Content-Digest"
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: %s says %s, but the bytes that came are %s; do not use them", e.Subject, e.Claim, e.Want, e.Got)
}

func badf(format string, args ...any) *FormatError {
	return &FormatError{Subject: "document", Why: fmt.Sprintf(format, args...)}
}
