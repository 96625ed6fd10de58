package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/sbom"
)

// maxProvenance is the size of the largest provenance that is read; that of
// v1.23.0-alpha.4 has 114 KB for 461 subjects.
const maxProvenance = 4 << 20

// maxDepth is how deep JSON may be nested; a provenance needs eight.
const maxDepth = 64

// ReleaseBucket is where Kubernetes publishes releases. Rehearsals, signed by the
// same identity, go to another one (kubernetes/release, pkg/release/release.go).
const ReleaseBucket = "kubernetes-release"

// Provenance is what a release's provenance.json says of its subjects: an
// in-toto statement over what was built, by itself or in a signed envelope.
// See https://slsa.dev/spec/v0.1/provenance, https://slsa.dev/provenance/v0.2
// and https://slsa.dev/provenance/v1.
type Provenance struct {
	PredicateType string              `json:"predicateType"` // such as "https://slsa.dev/provenance/v0.2"
	BuildType     string              `json:"buildType,omitempty"`
	Builder       string              `json:"builder,omitempty"`
	Subjects      []ProvenanceSubject `json:"subjects"` // in the document's order

	// Statement is the payload of the envelope that the document is, as it was
	// signed; nil for a statement by itself. Whether the signature holds is not
	// looked at here.
	Statement []byte `json:"-"`
}

// ProvenanceSubject is one thing that was built.
type ProvenanceSubject struct {
	Name string `json:"name"` // as written, such as "gs://kubernetes-release/release/v1.27.2/bin/linux/amd64/kubectl"
	// Path is the subject's path in the release, checked by [CheckPath]. Empty
	// for what cannot be placed in it: source and image archives that the build
	// staged beside it, and names in a bucket that is not the release's.
	Path   string `json:"path,omitempty"`
	SHA1   string `json:"sha1,omitempty"`   // it proves nothing; hexadecimal
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	SHA512 string `json:"sha512,omitempty"`

	released bool // named where releases are published
}

// ParseProvenance reads the provenance.json of v: a statement, a Sigstore bundle
// or a DSSE envelope with one in it. Its subjects have the form that is published,
//
//	gs://BUCKET/release/VERSION/PATH
//
// with BUCKET one of those given ([ReleaseBucket] if none is), or that of the
// build, gs://ANY/stage/BUILD/VERSION/gcs-stage/VERSION/PATH.
//
// A subject of another version is a [*WrongVersionError]; a path that stands
// twice without being one claim (see [SBOMFile]) an [*AmbiguousError]. A path of
// no release's form, an object with one key twice, and a document of which no
// subject can be placed in the release, are a [*FormatError].
func ParseProvenance(data []byte, v Version, buckets ...string) (*Provenance, error) {
	if len(data) > maxProvenance {
		return nil, &LimitError{provenanceName, "bytes", maxProvenance}
	}
	if len(buckets) == 0 {
		buckets = []string{ReleaseBucket}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // the mark of UTF-8
	payload, err := unwrap(data)
	if err != nil {
		return nil, err
	}
	p := new(Provenance)
	if payload != nil {
		p.Statement, data = payload, payload
	}
	if err := bounds.JSON(data, bounds.Price{Item: 160, Object: 300, Value: 16}, bounds.Memory); err != nil {
		return nil, noProvenance("%v", err)
	}
	if payload != nil {
		if err := uniqueKeys(data); err != nil {
			return nil, noProvenance("%v", err)
		}
	}
	var doc inTotoStatement
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, noProvenance("%v", strictjson.Plain(err))
	}
	if !strings.HasPrefix(doc.Type, "https://in-toto.io/Statement/v") {
		return nil, noProvenance("its type %s is not that of an in-toto statement", quote(doc.Type))
	}
	if len(doc.Subject) == 0 {
		return nil, noProvenance("it has no subjects")
	}
	p.PredicateType = doc.PredicateType
	p.Builder, p.BuildType = builtBy(doc.PredicateType, doc.Predicate)
	if err := p.assignPaths(doc.Subject, v, buckets); err != nil {
		return nil, err
	}
	return p, nil
}

const provenanceName = "provenance.json"

func noProvenance(format string, args ...any) error {
	return &FormatError{Document: provenanceName, Why: fmt.Sprintf(format, args...)}
}

type inTotoStatement struct {
	Type          string          `json:"_type"`
	PredicateType string          `json:"predicateType"`
	Subject       []inTotoSubject `json:"subject"`
	Predicate     json.RawMessage `json:"predicate"`
}

type inTotoSubject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// unwrap returns what an envelope holds: a Sigstore bundle's, or one by itself
// (github.com/secure-systems-lab/dsse); nil for anything else. It refuses keys
// that appear twice in either.
func unwrap(data []byte) ([]byte, error) {
	type envelope struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
	}
	var doc struct {
		MediaType string    `json:"mediaType"`
		DSSE      *envelope `json:"dsseEnvelope"`
		envelope
	}
	if err := uniqueKeys(data); err != nil {
		return nil, noProvenance("%v", err)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, noProvenance("%v", strictjson.Plain(err))
	}
	in := doc.DSSE
	switch {
	case strings.HasPrefix(doc.MediaType, "application/vnd.dev.sigstore.bundle") && in == nil:
		return nil, noProvenance("it is a Sigstore bundle without a statement")
	case in == nil && doc.PayloadType == "":
		return nil, nil
	case in == nil:
		in = &doc.envelope
	}
	if in.PayloadType != "application/vnd.in-toto+json" {
		return nil, noProvenance("it is an envelope of %s, not of an in-toto statement", quote(in.PayloadType))
	}
	return append([]byte{}, in.Payload...), nil // not nil, however empty
}

