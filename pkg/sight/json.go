package sight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kverify/kverify/internal/bounds"
)

// readJSON reads one or more JSON values, one after the other.
func (f *found) readJSON(ctx context.Context, r io.Reader, each func(cursor) error) error {
	c := newJSONCursor(ctx, r)
	for {
		switch c.kind() {
		case 0:
			_, err := c.next() // the end, or what is wrong there
			if errors.Is(err, io.EOF) {
				return nil
			}
			return f.broken(c, err)
		default:
			if err := each(c); err != nil {
				return f.broken(c, err)
			}
		}
	}
}

// broken words what ended the reading.
func (f *found) broken(c *jsonCursor, err error) error {
	var listed *ListError
	var syntax *jsontext.SyntacticError
	at := c.dec.InputOffset()
	switch {
	case errors.Is(err, errStopped), errors.As(err, &listed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &ListError{Source: f.source, Why: fmt.Sprintf("it breaks off at byte %d, in the middle of a JSON value", at), Hint: "what wrote it may have failed; write it again", Err: err}
	case errors.As(err, &syntax):
		return &ListError{Source: f.source, Why: fmt.Sprintf("it is no JSON at byte %d: %s", syntax.ByteOffset, unexpected(syntax.Err)), Hint: "write it again; a list is JSON, YAML or lines, and not two of them", Err: err}
	}
	return &ListError{Source: f.source, Why: fmt.Sprintf("byte %d: %s", at, err), Hint: "a list that a tool writes has no such thing", Err: err}
}

// unexpected words what is wrong with JSON as a document's reader would.
func unexpected(err error) string {
	return strings.ReplaceAll(fmt.Sprintf("%.120s", err), "invalid character", "unexpected character")
}

// jsonCursor reads a stream. encoding/json's own tokens take five times as long,
// and it would hold a whole cluster's pods.
type jsonCursor struct {
	dec   *jsontext.Decoder
	leash *leash
	names map[string]member
}

// member is a name that was read before: most of a list are the same few.
type member struct {
	name string
	bit  nameSet
}

// maxKnown bounds how many names are kept, and longestName how much of one.
const (
	maxKnown    = 4096
	longestName = 256
)

func newJSONCursor(ctx context.Context, r io.Reader) *jsonCursor {
	l := &leash{ctx: ctx, r: r}
	// Which names may not stand twice, nameSet says; doing it for all would cost a set for each object.
	return &jsonCursor{dec: jsontext.NewDecoder(l, jsontext.AllowDuplicateNames(true)), leash: l, names: map[string]member{}}
}

// next reads one token.
func (c *jsonCursor) next() (jsontext.Token, error) {
	c.leash.until = c.dec.InputOffset() + maxJSONText
	t, err := c.dec.ReadToken()
	if c.dec.StackDepth() > maxDepth {
		err = &bounds.Error{What: "objects and lists in one another", Max: maxDepth}
	}
	return t, err
}

func (c *jsonCursor) kind() byte {
	c.leash.until = c.dec.InputOffset() + maxJSONText
	return byte(c.dec.PeekKind())
}

func (c *jsonCursor) line() int { return 0 }

func (c *jsonCursor) skip() error {
	for depth := c.dec.StackDepth(); ; {
		if _, err := c.next(); err != nil {
			return err
		}
		if c.dec.StackDepth() <= depth {
			return nil
		}
	}
}

func (c *jsonCursor) text() (string, error) {
	if c.kind() != '"' {
		return "", c.skip()
	}
	t, err := c.next()
	if err != nil {
		return "", err
	}
	s := t.String()
	if len(s) > maxKept {
		s = strings.Clone(s[:maxKept])
	}
	return s, nil
}

func (c *jsonCursor) list(visit func() error) error {
	if c.kind() != '[' {
		return c.skip()
	}
	if _, err := c.next(); err != nil {
		return err
	}
	for {
		switch c.kind() {
		case ']', 0:
			_, err := c.next()
			return err
		}
		if err := visit(); err != nil {
			return err
		}
	}
}

func (c *jsonCursor) object(guard nameSet, visit func(name string) error) error {
	if c.kind() != '{' {
		return c.skip()
	}
	if _, err := c.next(); err != nil {
		return err
	}
	var seen nameSet
	for {
		switch c.kind() {
		case '}', 0:
			_, err := c.next()
			return err
		}
		m, err := c.name()
		if err != nil {
			return err
		}
		if err := seen.add(m.name, m.bit&guard); err != nil {
			return err
		}
		if err := visit(m.name); err != nil {
			return err
		}
	}
}

// name reads the name of a member.
func (c *jsonCursor) name() (member, error) {
	raw, err := c.dec.ReadValue()
	if err != nil {
		return member{}, err
	}
	if m, ok := c.names[string(raw)]; ok {
		return m, nil
	}
	if len(raw) > longestName { // none that is looked at, even if each letter is escaped
		return member{name: string(raw[:longestName])}, nil
	}
	name, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return member{}, err
	}
	m := member{name: string(name)}
	m.bit = lookedAt(m.name)
	if len(c.names) < maxKnown {
		c.names[string(raw)] = m
	}
	return m, nil
}

// leash lets a reader go only so far past what was understood, since a decoder
// holds as much as one text has, and ends when the context does. A reader that failed
// once has failed: a decoder that looks ahead twice forgets the error of the first time.
type leash struct {
	ctx   context.Context // a Reader has no parameter for it, and this one lives for one call
	r     io.Reader
	read  int64
	until int64
	err   error
}

func (l *leash) Read(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.read >= maxBytes {
		return 0, &bounds.Error{What: "bytes in one list", Max: maxBytes}
	}
	if l.read >= l.until {
		return 0, &bounds.Error{What: "bytes in one text", Max: maxJSONText}
	}
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.until-l.read)])
	l.read, l.err = l.read+int64(n), err
	return n, err
}
