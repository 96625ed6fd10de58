package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
)

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

// RefusedError says that a registry did not take what was sent, in its own
// words (opencontainers/distribution-spec, spec.md, "Error Codes").
type RefusedError struct {
	Codes []string // such as "MANIFEST_BLOB_UNKNOWN"; none if it gave no reason
	Words string   // of the first; for a terminal to be escaped
	Err   error    // the request's, a *fetch.Error
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	if len(e.Codes) > 0 {
		fmt.Fprintf(&b, " (it says %s", e.Codes[0])
		if e.Words != "" {
			fmt.Fprintf(&b, ": %s", strings.Trim(strconv.QuoteToASCII(e.Words), `"`))
		}
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap gives the request's error.
func (e *RefusedError) Unwrap() error { return e.Err }

// refused adds the registry's own words to an error, if it gave any.
func refused(err error) error {
	var e *fetch.Error
	if !errors.As(err, &e) || len(e.Body) == 0 {
		return err
	}
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(e.Body, &doc) != nil || len(doc.Errors) == 0 {
		return err
	}
	r := &RefusedError{Err: err}
	for i, it := range doc.Errors[:min(len(doc.Errors), 16)] {
		code := strings.Map(func(c rune) rune {
			if c >= 'A' && c <= 'Z' || c == '_' {
				return c
			}
			return -1
		}, it.Code)
		r.Codes = append(r.Codes, code[:min(len(code), 64)])
		if i == 0 {
			r.Words = it.Message[:min(len(it.Message), 200)]
		}
	}
	return r
}