// builtBy reads who built, and how, where each edition of SLSA provenance has it.
// A predicate that cannot be read says neither.
func builtBy(predicateType string, predicate json.RawMessage) (builder, buildType string) {
	var p struct {
		Builder         struct{ ID string }   `json:"builder"`   // v0.1, v0.2
		Recipe          struct{ Type string } `json:"recipe"`    // v0.1
		BuildType       string                `json:"buildType"` // v0.2
		BuildDefinition struct {              // v1
			BuildType string `json:"buildType"`
		} `json:"buildDefinition"`
		RunDetails struct {
			Builder struct{ ID string } `json:"builder"`
		} `json:"runDetails"`
	}
	if json.Unmarshal(predicate, &p) != nil {
		return "", ""
	}
	switch predicateType {
	case "https://slsa.dev/provenance/v0.1":
		return p.Builder.ID, p.Recipe.Type
	case "https://slsa.dev/provenance/v0.2":
		return p.Builder.ID, p.BuildType
	case "https://slsa.dev/provenance/v1":
		return p.RunDetails.Builder.ID, p.BuildDefinition.BuildType
	}
	return "", ""
}

// assignPaths finds the path of each subject, and joins those of one path.
func (p *Provenance) assignPaths(subjects []inTotoSubject, v Version, buckets []string) error {
	seen := map[string]*pathClaim{}
	for _, s := range subjects {
		path, released, err := subjectPath(s.Name, v, buckets)
		if err != nil {
			return err
		}
		sums := sbom.Checksums{SHA1: s.Digest["sha1"], SHA256: s.Digest["sha256"], SHA512: s.Digest["sha512"]}
		// A subject that is not a file of a release, such as a commit, claims nothing of one.
		if path != "" && sums.SHA256 == "" && sums.SHA512 == "" {
			return noProvenance("subject %s has neither sha256 nor sha512", quote(s.Name))
		}
		bad := func(sum string, n int) bool { return sum != "" && !isHex(sum, n) }
		if bad(sums.SHA1, sha1Hex) || bad(sums.SHA256, sha256Hex) || bad(sums.SHA512, sha512Hex) {
			return noProvenance("subject %s has a malformed hash", quote(s.Name))
		}
		if path != "" {
			c := seen[path].join(sums)
			if c.differs != nil {
				return c.ambiguous(provenanceName, path)
			}
			seen[path] = c
		}
		p.Subjects = append(p.Subjects, ProvenanceSubject{s.Name, path, sums.SHA1, sums.SHA256, sums.SHA512, released})
	}
	if len(seen) == 0 {
		return noProvenance("it was not read, for none of its %d subjects can be placed in %s: they are named like %s, not gs://%s/release/%s/PATH",
			len(subjects), v, quote(subjects[0].Name), buckets[0], v)
	}
	return nil
}

// Released reports whether every subject is named where releases are published,
// with sha256 and sha512.
func (p *Provenance) Released() bool {
	return !slices.ContainsFunc(p.Subjects, func(s ProvenanceSubject) bool { return !s.released || s.SHA256 == "" || s.SHA512 == "" })
}

// Misplaced lists the names of subjects that can be placed neither in the
// release nor among what a build stages beside it.
func (p *Provenance) Misplaced() (names []string) {
	for _, s := range p.Subjects {
		bucket, rest, _ := strings.Cut(strings.TrimPrefix(s.Name, "gs://"), "/")
		if s.Path == "" && (!strings.HasPrefix(s.Name, "gs://") || bucket == "" || !strings.HasPrefix(rest, "stage/")) {
			names = append(names, s.Name)
		}
	}
	return names
}

// subjectPath finds the path in the release of what is named
// gs://BUCKET/release/VERSION/PATH, with a bucket of those given, or was staged in
// gs://ANY/stage/BUILD/VERSION/gcs-stage/VERSION/PATH; empty for anything else.
func subjectPath(name string, v Version, buckets []string) (path string, released bool, err error) {
	var versions []string
	bucket, rest, _ := strings.Cut(strings.TrimPrefix(name, "gs://"), "/")
	at, inRelease := strings.CutPrefix(rest, "release/")
	if released = strings.HasPrefix(name, "gs://") && inRelease && slices.Contains(buckets, bucket); released {
		var of string
		of, path, _ = strings.Cut(at, "/")
		versions = []string{of}
	} else {
		before, after, ok := strings.Cut(name, "/gcs-stage/")
		if !ok {
			return "", false, nil
		}
		var of string
		of, path, _ = strings.Cut(after, "/")
		versions = []string{before[strings.LastIndex(before, "/")+1:], of}
	}
	for _, got := range versions {
		if got == v.String() {
			continue
		}
		if w, err := ParseVersion(got); err != nil || w.String() != got {
			return "", false, noProvenance("subject %s names no version where one must stand", quote(name))
		}
		return "", false, &WrongVersionError{provenanceName, "subject " + quote(name), v.String(), got}
	}
	if err := CheckPath(path); err != nil {
		return "", false, noProvenance("subject %s: %v", quote(name), err)
	}
	return path, released, nil
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
		return strictjson.Plain(err)
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
				return strictjson.Plain(err)
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
		return strictjson.Plain(err)
	}
	return nil
}
