package sight

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kverify/kverify/internal/bounds"
)

const (
	// maxDocument bounds one YAML document, and maxValues what is in it: a reader
	// makes some 200 bytes of each value before it gives the first. JSON is read as it comes.
	maxDocument = 16 << 20
	maxValues   = int(bounds.Memory / 200)
)

// readYAML reads the documents of a stream, one at a time. A line that begins
// with "---" begins the next wherever it stands, even in the middle of a text
// (YAML 1.2.2, 9.1.2), so that the stream is cut there.
func (f *found) readYAML(ctx context.Context, r *bufio.Reader, each func(cursor) error) error {
	var doc bytes.Buffer
	first, line, bare := 1, 0, true // bare: there is nothing yet but comments and directives
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		part, err := r.ReadSlice('\n')
		whole := line == 0 || doc.Bytes()[doc.Len()-1] == '\n'
		if whole {
			line++
		}
		if whole && marks(part, "---") && !bare {
			if err := f.document(doc.Bytes(), first, each); err != nil {
				return err
			}
			doc.Reset()
			first, bare = line, true
		}
		if bare {
			text := bytes.TrimSpace(part)
			bare = len(text) == 0 || text[0] == '#' || text[0] == '%' || bytes.Equal(text, []byte("---"))
		}
		if doc.Len()+len(part) > maxDocument {
			return f.yamlError(first, &bounds.Error{What: "bytes in one YAML document", Max: maxDocument})
		}
		doc.Write(part)
		switch {
		case errors.Is(err, io.EOF):
			if bare {
				return nil
			}
			return f.document(doc.Bytes(), first, each)
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// marks says whether a line is a marker, perhaps with something behind it.
func marks(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n"))
}

func (f *found) yamlError(line int, err error) error {
	var limit *bounds.Error
	hint := "write it again; a list is JSON, YAML or lines, and not two of them"
	if errors.As(err, &limit) {
		hint = "give it as JSON (-o json), which is read as it comes, or in several documents"
	}
	return &ListError{Source: f.source, Line: line, Why: fmt.Sprintf("a YAML document cannot be read: %s", strings.TrimPrefix(fmt.Sprintf("%.200s", err), "yaml: ")), Hint: hint, Err: err}
}

// document reads what stands between two markers: one document. What follows a line
// of "..." without a marker the library refuses.
func (f *found) document(text []byte, first int, each func(cursor) error) error {
	if bytes.IndexByte(text, 0) >= 0 {
		return f.yamlError(first, errors.New("there are NUL bytes in it"))
	}
	if err := bounds.YAML(text, maxValues); err != nil {
		return f.yamlError(first, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		switch err := decodeYAML(dec, &doc); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return f.yamlError(first, err)
		}
		if len(doc.Content) != 1 || doc.Content[0].ShortTag() == "!!null" {
			continue
		}
		c := &yamlCursor{at: doc.Content[0], before: first - 1}
		if err := c.unaliased(c.at, 0); err != nil {
			return f.yamlError(c.line(), err)
		}
		err := each(c)
		var listed *ListError
		if err == nil || errors.Is(err, errStopped) || errors.As(err, &listed) {
			if err != nil {
				return err
			}
			continue
		}
		return f.yamlError(c.line(), err)
	}
}

// decodeYAML reads one document; a panic of the library is an error.
func decodeYAML(dec *yaml.Decoder, doc *yaml.Node) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is no YAML")
		}
	}()
	return dec.Decode(doc)
}

// yamlCursor stands before a node.
type yamlCursor struct {
	at     *yaml.Node
	before int // lines before the text that was read
}

// unaliased refuses what one reader follows and another does not: anchors,
// aliases, and keys that merge another object into this one.
func (c *yamlCursor) unaliased(n *yaml.Node, depth int) error {
	c.at = n
	switch {
	case depth > maxDepth:
		return &bounds.Error{What: "objects and lists in one another", Max: maxDepth}
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return errors.New("there are anchors and aliases in it, which are not followed; write it out")
	case n.ShortTag() == "!!merge":
		return errors.New(`there is a merge key ("<<") in it, which is not followed; write it out`)
	}
	for _, inner := range n.Content {
		if err := c.unaliased(inner, depth+1); err != nil {
			return err
		}
	}
	if depth == 0 {
		c.at = n
	}
	return nil
}

func (c *yamlCursor) kind() byte {
	switch {
	case c.at.Kind == yaml.MappingNode:
		return '{'
	case c.at.Kind == yaml.SequenceNode:
		return '['
	case c.at.Kind != yaml.ScalarNode:
		return 'n'
	}
	switch c.at.ShortTag() {
	case "!!null":
		return 'n'
	case "!!int", "!!float":
		return '0'
	case "!!bool":
		if strings.EqualFold(c.at.Value, "false") {
			return 'f'
		}
		return 't'
	}
	return '"' // text refuses any other tag
}

func (c *yamlCursor) line() int   { return c.before + c.at.Line }
func (c *yamlCursor) skip() error { return nil }

// text is that of a text, and not of a number: Kubernetes takes none for one either.
func (c *yamlCursor) text() (string, error) {
	if c.kind() != '"' {
		return "", nil
	}
	if tag := c.at.ShortTag(); tag == "!!str" || tag == "!!timestamp" {
		return c.at.Value[:min(len(c.at.Value), maxKept)], nil
	}
	return "", fmt.Errorf("a value has the tag %.40q, which is not read", c.at.Tag)
}

func (c *yamlCursor) list(visit func() error) error {
	if c.at.Kind != yaml.SequenceNode {
		return nil
	}
	for _, c.at = range c.at.Content {
		if err := visit(); err != nil {
			return err
		}
	}
	return nil
}

func (c *yamlCursor) object(guard nameSet, visit func(name string) error) error {
	if c.at.Kind != yaml.MappingNode {
		return nil
	}
	var seen nameSet
	node := c.at
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		c.at = key
		if key.Kind != yaml.ScalarNode {
			return errors.New("a key is no text")
		}
		if err := seen.add(key.Value, lookedAt(key.Value)&guard); err != nil {
			return err
		}
		c.at = node.Content[i+1]
		if err := visit(key.Value); err != nil {
			return err
		}
	}
	return nil
}
