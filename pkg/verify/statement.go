package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
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
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// parseStatement reads a statement. Keys that stand twice are refused, since
// two readers would take different ones.
func parseStatement(b []byte) (*statement, error) {
	if err := bounds.JSON(b, bounds.Price{Item: 200, Object: 300, Value: 16}, bounds.Memory); err != nil {
		return nil, err
	}
	if err := uniqueKeys(b); err != nil {
		return nil, err
	}
	s := new(statement)
	if err := json.Unmarshal(b, s); err != nil {
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

// maxDepth caps how deep JSON may be nested: no document of ours is deeper than 12.
const maxDepth = 64

// uniqueKeys refuses JSON in which an object has a key twice, at any depth,
// and anything after the one value.
func uniqueKeys(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := uniqueKeysOf(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func uniqueKeysOf(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			// Go's reader takes a key in any case of letters.
			k := strings.ToLower(fmt.Sprint(key))
			if seen[k] {
				return fmt.Errorf("the key %.60q stands twice", k)
			}
			seen[k] = true
		}
		if err := uniqueKeysOf(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
