package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
)

// MaxBytes caps a saved report, which is read as it comes: what its results cost in
// memory is capped far below it.
const MaxBytes = 1 << 30

const (
	maxKept   = 136 << 20 // bytes that all results may take once they are read
	maxMember = 16 << 20  // bytes of the text of any other member, such as the scope
	maxResult = 2 << 20   // bytes of the text of one result
)

// Read reads what "-o json" wrote. A saved report is its writer's word, and not
// signed (rule 34): the report is marked as saved. What can be seen to have been
// altered is a [*FileError], such as a verdict that its own checks do not give, a check
// that was taken out, or anything that no run writes.
//
// The text is not held: one result is read after the other, strings that results
// share are kept once, and what all of them take is capped by its cost.
func Read(name string, r io.Reader) (*File, error) {
	fail := func(format string, args ...any) (*File, error) {
		return nil, &FileError{name, fmt.Errorf(format, args...)}
	}
	// What does not begin as a report is not read to its end, which it may not have.
	first := make([]byte, 512)
	n, err := io.ReadFull(r, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &FileError{name, err}
	}
	first = bounds.WithoutBOM(first[:n])
	if err == nil && !bytes.HasPrefix(bytes.TrimLeft(first, " \t\r\n"), []byte("{")) {
		return fail("not a report: it does not begin as JSON")
	}
	sum := sha256.New()
	s := &savedReader{pool: newPool()}
	s.leash = &leash{r: io.TeeReader(io.MultiReader(bytes.NewReader(first), r), sum)}
	s.dec = json.NewDecoder(s.leash)
	if err := s.readObject(); err != nil {
		return nil, &FileError{name, err}
	}
	var said struct {
		Report
		Verdict Verdict `json:"verdict"`
		Counts  *Counts `json:"counts"` // older reports have none
	}
	if err := json.Unmarshal(s.head(), &said); err != nil {
		return fail("not a report: %w", strictjson.Plain(err))
	}
	rep := said.Report
	rep.Saved, rep.Results = true, s.results
	if rep.SchemaVersion != SchemaVersion {
		return fail("of schema version %d, and this kverify reads %d", rep.SchemaVersion, SchemaVersion)
	}
	for i, res := range rep.Results {
		if v := res.Verdict(); v != s.stated[i] {
			return fail("%s is said to be %s, but its checks make it %s", res.Subject, s.stated[i], v)
		}
		if err := rep.Scope.whole(res); err != nil {
			return nil, &FileError{name, err}
		}
	}
	if v := rep.Verdict(); v != said.Verdict {
		return fail("it is said to be %s, but its results make it %s", said.Verdict, v)
	}
	if err := rep.credible(); err != nil {
		return nil, &FileError{name, err}
	}
	if n := rep.Counts(); said.Counts != nil && *said.Counts != n {
		return fail("it counts %+v, and its results are %+v", *said.Counts, n)
	}
	return &File{Name: name, Digest: string(oci.FromHash(sum)), Report: rep}, nil
}

// savedReader reads a report member by member, and its results one by one.
type savedReader struct {
	dec          *json.Decoder
	leash        *leash
	pool         *pool
	otherMembers bytes.Buffer // the members but for the results, each with a comma before it
	results      []Result
	stated       []Verdict // what the report says of each result
}

// head is the report without its results.
func (s *savedReader) head() []byte {
	return append(append([]byte("{"), bytes.TrimPrefix(s.otherMembers.Bytes(), []byte(","))...), '}')
}

// readObject reads exactly one object, of which no two members have names that fold to one.
func (s *savedReader) readObject() error {
	t, err := s.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("not a report: it is a JSON %s, and should be an object", kindOf(t))
	}
	seen := map[string]bool{}
	for s.more() {
		t, err := s.token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		folded := strictjson.Fold(key)
		switch {
		case strings.ContainsRune(key, 0xFFFD):
			return errors.New("not one report: not UTF-8")
		case seen[folded]:
			return fmt.Errorf("not one report: the key %.60q stands twice in one object", key)
		case len(seen) == 1000:
			return &bounds.Error{What: "members", Max: 1000}
		}
		seen[folded] = true
		if folded == strictjson.Fold("results") {
			err = s.readResults()
		} else {
			err = s.readMember(key)
		}
		if err != nil {
			return err
		}
	}
	if _, err := s.token(); err != nil { // its end
		return err
	}
	if _, err := s.token(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("not one report: something comes after it"), s.leash.err)
	}
	return nil
}

