package registry

import (
	"encoding/json"
	"errors"
	"fmt"
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
	Want    string // the digest as asked for, or as the registry's header said; of a blob that is too short its size too
	Got     string // of the bytes that came, or how many they were
	Claim   string // who says Want, such as "the reference" or "the header Docker-Content-Digest"
}

func (e *DigestError) Error() string {
	if e.Claim == claimSent {
		return fmt.Sprintf("%s: %s was sent, but the registry says that it took %s; do not use it, and see what stands before the registry", e.Subject, e.Want, e.Got)
	}
	return fmt.Sprintf("%s: %s says %s, but the bytes that came are %s; do not use them", e.Subject, e.Claim, e.Want, e.Got)
}

// claimSent is what a registry is held to that was written to.
const claimSent = "what was sent"

func formatErrorf(format string, args ...any) *FormatError {
	return &FormatError{Subject: "document", Why: fmt.Sprintf(format, args...)}
}

// RefusedError is a registry's refusal in its own words
// (opencontainers/distribution-spec, spec.md, "Error Codes").
type RefusedError struct {
	Codes []string // such as "MANIFEST_BLOB_UNKNOWN"; none if it gave no reason
	Words string   // of the first, message and detail; for a terminal to be escaped
	Note  string   // what kverify has to say of it, such as where no credentials were found
	Err   error    // the request's, a *fetch.Error
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	if len(e.Codes) > 0 || e.Words != "" {
		b.WriteString(" (it says ")
		if len(e.Codes) > 0 {
			b.WriteString(e.Codes[0])
		}
		if len(e.Codes) > 0 && e.Words != "" {
			b.WriteString(": ")
		}
		b.WriteString(quoted(e.Words) + ")")
	}
	if e.Note != "" {
		b.WriteString("; " + e.Note)
	}
	return b.String()
}

// Unwrap gives the request's error.
func (e *RefusedError) Unwrap() error { return e.Err }

const (
	maxRefusals = 16  // errors of one answer that are looked at
	maxWords    = 300 // bytes of a message and its detail that are repeated
)

// refused adds the registry's own words to an error, if it gave any.
func refused(err error) error {
	var e *fetch.Error
	var r *RefusedError
	if !errors.As(err, &e) || errors.As(err, &r) {
		return err
	}
	var doc struct {
		Errors []struct {
			Code, Message string
			Detail        json.RawMessage
		}
	}
	if json.Unmarshal(e.Body, &doc) != nil || len(doc.Errors) == 0 {
		return err
	}
	r = &RefusedError{Err: err}
	for i, it := range doc.Errors[:min(len(doc.Errors), maxRefusals)] {
		code := strings.Map(func(c rune) rune {
			if c >= 'A' && c <= 'Z' || c == '_' {
				return c
			}
			return -1
		}, it.Code)
		if code != "" {
			r.Codes = append(r.Codes, code[:min(len(code), 64)])
		}
		if i == 0 {
			r.Words = strings.TrimSpace(it.Message)
			if more := detail(it.Detail); more != "" && !strings.Contains(r.Words, more) {
				r.Words = strings.TrimPrefix(r.Words+": "+more, ": ")
			}
			r.Words = r.Words[:min(len(r.Words), maxWords)]
		}
	}
	return r
}

// detail reads what registries add to a message: a text, or an object with one.
func detail(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.TrimSpace(text)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return ""
	}
	for _, key := range []string{"reason", "description", "message", "Message", "detail", "name", "Name"} {
		if json.Unmarshal(members[key], &text) == nil && text != "" {
			return strings.TrimSpace(text)
		}
	}
	return ""
}
