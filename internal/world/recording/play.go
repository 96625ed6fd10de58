package recording

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Recording answers as was recorded. It may be used by several goroutines.
type Recording struct {
	dir string

	mu      sync.Mutex
	answers map[string][]Exchange // by key, what is yet to be given; the last is given again and again
	missing []string
}

// Open reads a recording's list; bodies are read when they are asked for.
func Open(dir string) (*Recording, error) {
	f, err := os.Open(filepath.Join(dir, List))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Recording{dir: dir, answers: map[string][]Exchange{}}
	s := bufio.NewScanner(f)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		e, err := readExchange(s.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w; record anew", filepath.Join(dir, List), n, err)
		}
		r.answers[e.key()] = append(r.answers[e.key()], e)
	}
	return r, s.Err()
}

// Missing are the questions to which the recording has no answer.
func (r *Recording) Missing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.missing)
}

// next is the answer to a question: the first time the first that was recorded,
// then the next, and the last for ever.
func (r *Recording) next(question Exchange) (Exchange, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.answers[question.key()]
	if len(list) == 0 {
		r.missing = append(r.missing, question.Method+" "+question.URL)
		return Exchange{}, false
	}
	if len(list) > 1 {
		r.answers[question.key()] = list[1:]
	}
	return list[0], true
}

// errMissing is what a question meets that was not asked when it was recorded:
// no answer, never "there is none".
var errMissing = errors.New("the recording has no answer to this")

// RoundTrip implements [http.RoundTripper].
func (r *Recording) RoundTrip(req *http.Request) (*http.Response, error) {
	question := Exchange{Method: req.Method, URL: Redact(req.URL), Range: req.Header.Get("Range")}
	if req.Body != nil {
		body, err := io.ReadAll(io.LimitReader(req.Body, maxQuestion))
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		question.Question = string(body)
	}
	e, ok := r.next(question)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s %s: %w; record again", question.Method, question.URL, errMissing)
	case e.Failure != "":
		return nil, fmt.Errorf("%s %s: %s, as recorded", question.Method, question.URL, e.Failure)
	}
	var body []byte
	if e.Body != "" {
		kept, err := os.ReadFile(filepath.Join(r.dir, "bodies", e.Body))
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(kept); hex.EncodeToString(sum[:]) != e.Body {
			return nil, fmt.Errorf("%s of %s does not hash to its name; record again", e.Body, r.dir)
		}
		body = kept
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)), StatusCode: e.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: e.Header.Clone(), ContentLength: e.Length, Request: req,
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	var rest io.Reader = bytes.NewReader(body)
	if e.Cut {
		rest = io.MultiReader(rest, after{err: io.ErrUnexpectedEOF})
	}
	resp.Body = io.NopCloser(rest)
	return resp, nil
}
