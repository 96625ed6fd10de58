package support

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// nodeReader reads a document by its nodes, since a value counts as it is written:
// YAML takes an unquoted 1.30 for the number 1.3. It keeps the error that ends
// the reading, and names what it leaves out.
type nodeReader struct {
	document string
	err      error
	leftOut  []string
}

// maxOdd bounds what is named of a document; more is counted as one.
const maxOdd = 50

func (r *nodeReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{r.document, fmt.Sprintf(format, args...)}
	}
}

// remark names something that was left out, or chosen.
func (r *nodeReader) remark(format string, args ...any) {
	switch len(r.leftOut) {
	case maxOdd:
	case maxOdd - 1:
		r.leftOut = append(r.leftOut, r.document+": more of it is out of form, and not named")
	default:
		r.leftOut = append(r.leftOut, r.document+": "+fmt.Sprintf(format, args...))
	}
}

func (r *nodeReader) leaveOut(n *yaml.Node, what string, err error) {
	line := 0
	if n != nil {
		line = n.Line
	}
	r.remark("line %d: %s was left out: %v", line, what, err)
}

// root reads the document's own fields. One that is given twice is a list of
// both.
func (r *nodeReader) root(data []byte) map[string]*yaml.Node {
	if len(data) > maxDocument {
		r.fail("it has more than %d bytes", maxDocument)
		return nil
	}
	var doc yaml.Node
	if err := decode(data, &doc); err != nil && !errors.Is(err, io.EOF) {
		r.fail("%s", quote(err.Error()))
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := resolve(doc.Content[0])
	if root == nil || root.Kind != yaml.MappingNode {
		r.fail("%s", "it has no fields")
		return nil
	}
	all := map[string]*yaml.Node{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i].Value, resolve(root.Content[i+1])
		if old := all[key]; old != nil && value != nil {
			r.remark("line %d: %s is given twice; both were read", root.Content[i].Line, quote(key))
			value = &yaml.Node{Kind: yaml.SequenceNode, Line: old.Line, Content: append(listOf(old), listOf(value)...)}
		}
		all[key] = value
	}
	return all
}

// decode reads the first document; a panic of the library is an error.
func decode(data []byte, doc *yaml.Node) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is not YAML")
		}
	}()
	return yaml.NewDecoder(bytes.NewReader(data)).Decode(doc)
}

// resolve follows aliases; nil for what leads nowhere, or to nothing.
func resolve(n *yaml.Node) *yaml.Node {
	const most = 8
	for range most {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	if n == nil || n.Kind == yaml.AliasNode || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

// listOf returns the entries of a list. Nothing is not an entry, and anything else
// an entry of its own.
func listOf(n *yaml.Node) []*yaml.Node {
	switch n = resolve(n); {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return append([]*yaml.Node(nil), n.Content...)
	}
	return []*yaml.Node{n}
}

// entries are those of a list, each followed to where it stands.
func (r *nodeReader) entries(what string, n *yaml.Node) (list []*yaml.Node) {
	for _, e := range listOf(n) {
		if e = resolve(e); e != nil {
			list = append(list, e)
		}
	}
	if len(list) > maxEntries {
		r.fail("%d %s; want at most %d", len(list), what, maxEntries)
		return nil
	}
	return list
}

// fields are those of one entry, by name.
type fields map[string]*yaml.Node

// fieldsOf reads an entry. A field that is given twice with two values is an
// error, since nothing says which of them counts.
func fieldsOf(n *yaml.Node) (fields, error) {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, errors.New("it has no fields")
	}
	f := fields{}
	var err error
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, resolve(n.Content[i+1])
		if old, twice := f[key]; twice && !sameText(old, value) {
			err = fmt.Errorf("its field %s is already set: it is given twice", quote(key))
			continue
		}
		f[key] = value
	}
	return f, err
}

func sameText(a, b *yaml.Node) bool {
	x, err1 := textOf(a)
	y, err2 := textOf(b)
	return err1 == nil && err2 == nil && x == y
}

// textOf is a value as it is written; empty for none.
func textOf(n *yaml.Node) (string, error) {
	if n = resolve(n); n == nil {
		return "", nil
	}
	if n.Kind != yaml.ScalarNode {
		return "", errors.New("a list or fields stand where a text is wanted")
	}
	return strings.TrimSpace(n.Value), nil
}

func (f fields) text(name string) (string, error) {
	text, err := textOf(f[name])
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", name, err)
	}
	return text, nil
}

// name tells an entry from others in a message.
func (f fields) name() string {
	if text, err := f.text("release"); err == nil && text != "" {
		return "release " + quote(text)
	}
	return "an entry without a release"
}

// minor reads a minor version, unless there is an error already.
func (f fields) minor(name string, err *error) Minor {
	text, bad := f.text(name)
	if *err != nil || bad != nil {
		*err = first(*err, bad)
		return Minor{}
	}
	m, bad := ParseMinor(text)
	*err = bad
	return m
}

// day reads a day, or one of the words that stand for an unknown one, unless
// there is an error already.
func (f fields) day(name string, err *error) Date {
	text, bad := f.text(name)
	if *err != nil || bad != nil {
		*err = first(*err, bad)
		return ""
	}
	switch strings.ToUpper(text) {
	case "", "N/A", "NA", "TBD", "TBA", "NONE", "UNKNOWN", "NOT PLANNED", "-":
		return ""
	}
	// A day, or the moment that YAML makes of one.
	for _, layout := range []string{time.DateOnly, "2006-1-2", time.RFC3339, time.DateTime} {
		if t, bad := time.Parse(layout, text); bad == nil {
			return Date(t.Format(time.DateOnly))
		}
	}
	*err = fmt.Errorf("its %s %s is not a date", name, quote(text))
	return ""
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