func (s *savedReader) readMember(key string) error {
	text, err := s.value(maxMember, bounds.Price{Item: 200, Object: 200, Value: 24})
	if err != nil {
		return err
	}
	if s.otherMembers.Len()+len(text) > maxMember {
		return &bounds.Error{What: "bytes beside its results", Max: maxMember}
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return err
	}
	s.otherMembers.WriteByte(',')
	s.otherMembers.Write(quoted)
	s.otherMembers.WriteByte(':')
	s.otherMembers.Write(text)
	return nil
}

func (s *savedReader) readResults() error {
	t, err := s.token()
	switch {
	case err != nil:
		return err
	case t == nil:
		return nil
	case t != json.Delim('['):
		return fmt.Errorf(`not a report: its "results" cannot be of the kind %s`, kindOf(t))
	}
	for s.more() {
		text, err := s.value(maxResult, bounds.Price{Item: 300, Object: 300, Value: 24})
		if err != nil {
			return err
		}
		var one struct {
			Verdict Verdict `json:"verdict"`
			Result
		}
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("not a report: result %d: %w", len(s.results)+1, strictjson.Plain(err))
		}
		s.results, s.stated = append(s.results, s.pool.result(one.Result)), append(s.stated, one.Verdict)
		if s.pool.cost > maxKept {
			return &bounds.Error{What: "bytes of memory for its results", Max: maxKept}
		}
	}
	_, err = s.token()
	return err
}

// kindOf names what a value begins with.
func kindOf(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "array"
		}
		return "object"
	case string:
		return "string"
	case bool:
		return "bool"
	case nil:
		return "null"
	}
	return "number"
}

// value reads one value, and holds it to its size, its price and the strictness of
// [strictjson.Check].
func (s *savedReader) value(most int64, price bounds.Price) (text json.RawMessage, err error) {
	s.leash.allow(s.dec.InputOffset(), most)
	if err := s.dec.Decode(&text); err != nil {
		return nil, s.broken(err)
	}
	if err := bounds.JSON(text, price, 64<<20); err != nil {
		return nil, err
	}
	if err := strictjson.Check(text); err != nil {
		return nil, fmt.Errorf("not one report: %w", err)
	}
	return text, nil
}

func (s *savedReader) token() (json.Token, error) {
	s.leash.allow(s.dec.InputOffset(), maxResult)
	t, err := s.dec.Token()
	if err != nil && s.leash.err == nil && errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not one report: %w", strictjson.Plain(err))
	}
	return t, s.broken(err)
}

func (s *savedReader) more() bool {
	s.leash.allow(s.dec.InputOffset(), maxResult)
	return s.dec.More()
}

func (s *savedReader) broken(err error) error {
	if err == nil || s.leash.err != nil {
		return s.leash.err
	}
	return fmt.Errorf("not one report: %w", strictjson.Plain(err))
}

// leash lets a decoder read no further than it may: it would hold whatever has no end.
type leash struct {
	r           io.Reader
	read, until int64
	most        int64 // of the part that is read now, for the error
	err         error // why it was held back
}

// ahead is what a decoder may have read and not yet used.
const ahead = 1 << 20

func (l *leash) allow(from, most int64) { l.until, l.most = from+most, most }

func (l *leash) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	most := int64(MaxBytes)
	if l.read > l.until+ahead {
		l.err = &bounds.Error{What: "bytes in one part of it", Max: l.most}
		return 0, l.err
	}
	n, err := l.r.Read(p[:min(len(p), 64<<10)])
	if l.read += int64(n); l.read > most {
		l.err = &bounds.Error{What: "bytes", Max: most}
		return n, l.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}
