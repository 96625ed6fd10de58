package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
)

// maxProvenance is the size of the largest provenance that is read; that of
// v1.23.0-alpha.4 has 114 KB for 461 subjects.
const maxProvenance = 4 << 20

// maxDepth is how deep JSON may be nested; a provenance needs eight.
const maxDepth = 64

// Provenance is what a release's provenance.json says of its subjects: an
// in-toto statement over everything that was staged.
// See https://slsa.dev/spec/v0.1/provenance.
type Provenance struct {
	PredicateType string              `json:"predicateType"` // such as "https://slsa.dev/provenance/v0.1"
	Subjects      []ProvenanceSubject `json:"subjects"`      // in the document's order
}

// ProvenanceSubject is one thing that was built.
type ProvenanceSubject struct {
	Name string `json:"name"` // as written, such as "gs://bucket/stage/BUILD/v1.27.2/gcs-stage/v1.27.2/SHA256SUMS"
	// Path is the subject's path in the release, checked by [CheckPath]. Empty
	// for what the build staged beside it: source and image archives.
	Path   string `json:"path,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	SHA512 string `json:"sha512,omitempty"`
}

// ParseProvenance reads the provenance.json of v. A subject whose staging
// directory is another version's is a [*WrongVersionError]; a path with two
// different hashes, or an object with one key twice, is refused too.
func ParseProvenance(data []byte, v Version) (*Provenance, error) {
	const name = "provenance.json"
	if len(data) > maxProvenance {
		return nil, &LimitError{name, "bytes", maxProvenance}
	}
	bad := func(why string) (*Provenance, error) { return nil, &FormatError{Document: name, Why: why} }
	if err := uniqueKeys(data); err != nil {
		return bad(err.Error())
	}
	var doc struct {
		Type          string `json:"_type"`
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Name   string            `json:"name"`
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := bounds.JSON(data, bounds.Price{Item: 160, Object: 300, Value: 16}, bounds.Memory); err != nil {
		return bad(err.Error())
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return bad(quote(err.Error()))
	}
	if !strings.HasPrefix(doc.Type, "https://in-toto.io/Statement/v") {
		return bad("its type " + quote(doc.Type) + " is not that of an in-toto statement")
	}
	if len(doc.Subject) == 0 {
		return bad("it has no subjects")
	}
	p := &Provenance{PredicateType: doc.PredicateType}
	seen := map[string]ProvenanceSubject{}
	for _, s := range doc.Subject {
		path, err := stagedPath(s.Name, v)
		if err != nil {
			return nil, err
		}
		subject := ProvenanceSubject{Name: s.Name, Path: path, SHA256: s.Digest["sha256"], SHA512: s.Digest["sha512"]}
		if subject.SHA256 == "" && subject.SHA512 == "" {
			return bad("subject " + quote(s.Name) + " has neither sha256 nor sha512")
		}
		if subject.SHA256 != "" && !isHex(subject.SHA256, sha256Hex) || subject.SHA512 != "" && !isHex(subject.SHA512, sha512Hex) {
			return bad("subject " + quote(s.Name) + " has a malformed hash")
		}
		if path != "" {
			old, twice := seen[path]
			if twice && (old.SHA256 != subject.SHA256 || old.SHA512 != subject.SHA512) {
				return nil, &AmbiguousError{name, path, [2]string{old.SHA256, subject.SHA256}}
			}
			seen[path] = subject
		}
		p.Subjects = append(p.Subjects, subject)
	}
	return p, nil
}

// stagedPath finds the path in the release of what a build staged in
// gs://BUCKET/stage/BUILD/VERSION/gcs-stage/VERSION/PATH; empty for anything
// that was staged elsewhere.
func stagedPath(name string, v Version) (string, error) {
	before, after, ok := strings.Cut(name, "/gcs-stage/")
	if !ok {
		return "", nil
	}
	two, path, _ := strings.Cut(after, "/")
	for _, got := range []string{before[strings.LastIndex(before, "/")+1:], two} {
		if got != v.String() {
			return "", &WrongVersionError{"provenance.json", "subject " + quote(name), v.String(), got}
		}
	}
	if err := CheckPath(path); err != nil {
		return "", &FormatError{Document: "provenance.json", Why: err.Error()}
	}
	return path, nil
}

// uniqueKeys refuses JSON in which an object has one key twice, however
// written: which one counts would be the reader's choice. Keys that differ in
// case alone are the same to encoding/json, and so here.
func uniqueKeys(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := uniqueValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON document")
	}
	return nil
}

func uniqueValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("no JSON: %s", quote(err.Error()))
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	keys := map[string]bool{}
	for d.More() {
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return fmt.Errorf("no JSON: %s", quote(err.Error()))
			}
			key, _ := t.(string)
			key = strings.ToLower(strings.ToUpper(key)) // as encoding/json folds letters
			if keys[key] {
				return fmt.Errorf("an object has the key %s twice", quote(key))
			}
			keys[key] = true
		}
		if err := uniqueValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("no JSON: %s", quote(err.Error()))
	}
	return nil
}
