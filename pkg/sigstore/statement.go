package sigstore

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
)

// The forms below are the in-toto attestation framework's:
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
const (
	inTotoType  = "application/vnd.in-toto+json" // DSSE payload type
	statementV1 = "https://in-toto.io/Statement/v1"
	statementV0 = "https://in-toto.io/Statement/v0.1"

	// maxSubjects caps the subjects of a statement: a whole release has about 1500.
	maxSubjects = 4096
)

// Statement is an in-toto statement: what an attestation says of which artifacts.
type Statement struct {
	Type          string          // URL of the form, version 0.1 or 1
	Subject       []Subject       // at least one
	PredicateType string          // URL, not empty
	Predicate     json.RawMessage // not read; empty if there is none
}

// Subject is one artifact that a statement is about.
type Subject struct {
	Name   string
	Digest map[string]string // algorithm to lower-case hex, as written
}

// UnmarshalJSON reads members by their exact names.
func (s *Subject) UnmarshalJSON(b []byte) error {
	return exactly(b, map[string]any{"name": &s.Name, "digest": &s.Digest})
}

// exactly reads members of an object by their exact names, where encoding/json
// alone would take other letters for them. Members that no caller asks for are left out.
func exactly(b []byte, into map[string]any) error {
	members, err := strictjson.Object(b)
	if err != nil {
		return err
	}
	for name, to := range into {
		if raw, ok := members[name]; ok {
			if err := json.Unmarshal(raw, to); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// ParseStatement reads a statement of 1 to 4096 subjects, one of which has a digest. Keys that appear twice are refused, also in
// other letters that fold to the same, since two readers would take different ones.
func ParseStatement(b []byte) (*Statement, error) {
	if err := bounds.JSON(b, bounds.Price{Item: 200, Object: 300, Value: 16}, bounds.Memory); err != nil {
		return nil, err
	}
	if err := strictjson.Check(b); err != nil {
		return nil, err
	}
	s := new(Statement)
	if err := exactly(b, map[string]any{"_type": &s.Type, "subject": &s.Subject, "predicateType": &s.PredicateType, "predicate": &s.Predicate}); err != nil {
		return nil, err
	}
	switch {
	case s.Type != statementV1 && s.Type != statementV0:
		return nil, fmt.Errorf("type %.60q is not an in-toto statement", s.Type)
	case s.PredicateType == "":
		return nil, errors.New("no predicate type")
	case len(s.Subject) == 0:
		return nil, errors.New("no subject")
	case len(s.Subject) > maxSubjects:
		return nil, fmt.Errorf("%d subjects, more than %d", len(s.Subject), maxSubjects)
	case !slices.ContainsFunc(s.Subject, func(sub Subject) bool { return len(sub.Digest) > 0 }):
		return nil, errors.New("no subject has a digest") // so that it says nothing of any artifact, and contradicts nothing
	}
	return s, nil
}

// Names says whether the statement has a subject of this digest.
func (s *Statement) Names(d Digest) bool {
	for _, sub := range s.Subject {
		if sub.Digest[d.Algorithm] == hex.EncodeToString(d.Sum) {
			return true
		}
	}
	return false
}
