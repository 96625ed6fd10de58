package verify

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// statement is what an attestation says of which artifacts.
type statement struct {
	Type          string
	Subject       []subject
	PredicateType string
	Predicate     json.RawMessage
}

type subject struct {
	Name   string
	Digest map[string]string
}

// UnmarshalJSON reads members by their exact names.
func (s *subject) UnmarshalJSON(b []byte) error {
	return exactly(b, map[string]any{"name": &s.Name, "digest": &s.Digest})
}

// exactly reads members of an object by their exact names, where encoding/json
// alone would take other letters for them. Members that nobody asks for are left out.
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

// parseStatement reads a statement. Keys that stand twice are refused, also in
// other letters that fold to the same, since two readers would take different ones.
func parseStatement(b []byte) (*statement, error) {
	if err := bounds.JSON(b, bounds.Price{Item: 200, Object: 300, Value: 16}, bounds.Memory); err != nil {
		return nil, err
	}
	if err := strictjson.Check(b); err != nil {
		return nil, err
	}
	s := new(statement)
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
	}
	return s, nil
}

// names says whether the statement has a subject of this digest.
func (s *statement) names(d artifactDigest) bool {
	for _, sub := range s.Subject {
		if sub.Digest[d.algorithm] == hex.EncodeToString(d.sum) {
			return true
		}
	}
	return false
}

// artifactDigest is a digest with its algorithm: sha256, sha384 or sha512.
type artifactDigest struct {
	algorithm string
	sum       []byte
}

func (d artifactDigest) String() string { return d.algorithm + ":" + hex.EncodeToString(d.sum) }

// digestSizes are the algorithms that an artifact may be named by, and their sizes in bytes.
var digestSizes = map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}

// parseDigest reads "sha256:<hex>", likewise sha384 and sha512, in lower case.
func parseDigest(s string) (artifactDigest, error) {
	algorithm, text, _ := strings.Cut(s, ":")
	sum, err := hex.DecodeString(text)
	if err != nil || digestSizes[algorithm] == 0 || len(sum) != digestSizes[algorithm] || text != strings.ToLower(text) {
		return artifactDigest{}, fmt.Errorf("%.150q is not a digest such as sha256: and 64 hex digits", s)
	}
	return artifactDigest{algorithm, sum}, nil
}

// members reads a predicate by the exact names of its members.
type members struct {
	doc any
	err error // the first member that is not of its type
}

func readMembers(b json.RawMessage) (*members, error) {
	m := new(members)
	if len(b) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(b, &m.doc); err != nil {
		return nil, err
	}
	if _, ok := m.doc.(map[string]any); !ok && m.doc != nil {
		return nil, errors.New("not an object")
	}
	return m, nil
}

// get returns what lies under names, nil if nothing does.
func (m *members) get(names ...string) any {
	at := m.doc
	for i, name := range names {
		object, ok := at.(map[string]any)
		if !ok {
			if at != nil && m.err == nil {
				m.err = fmt.Errorf("%s is not an object", strings.Join(names[:i], "."))
			}
			return nil
		}
		at = object[name]
	}
	return at
}

// text returns the string under names, "" if there is none.
func (m *members) text(names ...string) string {
	return as[string](m, names)
}

// texts returns the list of strings under names.
func (m *members) texts(names ...string) []string {
	var out []string
	for _, v := range as[[]any](m, names) {
		s, ok := v.(string)
		if !ok && m.err == nil {
			m.err = fmt.Errorf("%s has a member that is no text", strings.Join(names, "."))
		}
		out = append(out, s)
	}
	return slices.Clip(out)
}

func as[T any](m *members, names []string) T {
	v := m.get(names...)
	out, ok := v.(T)
	if !ok && v != nil && m.err == nil {
		m.err = fmt.Errorf("%s is of another type than it should be", strings.Join(names, "."))
	}
	return out
}
